"""Writes what a document says into the stores, so that any interruption can be made good.

A change is one SQLite transaction that also notes, in the journal, whose vectors it touches. Only
then are vectors written or deleted, and the note removed. A process that dies in between leaves
notes, which the next writing command settles; searches ignore vectors without a row.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from deskhand.core.errors import SettingsError
from deskhand.memory.documents import Entry, ReadFile, SyncReport, UnreadableError, source_name
from deskhand.memory.progress import Progress
from deskhand.memory.readers import find_files, read_file
from deskhand.memory.readers.files import FoundFiles
from deskhand.memory.spaces import KINDS, Embedders, Kind, Space, spaces
from deskhand.memory.store import Store, StoredFile, StoredPassage
from deskhand.memory.vectors import Vectors

# Raised whenever passages of an unchanged file would come out differently.
READER_VERSION = "1"
_SETTLE_BATCH = 128
_SPACES_FACT = "spaces"
_READER_FACT = "reader"


class Indexer:
    """The writing half of `Knowledge`.

    Args:
        store: The open store.
        vectors: Opens the vector collections when they are needed first.
        embedders: The embedding models in use.
    """

    def __init__(self, store: Store, vectors: Callable[[], Vectors], embedders: Embedders) -> None:
        self._store = store
        self._vectors = vectors
        self._embedders = embedders

    # Models

    def check_models(self) -> None:
        """Refuse to mix vectors of two models in one collection.

        Raises:
            SettingsError: The index was built with another model; the hint says how to rebuild.
        """
        built = self._built_with()
        for space in spaces(self._embedders):
            before = built.get(space.name)
            if before and before["fingerprint"] != space.embedder.fingerprint:
                raise SettingsError(
                    f"The knowledge was indexed with the embedding model {before['model']}, "
                    f"the settings now name {space.embedder.name}.",
                    "Change the setting back, or index again: deskhand knowledge rebuild",
                )
        custom = self._embedders.custom
        if built and custom is not None and spaces(self._embedders)[0].name not in built:
            raise SettingsError(
                "The knowledge was indexed with another embedding model, "
                f"the settings now name {custom.name}.",
                "Change the setting back, or index again: deskhand knowledge rebuild",
            )
        if built and custom is None and not any(name in built for name in ("english",)):
            model = next(iter(built.values()))["model"]
            raise SettingsError(
                f"The knowledge was indexed with the embedding model {model}, "
                "the settings now name none.",
                "Change the setting back, or index again: deskhand knowledge rebuild",
            )

    def unsettled(self) -> bool:
        """Whether passages lack vectors of a model that is in use."""
        return bool(self._store.journal(1)) or self._outdated()

    def _built_with(self) -> dict[str, dict[str, str]]:
        return dict(json.loads(self._store.fact(_SPACES_FACT) or "{}"))

    def _current(self) -> dict[str, dict[str, str]]:
        return {
            space.name: {"model": space.embedder.name, "fingerprint": space.embedder.fingerprint}
            for space in spaces(self._embedders)
        }

    def _outdated(self) -> bool:
        built = self._built_with()
        return bool(built) and built != self._current()

    # Files

    def sync(self, roots: Iterable[str], report: SyncReport, progress: Progress) -> None:
        """Bring the stores in line with what lies under some roots."""
        self.check_models()
        if not report.dry_run:
            self._settle_models()
        force = self._store.fact(_READER_FACT) not in (None, READER_VERSION)
        others = []
        for root in roots:
            found = self._sync_root(root, report, progress, force=force)
            if found is not None:
                others.append(found.other)
        from deskhand.memory.readers.files import describe_other

        if note := describe_other(others):
            report.notes.append(note)
        if report.dry_run:
            return
        with self._store.transaction():
            self._store.set_fact(_READER_FACT, READER_VERSION)
        self.settle(progress)

    def _sync_root(
        self, root: str, report: SyncReport, progress: Progress, *, force: bool
    ) -> FoundFiles | None:
        path = Path(root)
        stored = {file.path: file for file in self._store.files(root)}
        if not path.exists() and str(path) not in stored:
            report.skipped.append((root, "it is gone; what was read from it stays until `remove`"))
            self._count_unchanged(stored.values(), report)
            return None
        found = find_files(path) if path.exists() else FoundFiles()
        report.skipped += found.skipped
        for number, file in enumerate(found.files, 1):
            progress("Reading", number, len(found.files))
            self._sync_file(file, path, stored.pop(str(file), None), report, force=force)
        blocked = tuple(f"{where}/" for where, _ in found.skipped)
        for file_row in stored.values():
            if file_row.path.startswith(blocked):
                self._count_unchanged([file_row], report)
            elif not self._covered_elsewhere(file_row.path, root):
                self._remove_file(file_row, report)
        if not path.exists() and not report.dry_run:
            with self._store.transaction():
                self._store.remove_root(root)
        return found

    def _covered_elsewhere(self, path: str, root: str) -> bool:
        return Path(path).exists() and any(
            other != root and is_under(path, other) for other in self._store.roots()
        )

    def _sync_file(
        self,
        path: Path,
        root: Path,
        before: StoredFile | None,
        report: SyncReport,
        *,
        force: bool,
    ) -> None:
        before = before or self._file_of_other_root(path)
        try:
            info = path.stat()
            same = before and (before.size, before.mtime_ns) == (info.st_size, info.st_mtime_ns)
            if before and same and not force:
                self._count_unchanged([before], report)
                return
            read = read_file(path, source_name(path, root))
            data_digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            self._skip(path, (error.strerror or "it cannot be read").lower(), before, report)
            return
        except UnreadableError as error:
            self._skip(path, str(error), before, report)
            return
        report.notes += read.notes
        read = ReadFile(tuple(self._named(read.entries, path, root)), read.notes)
        self._count(read, before, report)
        if report.dry_run:
            return
        with self._store.transaction():
            owner = before.root if before and self._is_narrower(root, before.root) else str(root)
            file = self._store.save_file(
                str(path), owner, info.st_size, info.st_mtime_ns, data_digest
            )
            self._write_entries(file, read)
        if len(self._store.journal(_SETTLE_BATCH)) == _SETTLE_BATCH:
            self.settle(_silent)

    def _file_of_other_root(self, path: Path) -> StoredFile | None:
        return self._store.file(str(path))

    @staticmethod
    def _is_narrower(root: Path, other: str) -> bool:
        return str(root) != other and is_under(str(root), other)

    def _skip(
        self, path: Path, reason: str, before: StoredFile | None, report: SyncReport
    ) -> None:
        if before is not None:
            reason += "; what was read from it before stays"
            self._count_unchanged([before], report)
        report.skipped.append((str(path), reason))

    def _named(self, entries: Iterable[Entry], path: Path, root: Path) -> Iterator[Entry]:
        """Entries under names that no other file has taken."""
        for entry in entries:
            name = entry.source
            for candidate in (name, f"{root.name}/{name}", f"{path.as_posix()}/{name}"):
                taken = self._store.source_file(candidate)
                if taken in (None, str(path)):
                    name = candidate
                    break
            yield entry if name == entry.source else replace(entry, source=name)

    def _write_entries(self, file: int, read: ReadFile) -> None:
        before = {entry.source: entry for entry in self._store.entries(file)}
        for entry in read.entries:
            old = before.pop(entry.source, None)
            if old is not None and old.digest == entry.digest:
                continue
            if old is not None:
                self._store.delete_entry(old.id)
            self._store.add_entry(file, entry)
        for gone in before.values():
            self._store.delete_entry(gone.id)

    def _count(self, read: ReadFile, before: StoredFile | None, report: SyncReport) -> None:
        old = {entry.source: entry for entry in self._store.entries(before.id)} if before else {}
        for entry in read.entries:
            known = old.pop(entry.source, None)
            if known is None:
                report.added.append(entry.source)
            elif known.digest == entry.digest:
                report.unchanged.append(entry.source)
            else:
                report.changed.append(entry.source)
        report.removed += old

    def _count_unchanged(self, files: Iterable[StoredFile], report: SyncReport) -> None:
        for file in files:
            report.unchanged += [entry.source for entry in self._store.entries(file.id)]

    def _remove_file(self, file: StoredFile, report: SyncReport) -> None:
        report.removed += [entry.source for entry in self._store.entries(file.id)]
        if not report.dry_run:
            with self._store.transaction():
                self._store.delete_file(file.id)

    # Vectors

    def _settle_models(self) -> None:
        """Take note of a model that came or went: every passage needs its vectors anew."""
        current = self._current()
        if self._built_with() != current:
            with self._store.transaction():
                if self._outdated():
                    self._store.journal_all()
                self._store.set_fact(_SPACES_FACT, json.dumps(current))

    def forget_vectors(self) -> None:
        """Drop all vectors and note that every passage needs new ones."""
        with self._store.transaction():
            self._store.journal_all()
            self._store.set_fact(_SPACES_FACT, json.dumps(self._current()))
            self._store.set_fact(_READER_FACT, "")
        for name in self._vectors().names():
            self._vectors().drop(name)

    def settle(self, progress: Progress) -> None:
        """Write or delete the vectors of every passage in the journal."""
        total, done = len(self._store.journal()), 0
        while batch := self._store.journal(_SETTLE_BATCH):
            progress("Embedding", done, total)
            ids = [passage for passage, _ in batch]
            self._vectors().delete([i for pair in batch for i in vector_ids(*pair)])
            passages = self._store.passages(ids)
            for space in spaces(self._embedders):
                held = [p for p in passages.values() if space.holds(p.language)]
                for kind in KINDS:
                    self._write_vectors(space, kind, held)
            with self._store.transaction():
                self._store.clear_journal(ids)
            done += len(batch)
        if total:
            progress("Embedding", total, total)

    def _write_vectors(self, space: Space, kind: Kind, passages: list[StoredPassage]) -> None:
        texts: list[tuple[str, str]] = []
        for passage in passages:
            if kind == "passages":
                texts.append((str(passage.id), passage_text(passage)))
            elif passage.first:
                ids = vector_ids(passage.id, len(passage.questions))[1:]
                texts += zip(ids, passage.questions, strict=True)
        if not texts:
            return
        side = "passage" if kind == "passages" else "query"
        vectors = space.embedder.embed_array([text for _, text in texts], side)
        self._vectors().add(space.collection(kind), [i for i, _ in texts], vectors)


def passage_text(passage: StoredPassage) -> str:
    """What is embedded for a passage: its title path, or the FAQ's question, then its text."""
    return f"{passage.title}\n{passage.text}"


def vector_ids(passage: int, questions: int) -> list[str]:
    """Ids of a passage's vectors: the passage itself, then its question wordings."""
    return [str(passage), *(f"{passage}q{n}" for n in range(questions))]


def passage_of(vector_id: str) -> int:
    """The passage that a vector belongs to."""
    return int(vector_id.partition("q")[0])


def is_under(path: str, root: str) -> bool:
    """Whether a path is a root or lies in it."""
    return path == root or Path(root) in Path(path).parents


def _silent(what: str, done: int, total: int) -> None:
    """No progress."""
    del what, done, total
