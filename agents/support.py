"""The support agent: turns of many conversations through one graph, each turn once."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakValueDictionary

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from deskhand.agents.graph import build_graph
from deskhand.agents.nodes import Parts
from deskhand.agents.state import STATE_VERSION, Said
from deskhand.core.errors import StorageError
from deskhand.core.messages import Citation, Delta, Message, Outcome, Reply
from deskhand.memory import Knowledge

if TYPE_CHECKING:
    from types import TracebackType

    from langchain_core.language_models import BaseChatModel
    from langchain_core.runnables import RunnableConfig

_LOG = logging.getLogger(__name__)
_STEPS = 20


class SupportAgent:
    """Answers messages. Make it with `SupportAgent.open`, close it with `async with` or `aclose`.

    Turns of one conversation run one at a time, in the order they came; conversations run side by
    side.
    """

    def __init__(self, parts: Parts, saver: AsyncSqliteSaver, stack: AsyncExitStack) -> None:
        self._parts = parts
        self._saver = saver
        self._stack = stack
        self._graph = build_graph(parts, saver)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @classmethod
    async def open(
        cls,
        *,
        knowledge: Knowledge,
        worker: BaseChatModel | None = None,
        worker_name: str = "",
        checkpoints: Path,
        handoff: str,
        language_hint: bool = False,
    ) -> SupportAgent:
        """Open the conversations and the searching half of the knowledge.

        Args:
            knowledge: The documents.
            worker: Writes answers from passages; without one, answers are quoted.
            worker_name: What to call it in replies.
            checkpoints: SQLite file of the conversations; made where it is missing.
            handoff: One sentence on how to reach a person.
            language_hint: Point out, on questions in other languages, that the multilingual
                embedding model is missing.

        Raises:
            SettingsError: The knowledge was built with another embedding model.
            StorageError: A file cannot be opened.
        """
        async with AsyncExitStack() as stack:
            executor = ThreadPoolExecutor(1, thread_name_prefix="deskhand-search")
            stack.callback(executor.shutdown)
            saver = await stack.enter_async_context(_open_saver(checkpoints))
            loop = asyncio.get_running_loop()
            retrieval = await loop.run_in_executor(executor, knowledge.retrieval)
            embedders = knowledge.embedders
            used = [embedders.custom] if embedders.custom else [embedders.english]
            if embedders.multilingual is not None and embedders.custom is None:
                used.append(embedders.multilingual)
            parts = Parts(
                retrieval=retrieval,
                executor=executor,
                worker=worker,
                worker_name=worker_name,
                handoff=handoff,
                language_hint=language_hint,
                unsettled=knowledge.unsettled(),
                embeddings=", ".join(embedder.name for embedder in used if embedder),
            )
            return cls(parts, saver, stack.pop_all())
        raise AssertionError("unreachable")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Release the files and the thread."""
        await self._stack.aclose()

    async def answer(self, message: Message) -> AsyncIterator[Delta | Reply]:
        """Run one turn. Yields checked pieces of text, then exactly one `Reply`, last.

        Asking again with the id of a turn that ended returns its stored reply and runs nothing.

        Raises:
            StorageError: The conversation was written by a newer version, or cannot be read.
        """
        async with self._lock(message.conversation):
            said = await self._said(message.conversation)
            stored = next(
                (s["reply"] for s in said if s["turn"] == message.id and s["reply"]), None
            )
            if stored is not None:
                yield _reply(stored, message.conversation, {})
                return
            started = time.perf_counter()
            inputs = {"message": {"id": message.id, "text": message.text}}
            config = _config(message.conversation)
            async for piece in self._graph.astream(
                inputs, config, stream_mode="custom", durability="exit"
            ):
                yield Delta(str(piece))
            values = (await self._graph.aget_state(config)).values
            timings = {**values["timings"], "total": time.perf_counter() - started}
            await self._forget_older(message.conversation)
            yield _reply(values["reply"], message.conversation, timings)

    async def history(self, conversation: str) -> list[tuple[str, str]]:
        """The conversation so far as (role, text) pairs; role is `person` or `desk`."""
        return [(s["role"], s["text"]) for s in await self._said(conversation)]

    # Inside

    def _lock(self, conversation: str) -> asyncio.Lock:
        lock = self._locks.get(conversation)
        if lock is None:
            lock = self._locks[conversation] = asyncio.Lock()
        return lock

    async def _said(self, conversation: str) -> list[Said]:
        values = (await self._graph.aget_state(_config(conversation))).values
        version = values.get("version", STATE_VERSION)
        if version > STATE_VERSION:
            raise StorageError(
                f"The conversation {conversation} was written by a newer version of Deskhand.",
                "Upgrade Deskhand, or begin a new conversation.",
            )
        return list(values.get("said", []))

    async def _forget_older(self, conversation: str) -> None:
        """Keep only the newest checkpoint: it holds the whole conversation."""
        newest = (
            "SELECT max(checkpoint_id) FROM checkpoints WHERE thread_id = ? AND checkpoint_ns = ''"
        )
        async with self._saver.lock:
            for table in ("checkpoints", "writes"):
                await self._saver.conn.execute(
                    f"DELETE FROM {table} WHERE thread_id = ? AND checkpoint_id < ({newest})",
                    (conversation, conversation),
                )
            await self._saver.conn.commit()


def _open_saver(path: Path) -> Any:
    """LangGraph's SQLite saver, told to revive no class at all."""
    from contextlib import asynccontextmanager

    import aiosqlite

    @asynccontextmanager
    async def opened() -> AsyncIterator[AsyncSqliteSaver]:
        path.parent.mkdir(parents=True, exist_ok=True)
        async with aiosqlite.connect(path) as connection:
            serde = JsonPlusSerializer(allowed_msgpack_modules=None, allowed_json_modules=None)
            saver = AsyncSqliteSaver(connection, serde=serde)
            await saver.setup()
            yield saver

    return opened()


def _config(conversation: str) -> RunnableConfig:
    return {"configurable": {"thread_id": conversation}, "recursion_limit": _STEPS}


def _reply(stored: dict[str, Any], conversation: str, timings: dict[str, float]) -> Reply:
    return Reply(
        outcome=Outcome(stored["outcome"]),
        text=stored["text"],
        conversation=conversation,
        citations=tuple(Citation(**citation) for citation in stored["citations"]),
        language=stored["language"],
        notices=tuple(stored["notices"]),
        timings=timings,
        models=stored["models"],
    )
