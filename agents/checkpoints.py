"""Where conversations are kept: LangGraph's SQLite checkpoints, as plain JSON, newest only."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import aiosqlite
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from deskhand.core.errors import StorageError

_FAILURES = (
    (("full", "disk i/o"), "cannot grow: the disk is full", "Free some disk space and ask again."),
    (
        ("not a database", "malformed"),
        "is damaged",
        "Move the file away: a new one is made, and the documents are not in it.",
    ),
    (("locked",), "is locked by another program", "Close it and ask again."),
    (
        ("readonly", "unable to open"),
        "cannot be opened or written",
        "Give yourself the right to write there, or set another data_dir.",
    ),
)


class PlainSerializer:
    """Checkpoints as JSON.

    The state of the graph is plain data, so nothing that names a class is ever read back: what
    LangGraph's own serializer would import stays text here, and a row of another kind is refused.
    """

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """JSON with its type name."""
        return "json", json.dumps(obj, default=_as_text).encode("ascii")

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """The plain data of a row.

        Raises:
            StorageError: The row is of another kind, or damaged.
        """
        kind, content = data
        try:
            if kind == "json":
                return json.loads(content)
        except ValueError:
            kind = "damaged"
        raise StorageError(
            f"A stored conversation cannot be read: its data is not plain JSON ({kind}).",
            "Begin a new conversation.",
        )


def _as_text(value: object) -> str:
    """LangGraph notes the error of an interrupted turn; its class is enough."""
    if isinstance(value, BaseException):
        return type(value).__name__
    raise TypeError(f"the state of a conversation must be plain data, not {type(value).__name__}")


@asynccontextmanager
async def open_checkpoints(path: Path) -> AsyncIterator[AsyncSqliteSaver]:
    """Open the file of the conversations; it is made where it is missing.

    Raises:
        StorageError: It cannot be opened, or is no database.
    """
    with conversation_errors(path):
        await asyncio.to_thread(_try_out, path)
        connection = await aiosqlite.connect(path)
    try:
        with conversation_errors(path):
            saver = AsyncSqliteSaver(connection, serde=PlainSerializer())
            await saver.setup()
        yield saver
    finally:
        await connection.close()


def _try_out(path: Path) -> None:
    """Fail here, where nothing runs yet: aiosqlite's thread outlives a connection that fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA schema_version").fetchone()


async def keep_newest(saver: AsyncSqliteSaver, conversation: str) -> None:
    """Drop all checkpoints of a conversation but the newest, which holds all of it."""
    newest = "SELECT max(checkpoint_id) FROM checkpoints WHERE thread_id = ? AND checkpoint_ns = ''"
    async with saver.lock:
        for table in ("checkpoints", "writes"):
            await saver.conn.execute(
                f"DELETE FROM {table} WHERE thread_id = ? AND checkpoint_id < ({newest})",  # noqa: S608
                (conversation, conversation),
            )
        await saver.conn.commit()


@contextmanager
def conversation_errors(path: Path) -> Iterator[None]:
    """Turn failures of the database and the file system into a `StorageError`."""
    try:
        yield
    except sqlite3.Error as error:
        said = str(error).lower()
        for words, what, hint in _FAILURES:
            if any(word in said for word in words):
                raise StorageError(
                    f"The conversations could not be kept: {path} {what}.", hint
                ) from error
        raise StorageError(
            f"The conversations could not be kept: {path}: {error}.", "Run: deskhand doctor"
        ) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StorageError(
            f"The conversations could not be kept: {path}: {reason}.",
            "Mend that, or set another data_dir.",
        ) from error
