"""The table of contents in SQLite: roots, files, entries, passages and the keyword index."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from deskhand.core.errors import StorageError
from deskhand.core.text import fold
from deskhand.memory.documents import (
    Block,
    Entry,
    Passage,
    SourceInfo,
    StoredEntry,
    StoredFile,
)
from deskhand.memory.sentences import stems, words

_BUSY_SECONDS = 10.0
_SCHEMA_VERSION = 1  # as in schema.sql
_JOURNAL_HERE = (
    "SELECT passage, questions FROM journal WHERE passage IN (SELECT id FROM passages) "
    "ORDER BY passage LIMIT ?"
)
_JOURNAL_GONE = _JOURNAL_HERE.replace(" IN ", " NOT IN ")
_JOURNAL = (
    "INSERT OR REPLACE INTO journal SELECT p.id, json_array_length(e.questions) "
    "FROM passages p JOIN entries e ON e.id = p.entry"
)


@dataclass(frozen=True, slots=True)
class StoredPassage:
    """A passage with what its entry says about it; `first` marks the first one of its entry."""

    id: int
    source: str
    entry_title: str
    kind: str
    language: str
    title: str
    blocks: tuple[Block, ...]
    questions: tuple[str, ...]
    first: bool

    @property
    def text(self) -> str:
        """The passage as a person reads it, without its title."""
        return Passage(self.title, self.blocks).text


class Store:
    """knowledge.db. One connection; calls come from one thread at a time.

    Args:
        path: The database file; it is created unless `read_only`.
        read_only: Open without the right to write.

    Raises:
        StorageError: The file cannot be opened, or is no database.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        with storage_errors(path):
            mode = "ro" if read_only else "rwc"
            self._db = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={mode}",
                uri=True,
                timeout=_BUSY_SECONDS,
                check_same_thread=False,
                isolation_level=None,
            )
            try:
                self._prepare(read_only=read_only)
            except BaseException:
                self._db.close()
                raise

    def _prepare(self, *, read_only: bool) -> None:
        self._db.execute("PRAGMA foreign_keys = ON")
        made_by = self._db.execute("PRAGMA user_version").fetchone()[0]
        if made_by != _SCHEMA_VERSION and self._db.execute("PRAGMA schema_version").fetchone()[0]:
            raise StorageError(
                f"{self.path} was made by another version of Deskhand.",
                f"Move {self.path.parent} away and add the documents again.",
            )
        if read_only:
            self._db.execute("SELECT 1 FROM passages LIMIT 1")
            return
        self._db.execute("PRAGMA journal_mode = WAL")
        schema = resources.files("deskhand.memory").joinpath("schema.sql")
        self._db.executescript(schema.read_text(encoding="utf-8"))

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing. Any error, Ctrl-C included, undoes the whole block."""
        with storage_errors(self.path):
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._db.execute("COMMIT")
            except BaseException:
                # SQLite undoes by itself where the disk is full.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def version(self) -> int:
        """Changes when another connection has written."""
        return int(self._rows("PRAGMA data_version")[0][0])

    def _rows(self, query: str, arguments: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with storage_errors(self.path):
            return self._db.execute(query, arguments).fetchall()

    # Facts

    def fact(self, name: str) -> str | None:
        """A stored fact, such as the fingerprint of an embedding model."""
        rows = self._rows("SELECT value FROM facts WHERE name = ?", (name,))
        return str(rows[0][0]) if rows else None

    def set_fact(self, name: str, value: str) -> None:
        """Store a fact."""
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    # Roots and files

    def roots(self) -> list[str]:
        """Paths that were added, sorted."""
        return [str(row[0]) for row in self._rows("SELECT path FROM roots ORDER BY path")]

    def add_root(self, path: str) -> None:
        """Remember a path that was added."""
        self._db.execute("INSERT OR IGNORE INTO roots VALUES (?)", (path,))

    def remove_root(self, path: str) -> None:
        """Forget a path, and delete what was read from it."""
        for (file,) in self._rows("SELECT id FROM files WHERE root = ?", (path,)):
            self.delete_file(file)
        self._db.execute("DELETE FROM roots WHERE path = ?", (path,))

    def merge_root(self, inner: str, outer: str) -> None:
        """A root's files belong to another that holds it; they are read again: names change."""
        self._db.execute("UPDATE files SET root = ?, mtime_ns = 0 WHERE root = ?", (outer, inner))
        self._db.execute("DELETE FROM roots WHERE path = ?", (inner,))

    def files(self) -> list[StoredFile]:
        """All files, by path."""
        rows = self._rows("SELECT id, path, root, size, mtime_ns FROM files ORDER BY path")
        return [StoredFile(*row) for row in rows]

    def save_file(self, path: str, root: str, size: int, mtime_ns: int) -> int:
        """Insert or update a file; returns its id."""
        row = self._db.execute(
            "INSERT INTO files (path, root, size, mtime_ns) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (path) DO UPDATE SET root = excluded.root, size = excluded.size, "
            "mtime_ns = excluded.mtime_ns RETURNING id",
            (path, root, size, mtime_ns),
        ).fetchone()
        return int(row[0])

    def mark_unread(self) -> None:
        """Every file is read again by the next `sync`."""
        self._db.execute("UPDATE files SET mtime_ns = 0")

    def delete_file(self, file: int) -> None:
        """Delete a file with its entries and passages."""
        for entry in self.entries(file):
            self.delete_entry(entry.id)
        self._db.execute("DELETE FROM files WHERE id = ?", (file,))

    # Entries and passages

    def entries(self, file: int) -> list[StoredEntry]:
        """Entries of a file."""
        rows = self._rows("SELECT id, source, own, digest FROM entries WHERE file = ?", (file,))
        return [StoredEntry(*row) for row in rows]

    def names(self) -> list[tuple[int, str, str, str]]:
        """(Id, name in citations, own name, file's path) of every entry, oldest file first."""
        rows = self._rows(
            "SELECT e.id, e.source, e.own, f.path FROM entries e JOIN files f ON f.id = e.file "
            "ORDER BY f.id, e.id"
        )
        return [(int(i), str(source), str(own), str(path)) for i, source, own, path in rows]

    def rename_entries(self, names: Mapping[int, str]) -> None:
        """Give entries other names in citations."""
        # In two steps: they may swap names.
        for step in ({i: f"\0{i}" for i in names}, names):
            rows = [(name, i) for i, name in step.items()]
            self._db.executemany("UPDATE entries SET source = ? WHERE id = ?", rows)

    def add_entry(self, file: int, entry: Entry, source: str) -> None:
        """Insert an entry with its passages, and note in the journal that they need vectors.

        Args:
            file: Its file's id.
            entry: What was read.
            source: Its name in citations.
        """
        row = self._db.execute(
            "INSERT INTO entries (file, source, own, title, kind, language, questions, digest) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
            (
                file,
                source,
                entry.source,
                entry.title,
                entry.kind,
                entry.language,
                json.dumps(entry.questions, ensure_ascii=False),
                entry.digest,
            ),
        ).fetchone()
        for passage in entry.passages:
            text = "\n".join((passage.title, *entry.questions, passage.text))
            self._db.execute(
                "INSERT INTO passages (entry, title, blocks, terms) VALUES (?, ?, ?, ?)",
                (row[0], passage.title, passage.blocks_json(), index_terms(text, entry.language)),
            )
        self._journal_entry(int(row[0]))

    def delete_entry(self, entry: int) -> None:
        """Delete an entry, and note in the journal that its vectors are to go."""
        self._journal_entry(entry)
        self._db.execute("DELETE FROM passages WHERE entry = ?", (entry,))
        self._db.execute("DELETE FROM entries WHERE id = ?", (entry,))

    def delete_sources(self, sources: Iterable[str]) -> None:
        """Delete entries by their names, and see that their files can be read again."""
        for source in sources:
            for entry, file in self._rows(
                "SELECT id, file FROM entries WHERE source = ?", (source,)
            ):
                self.delete_entry(entry)
                self._db.execute("UPDATE files SET mtime_ns = 0 WHERE id = ?", (file,))
        self._db.execute("DELETE FROM files WHERE id NOT IN (SELECT file FROM entries)")

    def passages(self, ids: Sequence[int]) -> dict[int, StoredPassage]:
        """Passages by id; ids without a row are left out."""
        rows = self._rows(
            "SELECT p.id, e.source, e.title, e.kind, e.language, p.title, p.blocks, e.questions, "
            "p.id = (SELECT min(id) FROM passages WHERE entry = e.id) "
            "FROM passages p JOIN entries e ON e.id = p.entry "
            "WHERE p.id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(ids)),),
        )
        return {
            i: StoredPassage(
                id=i,
                source=source,
                entry_title=entry_title,
                kind=kind,
                language=language,
                title=title,
                blocks=Passage.blocks_from_json(blocks),
                questions=tuple(json.loads(questions)),
                first=bool(first),
            )
            for i, source, entry_title, kind, language, title, blocks, questions, first in rows
        }

    def count_passages(self) -> int:
        """How many passages there are."""
        return int(self._rows("SELECT count(*) FROM passages")[0][0])

    def languages(self) -> dict[str, int]:
        """Entries by language, most first."""
        query = "SELECT language, count(*) FROM entries GROUP BY language ORDER BY 2 DESC, 1"
        return {str(language): int(n) for language, n in self._rows(query)}

    def sources(self) -> list[SourceInfo]:
        """Every entry, by source name."""
        rows = self._rows(
            "SELECT e.source, e.title, e.kind, e.language, count(p.id), f.path FROM entries e "
            "JOIN files f ON f.id = e.file LEFT JOIN passages p ON p.entry = e.id "
            "GROUP BY e.id ORDER BY e.source"
        )
        return [SourceInfo(*row) for row in rows]

    def sources_by_file(self) -> dict[int, list[str]]:
        """Names in citations by the id of their file."""
        found: dict[int, list[str]] = {}
        for file, source in self._rows("SELECT file, source FROM entries ORDER BY id"):
            found.setdefault(file, []).append(source)
        return found

    # Keywords

    def keyword_search(self, query_terms: Sequence[str], limit: int) -> list[tuple[int, float]]:
        """Passages by BM25, best first, as (id, score above 0)."""
        if not query_terms:
            return []
        match = " OR ".join(_quoted(term) for term in dict.fromkeys(query_terms))
        rows = self._rows(
            "SELECT rowid, -rank FROM keywords WHERE keywords MATCH ? ORDER BY rank LIMIT ?",
            (match, limit),
        )
        return [(int(row[0]), float(row[1])) for row in rows]

    def document_frequencies(self, query_terms: Iterable[str]) -> dict[str, int]:
        """In how many passages each term occurs; 0 where in none."""
        query = "SELECT count(*) FROM keywords WHERE keywords MATCH ?"
        # A term of several words ("e-mail") is a phrase: the table of single terms lacks it.
        return {
            term: int(self._rows(query, (_quoted(term),))[0][0])
            for term in dict.fromkeys(query_terms)
        }

    # Journal of vector changes

    def _journal_entry(self, entry: int) -> None:
        self._db.execute(f"{_JOURNAL} WHERE e.id = ?", (entry,))

    def journal_all(self) -> None:
        """Note that every passage needs its vectors anew."""
        self._db.execute(_JOURNAL)

    def count_journal(self) -> int:
        """How many passages are noted."""
        return int(self._rows("SELECT count(*) FROM journal")[0][0])

    def journal(self, limit: int, *, gone: bool) -> list[tuple[int, int]]:
        """Noted (passage id, number of question vectors), of passages that are gone or are not."""
        query = _JOURNAL_GONE if gone else _JOURNAL_HERE
        return [(int(i), int(questions)) for i, questions in self._rows(query, (limit,))]

    def clear_journal(self, ids: Iterable[int]) -> None:
        """The vectors of these passages are settled."""
        self._db.executemany("DELETE FROM journal WHERE passage = ?", [(i,) for i in ids])


