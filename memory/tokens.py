"""Token vectors of passages, kept so that comparing a question with them runs no model.

They come with the passage's own vector, from the same run of the model. One byte a number is
enough: a cosine changes in its third digit. The file is a cache in every respect but one: what a
removed document said goes from it with the document.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deskhand.memory.evidence import MAX_TOKENS, PassageTokens, Tokens, passage_tokens
from deskhand.memory.store import StoredPassage, storage_errors

if TYPE_CHECKING:
    from deskhand.memory.spaces import Embedder

_SCHEMA = """
CREATE TABLE IF NOT EXISTS tokens (
    passage INTEGER NOT NULL,
    model TEXT NOT NULL,
    digest TEXT NOT NULL,
    offsets BLOB NOT NULL,
    scales BLOB NOT NULL,
    vectors BLOB NOT NULL,
    PRIMARY KEY (passage, model)
) STRICT, WITHOUT ROWID
"""
_HAS_TABLE = "SELECT 1 FROM sqlite_master WHERE name = 'tokens'"
# Some 50 kB a passage and model: 5,000 passages of two models take half a gigabyte. Of more, tokens
# are computed when they are needed, and remembered while the process lives.
MOST_KEPT = 10_000
_IN_MEMORY = 1_000
_LARGEST = 127.0


def passage_text(passage: StoredPassage) -> str:
    """What is embedded for a passage: its title path, or the FAQ's question, then its text."""
    return f"{passage.title}\n{passage.text}"


class TokenCache:
    """Token vectors by passage and model, on disk and in memory. Calls come from one thread.

    Args:
        path: The cache's file.
        read_only: Never write; a missing file is an empty cache.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._path = path
        self._read_only = read_only
        self._memory: OrderedDict[tuple[int, str], PassageTokens] = OrderedDict()
        self._connection: sqlite3.Connection | None = None

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def get(self, embedder: Embedder, passages: Sequence[StoredPassage]) -> list[PassageTokens]:
        """Tokens of passages, computed where they are not kept."""
        found = {p.id: self._known(embedder, p) for p in passages}
        fresh = [p for p in passages if found[p.id] is None]
        if fresh:
            texts = [passage_text(p) for p in fresh]
            computed = embedder.embed_tokens(texts, "passage")
            for passage, text, item in zip(fresh, texts, computed, strict=True):
                vectors = Tokens(item.offsets, item.vectors)
                found[passage.id] = self._remember(embedder, passage, text, vectors)
        return [tokens for p in passages if (tokens := found[p.id]) is not None]

    def put(
        self, embedder: Embedder, passages: Sequence[StoredPassage], tokens: Sequence[Tokens]
    ) -> None:
        """Keep the tokens of passages on disk, while there is room.

        Raises:
            StorageError: The disk is full or the file is damaged.
        """
        with storage_errors(self._path):
            database = self._database()
            if database is None:
                return
            room = MOST_KEPT - database.execute("SELECT count(*) FROM tokens").fetchone()[0]
            rows = [
                (p.id, embedder.fingerprint, _digest(passage_text(p)), *_packed(t))
                for p, t in list(zip(passages, tokens, strict=True))[: max(room, 0)]
            ]
            with database:
                database.executemany("INSERT OR REPLACE INTO tokens VALUES (?,?,?,?,?,?)", rows)

    def remove(self, passages: Iterable[int]) -> None:
        """Forget passages.

        Raises:
            StorageError: The file is damaged.
        """
        with storage_errors(self._path):
            database = self._database()
            if database is not None:
                with database:
                    database.executemany(
                        "DELETE FROM tokens WHERE passage = ?", [(i,) for i in passages]
                    )

    def clear(self) -> None:
        """Forget everything; a damaged file is gone afterward."""
        self.close()
        self._memory.clear()
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self._path}{suffix}").unlink(missing_ok=True)

    def _known(self, embedder: Embedder, passage: StoredPassage) -> PassageTokens | None:
        key = (passage.id, embedder.fingerprint)
        if key in self._memory:
            self._memory.move_to_end(key)
            return self._memory[key]
        with storage_errors(self._path):
            database = self._database()
            row = None
            if database is not None:
                row = database.execute(
                    "SELECT digest, offsets, scales, vectors FROM tokens"
                    " WHERE passage = ? AND model = ?",
                    key,
                ).fetchone()
        text = passage_text(passage)
        if not row or row[0] != _digest(text):
            return None
        return self._remember(embedder, passage, text, _unpacked(*row[1:]))

    def _remember(
        self, embedder: Embedder, passage: StoredPassage, text: str, tokens: Tokens
    ) -> PassageTokens:
        prepared = passage_tokens(text, passage.title, passage.language, tokens)
        self._memory[passage.id, embedder.fingerprint] = prepared
        while len(self._memory) > _IN_MEMORY:
            self._memory.popitem(last=False)
        return prepared

    def _database(self) -> sqlite3.Connection | None:
        if self._connection is None:
            if self._read_only and not self._path.exists():
                return None
            mode = "ro" if self._read_only else "rwc"
            self._connection = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?mode={mode}",
                uri=True,
                timeout=10.0,
                check_same_thread=False,
            )
            if not self._read_only:
                self._connection.execute("PRAGMA journal_mode = WAL")
                # Losing the last rows in a power cut costs only computing them again.
                self._connection.execute("PRAGMA synchronous = OFF")
                self._connection.execute(_SCHEMA)
            # Without its table, a writer made the file a moment ago: to a reader it is empty.
            elif not self._connection.execute(_HAS_TABLE).fetchone():
                self.close()
        return self._connection


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _packed(tokens: Tokens) -> tuple[bytes, bytes, bytes]:
    vectors = tokens.vectors[:MAX_TOKENS]
    largest = np.abs(vectors).max(axis=1, initial=1e-9)
    scaled = np.rint(vectors / largest[:, None] * _LARGEST).astype(np.int8)
    offsets = np.asarray(tokens.offsets[:MAX_TOKENS], np.uint32)
    return offsets.tobytes(), largest.astype(np.float32).tobytes(), scaled.tobytes()


def _unpacked(offsets: bytes, scales: bytes, vectors: bytes) -> Tokens:
    largest = np.frombuffer(scales, np.float32)
    pairs = np.frombuffer(offsets, np.uint32).reshape(-1, 2).tolist()
    numbers = np.frombuffer(vectors, np.int8).astype(np.float32)
    rows = numbers.reshape(len(largest), -1) if len(largest) else np.zeros((0, 1), np.float32)
    return Tokens([(a, b) for a, b in pairs], rows * (largest[:, None] / _LARGEST))
