"""Adding, syncing and removing: the index always says what the files say."""

import json
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from deskhand.core import StorageError, UserError
from deskhand.memory import Knowledge

RESET = "# Reset the password\n\nOpen the settings and press Reset password.\n"
BILLS = "# Bills\n\nYour bill arrives on the first day of the month.\n"


def faq(*rows: tuple[str, str, str]) -> str:
    return "\n".join(json.dumps({"id": i, "question": q, "answer": a}) for i, q, a in rows)


def names(report) -> dict[str, list[str]]:
    kinds = ("added", "changed", "removed", "unchanged")
    return {kind: getattr(report, kind) for kind in kinds if getattr(report, kind)}


def touch(path: Path) -> None:
    """As if it had been written an hour earlier or later, so that its date differs."""
    info = path.stat()
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns - 3600 * 10**9))


def sources(knowledge) -> list[str]:
    return [info.source for info in knowledge.list()]


def test_adding_twice_changes_nothing(knowledge, docs, contents, check_whole):
    folder = docs({"a.md": RESET, "sub/b.md": BILLS, "faq.jsonl": faq(("q1", "Why?", "So."))})
    report = knowledge.add([folder])
    assert names(report) == {"added": ["a.md", "q1", "sub/b.md"]}
    assert report.passages == 3
    before = contents(knowledge)
    assert names(knowledge.add([folder])) == {"unchanged": ["a.md", "q1", "sub/b.md"]}
    assert names(knowledge.add([folder / "sub", folder / "a.md"])) == {
        "unchanged": ["a.md", "q1", "sub/b.md"]
    }
    touch(folder / "a.md")
    assert names(knowledge.sync()) == {"unchanged": ["a.md", "q1", "sub/b.md"]}
    assert contents(knowledge) == before
    check_whole(knowledge)


def test_a_change_replaces_and_a_deletion_removes(knowledge, docs, contents, check_whole):
    folder = docs(
        {"a.md": RESET, "b.md": BILLS, "faq.jsonl": faq(("1", "A?", "B"), ("2", "C?", "D"))}
    )
    knowledge.add([folder])
    docs_written = {
        "a.md": RESET.replace("settings", "profile"),
        "faq.jsonl": faq(("2", "C?", "E"), ("3", "F?", "G")),
    }
    for name, text in docs_written.items():
        (folder / name).write_text(text)
    (folder / "b.md").rename(folder / "c.md")
    assert names(knowledge.sync()) == {
        "added": ["3", "c.md"],
        "changed": ["2", "a.md"],
        "removed": ["1", "b.md"],
    }
    assert ("2", "E") in contents(knowledge)
    assert "settings" not in str(contents(knowledge))
    assert "profile" in knowledge.search("How do I reset my password?")[0].text
    check_whole(knowledge)


def test_a_change_of_the_same_length_right_after_adding_is_seen(knowledge, docs, contents):
    folder = docs({"a.md": "Price: 10"})
    knowledge.add([folder])
    stat = (folder / "a.md").stat()
    (folder / "a.md").write_text("Price: 20")
    os.utime(folder / "a.md", ns=(stat.st_atime_ns, stat.st_mtime_ns))  # the same tick of the clock
    assert names(knowledge.sync()) == {"changed": ["a.md"]}
    assert contents(knowledge) == {("a.md", "Price: 20")}


def test_a_file_that_was_emptied_is_withdrawn_and_one_that_broke_stays(
    knowledge, docs, check_whole
):
    folder = docs({"a.md": RESET, "b.md": BILLS, "faq.csv": "id,question,answer\n1,A?,B\n"})
    knowledge.add([folder])
    docs_now = {"a.md": b"", "b.md": b"\x00\x01", "faq.csv": b"id,frage,antwort\n1,A?,B\n"}
    for name, data in docs_now.items():
        (folder / name).write_bytes(data)
    report = knowledge.sync()
    assert names(report) == {"removed": ["a.md"], "unchanged": ["1", "b.md"]}
    reasons = {Path(path).name: reason for path, reason in report.skipped}
    assert reasons["a.md"] == "it is empty"
    assert reasons["b.md"].endswith("what was read from it before stays")
    assert "question and answer are missing" in reasons["faq.csv"]
    check_whole(knowledge)


