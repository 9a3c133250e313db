"""Which files are found and read, and what is said of the others."""

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from deskhand.memory.documents import EmptyFileError, UnreadableError
from deskhand.memory.readers import files, find_files, read_file

CZECH = (
    "Předplatné můžete zrušit v nastavení účtu. Příliš žluťoučký kůň úpěl ďábelské ódy. "
    "Účtenku najdete ve složce, kterou jsme vám poslali e-mailem."
)


@pytest.mark.parametrize(
    ("encoding", "noted"),
    [("utf-8", False), ("utf-8-sig", False), ("utf-16", False), ("cp1250", True)],
)
def test_text_of_several_encodings(read, encoding, noted):
    result = read("a.txt", CZECH.encode(encoding))
    assert " ".join(p.text for p in result.entries[0].passages) == CZECH
    assert bool(result.notes) == noted
    assert result.entries[0].language == "cs"


def test_latin_1_is_read_and_named(read):
    text = (
        "Die Größe der Datei überschreitet das zulässige Maß. Bitte prüfen Sie die Einstellungen."
    )
    result = read("a.md", text.encode("latin-1"))
    assert text in result.entries[0].passages[0].text
    assert "save it as UTF-8" in result.notes[0]


def test_a_few_broken_bytes_do_not_turn_utf_8_into_something_else(read):
    result = read("a.txt", CZECH.encode() + b" \xff end")
    assert "Příliš žluťoučký kůň" in result.entries[0].passages[0].text
    assert "UTF-8 with 1 broken characters" in result.notes[0]


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
        bytes(range(1, 256)) * 8,
        b"text with one \x00 in it",
        bytes.fromhex("1f8b08000102030405060708") * 3,
    ],
)
def test_binary_is_refused(read, data):
    with pytest.raises(UnreadableError, match="binary"):
        read("a.md", data)


@pytest.mark.parametrize("data", [b"", b" \n\t", b"\xef\xbb\xbf", b"\xff\xfe"])
def test_nothing_is_called_empty(read, data):
    with pytest.raises(EmptyFileError, match="empty"):
        read("a.md", data)


def test_a_file_of_500_mb_is_refused_without_reading_it(tmp_path):
    path = tmp_path / "a.md"
    with path.open("wb") as file:
        file.truncate(500 * 2**20)
    with pytest.raises(UnreadableError, match="500 MB, the limit is 50 MB: split it"):
        read_file(path, "a.md")


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAX_FILE_BYTES", 10)
    monkeypatch.setattr(files, "_check", lambda info: None)
    path = tmp_path / "a.md"
    path.write_text("more than ten bytes")
    with pytest.raises(UnreadableError, match="grew"):
        read_file(path, "a.md")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_pipes_sockets_and_devices_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.md")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "socket.md"))
    (tmp_path / "device.md").symlink_to("/dev/zero")
    for path in find_files(tmp_path).files:
        with pytest.raises(UnreadableError, match="not a regular file"):
            read_file(path, path.name)
    assert len(find_files(tmp_path).files) == 3


def test_links_to_files_are_followed_and_circles_are_not(tmp_path):
    (tmp_path / "a.md").write_text("Hello.")
    (tmp_path / "b.md").symlink_to("a.md")
    (tmp_path / "c.md").symlink_to("c.md")
    (tmp_path / "d.md").symlink_to("missing.md")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    found = find_files(tmp_path)
    assert [path.name for path in found.files] == ["a.md", "b.md", "c.md", "d.md"]
    assert "links to folders are not followed" in found.skipped[0][1]
    assert read_file(found.files[1], "b.md").entries
    for path in found.files[2:]:
        with pytest.raises(UnreadableError):
            read_file(path, "x")


def test_hidden_and_other_files_are_left_out(tmp_path):
    for name in (
        ".hidden.md",
        ".git/a.md",
        "node_modules/a.md",
        "a.pdf",
        "b.pdf",
        "noext",
        "ok.MD",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    found = find_files(tmp_path)
    assert [path.name for path in found.files] == ["ok.MD"]
    note = files.describe_other([found.other])
    assert "2 × .pdf" in note
    assert "1 × no suffix" in note
    assert "not read" in find_files(tmp_path / "a.pdf").skipped[0][1]


@pytest.mark.skipif(sys.platform != "linux", reason="names are text on this system")
def test_names_that_are_no_text_are_skipped_with_a_reason(tmp_path):
    (tmp_path / "ok.md").write_text("x")
    (tmp_path / os.fsdecode(b"bad\xff.md")).write_text("x")
    (tmp_path / os.fsdecode(b"folder\xff")).mkdir()
    found = find_files(tmp_path)
    assert [path.name for path in found.files] == ["ok.md"]
    assert {reason for _, reason in found.skipped} == {"its name is not valid UTF-8: rename it"}
    assert all(path.encode() for path, _ in found.skipped)


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="this system has other permissions")
def test_folders_and_files_without_permission_are_named():
    program = """
import os, sys
from pathlib import Path
from deskhand.memory.readers import find_files, read_file
from deskhand.memory.readers.markdown import read_markdown
if os.getuid() == 0:
    os.setuid(65534)  # root may read everything
found = find_files(Path(sys.argv[1]))
print([path.name for path in found.files], found.skipped[0][1])
try:
    read_file(found.files[0], "x")
except Exception as error:
    print(error)
"""
    with tempfile.TemporaryDirectory() as name:
        top, folder = Path(name), Path(name, "private")
        top.chmod(0o755)
        folder.mkdir()
        (folder / "a.md").write_text("x")
        (top / "b.md").write_text("x")
        (top / "b.md").chmod(0)
        folder.chmod(0)
        done = subprocess.run(
            [sys.executable, "-P", "-c", program, name], capture_output=True, text=True, check=False
        )
        folder.chmod(0o700)
    assert done.stdout == "['b.md'] permission denied\npermission denied\n", done.stderr
