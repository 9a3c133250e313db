"""Finds files, decodes them and hands each to the reader of its type."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from deskhand.memory.documents import ReadFile, UnreadableError
from deskhand.memory.readers.faq import read_csv, read_jsonl
from deskhand.memory.readers.html import read_html
from deskhand.memory.readers.markdown import read_markdown, read_text

MAX_FILE_BYTES = 50 * 1024 * 1024
_SNIFF_BYTES = 8192
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
    if root.is_file():
        if root.suffix.lower() in SUFFIXES:
            found.files.append(root)
        else:
            suffix = root.suffix or "without a suffix"
            found.skipped.append((str(root), f"files {suffix} are not read, only {_KINDS}"))
        return found

    def unreadable(error: OSError) -> None:
        found.skipped.append((str(error.filename), _os_reason(error)))

    for folder, folders, names in os.walk(root, onerror=unreadable):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and name not in _IGNORED_FOLDERS
        )
        for name in sorted(names):
            if name.startswith("."):
                continue
            path = Path(folder) / name
            if path.suffix.lower() in SUFFIXES:
                found.files.append(path)
            else:
                found.other[path.suffix.lower() or "no suffix"] += 1
    return found


def read_file(path: Path, source: str) -> ReadFile:
    """Read one file into entries.

    Args:
        path: A file of a known suffix.
        source: Its name in citations; a FAQ's entries use their own ids.

    Raises:
        UnreadableError: Missing, too large, binary, empty, or malformed; the message says which.
    """
    try:
        data = _read_bytes(path)
    except OSError as error:
        raise UnreadableError(_os_reason(error)) from error
    text, encoding = decode(data)
    if not text.strip():
        raise UnreadableError("it is empty")
    result = SUFFIXES[path.suffix.lower()](text, source)
    if not result.entries and not result.notes:
        raise UnreadableError("it has no text")
    if encoding not in ("utf-8", "utf-16"):
        note = f"{source}: read as {encoding}; save it as UTF-8 to be sure of every letter"
        return ReadFile(result.entries, (*result.notes, note))
    return result


def _read_bytes(path: Path) -> bytes:
    info = path.stat()
    if not stat.S_ISREG(info.st_mode):
        raise UnreadableError("it is not a regular file")
    if info.st_size > MAX_FILE_BYTES:
        size, limit = info.st_size // 2**20, MAX_FILE_BYTES // 2**20
        raise UnreadableError(f"it has {size} MB, the limit is {limit} MB: split it")
    return path.read_bytes()


def decode(data: bytes) -> tuple[str, str]:
    """Text and the name of its encoding.

    Raises:
        UnreadableError: The bytes are no text.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _decode_as(data, "utf-16"), "utf-16"
    if b"\x00" in data[:_SNIFF_BYTES]:
        raise UnreadableError("it is binary, not text")
    try:
        return data.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError:
        pass
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


def _os_reason(error: OSError) -> str:
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
