"""Killed, interrupted or out of disk at any point: the next sync makes it good."""

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deskhand.core import StorageError
from deskhand.memory import Knowledge
from deskhand.memory.indexer import Indexer
from deskhand.memory.store import Store
from deskhand.memory.vectors import Vectors

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def write_docs(folder: Path, *, version: int) -> None:
    """Some articles and a FAQ; of three kinds of change between the two versions."""
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    for n in range(version * 2, 8 + version * 2):
        text = f"# Article {n}\n\nThe answer of article {n} is {n * n + version * (n % 2)}.\n"
        (folder / f"a{n}.md").write_text(text)
    rows = [
        {
            "id": f"f{n}",
            "questions": [f"What is {n}?", f"Which is {n}?"],
            "answer": f"It is {n + version}.",
        }
        for n in range(version * 3, 10 + version * 3)
    ]
    (folder / "faq.jsonl").write_text("\n".join(map(json.dumps, rows)))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, embedders):
    """A folder with an index of the first version, and one of the second, made in peace."""
    top = tmp_path_factory.mktemp("crashes")
    for version in (0, 1):
        write_docs(top / "docs", version=version)
        with Knowledge.open(top / f"index{version}", embedders) as knowledge:
            knowledge.add([top / "docs"])
    return top


@pytest.fixture(scope="module")
def crash() -> Callable:
    program = [
        sys.executable,
        "-P",
        "-W",
        "ignore",
        str(Path(__file__).with_name("crash_child.py")),
    ]
    child = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(**job: object) -> int:
        child.stdin.write(json.dumps(job) + "\n")
        child.stdin.flush()
        return int(child.stdout.readline())

    yield run
    child.stdin.close()
    child.wait()
    child.stdout.close()


def start(prepared: Path, tmp_path: Path, what: str) -> tuple[Path, Path]:
    """Documents of the second version, and the index before the command."""
    docs, index = prepared / "docs", tmp_path / "index"
    write_docs(docs, version=1)
    if what == "sync":
        shutil.copytree(prepared / "index0", index)
    elif what == "rebuild":
        shutil.copytree(prepared / "index1", index)
    return docs, index


def assert_good(index: Path, docs: Path, prepared: Path, embedders, contents, check_whole) -> None:
    with Knowledge.open(index, embedders) as knowledge:
        assert isinstance(knowledge.search("What is the answer of article 5?"), list)
        # Killed before the folder was noted, `add` has not happened: it is run again.
        knowledge.sync() if knowledge._store.roots() else knowledge.add([docs])
        check_whole(knowledge)
        assert knowledge.search("What is the answer of article 5?")[0].source == "a5.md"
        with Knowledge.open(prepared / "index1", embedders) as fresh:
            assert contents(knowledge) == contents(fresh)
        assert not (index / "chroma.old").exists()


POINTS = [
    ("add", "in the transaction", 3),
    ("add", "after the commit", 1),
    ("add", "in the middle of vectors", 1),
    ("add", "in the middle of vectors", 2),
    ("add", "before the journal is cleared", 1),
    ("sync", "in the transaction", 1),
    ("sync", "after the commit", 1),
    ("sync", "before vectors are deleted", 1),
    ("sync", "after vectors are deleted", 1),
    ("sync", "after vectors are written", 1),
    ("sync", "in the middle of vectors", 2),
    ("sync", "before the journal is cleared", 2),
    ("rebuild", "after forgetting", 1),
    ("rebuild", "while discarding", 1),
    ("rebuild", "while discarding", 2),
    ("rebuild", "after discarding", 1),
    ("rebuild", "in the middle of vectors", 1),
]


@pytest.mark.parametrize(("what", "point", "count"), POINTS)
def test_killed_at_a_point(
    prepared, crash, tmp_path, embedders, contents, check_whole, what, point, count
):
    docs, index = start(prepared, tmp_path, what)
    code = crash(what=what, point=point, count=count, docs=str(docs), folder=str(index))
    assert code == -signal.SIGKILL
    assert_good(index, docs, prepared, embedders, contents, check_whole)


@pytest.mark.parametrize("what", ["add", "sync", "rebuild"])
def test_killed_at_random(prepared, crash, tmp_path, embedders, contents, check_whole, what):
    docs, index = start(prepared, tmp_path, what)
    chance = random.Random(what)
    for _ in range(4):  # Each kill meets what the one before has left.
        milliseconds = chance.randrange(20, 600)
        crash(what=what, point="at random", count=milliseconds, docs=str(docs), folder=str(index))
    assert_good(index, docs, prepared, embedders, contents, check_whole)


@pytest.mark.parametrize(
    ("owner", "name", "count"),
    [
        (Store, "add_entry", 2),
        (Indexer, "settle", 1),
        (Vectors, "add", 1),
        (Vectors, "add", 2),
        (Vectors, "delete", 1),
        (Store, "clear_journal", 1),
        (Store, "rename_entries", 1),
    ],
)
def test_ctrl_c_leaves_a_store_that_goes_on(
    prepared, tmp_path, embedders, contents, check_whole, monkeypatch, owner, name, count
):
    _, index = start(prepared, tmp_path, "sync")
    original, calls = getattr(owner, name), []

    def interrupted(*arguments, **options):
        calls.append(name)
        result = original(*arguments, **options)
        if len(calls) == count:
            raise KeyboardInterrupt
        return result

    with Knowledge.open(index, embedders) as knowledge:
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(owner, name, interrupted)
            knowledge.sync()
        knowledge.search("What is the answer of article 5?")
        knowledge.sync()
        check_whole(knowledge)
        with Knowledge.open(prepared / "index1", embedders) as fresh:
            assert contents(knowledge) == contents(fresh)


def fill_until_it_fails(prepared: Path, index: Path, embedders) -> StorageError:
    with pytest.raises(StorageError) as error, Knowledge.open(index, embedders) as knowledge:
        knowledge.add([prepared / "docs"])
    return error.value


@pytest.mark.parametrize("kilobytes", [100, 300, 600])
def test_fault_37_a_full_disk_is_named_and_leaves_a_usable_store(
    prepared, tmp_path, embedders, contents, check_whole, kilobytes
):
    write_docs(prepared / "docs", version=1)
    disk = tmp_path / "disk"
    disk.mkdir()
    size = f"size={kilobytes}k"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        error = fill_until_it_fails(prepared, disk / "index", embedders)
        assert "full" in error.message
        assert "Free some disk space" in error.hint
        subprocess.run(["mount", "-o", "remount,size=50m", disk], check=True, capture_output=True)
        assert_good(disk / "index", prepared / "docs", prepared, embedders, contents, check_whole)
    finally:
        subprocess.run(["umount", "-l", disk], check=True, capture_output=True)


def test_fault_37_a_limit_on_file_sizes_is_no_crash(
    prepared, tmp_path, embedders, contents, check_whole
):
    write_docs(prepared / "docs", version=1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, before[1]))
    try:
        error = fill_until_it_fails(prepared, tmp_path / "index", embedders)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert error.hint
    assert_good(tmp_path / "index", prepared / "docs", prepared, embedders, contents, check_whole)
