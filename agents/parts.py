"""What the nodes of the support graph work with."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from deskhand.core.errors import StorageError

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from langchain_core.language_models import BaseChatModel

    from deskhand.memory import Retrieval

WORKER_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Parts:
    """What the nodes work with.

    Args:
        retrieval: The searching half of the knowledge; None while there is none.
        executor: One thread: searching is blocking work, and the stores want one caller.
        worker: Writes answers; None quotes them.
        worker_name: What to call it in a reply.
        handoff: One sentence on how to reach a person.
        language_hint: Whether to point out that the multilingual model is missing.
        unsettled: Whether documents wait to be indexed.
        embeddings: Names of the embedding models, for the reply.
        worker_seconds: Longest time the worker may take for one answer.
    """

    retrieval: Retrieval | None
    executor: Executor
    worker: BaseChatModel | None = None
    worker_name: str = ""
    handoff: str = ""
    language_hint: bool = False
    unsettled: bool = False
    embeddings: str = ""
    worker_seconds: float = WORKER_SECONDS

    async def blocking(self, work: Callable[..., Any], *args: object) -> Any:
        """Run blocking work in the one thread that searches.

        Raises:
            StorageError: The database of the knowledge failed.
        """
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self.executor, partial(work, *args))
        except sqlite3.Error as error:
            raise StorageError(
                f"The knowledge could not be read: {error}.", "Run: deskhand doctor"
            ) from error
