"""The file of the conversations: what is kept in it, what is refused, what a failure does."""

import json
import sqlite3
from contextlib import closing

import pytest

from deskhand.agents.checkpoints import PlainSerializer
from deskhand.core import Outcome, StorageError

WARRANTY = "How long does the warranty last?"


@pytest.fixture
def file(tmp_path):
    return tmp_path / "conversations.sqlite"


def rows(file, query, *values):
    with closing(sqlite3.connect(file)) as database:
        found = database.execute(query, values).fetchall()
        database.commit()
    return found


async def test_only_the_newest_checkpoint_is_kept(talk, file):
    sizes = []
    for number in range(24):
        await talk.ask(f"Hello {'x' * 2000} {number}")
        sizes.append(rows(file, "SELECT sum(length(checkpoint)) FROM checkpoints")[0][0])
    assert rows(file, "SELECT count(*) FROM checkpoints") == [(1,)]
    assert rows(file, "SELECT count(*) FROM writes")[0][0] <= 20
    # Twice the turns, about twice the size: nothing is kept twice.
    assert sizes[23] < 2.5 * sizes[11]
    pages = rows(file, "PRAGMA page_count")[0][0] * rows(file, "PRAGMA page_size")[0][0]
    assert pages < 4 * sizes[23]


async def test_a_message_of_a_megabyte_is_not_kept(talk, file):
    await talk.ask("Hello " + "x" * 1_000_000)
    assert rows(file, "SELECT sum(length(checkpoint)) FROM checkpoints")[0][0] < 50_000


async def test_a_crash_before_the_pruning_is_made_up_for(talk, file, monkeypatch):
    async def crash(*_):
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr("deskhand.agents.support.keep_newest", crash)
        for _ in range(3):
            assert (await talk.ask("Hello")).outcome is Outcome.ANSWERED
    assert rows(file, "SELECT count(*) FROM checkpoints")[0][0] > 1
    await talk.ask("Hello")
    assert rows(file, "SELECT count(*) FROM checkpoints") == [(1,)]
    assert len(await talk.turns()) == 4


async def test_fault_33_a_row_that_names_a_class_is_refused(talk, file, monkeypatch):
    called = []
    monkeypatch.setattr("subprocess.Popen.__init__", lambda *a, **k: called.append(a))
    await talk.ask("Hello")
    evil = {"lc": 2, "type": "constructor", "id": ["subprocess", "Popen"], "args": [["true"]]}
    revived = {
        "lc": 1,
        "type": "constructor",
        "id": ["langchain_core", "prompts", "PromptTemplate"],
    }
    for kind, content in (
        ("pickle", b"cposix\nsystem\n(S'true'\ntR."),
        ("msgpack", b"\xc7\x01\x05\x00"),
        ("json", b"\xff\xfe"),
    ):
        rows(file, "UPDATE checkpoints SET type = ?, checkpoint = ?", kind, content)
        with pytest.raises(StorageError, match="cannot be read"):
            await talk.ask("Hello")
        with pytest.raises(StorageError, match="Begin a new conversation"):
            await talk.agent.history("talk")
    for value in (evil, revived):
        content = json.dumps({"value": value}).encode()
        assert PlainSerializer().loads_typed(("json", content)) == {"value": value}
    assert called == []
    # Other conversations are not affected.
    assert await talk.agent.history("other") == []


async def test_fault_34_markers_of_serialized_objects_stay_text(open_agent, talk):
    text = 'Where is {"lc": 1, "type": "secret", "id": ["PATH"]} in Australia? __pregel_tasks'
    await talk.ask(text)
    await talk.agent.aclose()
    talk.agent = await open_agent()
    assert await talk.turns() == [text]
    assert text in (await talk.agent.history("talk"))[1][1]


def test_state_is_plain_data_only():
    serializer = PlainSerializer()
    with pytest.raises(TypeError, match="plain data"):
        serializer.dumps_typed({"state": object()})
    assert serializer.loads_typed(serializer.dumps_typed(ValueError("secret"))) == "ValueError"
    odd = {"text": "\ud800 ☃", "none": None}
    assert serializer.loads_typed(serializer.dumps_typed(odd)) == odd


async def test_a_conversation_of_a_newer_version_is_refused(talk, file):
    await talk.ask("Hello")
    content = json.loads(rows(file, "SELECT checkpoint FROM checkpoints")[0][0])
    content["channel_values"]["version"] = 99
    rows(file, "UPDATE checkpoints SET checkpoint = ?", json.dumps(content).encode())
    with pytest.raises(StorageError, match="newer version"):
        await talk.ask("Hello")
    assert rows(file, "SELECT count(*) FROM checkpoints") == [(1,)]


async def test_fault_37_a_full_disk_in_a_turn(talk):
    await talk.ask("Hello", "t0")
    connection = talk.agent._saver.conn
    cursor = await connection.execute("PRAGMA page_count")
    (pages,) = await cursor.fetchone()
    await connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageError, match="disk is full"):
        await talk.ask("Where is Australia? " + "x" * 3900, "t1")
        await talk.ask("Where is Australia? " + "y" * 3900, "t2")
    kept = await talk.turns()
    assert kept[0] == "Hello"
    await connection.execute("PRAGMA max_page_count = 1073741823")
    assert (await talk.ask(WARRANTY, "t3")).outcome is Outcome.ANSWERED
    assert await talk.turns() == [*kept, WARRANTY]


async def test_a_damaged_file_is_told(open_agent, file):
    file.write_bytes(b"no database at all, but long enough to be looked at " * 40)
    with pytest.raises(StorageError, match="damaged"):
        await open_agent()


async def test_a_file_that_cannot_be_opened_is_told(open_agent, tmp_path):
    with pytest.raises(StorageError, match="cannot be opened or written"):
        await open_agent(checkpoints=tmp_path)
    (tmp_path / "a file").touch()
    with pytest.raises(StorageError, match="could not be kept"):
        await open_agent(checkpoints=tmp_path / "a file" / "x.sqlite")


async def test_a_failure_while_opening_releases_everything(
    open_agent, knowledge, monkeypatch, file
):
    def broken():
        raise RuntimeError("secret")

    monkeypatch.setattr(knowledge, "retrieval", broken)
    with pytest.raises(RuntimeError, match="secret"):
        await open_agent()
    file.unlink()
