"""A desk to measure: a throw-away data folder with documents, and a search that is listened to."""

import json
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _common import ROOT, SkippedError, progress

from deskhand.app.desk import new_conversation_id, new_message_id
from deskhand.app.settings import Settings, load_settings
from deskhand.app.wiring import build_embedders, conversations_file, knowledge_folder
from deskhand.core import Message, Reply

if TYPE_CHECKING:
    from deskhand.agents import SupportAgent
    from deskhand.memory import Embedders, Hit, Knowledge, Query, Retrieval

HELP_CENTER = ROOT / "examples" / "help_center"
MULTILINGUAL = "multilingual-e5-small"

_LOOKED_AT = 60  # passages that hold at least five sources; the desk itself sees what it asks for


def models_dir() -> Path:
    """Where the multilingual model lies: as the desk is set up, else where `make chat` puts it.

    Raises:
        SkippedError: It has not been pulled.
    """
    set_up = load_settings(os.environ, Path.cwd()).models_dir
    for folder in (set_up, ROOT / ".deskhand" / "models"):
        if (folder / MULTILINGUAL).is_dir():
            return folder
    raise SkippedError(f"{MULTILINGUAL} is not in {set_up}: deskhand models pull {MULTILINGUAL}")


def plain_environment(**settings: Path) -> dict[str, str]:
    """The environment for a process of the product, with these settings and no others."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("DESKHAND_")}
    return kept | {f"DESKHAND_{name.upper()}": str(path) for name, path in settings.items()}


class SampleDesk:
    """The sample help center in a data folder that is made when it is first asked for."""

    def __init__(self) -> None:
        self._settings: Settings | None = None
        self._folder: Path | None = None

    def settings(self) -> Settings:
        """Settings of a desk that knows the sample help center, with both embedding models.

        Raises:
            SkippedError: The multilingual model is not here.
        """
        if self._settings is None:
            models = models_dir()
            self._folder = Path(tempfile.mkdtemp(prefix="deskhand-bench-"))
            settings = Settings(data_dir=self._folder, models_dir=models)
            with opened(knowledge_folder(settings), build_embedders(settings)) as knowledge:
                started = time.perf_counter()
                report = knowledge.add([HELP_CENTER])
                took = time.perf_counter() - started
            progress(
                f"Loaded {len(report.added)} documents, {report.passages} passages: {took:.1f} s"
            )
            self._settings = settings
        return self._settings

    def environment(self) -> dict[str, str]:
        """The environment for a process that uses this data folder."""
        settings = self.settings()
        return plain_environment(data_dir=settings.data_dir, models_dir=settings.models_dir)

    def remove(self) -> None:
        """Delete the data folder."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


@contextmanager
def opened(folder: Path, embedders: "Embedders") -> Iterator["Knowledge"]:
    """Knowledge in a folder."""
    from deskhand.memory import Knowledge  # noqa: PLC0415 - `help_s` alone need not wait for it

    with Knowledge.open(folder, embedders) as knowledge:
        yield knowledge


@contextmanager
def faq_knowledge(
    entries: Iterable[Mapping[str, str]], *, multilingual: bool = True
) -> Iterator["Knowledge"]:
    """Throw-away knowledge of a FAQ, written to a JSONL file and loaded as a person would.

    Args:
        entries: Each with `id`, `question`, `answer` and, where it is known, `language`.
        multilingual: With both embedding models; otherwise with the English one alone.

    Raises:
        SkippedError: The multilingual model is not here.
    """
    with tempfile.TemporaryDirectory(prefix="deskhand-bench-") as name:
        folder = Path(name)
        lines = [json.dumps(dict(entry), ensure_ascii=False) for entry in entries]
        faq = folder / "faq.jsonl"
        faq.write_text("\n".join(lines) + "\n", "utf-8")
        models = models_dir() if multilingual else folder / "no-models"
        embedders = build_embedders(Settings(data_dir=folder, models_dir=models))
        with opened(folder / "knowledge", embedders) as knowledge:
            started = time.perf_counter()
            report = knowledge.add([faq])
            took = time.perf_counter() - started
            if len(report.added) != len(lines):
                raise RuntimeError(
                    f"{len(lines)} entries, loaded {len(report.added)}: {report.notes}"
                )
            progress(f"Loaded {len(lines)} entries, {report.passages} passages: {took:.1f} s")
            yield knowledge


class Listener:
    """A `Retrieval` that remembers what each turn found, and changes nothing for the desk."""

    def __init__(self, retrieval: "Retrieval") -> None:
        self._retrieval = retrieval
        self._searches: list[list[Hit]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._retrieval, name)

    def find(self, query: "Query", *, limit: int = 10) -> "list[Hit]":
        """As the desk asked; more is remembered, to see five distinct sources."""
        hits = self._retrieval.find(query, limit=max(limit, _LOOKED_AT))
        self._searches.append(hits)
        return hits[:limit]

    def forget(self) -> None:
        """A turn begins."""
        self._searches.clear()

    def found(self) -> "list[Hit]":
        """What the turn went on with: of its searches the one with the best first hit."""
        return max(self._searches, key=lambda hits: hits[0].score if hits else 0.0, default=[])


class _ListenedKnowledge:
    """Knowledge whose searching half is a `Listener`."""

    def __init__(self, knowledge: "Knowledge") -> None:
        self._knowledge = knowledge
        self.listener: Listener | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._knowledge, name)

    def retrieval(self) -> Listener:
        self.listener = Listener(self._knowledge.retrieval())
        return self.listener


@asynccontextmanager
async def listened_agent(
    settings: Settings,
) -> AsyncIterator[tuple["SupportAgent", Listener, dict[str, str]]]:
    """The desk's agent as the desk opens it, its search, and the language of every source."""
    from deskhand.agents import SupportAgent  # noqa: PLC0415 - `help_s` alone need not wait for it

    with opened(knowledge_folder(settings), build_embedders(settings)) as knowledge:
        listened: Any = _ListenedKnowledge(knowledge)
        agent = await SupportAgent.open(
            knowledge=listened,
            checkpoints=conversations_file(settings),
            handoff=settings.support.handoff,
        )
        async with agent:
            assert listened.listener is not None
            languages = {source.source: source.language for source in knowledge.list()}
            yield agent, listened.listener, languages


async def one_turn(desk: Any, text: str, conversation: str | None = None) -> Reply:
    """Ask a desk or an agent, and wait for its reply."""
    message = Message(
        id=new_message_id(), text=text, conversation=conversation or new_conversation_id()
    )
    replies = [part async for part in desk.answer(message) if isinstance(part, Reply)]
    return replies[-1]