def test_a_dry_run_writes_nothing(knowledge, docs, tmp_path):
    folder = docs({"a.md": RESET})

    def state():
        dump = [*knowledge._store._db.iterdump()]
        return dump, sorted(p.name for p in (tmp_path / "knowledge").iterdir())

    before = state()
    assert names(knowledge.add([folder], dry_run=True)) == {"added": ["a.md"]}
    assert state() == before
    knowledge.add([folder])
    (folder / "a.md").write_text(RESET * 2)
    (folder / "b.md").write_text(BILLS)
    before = state()
    vectors = knowledge._open_vectors()
    ids = {name: vectors.ids(name) for name in vectors.names()}
    report = knowledge.sync(dry_run=True)
    assert names(report) == {"added": ["b.md"], "changed": ["a.md"]}
    assert report.dry_run
    assert names(knowledge.remove("a.md", dry_run=True)) == {"removed": ["a.md"]}
    assert names(knowledge.add([tmp_path / "docs" / ".."], dry_run=True))["added"]
    assert state() == before
    assert {name: vectors.ids(name) for name in vectors.names()} == ids


def test_a_missing_path_stops_everything(knowledge, docs):
    folder = docs({"a.md": RESET})
    with pytest.raises(UserError, match=r"no such file or folder: .*nowhere"):
        knowledge.add([folder, folder / "nowhere"])
    assert sources(knowledge) == []
    assert names(knowledge.sync()) == {}


def test_a_file_that_cannot_be_read_is_not_remembered(knowledge, docs):
    folder = docs({"a.pdf": b"%PDF\x00", "b.md": b"\x00\x00"})
    report = knowledge.add([folder / "a.pdf", folder / "b.md"])
    assert [reason for _, reason in report.skipped] == [
        "files of type .pdf are not read, only Markdown, text, HTML, CSV and JSONL",
        "it is binary, not text",
    ]
    assert knowledge.sync().skipped == []


def test_a_vanished_folder_keeps_its_passages_and_says_so(knowledge, docs, tmp_path, check_whole):
    folder = docs({"a.md": RESET})
    single = tmp_path / "single.md"
    single.write_text(BILLS)
    knowledge.add([folder, single])
    folder.rename(tmp_path / "elsewhere")
    single.unlink()
    report = knowledge.sync()
    assert names(report) == {"removed": ["single.md"], "unchanged": ["a.md"]}
    assert report.skipped == [
        (str(folder), "it is gone; what was read from it stays until `remove`")
    ]
    assert knowledge.sync().skipped == report.skipped
    assert names(knowledge.remove(str(folder))) == {"removed": ["a.md"]}
    assert knowledge.sync().skipped == []
    check_whole(knowledge)


def test_a_wider_root_takes_over_a_narrower_one(
    knowledge, docs, contents, embedders, tmp_path, check_whole
):
    folder = docs({"a.md": RESET, "sub/b.md": BILLS, "sub/faq.jsonl": faq(("1", "A?", "B"))})
    knowledge.add([folder / "sub", folder / "sub" / "b.md"])
    assert sources(knowledge) == ["1", "b.md"]
    assert names(knowledge.add([folder], dry_run=True))["added"] == ["a.md", "sub/b.md"]
    report = knowledge.add([folder])
    assert names(report) == {"added": ["a.md", "sub/b.md"], "removed": ["b.md"], "unchanged": ["1"]}
    with Knowledge.open(tmp_path / "fresh", embedders) as fresh:
        fresh.add([folder])
        assert contents(fresh) == contents(knowledge)
    assert knowledge._store.roots() == [str(folder)]
    check_whole(knowledge)


