"""LangChain's embedding methods for models that give arrays."""

import asyncio
from abc import abstractmethod
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from langchain_core.embeddings import Embeddings


class ArrayEmbeddings(Embeddings):
    """An embedding model whose work is `embed_array`."""

    @abstractmethod
    def embed_array(
        self, texts: Sequence[str], kind: Literal["query", "passage"]
    ) -> npt.NDArray[np.float32]:
        """Unit vectors of texts, float32 [texts, dimension], in the order of `texts`."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Vectors of passages."""
        rows: list[list[float]] = self.embed_array(texts, "passage").tolist()
        return rows

    def embed_query(self, text: str) -> list[float]:
        """The vector of a question."""
        row: list[float] = self.embed_array([text], "query")[0].tolist()
        return row

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Vectors of passages, computed off the event loop."""
        return await asyncio.to_thread(self.embed_documents, texts)

    async def aembed_query(self, text: str) -> list[float]:
        """The vector of a question, computed off the event loop."""
        return await asyncio.to_thread(self.embed_query, text)
