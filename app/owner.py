"""The one owner of the data folder: a lock of the operating system, and a note who holds it."""

import datetime
import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from deskhand.core import BusyError, StorageError

LOCK_NAME = "owner.lock"
NOTE_NAME = "owner.json"
NEEDED_BYTES = 50_000_000
_FIRST_LOOK_S = 0.5  # how long to wait in silence before saying that we wait
_MOVE = "Set DESKHAND_DATA_DIR to a folder that you may write to."


@dataclass(frozen=True, slots=True)
class Owner:
    """Who owns a data folder.

    Args:
        pid: The process.
        command: What it does, for example "deskhand chat".
        started: When it began, as an ISO 8601 time with its zone.
    """

    pid: int
    command: str
    started: str

    def __str__(self) -> str:
        began = datetime.datetime.fromisoformat(self.started).astimezone()
        today = began.date() == datetime.datetime.now(tz=began.tzinfo).date()
        since = began.strftime("%H:%M" if today else "%Y-%m-%d %H:%M")
        return f"`{self.command}` (process {self.pid}, since {since})"


class DataFolder:
    """A data folder that one process owns from `acquire` to `release`.

    Both may be called from any thread. When the owner dies, the operating system frees the lock.

    Args:
        path: The folder. `acquire` creates it, readable by its user only.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(path / LOCK_NAME, thread_local=False, mode=0o600)

    def acquire(
        self,
        purpose: str,
        *,
        wait_s: float = 5.0,
        notify: Callable[[str], None] = lambda _line: None,
    ) -> None:
        """Own the folder.

        Args:
            purpose: The command, for the people who find the folder in use.
            wait_s: How many seconds to wait for another owner to finish.
            notify: Is called once, with one line, when there is something to wait for.

        Raises:
            BusyError: Another process still owns it.
            StorageError: The folder cannot be made or written to, or its disk is full.
        """
        with storage_errors(self.path):
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            check_disk(self.path)
            self._take(wait_s, notify)
            try:
                self._write_note(purpose)
            except BaseException:
                self.release()
                raise

    def release(self) -> None:
        """Let others own the folder."""
        with suppress(OSError):
            (self.path / NOTE_NAME).unlink()
        self._lock.release()

    def owner(self) -> Owner | None:
        """Who owns the folder now; `None` if nobody does."""
        if not (self.path / LOCK_NAME).exists():
            return None
        try:
            with FileLock(self.path / LOCK_NAME, thread_local=False, mode=0o600).acquire(timeout=0):
                return None
        except Timeout:
            return self._read_note() or Owner(0, "deskhand", _now())
        except OSError:
            return None

    def _take(self, wait_s: float, notify: Callable[[str], None]) -> None:
        with suppress(Timeout):
            self._lock.acquire(timeout=min(_FIRST_LOOK_S, wait_s))
            return
        if wait_s > _FIRST_LOOK_S:
            notify(f"Waiting for {self._holder()} to finish with {self.path} …")
            with suppress(Timeout):
                self._lock.acquire(timeout=wait_s - _FIRST_LOOK_S)
                return
        raise BusyError(
            f"The data folder {self.path} is in use by {self._holder()}.",
            "Close it, or set DESKHAND_DATA_DIR to another folder.",
        )

    def _holder(self) -> str:
        return str(self._read_note() or "another Deskhand process")

    def _read_note(self) -> Owner | None:
        try:
            owner = Owner(**json.loads((self.path / NOTE_NAME).read_text("utf-8")))
            str(owner)
        except (OSError, ValueError, TypeError):
            return None
        return owner

    def _write_note(self, purpose: str) -> None:
        note = self.path / NOTE_NAME
        fresh = note.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(Owner(os.getpid(), purpose, _now()))), "utf-8")
        fresh.replace(note)


@contextmanager
def own(
    data_dir: Path,
    purpose: str,
    *,
    wait_s: float = 5.0,
    notify: Callable[[str], None] = lambda _line: None,
) -> Iterator[DataFolder]:
    """Own a data folder for a while; the arguments and errors are those of `DataFolder.acquire`."""
    folder = DataFolder(data_dir)
    folder.acquire(purpose, wait_s=wait_s, notify=notify)
    try:
        yield folder
    finally:
        folder.release()


def free_bytes(path: Path) -> int:
    """Free space on the disk that holds a path, which need not exist yet."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return shutil.disk_usage(path).free


def check_disk(path: Path) -> None:
    """Refuse to start writing where little is left.

    Raises:
        StorageError: Less than 50 MB are free.
    """
    free = free_bytes(path)
    if free < NEEDED_BYTES:
        raise StorageError(
            f"The disk of {path} is full: {free // 1_000_000} MB are free,"
            f" {NEEDED_BYTES // 1_000_000} MB are needed.",
            "Free some space, or set DESKHAND_DATA_DIR to a folder on another disk.",
        )


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Say what an error of the operating system means for the folder at hand."""
    try:
        yield
    except OSError as error:
        raise storage_error(error, path) from error


def storage_error(error: OSError, path: Path | None = None) -> StorageError:
    """The error of the operating system as one that a person can act on."""
    where = Path(error.filename) if isinstance(error.filename, str) else path
    what = "the disk" if where is None else str(where)
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StorageError(
            f"The disk is full: {what} could not be written.", "Free some space and try again."
        )
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return StorageError(f"No permission: {what} cannot be read or written.", _MOVE)
    if error.errno in {errno.ENOTDIR, errno.EEXIST}:
        return StorageError(f"{what} is not a folder, or lies inside a file.", _MOVE)
    return StorageError(f"{what} cannot be used: {error.strerror or error}.", _MOVE)


def _now() -> str:
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")