def test_roots_whose_names_begin_alike_are_different(knowledge, tmp_path):
    for name in ("docs", "docs2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.md").write_text(RESET)
    knowledge.add([tmp_path / "docs", tmp_path / "docs2"])
    assert names(knowledge.remove(str(tmp_path / "docs"))) == {"removed": ["docs.md"]}
    assert sources(knowledge) == ["docs2.md"]
    assert names(knowledge.sync()) == {"unchanged": ["docs2.md"]}


def test_the_same_names_under_two_roots_stay_apart(knowledge, tmp_path, check_whole):
    for name in ("x/docs", "y/docs", "z/docs"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "a.md").write_text(f"About {name[0]}.")
    for name in "xyz":
        knowledge.add([tmp_path / name / "docs"])
    assert sources(knowledge) == ["a.md", "docs/a.md", "z/docs/a.md"]
    assert names(knowledge.sync()) == {"unchanged": ["a.md", "docs/a.md", "z/docs/a.md"]}
    for name in "yz":
        (tmp_path / name / "docs" / "a.md").write_text(f"About {name}, newly.")
    assert names(knowledge.sync())["changed"] == ["docs/a.md", "z/docs/a.md"]
    shutil.rmtree(tmp_path / "x" / "docs")
    knowledge.remove(str(tmp_path / "x" / "docs"))
    assert names(knowledge.sync())["changed"] == ["a.md"]
    assert sources(knowledge) == ["a.md", "z/docs/a.md"]
    check_whole(knowledge)


def test_the_same_id_in_two_files_stays_apart(knowledge, docs, contents, check_whole):
    folder = docs(
        {
            "a.jsonl": faq(("1", "A?", "B")),
            "b.jsonl": faq(("1", "C?", "D"), ("b.jsonl#1", "E?", "F")),
        }
    )
    knowledge.add([folder])
    assert contents(knowledge) == {
        ("1", "B"),
        ("b.jsonl#1", "D"),
        ("docs/b.jsonl#1", "F"),
    }
    (folder / "b.jsonl").write_text(faq(("1", "C?", "D"), ("b.jsonl#1", "E?", "G")))
    knowledge.sync()
    assert len(contents(knowledge)) == 3
    check_whole(knowledge)


def test_an_entry_keeps_its_name_when_it_moves_to_another_file(
    knowledge, docs, contents, check_whole
):
    folder = docs(
        {"a.jsonl": faq(("1", "A?", "B")), "b.jsonl": faq(("2", "C?", "D"), ("3", "E?", "F"))}
    )
    knowledge.add([folder])
    (folder / "a.jsonl").write_text(faq(("1", "A?", "B"), ("2", "C?", "D")))
    (folder / "b.jsonl").write_text(faq(("3", "E?", "F")))
    assert names(knowledge.sync()) == {"changed": ["2"], "unchanged": ["1", "3"]}
    (folder / "b.jsonl").rename(folder / "0.jsonl")
    assert names(knowledge.sync()) == {"changed": ["3"], "unchanged": ["1", "2"]}
    assert contents(knowledge) == {("1", "B"), ("2", "D"), ("3", "F")}
    check_whole(knowledge)


def test_removing_by_name_by_path_and_by_mistake(
    knowledge, docs, tmp_path, check_whole, monkeypatch
):
    folder = docs({"reset.md": RESET, "sub/bills.md": BILLS, "faq.jsonl": faq(("1", "A?", "B"))})
    single = tmp_path / "single.md"
    single.write_text(RESET)
    knowledge.add([folder, single])
    with pytest.raises(UserError) as error:
        knowledge.remove("rest.md")
    assert "Did you mean reset.md" in error.value.hint
    for nonsense in (
        str(tmp_path / "no" / "way"),
        "\0",
        "x" * 5000,
        "'; DROP TABLE entries; --",
        "a\nb",
    ):
        with pytest.raises(UserError):
            knowledge.remove(nonsense)
    report = knowledge.remove("reset.md")
    assert names(report) == {"removed": ["reset.md"]}
    assert "the next sync reads it again" in report.notes[0]
    check_whole(knowledge)
    assert names(knowledge.sync())["added"] == ["reset.md"]
    monkeypatch.chdir(folder)
    report = knowledge.remove("sub")
    assert names(report) == {"removed": ["sub/bills.md"]}
    assert "the next sync reads it again" in report.notes[0]
    assert knowledge.remove("single.md").notes == []
    assert names(knowledge.sync()) == {
        "added": ["sub/bills.md"],
        "unchanged": ["1", "reset.md"],
    }
    assert names(knowledge.remove(str(folder)))["removed"] == ["1", "reset.md", "sub/bills.md"]
    assert names(knowledge.sync()) == {}
    check_whole(knowledge)