def _quoted(term: str) -> str:
    """A term that cannot be read as an operator of the query language."""
    return '"' + term.replace('"', " ").replace("\0", " ") + '"'


def index_terms(text: str, language: str) -> str:
    """What the keyword index sees of a text: its words and their stems, folded."""
    plain = words(text)
    stemmed = stems(text, language)
    extra = [stem for stem, word in zip(stemmed, plain, strict=False) if stem != word]
    return " ".join((*plain, *extra))


def query_terms(text: str, language: str) -> list[str]:
    """Terms of a question for `Store.keyword_search`."""
    terms = dict.fromkeys((*words(text), *stems(text, language)))
    return [fold(term) for term in terms]


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's and the file system's errors into a `StorageError` that says what to do."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        text = str(error).lower()
        if "full" in text or "disk i/o" in text:
            hint = "Free some disk space and run the command again; nothing was half written."
            raise StorageError(f"The disk is full: {path} cannot grow.", hint) from error
        if "not a database" in text or "malformed" in text:
            hint = "Move the folder away and add the documents again."
            raise StorageError(f"{path} is damaged: {error}.", hint) from error
        if "locked" in text:
            raise StorageError(f"{path} is locked by another program.", "Try again.") from error
        if "no such table" in text or not path.exists():
            hint = "Add documents first: deskhand knowledge add PATH"
            raise StorageError(f"There is no knowledge in {path.parent} yet.", hint) from error
        if "readonly" in text or "unable to open" in text:
            hint = "Give yourself the right to read and write there, or set another data_dir."
            raise StorageError(f"{path} cannot be opened or written.", hint) from error
        hint = "Move the folder away and add the documents again."
        raise StorageError(f"{path} failed: {error}.", hint) from error
