"""Vectors in embedded Chroma: one collection for each embedding model, kind and language group.

Separate collections instead of metadata filters: a filter makes a query of 100,000 vectors some
twenty times slower. Vectors are always ours; Chroma never embeds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deskhand.core.errors import StorageError
from deskhand.core.privacy import switch_off_telemetry

if TYPE_CHECKING:
    import numpy as np

_BATCH = 1000


class Vectors:
    """A persistent Chroma client and its collections.

    Args:
        folder: Where Chroma keeps its files.
    """

    def __init__(self, folder: Path) -> None:
        switch_off_telemetry()
        import chromadb
        from chromadb.config import Settings

        self.folder = folder
        with vector_errors(folder):
            settings = Settings(anonymized_telemetry=False, allow_reset=False)
            self._client = chromadb.PersistentClient(path=str(folder), settings=settings)
        self._collections: dict[str, Any] = {}

    def close(self) -> None:
        """Release the files."""
        self._collections.clear()
        close = getattr(self._client, "close", None)
        if close is not None:
            close()

    def _collection(self, name: str) -> Any:
        if name not in self._collections:
            with vector_errors(self.folder):
                self._collections[name] = self._client.get_or_create_collection(
                    name,
                    embedding_function=None,
                    configuration={"hnsw": {"space": "cosine"}},
                )
        return self._collections[name]

    def add(self, name: str, ids: Sequence[str], vectors: np.ndarray[Any, Any]) -> None:
        """Insert or replace vectors, float32 [n, dimension], of unit length."""
        collection = self._collection(name)
        with vector_errors(self.folder):
            for start in range(0, len(ids), _BATCH):
                stop = start + _BATCH
                collection.upsert(ids=list(ids[start:stop]), embeddings=vectors[start:stop])

    def delete(self, ids: Sequence[str]) -> None:
        """Delete ids wherever they are; unknown ids are fine."""
        with vector_errors(self.folder):
            for found in self._client.list_collections():
                for start in range(0, len(ids), _BATCH):
                    found.delete(ids=list(ids[start : start + _BATCH]))

    def search(
        self, name: str, vector: np.ndarray[Any, Any], limit: int
    ) -> list[tuple[str, float]]:
        """Nearest ids with their cosine, best first."""
        collection = self._collection(name)
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
        if not ids:
            return {}
        with vector_errors(self.folder):
            result = self._collection(name).get(ids=list(ids), include=["embeddings"])
        return dict(zip(result["ids"], result["embeddings"], strict=True))

    def ids(self, name: str) -> set[str]:
        """All ids of a collection."""
        with vector_errors(self.folder):
            return set(self._collection(name).get(include=[])["ids"])

    def names(self) -> list[str]:
        """Names of the collections that exist."""
        with vector_errors(self.folder):
            return sorted(collection.name for collection in self._client.list_collections())

    def drop(self, name: str) -> None:
        """Delete a collection."""
        self._collections.pop(name, None)
        with vector_errors(self.folder):
            self._client.delete_collection(name)


@contextmanager
def vector_errors(folder: Path) -> Iterator[None]:
    """Turn Chroma's and the file system's errors into a `StorageError` that says what to do."""
    from chromadb.errors import ChromaError

    try:
        yield
    except (ChromaError, OSError) as error:
        text = str(error).lower()
        if "full" in text or "no space" in text or "os error 28" in text:
            hint = "Free some disk space and run the command again."
            raise StorageError(f"The disk is full: {folder} cannot grow.", hint) from error
        if "readonly" in text or "permission" in text:
            hint = "Give yourself the right to write there, or set another data_dir."
            raise StorageError(f"{folder} cannot be written.", hint) from error
        hint = "Build it again from the documents: deskhand knowledge rebuild"
        raise StorageError(f"The vector index in {folder} failed: {error}.", hint) from error