def test_a_source_named_like_a_folder_is_removed_alone(knowledge, docs, monkeypatch, check_whole):
    folder = docs({"a.md": RESET, "faq.jsonl": faq(("docs", "A?", "B"))})
    knowledge.add([folder])
    monkeypatch.chdir(folder.parent)
    assert names(knowledge.remove("docs")) == {"removed": ["docs"]}
    assert sources(knowledge) == ["a.md"]
    check_whole(knowledge)


def test_reading_only_changes_nothing_and_needs_something(knowledge, docs, embedders, tmp_path):
    folder = docs({"a.md": RESET})
    with pytest.raises(StorageError, match="no knowledge") as error:
        Knowledge.open(tmp_path / "empty", embedders, read_only=True)
    assert "knowledge add" in error.value.hint
    assert not (tmp_path / "empty").exists()
    with Knowledge.open(tmp_path / "knowledge", embedders, read_only=True) as reader:
        assert reader.search("password") == []
        assert not (tmp_path / "knowledge" / "chroma").exists()
        for call in (
            lambda: reader.add([folder]),
            reader.sync,
            reader.rebuild,
            lambda: reader.remove("a.md"),
        ):
            with pytest.raises((StorageError, UserError)):
                call()


def test_a_damaged_database_is_named(tmp_path, embedders):
    (tmp_path / "knowledge.db").write_bytes(b"this is no database at all" * 100)
    with pytest.raises(StorageError, match=r"knowledge\.db is damaged"):
        Knowledge.open(tmp_path, embedders)


def test_an_index_of_another_version_is_named_and_left_alone(tmp_path, embedders):
    with sqlite3.connect(tmp_path / "knowledge.db") as database:
        database.execute("CREATE TABLE files (id INTEGER PRIMARY KEY)")
    database.close()
    before = (tmp_path / "knowledge.db").read_bytes()
    for read_only in (False, True):
        with pytest.raises(StorageError, match="another version") as error:
            Knowledge.open(tmp_path, embedders, read_only=read_only)
        assert "add the documents again" in error.value.hint
    assert (tmp_path / "knowledge.db").read_bytes() == before


def test_a_folder_that_is_a_file_is_named(tmp_path, embedders):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="cannot be made"):
        Knowledge.open(tmp_path / "file", embedders)


def test_another_program_that_writes_is_waited_for_and_named(
    knowledge, docs, monkeypatch, tmp_path
):
    folder = docs({"a.md": RESET})
    knowledge._store._db.execute("PRAGMA busy_timeout = 1")
    other = sqlite3.connect(tmp_path / "knowledge" / "knowledge.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match="locked by another program"):
        knowledge.add([folder])
    other.execute("ROLLBACK")
    other.close()
    assert names(knowledge.add([folder])) == {"added": ["a.md"]}


@pytest.mark.parametrize("name", ["a\nb.md", "a'b\".md", "ü—ß.md", "a b;.md", "%s.md"])
def test_fault_35_odd_file_names_are_only_names(knowledge, docs, name, check_whole):
    folder = docs({name: RESET})
    shown = " ".join(name.split())
    assert names(knowledge.add([folder])) == {"added": [shown]}
    assert knowledge.search("reset password")[0].source == shown
    assert names(knowledge.remove(shown)) == {"removed": [shown]}
    check_whole(knowledge)
