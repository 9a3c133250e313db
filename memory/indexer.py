"""Writes what a document says into the stores, so that any interruption can be made good.

A change is one SQLite transaction that also notes, in the journal, whose vectors it touches. Only
then are vectors written or deleted, and the note removed. A process that dies in between leaves
notes, which the next writing command settles; searches ignore vectors without a row.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from deskhand.core.errors import SettingsError
from deskhand.memory.documents import (
    EmptyFileError,
    Entry,
    StoredEntry,
    StoredFile,
    SyncReport,
    UnreadableError,
    source_name,
)
from deskhand.memory.evidence import Tokens
from deskhand.memory.naming import Names
from deskhand.memory.progress import Progress, silent
from deskhand.memory.readers import find_files, read_file
from deskhand.memory.readers.files import FoundFiles, describe_other, os_reason
from deskhand.memory.spaces import KINDS, Embedder, Embedders, Kind, Space, spaces
from deskhand.memory.store import Store, StoredPassage
from deskhand.memory.sync_run import SyncRun
from deskhand.memory.tokens import TokenCache, passage_text
from deskhand.memory.vectors import Vectors

# Raised whenever passages of an unchanged file would come out differently.
READER_VERSION = "1"
_SETTLE_BATCH = 128
_REMOVE_BATCH = 1000
_CLOCK_TICK_SECONDS = 2.0  # of FAT, the coarsest
_SPACES_FACT = "spaces"
_READER_FACT = "reader"
DISCARD_FACT = "discard vectors"
_ENGLISH, _MULTILINGUAL = "english", "multilingual"


class Indexer:
    """The writing half of `Knowledge`.

    Args:
        store: The open store.
        vectors: Opens the vector collections when they are needed first.
        embedders: The embedding models in use.
        tokens: Keeps the token vectors of passages.
        clock: The time in seconds.
    """

    def __init__(
        self,
        store: Store,
        vectors: Callable[[], Vectors],
        embedders: Embedders,
        tokens: TokenCache,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._vectors = vectors
        self._embedders = embedders
        self._tokens = tokens
        self._clock = clock

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
        if built and custom is None and _ENGLISH not in built:
            model = next(iter(built.values()))["model"]
            raise SettingsError(
                f"The knowledge was indexed with the embedding model {model}, "
                "the settings now name none.",
                "Change the setting back, or index again: deskhand knowledge rebuild",
            )

    def unsettled(self) -> bool:
        """Whether passages lack vectors of a model that is in use."""
        return bool(self._store.count_journal()) or self._outdated()

    def searchable(self) -> Embedders:
        """The models in use that the index was built with: a new one has no vectors yet."""
        built = self._built_with()
        if self._embedders.custom is None and built and _MULTILINGUAL not in built:
            return replace(self._embedders, multilingual=None)
        return self._embedders

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
            self._settle_versions()
        files = self._store.files()
        run = SyncRun(report, Names(self._store), self._store.sources_by_file())
        # What is gone goes first: its names are free for what moved.
        found = [self._look(root, files, run) for root in roots]
        for root, there, stored in found:
            for number, path in enumerate(there, 1):
                progress("Reading", number, len(there))
                self._sync_file(path, root, stored.get(str(path)), run)
        if note := describe_other(run.other):
            report.notes.append(note)
        run.finish({} if report.dry_run else run.names.reclaim())
        if not report.dry_run:
            self.settle(progress)

    def _look(
        self, root: str, files: Iterable[StoredFile], run: SyncRun
    ) -> tuple[Path, list[Path], dict[str, StoredFile]]:
        """What is there and what is stored under a root; the rest is removed."""
        path = Path(root)
        stored = {file.path: file for file in files if is_under(file.path, root)}
        alone = set(stored) <= {root}
        if not path.exists() and not (alone and stored):
            run.report.skipped.append(
                (root, "it is gone; what was read from it stays until `remove`")
            )
            run.unchanged(stored.values())
            return path, [], stored
        found = find_files(path) if path.exists() else FoundFiles()
        run.report.skipped += found.skipped
        run.other.append(found.other)
        there = {str(file) for file in found.files}
        blocked = [where for where, _ in found.skipped]
        for file in [file for file in stored.values() if file.path not in there]:
            if any(is_under(file.path, where) for where in blocked):
                run.unchanged([file])
            else:
                self._remove_file(file, run)
        if not path.exists() and not run.report.dry_run:
            with self._store.transaction():
                self._store.remove_root(root)
        return path, found.files, stored

    def _sync_file(self, path: Path, root: Path, before: StoredFile | None, run: SyncRun) -> None:
        try:
            info = path.stat()
            now = (info.st_size, info.st_mtime_ns, str(root))
            if before and (before.size, before.mtime_ns, before.root) == now:
                run.unchanged([before])
                return
            read = read_file(path, source_name(path, root))
        except EmptyFileError as error:
            run.report.skipped.append((str(path), str(error)))
            if before:
                self._remove_file(before, run)
            return
        except (OSError, UnreadableError) as error:
            reason = os_reason(error) if isinstance(error, OSError) else str(error)
            if before:
                reason += "; what was read from it before stays"
                run.unchanged([before])
            run.report.skipped.append((str(path), reason))
            return
        run.report.notes += read.notes
        old = {entry.own: entry for entry in self._store.entries(before.id)} if before else {}
        before_names = {own: entry.source for own, entry in old.items()}
        names = run.names.claim(read.entries, path, root, before_names)
        run.read(read.entries, names, old)
        if run.report.dry_run:
            return
        # A file that was written just now may be written again within the same tick of its clock.
        settled = self._clock() - info.st_mtime > _CLOCK_TICK_SECONDS
        with self._store.transaction():
            file = self._store.save_file(
                str(path), str(root), info.st_size, info.st_mtime_ns if settled else 0
            )
            self._write_entries(file, read.entries, names, old)
        if self._store.count_journal() >= _SETTLE_BATCH:
            self.settle(silent)

    def _write_entries(
        self,
        file: int,
        entries: Iterable[Entry],
        names: Mapping[str, str],
        old: Mapping[str, StoredEntry],
    ) -> None:
        kept = {e.source for e in entries if e.source in old and old[e.source].digest == e.digest}
        for own, before in old.items():
            if own not in kept:
                self._store.delete_entry(before.id)
        moved = {old[own].id: names[own] for own in kept if old[own].source != names[own]}
        self._store.rename_entries(moved)
        for entry in entries:
            if entry.source not in kept:
                self._store.add_entry(file, entry, names[entry.source])

    def _remove_file(self, file: StoredFile, run: SyncRun) -> None:
        run.removed(file)
        if not run.report.dry_run:
            with self._store.transaction():
                self._store.delete_file(file.id)

    # Vectors

    def _settle_versions(self) -> None:
        """Take note of a model that came or went, and of new readers: work for this sync."""
        current = self._current()
        if self._built_with() == current and self._store.fact(_READER_FACT) == READER_VERSION:
            return
        with self._store.transaction():
            if self._outdated():
                self._store.journal_all()
            if self._store.fact(_READER_FACT) != READER_VERSION:
                self._store.mark_unread()
            self._store.set_fact(_SPACES_FACT, json.dumps(current))
            self._store.set_fact(_READER_FACT, READER_VERSION)

    def forget_vectors(self) -> None:
        """Note that every file is to be read and every passage needs new vectors."""
        with self._store.transaction():
            self._store.journal_all()
            self._store.mark_unread()
            self._store.set_fact(_SPACES_FACT, json.dumps(self._current()))
            self._store.set_fact(DISCARD_FACT, "yes")

    def settle(self, progress: Progress) -> None:
        """Write or delete the vectors of every passage in the journal."""
        self.settle_removed()
        total, done = self._store.count_journal(), 0
        if total:
            self._drop_unused()
        while batch := self._store.journal(_SETTLE_BATCH, gone=False):
            progress("Embedding", done, total)
            ids = [passage for passage, _ in batch]
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

    def settle_removed(self) -> None:
        """Delete the vectors of passages that are gone; this needs no model."""
        while batch := self._store.journal(_REMOVE_BATCH, gone=True):
            self._vectors().delete([i for pair in batch for i in vector_ids(*pair)])
            self._tokens.remove(passage for passage, _ in batch)
            with self._store.transaction():
                self._store.clear_journal([passage for passage, _ in batch])

    def _drop_unused(self) -> None:
        """Drop the collections of a model that went, or that now sees other passages."""
        used = {space.collection(kind) for space in spaces(self._embedders) for kind in KINDS}
        for name in self._vectors().names():
            if name not in used:
                self._vectors().drop(name)

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
        wording = [text for _, text in texts]
        if kind == "questions":
            vectors = space.embedder.embed_array(wording, "query")
        elif space.embedder is not self._embedders.custom and isinstance(space.embedder, Embedder):
            vectors, items = space.embedder.embed_both(wording, "passage")
            tokens = [Tokens(item.offsets, item.vectors) for item in items]
            self._tokens.put(space.embedder, passages, tokens)
        else:
            vectors = space.embedder.embed_array(wording, "passage")
        self._vectors().add(space.collection(kind), [i for i, _ in texts], vectors)


def vector_ids(passage: int, questions: int) -> list[str]:
    """Ids of a passage's vectors: the passage itself, then its question wordings."""
    return [str(passage), *(f"{passage}q{n}" for n in range(questions))]


def passage_of(vector_id: str) -> int:
    """The passage that a vector belongs to."""
    return int(vector_id.partition("q")[0])


def is_under(path: str, root: str) -> bool:
    """Whether a path is a root or lies in it."""
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)
