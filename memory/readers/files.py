"""Finds files, decodes them and hands each to the reader of its type."""
# ruff: noqa: PLC0415 - parsers are only loaded for their files

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from deskhand.memory.documents import EmptyFileError, ReadFile, UnreadableError, one_line
from deskhand.memory.readers.faq import read_csv, read_jsonl
from deskhand.memory.readers.markdown import read_html, read_markdown, read_text

MAX_FILE_BYTES = 50 * 1024 * 1024
_SNIFF_BYTES = 8192
_CONTROL_BYTES = bytes(b for b in range(32) if b not in b"\t\n\r\f\x1a\x1b")
_IGNORED_FOLDERS = {"node_modules", "__pycache__"}

Reader = Callable[[str, str], ReadFile]

SUFFIXES: dict[str, Reader] = {
    ".md": read_markdown,
    ".markdown": read_markdown,
    ".txt": read_text,
    ".text": read_text,
    ".html": read_html,
    ".htm": read_html,
    ".csv": read_csv,
    ".tsv": read_csv,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
}
_ODD_NAME = "its name is not valid UTF-8: rename it"
_KINDS = "Markdown, text, HTML, CSV and JSONL"


@dataclass(slots=True)
class FoundFiles:
    """What lies under a path.

    Args:
        files: Readable types, sorted.
        skipped: (path, reason) of folders and files that could not be looked at.
        other: How many files of other types there are, by suffix.
    """

    files: list[Path] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    other: Counter[str] = field(default_factory=Counter)


def find_files(root: Path) -> FoundFiles:
    """All readable files under a folder, or the file itself. Hidden names are left out.

    Links to files are followed, links to folders are not: they can be circular.
    """
    found = FoundFiles()
    if not root.is_dir():
        if root.suffix.lower() in SUFFIXES:
            found.files.append(root)
        else:
            kind = f"of type {root.suffix}" if root.suffix else "without a suffix"
            found.skipped.append((str(root), f"files {kind} are not read, only {_KINDS}"))
        return found

    def unreadable(error: OSError) -> None:
        found.skipped.append((shown(str(error.filename)), os_reason(error)))

    for folder, folders, names in os.walk(root, onerror=unreadable):
        folders[:] = [n for n in sorted(folders) if _is_entered(Path(folder) / n, found)]
        for name in sorted(names):
            path = Path(folder) / name
            if name.startswith("."):
                continue
            if path.suffix.lower() not in SUFFIXES:
                found.other[one_line(path.suffix.lower()) or "no suffix"] += 1
            elif not _has_plain_name(path):
                found.skipped.append((shown(str(path)), _ODD_NAME))
            else:
                found.files.append(path)
    return found


def _is_entered(folder: Path, found: FoundFiles) -> bool:
    if folder.name.startswith(".") or folder.name in _IGNORED_FOLDERS:
        return False
    if folder.is_symlink():
        reason = "links to folders are not followed; add the folder itself"
        found.skipped.append((shown(str(folder)), reason))
        return False
    if not _has_plain_name(folder):
        found.skipped.append((shown(str(folder)), _ODD_NAME))
        return False
    return True


def _has_plain_name(path: Path) -> bool:
    """Whether the name is text: on some systems it can be any bytes."""
    return shown(path.name) == path.name


def shown(path: str) -> str:
    """A path that can be printed, whatever bytes are in it."""
    return path.encode("utf-8", "replace").decode("utf-8")


def read_file(path: Path, source: str) -> ReadFile:
    """Read one file into entries.

    Args:
        path: A file of a known suffix.
        source: Its name in citations; a FAQ's entries use their own ids.

    Raises:
        EmptyFileError: There is no text in it.
        UnreadableError: Missing, too large, binary or malformed; the message says which.
    """
    try:
        data = _read_bytes(path)
    except OSError as error:
        raise UnreadableError(os_reason(error)) from error
    text, encoding = decode(data)
    if not text.strip():
        raise EmptyFileError("it is empty")
    result = SUFFIXES[path.suffix.lower()](text, source)
    if not result.entries:
        raise EmptyFileError("it has no text")
    if encoding not in ("utf-8", "utf-16"):
        note = f"{source}: read as {encoding}; save it as UTF-8 to be sure of every letter"
        return ReadFile(result.entries, (*result.notes, note))
    return result


def _read_bytes(path: Path) -> bytes:
    # Looked at before it is opened, for a device may act on that; and after, for it may be another
    # file by then. Without O_NONBLOCK, opening a pipe would wait for somebody to write.
    _check(path.stat())
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as file:
        _check(os.fstat(handle))
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise UnreadableError("it grew past the limit while it was read")
    return data


def _check(info: os.stat_result) -> None:
    if not stat.S_ISREG(info.st_mode):
        raise UnreadableError("it is not a regular file")
    if info.st_size > MAX_FILE_BYTES:
        size, limit = info.st_size // 2**20, MAX_FILE_BYTES // 2**20
        raise UnreadableError(f"it has {size} MB, the limit is {limit} MB: split it")


def decode(data: bytes) -> tuple[str, str]:
    """Text and the name of its encoding.

    Raises:
        UnreadableError: The bytes are no text.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _decode_as(data, "utf-16"), "utf-16"
    sample = data[:_SNIFF_BYTES]
    if b"\x00" in sample or len(sample) - len(sample.translate(None, _CONTROL_BYTES)) > max(
        2, len(sample) // 50
    ):
        raise UnreadableError("it is binary, not text")
    try:
        return data.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError:
        pass
    mended = data.decode("utf-8-sig", "replace")
    broken = mended.count("\ufffd")
    if broken * 10 < len(mended) - len(mended.encode("ascii", "ignore")) - broken:
        return mended, f"UTF-8 with {broken} broken characters"
    from charset_normalizer import from_bytes

    # Guess on a sample: the whole of a large file would take minutes.
    best = from_bytes(data[: 256 * 1024]).best()
    if best is None:
        raise UnreadableError("it is neither UTF-8 nor any encoding that can be told")
    return _decode_as(data, best.encoding), best.encoding


def _decode_as(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise UnreadableError(f"it is damaged: not valid {encoding}") from error


def os_reason(error: OSError) -> str:
    """Why a file cannot be read, in one clause."""
    if isinstance(error, PermissionError):
        return "permission denied"
    if isinstance(error, FileNotFoundError):
        return "it does not exist"
    return (error.strerror or "it cannot be read").lower()


def describe_other(others: Iterable[Counter[str]]) -> str:
    """One line about files of other types, or "" where there were none."""
    total: Counter[str] = sum(others, Counter())
    if not total:
        return ""
    kinds = ", ".join(f"{n} × {suffix}" for suffix, n in total.most_common(6))
    return f"Left out, not a readable type: {kinds}. Read are {_KINDS}."
