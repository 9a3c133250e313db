"""Stands in for the rooms behind the command line, so that its own behavior is tested alone."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deskhand.app.main import run
from deskhand.core import Citation, Message, Outcome, Reply


@dataclass
class Report:
    added: list = field(default_factory=list)
    changed: list = field(default_factory=list)
    removed: list = field(default_factory=list)
    unchanged: list = field(default_factory=list)
    skipped: list = field(default_factory=list)
    notes: list = field(default_factory=list)
    passages: int = 0
    seconds: float = 0.0
    dry_run: bool = False


@dataclass
class Source:
    source: str
    title: str = "Title"
    kind: str = "markdown"
    language: str = "en"
    passages: int = 2
    path: Path = Path("/docs")


@dataclass
class Hit:
    source: str = "a.md"
    title: str = "A \x1b]0;evil\x07title"
    language: str = "en"
    text: str = "Some text."
    score: float = 0.75
    parts: dict = field(default_factory=lambda: {"dense": 0.8, "keywords": 12.0})


class Embedding:
    def __init__(self) -> None:
        self.loaded = False
        self.broken: BaseException | None = None

    def load(self) -> None:
        if self.broken:
            raise self.broken
        self.loaded = True


@dataclass
class Embedders:
    english: object
    multilingual: object = None
    custom: object = None


@dataclass
class Model:
    name: str
    present: bool
    purpose: str = "embeddings"
    languages: tuple = ("en",)
    disk_mb: int = 118
    memory_mb: int = 300
    license: str = "MIT"


class World:
    """What the stand-ins do; tests change it."""

    def __init__(self) -> None:
        self.report = Report(added=["a.md"], passages=3)
        self.sources: list[Source] = [Source("a.md")]
        self.raises: BaseException | None = None
        self.outcome = Outcome.ANSWERED
        self.asked: list[Message] = []
        self.calls: list[tuple] = []
        self.agent_options: dict = {}
        self.closed: list[str] = []
        self.multilingual = False
        self.interrupted = False
        self.refuses: BaseException | None = None


class Knowledge:
    world: World

    @classmethod
    def open(cls, folder, embedders, *, read_only=False):
        if not read_only:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "some.db").touch()
        return cls()

    def _report(self, *call, progress=None):
        self.world.calls.append(call)
        if self.world.raises:
            raise self.world.raises
        if progress:
            print("a library that prints")  # noqa: T201
            for done in range(101):
                progress("Reading", done, 100)
        return self.world.report

    def add(self, paths, *, dry_run=False, progress=None):
        return self._report("add", tuple(paths), dry_run, progress=progress)

    def sync(self, *, dry_run=False, progress=None):
        return self._report("sync", dry_run, progress=progress)

    def remove(self, source, *, dry_run=False):
        return self._report("remove", source, dry_run)

    def rebuild(self, *, progress=None):
        return self._report("rebuild", progress=progress)

    def list(self):
        return self.world.sources

    def search(self, question, *, language=None, limit=10):
        self.world.calls.append(("search", question, limit))
        return [Hit()]

    def retrieval(self):
        if self.world.refuses:
            raise self.world.refuses

    def unsettled(self):
        return self.world.interrupted

    def close(self):
        self.world.closed.append("knowledge")


class SupportAgent:
    world: World

    @classmethod
    async def open(cls, **options):
        cls.world.agent_options = options
        return cls()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        self.world.closed.append("agent")

    async def answer(self, message):
        self.world.asked.append(message)
        if self.world.raises:
            raise self.world.raises
        cited = (Citation("a.md", "A", "Yes", 1),)
        yield Reply(self.world.outcome, "Yes [1].", message.conversation, cited)

    async def history(self, conversation):
        return [("person", "Hello")]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    world = World()
    monkeypatch.setattr(Knowledge, "world", world, raising=False)
    monkeypatch.setattr(SupportAgent, "world", world, raising=False)
    for target, value in {
        "deskhand.memory.Knowledge": Knowledge,
        "deskhand.memory.Embedders": Embedders,
        "deskhand.agents.SupportAgent": SupportAgent,
        "deskhand.agents.draw_mermaid": lambda: "graph TD;",
        "deskhand.models.english_embeddings": Embedding,
        "deskhand.models.multilingual_embeddings": lambda _: (
            Embedding() if world.multilingual else None
        ),
        "deskhand.models.custom_embeddings": lambda _: Embedding(),
        "deskhand.models.list_models": lambda _: [
            Model("all-MiniLM-L6-v2", True),
            Model("multilingual-e5-small", world.multilingual),
        ],
        "deskhand.models.pull_model": lambda name, folder, *, progress: folder / name,
    }.items():
        monkeypatch.setattr(target, value, raising=False)
    monkeypatch.setenv("DESKHAND_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return world


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict:
        return json.loads(self.out)


@pytest.fixture
def deskhand(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Runs a command in this process."""

    def call(*arguments: str) -> Result:
        code = run(arguments)
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call
