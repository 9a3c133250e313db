"""Which embedding models an index was built with, and what happens when they change."""

import json
import sqlite3
import warnings
from dataclasses import dataclass

import numpy as np
import pytest
from chromadb.utils import embedding_functions

from deskhand.core import SettingsError, StorageError
from deskhand.memory import Embedders, Knowledge, indexer
from deskhand.memory.vectors import Vectors
from deskhand.models import multilingual_embeddings

DOCS = {
    "a.md": "# Bills\n\nYour bill arrives on the first day of the month.\n",
    "b.md": "# Účty\n\nVyúčtování dostanete první den v měsíci poštou.\n",
    "faq.jsonl": json.dumps({"id": "q", "question": "Who pays for shipping?", "answer": "We do."}),
}


@dataclass
class Renamed:
    """The English model under another name and fingerprint, as an operator's own."""

    inner: object
    name: str
    fingerprint: str

    def embed_array(self, texts, kind):
        return self.inner.embed_array(texts, kind)

    def embed_tokens(self, texts, kind):
        return self.inner.embed_tokens(texts, kind)


@pytest.fixture(scope="session")
def both(embedders, multilingual_model) -> Embedders:
    return Embedders(
        embedders.english, multilingual_embeddings(multilingual_model.parent, threads=1)
    )


@pytest.fixture
def own(embedders) -> Embedders:
    return Embedders(embedders.english, custom=Renamed(embedders.english, "acme/own model", "1"))


@pytest.fixture
def index(docs, tmp_path, embedders):
    """A folder with an index built with the models given."""

    def build(models: Embedders):
        folder = docs(DOCS)
        with Knowledge.open(tmp_path / "index", models) as knowledge:
            knowledge.add([folder])
        return tmp_path / "index"

    return build


def assert_refused(knowledge: Knowledge) -> None:
    for call in (knowledge.sync, knowledge.retrieval, lambda: knowledge.search("bill")):
        with pytest.raises(SettingsError) as error:
            call()
        assert "deskhand knowledge rebuild" in error.value.hint


def test_another_model_is_refused_until_a_rebuild(index, embedders, own, check_whole, contents):
    folder = index(embedders)
    with Knowledge.open(folder, own) as knowledge:
        before = contents(knowledge)
        assert_refused(knowledge)
        assert knowledge.unsettled()
        assert [info.source for info in knowledge.list()] == ["a.md", "b.md", "q"]
        report = knowledge.rebuild()
        assert report.unchanged == ["a.md", "b.md", "q"]
        check_whole(knowledge)
        assert contents(knowledge) == before
        assert knowledge.search("When does the bill come?")[0].source == "a.md"
    with Knowledge.open(folder, embedders) as knowledge:
        assert_refused(knowledge)
        knowledge.rebuild()
        check_whole(knowledge)


def test_the_same_name_with_other_vectors_is_refused(index, embedders, own):
    folder = index(own)
    changed = Embedders(embedders.english, custom=Renamed(embedders.english, "acme/own model", "2"))
    with Knowledge.open(folder, changed) as knowledge:
        assert_refused(knowledge)


def test_removing_works_with_the_wrong_model(index, embedders, own, check_whole):
    folder = index(embedders)
    with Knowledge.open(folder, own) as knowledge:
        assert knowledge.remove("a.md").removed == ["a.md"]
    with Knowledge.open(folder, embedders) as knowledge:
        assert "a.md" not in [info.source for info in knowledge.list()]
        check_whole(knowledge)


def test_a_multilingual_model_appears_and_is_settled_by_sync(index, embedders, both, check_whole):
    folder = index(embedders)
    with Knowledge.open(folder, both) as knowledge:
        assert knowledge.unsettled()
        assert knowledge.search("When does the bill come?")[0].source == "a.md"
        assert knowledge.sync().unchanged == ["a.md", "b.md", "q"]
        check_whole(knowledge)
        hits = knowledge.search("Kdy přijde vyúčtování?", language="cs")
        assert {hit.source for hit in hits} == {"a.md", "b.md", "q"}


