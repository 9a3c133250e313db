import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from deskhand.app import owner
from deskhand.app.owner import DataFolder, own, storage_error
from deskhand.core import BusyError, StorageError

HOLD = """
import sys
from pathlib import Path
from deskhand.app.owner import own
with own(Path(sys.argv[1]), "deskhand chat"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def child(tmp_path):
    """Another process that owns the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_another_process_is_named(tmp_path, child):
    with pytest.raises(BusyError) as caught:
        DataFolder(tmp_path).acquire("deskhand ask", wait_s=0)
    assert (
        f"The data folder {tmp_path} is in use by `deskhand chat` (process {child.pid}, since"
        in (caught.value.message)
    )
    assert "DESKHAND_DATA_DIR" in caught.value.hint
    assert DataFolder(tmp_path).owner().pid == child.pid


def test_killed_owner_leaves_nothing_in_the_way(tmp_path, child):
    child.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    child.wait()
    assert json.loads((tmp_path / owner.NOTE_NAME).read_text())["pid"] == child.pid
    assert DataFolder(tmp_path).owner() is None
    with own(tmp_path, "deskhand ask", wait_s=0) as folder:
        assert folder.owner().pid == os.getpid()


def test_waits_for_an_owner_that_finishes(tmp_path, child, monkeypatch):
    monkeypatch.setattr(owner, "_FIRST_LOOK_S", 0.0)
    said = []

    def notify(line):
        said.append(line)
        child.stdin.close()

    with own(tmp_path, "deskhand ask", wait_s=30, notify=notify):
        assert len(said) == 1
        assert f"Waiting for `deskhand chat` (process {child.pid}" in said[0]


def test_damaged_note_of_an_owner(tmp_path, child):
    for note in ("{", "[]", '{"pid": 1}', '{"pid": 1, "command": "x", "started": "yesterday"}'):
        (tmp_path / owner.NOTE_NAME).write_text(note)
        with pytest.raises(BusyError, match="in use by another Deskhand process"):
            DataFolder(tmp_path).acquire("deskhand ask", wait_s=0)
        assert DataFolder(tmp_path).owner() is not None


def test_release_leaves_no_note_and_can_be_taken_again(tmp_path):
    for _ in range(2):
        with own(tmp_path / "new", "deskhand ask", wait_s=0):
            assert (tmp_path / "new" / owner.NOTE_NAME).exists()
        assert not (tmp_path / "new" / owner.NOTE_NAME).exists()
    assert DataFolder(tmp_path / "new").owner() is None
    assert DataFolder(tmp_path / "never").owner() is None
    assert not (tmp_path / "never").exists()


def test_two_owners_in_one_process(tmp_path):
    with own(tmp_path, "one", wait_s=0), pytest.raises(BusyError):
        DataFolder(tmp_path).acquire("two", wait_s=0)


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_new_folder_is_private(tmp_path):
    with own(tmp_path / "data", "deskhand ask"):
        assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


def test_folder_that_lies_in_a_file(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "data"):
        with pytest.raises(StorageError, match="not a folder") as caught:
            DataFolder(path).acquire("deskhand ask")
        assert "DESKHAND_DATA_DIR" in caught.value.hint


def test_almost_full_disk_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")(10**9, 10**9 - 12_000_000, 12_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(StorageError, match="12 MB are free, 50 MB are needed"):
        DataFolder(tmp_path / "data").acquire("deskhand ask")
    assert list((tmp_path / "data").iterdir()) == []


def test_disk_that_fills_while_the_note_is_written_frees_the_lock(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(StorageError, match="The disk is full"):
            DataFolder(tmp_path).acquire("deskhand ask")
    with own(tmp_path, "deskhand ask", wait_s=0):
        pass


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "The disk is full"),
        (errno.EACCES, "No permission: /d/x"),
        (errno.EROFS, "No permission: /d/x"),
        (errno.EIO, "/d/x cannot be used"),
    ],
)
def test_errors_of_the_system(number, words):
    error = storage_error(OSError(number, os.strerror(number), "/d/x"))
    assert error.message.startswith(words)
    assert error.hint
