"""What a document becomes: entries, passages, and the blocks and units they are made of."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from deskhand.core.text import clean_text

TITLE_SEPARATOR = " › "

BlockKind = Literal["paragraph", "steps", "list", "rows", "code"]


@dataclass(frozen=True, slots=True)
class Block:
    """A run of text that belongs together.

    Args:
        kind: `paragraph` (units are sentences), `steps` and `list` (items), `rows` (table rows,
            each with its column names), `code` (one unit).
        units: The smallest pieces that can be quoted on their own.
        lead: The line that introduces the block ("To reset it:"), repeated when it is quoted.
        start: Number of the first of `steps`.
    """

    kind: BlockKind
    units: tuple[str, ...]
    lead: str = ""
    start: int = 1

    @property
    def text(self) -> str:
        """The block as a person reads it."""
        if self.kind == "paragraph":
            return " ".join(self.units)
        if self.kind == "code":
            return "```\n" + "\n".join(self.units) + "\n```"
        if self.kind == "steps":
            return "\n".join(f"{n}. {unit}" for n, unit in enumerate(self.units, self.start))
        return "\n".join(f"- {unit}" for unit in self.units)


@dataclass(frozen=True, slots=True)
class Passage:
    """The piece that is retrieved and cited.

    Args:
        title: The document's title and headings, outermost first.
        blocks: Its text in reading order.
    """

    title: str
    blocks: tuple[Block, ...]

    @property
    def text(self) -> str:
        """The passage as a person reads it, without its title."""
        return "\n".join(block.text for block in self.blocks)

    def blocks_json(self) -> str:
        """The blocks as JSON, for storage."""
        rows = [[b.kind, list(b.units), b.lead, b.start] for b in self.blocks]
        return json.dumps(rows, ensure_ascii=False, separators=(",", ":"))

    @staticmethod
    def blocks_from_json(text: str) -> tuple[Block, ...]:
        """The inverse of `blocks_json`."""
        return tuple(Block(kind, tuple(units), *rest) for kind, units, *rest in json.loads(text))


@dataclass(frozen=True, slots=True)
class Entry:
    """One citable thing: an article, or one question of a FAQ with its answer.

    Args:
        source: The name it asks for in citations: a path, or a FAQ entry's id.
        title: Heading of the article, or the FAQ's question.
        kind: `article` or `faq`.
        language: ISO 639-1 code, or "" where it could not be told.
        passages: Its text.
        questions: A FAQ entry's wordings of the question.
        tags: As given in the FAQ.
    """

    source: str
    title: str
    kind: Literal["article", "faq"]
    language: str
    passages: tuple[Passage, ...]
    questions: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 over everything that is indexed: equal digests need no work."""
        parts = [
            *(self.source, self.title, self.kind, self.language, self.questions, self.tags),
            *([passage.title, passage.blocks_json()] for passage in self.passages),
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class ReadFile:
    """What a reader got out of one file.

    Args:
        entries: In the file's order; may be empty.
        notes: One line for each thing that was left out or guessed, naming where.
    """

    entries: tuple[Entry, ...]
    notes: tuple[str, ...] = ()


class UnreadableError(Exception):
    """This file cannot become knowledge; the message says why, in one clause, without the path."""


class EmptyFileError(UnreadableError):
    """There is nothing in this file; what was read from it before is withdrawn."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as it was when it was last read."""

    id: int
    path: str
    root: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry's identity, to see whether it changed: its name in citations, and its own."""

    id: int
    source: str
    own: str
    digest: str


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """One line of `deskhand knowledge list`."""

    source: str
    title: str
    kind: str
    language: str
    passages: int
    path: str


@dataclass(slots=True)
class SyncReport:
    """What adding, syncing, removing or rebuilding did, by source name.

    Args:
        skipped: (path, reason) of every file that was not read.
        notes: Remarks that need no action but should be seen.
        passages: Passages in the knowledge afterward.
        seconds: How long it took.
        dry_run: True when nothing was written.
    """

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    passages: int = 0
    seconds: float = 0.0
    dry_run: bool = False


def source_name(path: Path, root: Path) -> str:
    """A file's name in citations: its path inside the folder that was added, with `/`."""
    name = path.name if path == root else path.relative_to(root).as_posix()
    return one_line(name)


def one_line(text: str) -> str:
    """Text that came from outside, fit for a name: one line, nothing in it that hides or acts."""
    return " ".join(clean_text(text).text.split())