def test_a_multilingual_model_disappears_and_is_settled_by_sync(
    index, embedders, both, check_whole
):
    folder = index(both)
    with Knowledge.open(folder, embedders) as knowledge:
        assert knowledge.unsettled()
        assert isinstance(knowledge.search("When does the bill come?"), list)
        knowledge.sync()
        check_whole(knowledge)
        assert knowledge.search("When does the bill come?")[0].source == "a.md"


def test_new_readers_read_every_root_again(index, embedders, tmp_path, monkeypatch):
    folder = index(embedders)
    other = tmp_path / "other.md"
    other.write_text("Another page.")
    monkeypatch.setattr("deskhand.memory.indexer.READER_VERSION", "next")
    read = []
    original = indexer.read_file

    def counted(path, source):
        read.append(source)
        return original(path, source)

    monkeypatch.setattr(indexer, "read_file", counted)
    with Knowledge.open(folder, embedders) as knowledge:
        knowledge.add([other])
        assert read == ["other.md"]
        knowledge.sync()
        assert set(read) == {"other.md", "a.md", "b.md", "faq.jsonl"}


def test_a_damaged_vector_index_is_named_and_can_be_rebuilt(index, embedders, check_whole):
    folder = index(embedders)
    (folder / "chroma" / "chroma.sqlite3").write_bytes(b"garbage" * 1000)
    with Knowledge.open(folder, embedders) as knowledge:
        with pytest.raises(StorageError) as error:
            knowledge.search("bill")
        assert "deskhand knowledge rebuild" in error.value.hint
        knowledge.rebuild()
        check_whole(knowledge)
        assert knowledge.search("When does the bill come?")[0].source == "a.md"


@pytest.mark.parametrize("where", ["config_json_str", "schema_str", "sparse"])
def test_fault_42_a_stored_embedding_function_is_never_built(
    index, embedders, check_whole, monkeypatch, where
):
    built = []

    class Evil:
        @staticmethod
        def build_from_config(config):
            built.append(config)
            raise AssertionError("built")

    folder = index(embedders)
    known = embedding_functions.known_embedding_functions
    monkeypatch.setitem(known, "sentence_transformer", Evil)
    monkeypatch.setitem(embedding_functions.sparse_known_embedding_functions, "splade", Evil)
    config = {"model_name": "evil/repo", "device": "cpu", "kwargs": {"trust_remote_code": True}}
    function = {"type": "known", "name": "sentence_transformer", "config": config}
    database = sqlite3.connect(folder / "chroma" / "chroma.sqlite3")
    column = "config_json_str" if where == "config_json_str" else "schema_str"
    for name, text in database.execute(f"SELECT name, {column} FROM collections").fetchall():
        stored = json.loads(text)
        if where == "config_json_str":
            stored["embedding_function"] = function
        elif where == "schema_str":
            vector = stored["keys"]["#embedding"]["float_list"]["vector_index"]
            vector["config"]["embedding_function"] = function
        else:
            sparse = stored["defaults"]["sparse_vector"]["sparse_vector_index"]
            sparse["config"]["embedding_function"] = {**function, "name": "splade"}
        database.execute(
            f"UPDATE collections SET {column} = ? WHERE name = ?", (json.dumps(stored), name)
        )
    if where == "config_json_str":  # what an older Chroma wrote
        database.execute("UPDATE collections SET schema_str = NULL")
    database.commit()
    database.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Knowledge.open(folder, embedders) as knowledge:
            with pytest.raises(StorageError, match="embedding function of its own") as error:
                knowledge.search("When does the bill come?")
            assert "rebuild" in error.value.hint
            with pytest.raises(StorageError):
                knowledge.remove("a.md")
            knowledge.rebuild()
            check_whole(knowledge)
    assert built == []


def test_vectors_that_chroma_cannot_take_are_an_error_for_people(tmp_path):
    vectors = Vectors(tmp_path / "chroma")
    vectors.add("english-all-passages", ["1"], np.eye(3, dtype=np.float32)[:1])
    with pytest.raises(StorageError, match="vector index"):
        vectors.add("english-all-passages", ["2"], np.eye(4, dtype=np.float32)[:1])
    vectors.close()
