"""Turns whatever was raised into an error that a person can read; bugs go to a log, with an id."""

import errno
import os
import secrets
import sqlite3
import traceback
from pathlib import Path

from deskhand.app.owner import storage_error
from deskhand.core import DeskhandError, StorageError

_SYSTEM_ERRORS = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EIO,
    errno.EMFILE,
}
# What SQLite says, also from inside Chroma, which wraps it in classes of its own.
_DATABASE_ERRORS = {
    "database or disk is full": "The disk is full: the database could not be written.",
    "attempt to write a readonly database": "No permission: the database cannot be written.",
    "disk i/o error": "The disk failed while the database was in use.",
    "database is locked": "The database is in use by another process.",
    "file is not a database": "The database file is damaged.",
    "database disk image is malformed": "The database file is damaged.",
}


class BugError(DeskhandError):
    """Something nobody foresaw. Shown with an id; the traceback is in the log."""


class StoppedError(DeskhandError):
    """The person pressed Ctrl-C."""

    exit_code = 130


def explain_failure(error: BaseException) -> DeskhandError | None:
    """The error for people, if its cause is known; `None` for a bug."""
    if isinstance(error, DeskhandError):
        return error
    if isinstance(error, OSError) and error.errno in _SYSTEM_ERRORS:
        return storage_error(error)
    if isinstance(error, MemoryError):
        return StorageError(
            "There is not enough memory.", "Close other programs, or set a smaller model."
        )
    said = str(error).lower()
    for words, message in _DATABASE_ERRORS.items():
        if words in said:
            damaged = "damaged" in message
            return StorageError(
                message,
                "Run: deskhand knowledge rebuild" if damaged else "Mend that and try again.",
            )
    if isinstance(error, sqlite3.Error):
        return StorageError(f"The database failed: {error}.", "Run: deskhand doctor")
    return None


def report_bug(error: BaseException, data_dir: Path | None) -> BugError:
    """Log a traceback under an id, and say where it is.

    Args:
        error: The bug.
        data_dir: The log is `logs/deskhand.log` in it; `None` if the folder is not known.
    """
    bug = secrets.token_hex(4)
    log = None if data_dir is None else _write_log(bug, error, data_dir / "logs" / "deskhand.log")
    return BugError(
        f"Something went wrong inside Deskhand (error {bug}: {type(error).__name__}).",
        f"The details are in {log}." if log else "Set DESKHAND_DEBUG=1 to see the details.",
    )


def _write_log(bug: str, error: BaseException, log: Path) -> Path | None:
    try:
        for folder in (log.parent.parent, log.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"error {bug}\n{''.join(traceback.format_exception(error))}\n")
    except OSError:
        return None
    return log
