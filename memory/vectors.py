"""Vectors in embedded Chroma: one collection for each embedding model, kind and language group.

Separate collections instead of metadata filters: a filter makes a query of 100,000 vectors some
twenty times slower. Vectors are always ours; Chroma never embeds.
"""
# ruff: noqa: PLC0415 - Chroma is imported after its telemetry is off

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deskhand.core.errors import StorageError
from deskhand.core.privacy import switch_off_telemetry

if TYPE_CHECKING:
    import numpy as np

_BATCH = 1000
_FULL = ("is full", "no space", "os error 28", "disk i/o", "file too large")
_NO_FUNCTION = ({"type": "legacy"}, {"type": "unknown"})


class Vectors:
    """A persistent Chroma client and its collections.

    Args:
        folder: Where Chroma keeps its files.
        version: For reading beside a writer: its value changes when something was written. Chroma
            keeps what it once read, so the files are opened anew then. Nothing is created.
    """

    def __init__(self, folder: Path, *, version: Callable[[], int] | None = None) -> None:
        self.folder = folder
        self._version = version
        self._seen: int | None = None
        self._client: Any = None
        self._collections: dict[str, Any] = {}
        if version is None:
            self._open()

    def _open(self) -> None:
        switch_off_telemetry()
        import chromadb
        from chromadb.api.shared_system_client import SharedSystemClient
        from chromadb.config import Settings

        with vector_errors(self.folder):
            settings = Settings(anonymized_telemetry=False, allow_reset=False)
            try:
                self._client = chromadb.PersistentClient(path=str(self.folder), settings=settings)
            except BaseException:
                # Chroma would hand out the half-made client at the next try, of `rebuild` say.
                SharedSystemClient._identifier_to_system.pop(str(self.folder), None)
                raise

    def _refresh(self) -> None:
        """As a reader: see what was written since."""
        if self._version is None:
            return
        version = self._version()
        if version != self._seen:
            self.close()
            if (self.folder / "chroma.sqlite3").exists():
                self._open()
            self._seen = version

    def close(self) -> None:
        """Release the files."""
        self._collections.clear()
        if self._client is not None:
            self._client.close()
            self._client = None

    def _found(self, name: str) -> Any | None:
        """A collection, or None where there is none."""
        from chromadb.errors import NotFoundError

        self._refresh()
        if name not in self._collections and self._client is not None:
            with vector_errors(self.folder), suppress(NotFoundError):
                found = self._client.get_collection(name, embedding_function=None)
                self._collections[name] = checked(found, self.folder)
        return self._collections.get(name)

    def _made(self, name: str) -> Any:
        """A collection, made where there is none."""
        found = self._found(name)
        if found is None:
            with vector_errors(self.folder):
                found = self._client.create_collection(
                    name, embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
                )
            self._collections[name] = found
        return found

    def add(self, name: str, ids: Sequence[str], vectors: np.ndarray[Any, Any]) -> None:
        """Insert or replace vectors, float32 [n, dimension], of unit length."""
        collection = self._made(name)
        with vector_errors(self.folder):
            for start in range(0, len(ids), _BATCH):
                stop = start + _BATCH
                collection.upsert(ids=list(ids[start:stop]), embeddings=vectors[start:stop])

    def delete(self, ids: Sequence[str]) -> None:
        """Delete ids wherever they are; unknown ids are fine."""
        for name in self.names():
            collection = self._found(name)
            if collection is None:
                continue
            with vector_errors(self.folder):
                for start in range(0, len(ids), _BATCH):
                    collection.delete(ids=list(ids[start : start + _BATCH]))

    def search(
        self, name: str, vector: np.ndarray[Any, Any], limit: int
    ) -> list[tuple[str, float]]:
        """Nearest ids with their cosine, best first."""
        collection = self._found(name)
        if collection is None:
            return []
        with vector_errors(self.folder):
            count = collection.count()
            if not count:
                return []
            result = collection.query(
                query_embeddings=vector.reshape(1, -1),
                n_results=min(limit, count),
                include=["distances"],
            )
        pairs = zip(result["ids"][0], result["distances"][0], strict=True)
        return [(str(i), 1.0 - float(distance)) for i, distance in pairs]

    def get(self, name: str, ids: Sequence[str]) -> dict[str, np.ndarray[Any, Any]]:
        """Vectors by id; unknown ids are left out."""
        found: dict[str, np.ndarray[Any, Any]] = {}
        collection = self._found(name) if ids else None
        if collection is None:
            return found
        with vector_errors(self.folder):
            for start in range(0, len(ids), _BATCH):
                batch = list(ids[start : start + _BATCH])
                result = collection.get(ids=batch, include=["embeddings"])
                found |= zip(result["ids"], result["embeddings"], strict=True)
        return found

    def ids(self, name: str) -> set[str]:
        """All ids of a collection."""
        collection = self._found(name)
        if collection is None:
            return set()
        with vector_errors(self.folder):
            return set(collection.get(include=[])["ids"])

    def names(self) -> list[str]:
        """Names of the collections that exist."""
        self._refresh()
        if self._client is None:
            return []
        with vector_errors(self.folder):
            return sorted(collection.name for collection in self._client.list_collections())

    def drop(self, name: str) -> None:
        """Delete a collection."""
        self._collections.pop(name, None)
        with vector_errors(self.folder):
            self._client.delete_collection(name)


def checked(collection: Any, folder: Path) -> Any:
    """Refuse a collection that asks for an embedding function: ours never do.

    Chroma builds the stored function even when it is given vectors, and with it runs what the
    stored configuration says, such as code from a model hub.
    """
    stored = [collection.configuration_json, collection._model.serialized_schema]
    while stored:
        item = stored.pop()
        if isinstance(item, dict):
            function = item.get("embedding_function")
            if function is not None and function not in _NO_FUNCTION:
                raise StorageError(
                    f"The vector index in {folder} asks for an embedding function of its own, "
                    "which Deskhand never stores. Nothing of it was run.",
                    "Build the index again from the documents: deskhand knowledge rebuild",
                )
            stored += item.values()
        elif isinstance(item, list):
            stored += item
    return collection


@contextmanager
def vector_errors(folder: Path) -> Iterator[None]:
    """Turn Chroma's and the file system's errors into a `StorageError` that says what to do."""
    from chromadb.errors import ChromaError

    try:
        yield
    except (ChromaError, OSError, ValueError) as error:
        raise _explained(error, folder) from error
    except BaseException as error:
        # A panic in Chroma's Rust part is derived from BaseException.
        if type(error).__name__ == "PanicException":
            raise _explained(error, folder) from error
        raise


def _explained(error: BaseException, folder: Path) -> StorageError:
    text = str(error).lower()
    if any(words in text for words in _FULL):
        hint = "Free some disk space and run the command again."
        return StorageError(f"The disk is full: {folder} cannot grow.", hint)
    if "readonly" in text or "permission" in text:
        hint = "Give yourself the right to write there, or set another data_dir."
        return StorageError(f"{folder} cannot be written.", hint)
    hint = "Build it again from the documents: deskhand knowledge rebuild"
    return StorageError(f"The vector index in {folder} failed: {error}.", hint)
