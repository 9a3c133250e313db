"""The desk's knowledge: documents in, passages out."""

from __future__ import annotations

import difflib
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from deskhand.core.errors import StorageError, UserError
from deskhand.memory.documents import SourceInfo, SyncReport
from deskhand.memory.indexer import Indexer, is_under
from deskhand.memory.progress import Progress
from deskhand.memory.spaces import Embedders
from deskhand.memory.store import Store

if TYPE_CHECKING:
    from types import TracebackType

    from deskhand.memory.retrieval import Hit, Retrieval
    from deskhand.memory.vectors import Vectors

_DATABASE = "knowledge.db"
_VECTORS = "chroma"


class Knowledge:
    """What the desk knows, in one folder: knowledge.db and Chroma's files.

    Open it with `Knowledge.open`. Writing calls need the data folder's lock, which the caller
    holds. Calls come from one thread at a time.
    """

    def __init__(
        self, folder: Path, store: Store, embedders: Embedders, *, read_only: bool
    ) -> None:
        self.folder = folder
        self.embedders = embedders
        self._store = store
        self._read_only = read_only
        self._vectors: Vectors | None = None

    @classmethod
    def open(cls, folder: Path, embedders: Embedders, *, read_only: bool = False) -> Knowledge:
        """Open the knowledge in a folder, and make it where there is none.

        Args:
            folder: Created unless `read_only`.
            embedders: The embedding models in use.
            read_only: For commands that run beside the owner of the data folder.

        Raises:
            StorageError: The folder cannot be used, or, with `read_only`, holds no knowledge.
        """
        if not read_only:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                raise StorageError(
                    f"The folder {folder} cannot be made: {reason}.",
                    "Give yourself the right to write there, or set another data_dir.",
                ) from error
        store = Store(folder / _DATABASE, read_only=read_only)
        return cls(folder, store, embedders, read_only=read_only)

    def __enter__(self) -> Knowledge:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the files."""
        self._store.close()
        if self._vectors is not None:
            self._vectors.close()
            self._vectors = None

    # Writing

    def add(
        self, paths: Sequence[Path], *, dry_run: bool = False, progress: Progress | None = None
    ) -> SyncReport:
        """Read files and folders into the knowledge, and remember them for `sync`.

        Adding again reads only what changed. Files that vanished from an added folder are removed.

        Args:
            paths: Files or folders.
            dry_run: Only report what would be done.
            progress: Told about every file and batch.

        Raises:
            UserError: A path does not exist; nothing was read.
            SettingsError: The index was built with another embedding model.
            StorageError: The disk or an index failed; run it again to finish the rest.
        """
        missing = [str(path) for path in paths if not path.exists()]
        if missing:
            raise UserError(
                f"There is no such file or folder: {', '.join(missing)}.", "Nothing was read."
            )
        resolved = list(dict.fromkeys(str(path.resolve()) for path in paths))
        roots = [p for p in resolved if not any(o != p and is_under(p, o) for o in resolved)]
        known = self._store.roots()

        def work(report: SyncReport, tell: Progress) -> None:
            chosen: list[str] = []
            for path in roots:
                above = next((root for root in known if is_under(path, root)), None)
                chosen.append(above or path)
                if above is None and not dry_run:
                    with self._store.transaction():
                        self._store.add_root(path)
            self._indexer().sync(dict.fromkeys(chosen), report, tell)
            if not dry_run:
                self._merge_roots(roots)

        return self._report(work, dry_run=dry_run, progress=progress)

    def sync(self, *, dry_run: bool = False, progress: Progress | None = None) -> SyncReport:
        """Read again everything that was added: new, changed and vanished files.

        Raises:
            SettingsError: The index was built with another embedding model.
            StorageError: The disk or an index failed; run it again to finish the rest.
        """

        def work(report: SyncReport, tell: Progress) -> None:
            self._indexer().sync(self._store.roots(), report, tell)

        return self._report(work, dry_run=dry_run, progress=progress)

    def remove(self, source: str, *, dry_run: bool = False) -> SyncReport:
        """Forget a source, or everything under a path that was added.

        A single source of a folder that is still there comes back with the next `sync`; the report
        says so.

        Args:
            source: A source name, or a path that was added or lies in one.
            dry_run: Only report what would be removed.

        Raises:
            UserError: Nothing has this name; the hint gives the nearest names.
        """
        path = str(Path(source).resolve())
        infos = self._store.sources()
        under = [info for info in infos if is_under(info.path, path)]
        chosen = [info for info in infos if info.source == source] or under
        roots = [root for root in self._store.roots() if is_under(root, path)]
        if not chosen and not roots:
            names = [info.source for info in infos]
            near = difflib.get_close_matches(source, names, n=3, cutoff=0.5)
            hint = f"Did you mean {' or '.join(near)}?" if near else "deskhand knowledge list"
            raise UserError(f"Nothing in the knowledge is named {source}.", hint)

        def work(report: SyncReport, tell: Progress) -> None:
            report.removed += [info.source for info in chosen]
            by_root = any(is_under(info.path, r) for info in chosen for r in self._store.roots())
            if chosen is not under and by_root and Path(chosen[0].path).exists():
                report.notes.append(f"{chosen[0].path} is still there: the next sync reads it again.")
            if dry_run:
                return
            with self._store.transaction():
                for info in chosen:
                    self._store.delete_source(info.source)
                for root in roots:
                    self._store.remove_root(root)
            self._indexer().settle(tell)

        return self._report(work, dry_run=dry_run, progress=None)

    def rebuild(self, *, progress: Progress | None = None) -> SyncReport:
        """Read everything again and compute all vectors anew, with the models set now.

        Raises:
            StorageError: The disk or an index failed; run it again.
        """

        def work(report: SyncReport, tell: Progress) -> None:
            if self._vectors is not None:
                self._vectors.close()
                self._vectors = None
            # A damaged index may not even open; what it holds is computed again anyway.
            shutil.rmtree(self.folder / _VECTORS, ignore_errors=True)
            indexer = self._indexer()
            indexer.forget_vectors()
            indexer.sync(self._store.roots(), report, tell)

        return self._report(work, dry_run=False, progress=progress)

    # Reading

    def list(self) -> list[SourceInfo]:
        """Every source, by name."""
        return self._store.sources()

    def languages(self) -> dict[str, int]:
        """Entries by ISO 639-1 code, most first."""
        return self._store.languages()

    def unsettled(self) -> bool:
        """Whether an interrupted change or a new embedding model waits for `knowledge sync`."""
        return self._indexer().unsettled()

    def retrieval(self) -> Retrieval:
        """The searching half, for those who need more than `search`.

        Raises:
            SettingsError: The index was built with another embedding model.
        """
        from deskhand.memory.retrieval import Retrieval

        self._indexer().check_models()
        return Retrieval(self._store, self._open_vectors(), self.embedders)

    def search(self, question: str, *, language: str | None = None, limit: int = 10) -> list[Hit]:
        """The passages that fit a question best.

        Args:
            question: In any language.
            language: Its ISO 639-1 code; detected where not given.
            limit: Most hits to return.

        Raises:
            SettingsError: The index was built with another embedding model.
        """
        return self.retrieval().search(question, language=language, limit=limit)

    # Inside

    def _open_vectors(self) -> Vectors:
        if self._vectors is None:
            from deskhand.memory.vectors import Vectors

            self._vectors = Vectors(self.folder / _VECTORS)
        return self._vectors

    def _indexer(self) -> Indexer:
        return Indexer(self._store, self._open_vectors, self.embedders)

    def _merge_roots(self, roots: Sequence[str]) -> None:
        """Roots inside a newly added folder belong to it from now on."""
        with self._store.transaction():
            for root in roots:
                for other in self._store.roots():
                    if other != root and is_under(other, root):
                        self._store.move_files(other, root)
                        self._store.remove_root(other)

    def _report(
        self,
        work: Callable[[SyncReport, Progress], None],
        *,
        dry_run: bool,
        progress: Progress | None,
    ) -> SyncReport:
        if self._read_only and not dry_run:
            raise StorageError("The knowledge was opened for reading only.")
        report, started = SyncReport(dry_run=dry_run), time.monotonic()
        work(report, progress or _silent)
        for names in (report.added, report.changed, report.removed, report.unchanged):
            names.sort()
        report.passages = self._store.count_passages()
        report.seconds = time.monotonic() - started
        return report


def _silent(what: str, done: int, total: int) -> None:
    """No progress."""
    del what, done, total
