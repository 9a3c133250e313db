"""The table of contents in SQLite: roots, files, entries, passages and the keyword index."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from deskhand.core.errors import StorageError
from deskhand.core.text import fold
from deskhand.memory.documents import Block, Entry, Passage, SourceInfo
from deskhand.memory.sentences import stems, words

_BUSY_SECONDS = 10.0
_BATCH = 500


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as it was when it was last read."""

    id: int
    path: str
    root: str
    size: int
    mtime_ns: int
    digest: str


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry's identity, to see whether it changed."""

    id: int
    source: str
    digest: str


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
            self._db.execute("PRAGMA foreign_keys = ON")
            if not read_only:
                self._db.execute("PRAGMA journal_mode = WAL")
                schema = files("deskhand.memory").joinpath("schema.sql")
                self._db.executescript(schema.read_text(encoding="utf-8"))
            else:
                self._db.execute("SELECT 1 FROM passages LIMIT 1")

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing. Any error, Ctrl-C included, undoes the whole block."""
        with storage_errors(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    # Facts

    def fact(self, name: str) -> str | None:
        """A stored fact, such as the fingerprint of an embedding model."""
        row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_fact(self, name: str, value: str) -> None:
        """Store a fact."""
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    # Roots and files

    def roots(self) -> list[str]:
        """Paths that were added, sorted."""
        return [str(row[0]) for row in self._db.execute("SELECT path FROM roots ORDER BY path")]

    def add_root(self, path: str) -> None:
        """Remember a path that was added."""
        self._db.execute("INSERT OR IGNORE INTO roots VALUES (?)", (path,))

    def remove_root(self, path: str) -> None:
        """Forget a path; its files must be gone or belong to another root by now."""
        self._db.execute("DELETE FROM roots WHERE path = ?", (path,))

    def files(self, root: str | None = None) -> list[StoredFile]:
        """Files of one root, or all."""
        query = "SELECT id, path, root, size, mtime_ns, digest FROM files"
        rows = (
            self._db.execute(query)
            if root is None
            else self._db.execute(f"{query} WHERE root = ?", (root,))
        )
        return [StoredFile(*row) for row in rows]

    def file(self, path: str) -> StoredFile | None:
        """A file by its path."""
        row = self._db.execute(
            "SELECT id, path, root, size, mtime_ns, digest FROM files WHERE path = ?", (path,)
        ).fetchone()
        return None if row is None else StoredFile(*row)

    def save_file(self, path: str, root: str, size: int, mtime_ns: int, digest: str) -> int:
        """Insert or update a file; returns its id."""
        row = self._db.execute(
            "INSERT INTO files (path, root, size, mtime_ns, digest) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (path) DO UPDATE SET root = excluded.root, size = excluded.size, "
            "mtime_ns = excluded.mtime_ns, digest = excluded.digest RETURNING id",
            (path, root, size, mtime_ns, digest),
        ).fetchone()
        return int(row[0])

    def delete_file(self, file: int) -> None:
        """Delete a file with its entries and passages."""
        for entry in self.entries(file):
            self.delete_entry(entry.id)
        self._db.execute("DELETE FROM files WHERE id = ?", (file,))

    # Entries and passages

    def entries(self, file: int) -> list[StoredEntry]:
        """Entries of a file."""
        rows = self._db.execute("SELECT id, source, digest FROM entries WHERE file = ?", (file,))
        return [StoredEntry(*row) for row in rows]

    def source_file(self, source: str) -> str | None:
        """The path of the file that holds a source, or None."""
        row = self._db.execute(
            "SELECT f.path FROM entries e JOIN files f ON f.id = e.file WHERE e.source = ?",
            (source,),
        ).fetchone()
        return None if row is None else str(row[0])

    def add_entry(self, file: int, entry: Entry) -> None:
        """Insert an entry with its passages, and note in the journal that they need vectors."""
        row = self._db.execute(
            "INSERT INTO entries (file, source, title, kind, language, questions, digest) "
            "VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id",
            (
                file,
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

    def delete_source(self, source: str) -> None:
        """Delete an entry by its name, and its file's record, so that it can be read again."""
        row = self._db.execute("SELECT id, file FROM entries WHERE source = ?", (source,)).fetchone()
        if row is None:
            return
        self.delete_entry(int(row[0]))
        self._db.execute("UPDATE files SET digest = '', mtime_ns = 0 WHERE id = ?", (row[1],))
        self._db.execute(
            "DELETE FROM files WHERE id = ? AND NOT EXISTS (SELECT 1 FROM entries WHERE file = ?)",
            (row[1], row[1]),
        )

    def move_files(self, old_root: str, new_root: str) -> None:
        """Files of one root belong to another from now on."""
        self._db.execute("UPDATE files SET root = ? WHERE root = ?", (new_root, old_root))

    def passages(self, ids: Sequence[int]) -> dict[int, StoredPassage]:
        """Passages by id; ids without a row are left out."""
        found: dict[int, StoredPassage] = {}
        for start in range(0, len(ids), _BATCH):
            batch = ids[start : start + _BATCH]
            marks = ",".join("?" * len(batch))
            rows = self._db.execute(
                "SELECT p.id, e.source, e.title, e.kind, e.language, p.title, p.blocks, e.questions, "
                "p.id = (SELECT min(id) FROM passages WHERE entry = e.id) "
                f"FROM passages p JOIN entries e ON e.id = p.entry WHERE p.id IN ({marks})",
                batch,
            )
            for row in rows:
                found[row[0]] = StoredPassage(
                    *row[:6],
                    Passage.blocks_from_json(row[6]),
                    tuple(json.loads(row[7])),
                    bool(row[8]),
                )
        return found

    def count_passages(self) -> int:
        """How many passages there are."""
        return int(self._db.execute("SELECT count(*) FROM passages").fetchone()[0])

    def languages(self) -> dict[str, int]:
        """Entries by language, most first."""
        rows = self._db.execute(
            "SELECT language, count(*) FROM entries GROUP BY language ORDER BY 2 DESC"
        )
        return {str(language): int(n) for language, n in rows}

    def sources(self) -> list[SourceInfo]:
        """Every entry, by source name."""
        rows = self._db.execute(
            "SELECT e.source, e.title, e.kind, e.language, count(p.id), f.path FROM entries e "
            "JOIN files f ON f.id = e.file LEFT JOIN passages p ON p.entry = e.id "
            "GROUP BY e.id ORDER BY e.source"
        )
        return [SourceInfo(*row) for row in rows]

    # Keywords

    def keyword_search(self, query_terms: Sequence[str], limit: int) -> list[tuple[int, float]]:
        """Passages by BM25, best first, as (id, score above 0)."""
        if not query_terms:
            return []
        # Quoted, so that no term can be read as an operator of the query language.
        match = " OR ".join(f'"{term}"' for term in dict.fromkeys(query_terms))
        rows = self._db.execute(
            "SELECT rowid, -rank FROM keywords WHERE keywords MATCH ? ORDER BY rank LIMIT ?",
            (match, limit),
        )
        return [(int(row[0]), float(row[1])) for row in rows]

    def document_frequencies(self, query_terms: Iterable[str]) -> dict[str, int]:
        """In how many passages each term occurs; 0 where in none."""
        found = dict.fromkeys(query_terms, 0)
        for term in found:
            row = self._db.execute(
                "SELECT doc FROM keyword_terms WHERE term = ?", (term,)
            ).fetchone()
            found[term] = int(row[0]) if row else 0
        return found

    # Journal of vector changes

    def _journal_entry(self, entry: int) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO journal SELECT p.id, json_array_length(e.questions) "
            "FROM passages p JOIN entries e ON e.id = p.entry WHERE e.id = ?",
            (entry,),
        )

    def journal_all(self) -> None:
        """Note that every passage needs its vectors anew."""
        self._db.execute(
            "INSERT OR REPLACE INTO journal SELECT p.id, json_array_length(e.questions) "
            "FROM passages p JOIN entries e ON e.id = p.entry"
        )

    def journal(self, limit: int = -1) -> list[tuple[int, int]]:
        """Noted (passage id, number of question vectors), oldest first."""
        rows = self._db.execute("SELECT * FROM journal ORDER BY passage LIMIT ?", (limit,))
        return [(int(row[0]), int(row[1])) for row in rows]

    def clear_journal(self, ids: Iterable[int]) -> None:
        """The vectors of these passages are settled."""
        self._db.executemany("DELETE FROM journal WHERE passage = ?", [(i,) for i in ids])


def index_terms(text: str, language: str) -> str:
    """What the keyword index sees of a text: its words and their stems, folded."""
    plain = words(text)
    stemmed = stems(text, language)
    extra = [stem for stem, word in zip(stemmed, plain, strict=False) if stem != word]
    return " ".join((*plain, *extra))


def query_terms(text: str, language: str) -> list[str]:
    """Terms of a question for `Store.keyword_search`."""
    terms = dict.fromkeys((*words(text), *stems(text, language)))
    return [fold(term).replace('"', "") for term in terms]


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
        if "no such table" in text or "unable to open" in text:
            hint = "Add documents first: deskhand knowledge add PATH"
            raise StorageError(f"There is no knowledge in {path.parent} yet.", hint) from error
        if "readonly" in text:
            hint = "Give yourself the right to write there, or set another data_dir."
            raise StorageError(f"{path} cannot be written.", hint) from error
        raise
