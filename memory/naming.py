"""Names in citations: each stands for one thing, and stays with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from pathlib import Path

from deskhand.memory.documents import Entry, one_line, source_name
from deskhand.memory.store import Store


class Names:
    """Who holds which name. A name that is taken is lengthened by where it comes from.

    Args:
        store: Holds the names given so far.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._holders = {source: path for _, source, _, path in store.names()}

    def release(self, sources: Iterable[str]) -> None:
        """These names are free again."""
        for source in sources:
            self._holders.pop(source, None)

    def claim(
        self, entries: Iterable[Entry], path: Path, root: Path, before: Mapping[str, str]
    ) -> dict[str, str]:
        """Names in citations for the entries of a file, by their own names.

        Args:
            entries: What was read from the file.
            path: The file.
            root: What was added: the file itself or a folder above it.
            before: Names in citations that the file held, by own names; they are released.
        """
        self.release(before.values())
        claimed: dict[str, str] = {}
        for entry in entries:
            names = _candidates(entry, before.get(entry.source), path, root)
            name = next(name for name in names if name not in self._holders)
            self._holders[name] = str(path)
            claimed[entry.source] = name
        return claimed

    def reclaim(self) -> dict[str, str]:
        """Give entries their own names where these have become free: new names by old ones."""
        changed: dict[int, str] = {}
        new_names: dict[str, str] = {}
        for entry, source, own, path in self._store.names():
            if source != own and own not in self._holders:
                self._holders[own] = path
                self._holders.pop(source, None)
                changed[entry], new_names[source] = own, own
        if changed:
            with self._store.transaction():
                self._store.rename_entries(changed)
        return new_names


def _candidates(entry: Entry, before: str | None, path: Path, root: Path) -> Iterator[str]:
    yield entry.source
    if before is not None:
        yield before
    file = source_name(path, root)
    within = entry.source.startswith((f"{file}#", file)) or entry.kind == "article"
    local = entry.source if within else f"{file}#{entry.source}"
    yield local
    above = (root if root != path else root.parent).parts[1:]
    for length in range(1, len(above) + 1):
        yield one_line("/".join(above[-length:])) + f"/{local}"
    yield from (f"{local} ({number})" for number in count(2))
