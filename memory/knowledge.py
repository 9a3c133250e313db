"""The desk's knowledge: documents in, passages out."""
# ruff: noqa: PLC0415 - Chroma and numpy are only loaded by those who search

from __future__ import annotations

import difflib
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from deskhand.core.errors import StorageError, UserError
from deskhand.memory.documents import SourceInfo, SyncReport
from deskhand.memory.indexer import DISCARD_FACT, Indexer, is_under
from deskhand.memory.progress import Progress, silent
from deskhand.memory.readers.files import shown
from deskhand.memory.spaces import Embedders
from deskhand.memory.store import Store
from deskhand.memory.tokens import TokenCache

if TYPE_CHECKING:
    import builtins
    from types import TracebackType

    from deskhand.memory.retrieval import Hit, Retrieval
    from deskhand.memory.vectors import Vectors

_DATABASE = "knowledge.db"
_VECTORS = "chroma"
_TOKENS = "tokens.db"


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
        self._tokens = TokenCache(folder / _TOKENS, read_only=read_only)
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
        self._close_vectors()
        self._tokens.close()
        self._store.close()

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
        if odd := [shown(path) for path in resolved if shown(path) != path]:
            raise UserError(f"This name is not valid UTF-8: {', '.join(odd)}.", "Rename it.")
        added = [p for p in resolved if not any(o != p and is_under(p, o) for o in resolved)]

        def work(report: SyncReport, tell: Progress) -> None:
            indexer = self._indexer()
            indexer.check_models()
            known = self._store.roots()
            new = [path for path in added if not any(is_under(path, root) for root in known)]
            if new and not dry_run:
                self._remember(new, known)
            above = [r for r in known if any(is_under(path, r) for path in added)]
            indexer.sync([*above, *new], report, tell)
            if not dry_run:
                self._forget_unread(new)

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
        infos = self._store.sources()
        roots = self._store.roots()
        places = _places(source)
        chosen = [info for info in infos if info.source == source]
        if chosen:
            # The whole of a file that was added by itself: the file is forgotten too.
            left = {info.path for info in infos} - {
                info.path for info in infos if info.source != source
            }
            gone = [root for root in roots if root in left]
        else:
            chosen = [i for i in infos if any(is_under(i.path, place) for place in places)]
            gone = [root for root in roots if any(is_under(root, place) for place in places)]
        if not chosen and not gone:
            names = [info.source for info in infos]
            near = difflib.get_close_matches(source, names, n=3, cutoff=0.5)
            hint = f"Did you mean {' or '.join(near)}?" if near else "deskhand knowledge list"
            raise UserError(f"Nothing in the knowledge is named {source}.", hint)

        def work(report: SyncReport, tell: Progress) -> None:
            del tell
            report.removed += [info.source for info in chosen]
            stay = [root for root in roots if root not in gone]
            for path in dict.fromkeys(info.path for info in chosen):
                if any(is_under(path, root) for root in stay) and Path(path).exists():
                    report.notes.append(f"{path} is still there: the next sync reads it again.")
            if dry_run:
                return
            with self._store.transaction():
                self._store.delete_sources(report.removed)
                for root in gone:
                    self._store.remove_root(root)
            self._indexer().settle_removed()

        return self._report(work, dry_run=dry_run, progress=None)

    def rebuild(self, *, progress: Progress | None = None) -> SyncReport:
        """Read everything again and compute all vectors anew, with the models set now.

        Raises:
            StorageError: The disk or an index failed; run it again.
        """

        def work(report: SyncReport, tell: Progress) -> None:
            indexer = self._indexer()
            indexer.forget_vectors()
            self._close_vectors()
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

        indexer = self._indexer()
        indexer.check_models()
        vectors, searchable = self._open_vectors(), indexer.searchable()
        return Retrieval(self._store, vectors, searchable, self._tokens)

    def search(
        self, question: str, *, language: str | None = None, limit: int = 10
    ) -> builtins.list[Hit]:
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

            folder = self.folder / _VECTORS
            if self._read_only:
                self._vectors = Vectors(folder, version=self._store.version)
            else:
                self._discard_vectors(folder)
                self._vectors = Vectors(folder)
        return self._vectors

    def _close_vectors(self) -> None:
        if self._vectors is not None:
            self._vectors.close()
            self._vectors = None

    def _discard_vectors(self, folder: Path) -> None:
        """Move the index away if `rebuild` asked for it: it may be too damaged to open."""
        old = folder.with_name(f"{folder.name}.old")
        if self._store.fact(DISCARD_FACT):
            shutil.rmtree(old, ignore_errors=True)
            try:
                if folder.exists():
                    folder.rename(old)
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                raise StorageError(
                    f"The old vector index {folder} cannot be moved: {reason}.",
                    "Stop the programs that use it, and run: deskhand knowledge rebuild",
                ) from error
            self._tokens.clear()
            with self._store.transaction():
                self._store.set_fact(DISCARD_FACT, "")
        shutil.rmtree(old, ignore_errors=True)

    def _indexer(self) -> Indexer:
        return Indexer(self._store, self._open_vectors, self.embedders, self._tokens)

    def _remember(self, new: Sequence[str], known: Sequence[str]) -> None:
        """Note paths that are added; what was added inside them before belongs to them now."""
        with self._store.transaction():
            for path in new:
                self._store.add_root(path)
                for inner in known:
                    if is_under(inner, path):
                        self._store.merge_root(inner, path)

    def _forget_unread(self, new: Sequence[str]) -> None:
        """Do not come back to a single file that could not be read."""
        read = {file.path for file in self._store.files()}
        with self._store.transaction():
            for path in new:
                if path not in read and not Path(path).is_dir():
                    self._store.remove_root(path)

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
        work(report, progress or silent)
        for names in (report.added, report.changed, report.removed, report.unchanged):
            names.sort()
        report.passages = self._store.count_passages()
        report.seconds = time.monotonic() - started
        return report


def _places(name: str) -> list[str]:
    """What a name can stand for as a path, with links followed and without."""
    try:
        return list(dict.fromkeys((str(Path(name).absolute()), str(Path(name).resolve()))))
    except (OSError, ValueError, RuntimeError):
        return []
