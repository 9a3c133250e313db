"""The real English model, and a knowledge folder to fill."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from deskhand.memory import Embedders, Knowledge
from deskhand.memory.indexer import vector_ids
from deskhand.memory.readers import read_file
from deskhand.memory.spaces import spaces
from deskhand.models import english_embeddings


@pytest.fixture(scope="session")
def embedders() -> Embedders:
    return Embedders(english_embeddings(threads=1))


@pytest.fixture
def docs(tmp_path: Path) -> Callable[[Mapping[str, str | bytes]], Path]:
    """Writes files into a folder of documents."""
    folder = tmp_path / "docs"
    folder.mkdir()

    def write(files: Mapping[str, str | bytes]) -> Path:
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return folder

    return write


@pytest.fixture
def knowledge(tmp_path: Path, embedders: Embedders) -> Iterator[Knowledge]:
    with Knowledge.open(tmp_path / "knowledge", embedders) as opened:
        yield opened


@pytest.fixture
def read(tmp_path: Path):
    """Reads one file of the given name and content."""

    def call(name: str, content: str | bytes):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_file(path, name)

    return call


@pytest.fixture
def contents() -> Callable[[Knowledge], set]:
    """Everything a knowledge holds, as (source, passage text)."""

    def of(knowledge: Knowledge) -> set:
        store = knowledge._store
        ids = [row[0] for row in store._rows("SELECT id FROM passages")]
        return {(p.source, p.text) for p in store.passages(ids).values()}

    return of


@pytest.fixture
def check_whole() -> Callable[[Knowledge], None]:
    """Asserts that every passage has its vectors where it belongs, and nothing else has."""

    def check(knowledge: Knowledge) -> None:
        store, vectors = knowledge._store, knowledge._open_vectors()
        passages = store.passages([row[0] for row in store._rows("SELECT id FROM passages")])
        expected: dict[str, set[str]] = {}
        for space in spaces(knowledge.embedders):
            held = [p for p in passages.values() if space.holds(p.language)]
            expected[space.collection("passages")] = {str(p.id) for p in held}
            expected[space.collection("questions")] = {
                i for p in held if p.first for i in vector_ids(p.id, len(p.questions))[1:]
            }
        found = {name: vectors.ids(name) for name in vectors.names()}
        assert found == {n: i for n, i in expected.items() if i or n in found}
        assert store.count_journal() == 0
        assert not knowledge.unsettled()
        store._db.execute("INSERT INTO keywords (keywords) VALUES ('integrity-check')")

    return check
