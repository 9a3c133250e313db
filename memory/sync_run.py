"""What one run of `sync` has seen so far, and how it counts in the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from deskhand.memory.documents import Entry, StoredEntry, StoredFile, SyncReport
from deskhand.memory.naming import Names


@dataclass(slots=True)
class SyncRun:
    """The state of one run.

    Args:
        report: What is handed to the caller.
        names: Names in citations.
        sources: Names in citations by file id, as they were before.
        other: Counts of files that are not read.
    """

    report: SyncReport
    names: Names
    sources: Mapping[int, list[str]]
    other: list[Counter[str]] = field(default_factory=list)

    def unchanged(self, files: Iterable[StoredFile]) -> None:
        """These files stay as they are."""
        for file in files:
            self.report.unchanged += self.sources.get(file.id, ())

    def removed(self, file: StoredFile) -> None:
        """This file goes."""
        sources = self.sources.get(file.id, [])
        self.report.removed += sources
        self.names.release(sources)

    def read(
        self, entries: Iterable[Entry], names: Mapping[str, str], old: Mapping[str, StoredEntry]
    ) -> None:
        """These entries were read from a file that held `old`; both by their own names."""
        left = dict(old)
        for entry in entries:
            known, name = left.pop(entry.source, None), names[entry.source]
            if known is None:
                self.report.added.append(name)
            elif known.digest == entry.digest and known.source == name:
                self.report.unchanged.append(name)
            else:
                self.report.changed.append(name)
        self.report.removed += [entry.source for entry in left.values()]

    def finish(self, renamed: Mapping[str, str]) -> None:
        """Count each name once: what went from one file to another was changed.

        Args:
            renamed: New names of entries by their old ones.
        """
        report = self.report
        added = {renamed.get(name, name) for name in report.added}
        changed = {renamed.get(name, name) for name in report.changed}
        unchanged = set(report.unchanged)
        changed |= {new for old, new in renamed.items() if old in unchanged}
        removed = set(report.removed)
        report.changed = sorted(changed | (added & removed))
        report.added = sorted(added - removed)
        report.removed = sorted(removed - added - changed)
        report.unchanged = sorted(unchanged - renamed.keys())
