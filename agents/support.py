"""The support agent: turns of many conversations through one graph, each turn once."""

from __future__ import annotations

import asyncio
import logging
import secrets
import sqlite3
import time
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, aclosing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakValueDictionary

from deskhand.agents.checkpoints import conversation_errors, keep_newest, open_checkpoints
from deskhand.agents.graph import NodeError, build_graph
from deskhand.agents.parts import WORKER_SECONDS, Parts
from deskhand.agents.replies import failed_reply, stored_reply
from deskhand.agents.state import STATE_VERSION, Said, SupportState
from deskhand.core.errors import StorageError
from deskhand.core.messages import Delta, Message, Reply
from deskhand.memory import Embedders, Knowledge, Retrieval

if TYPE_CHECKING:
    from types import TracebackType

    from langchain_core.language_models import BaseChatModel
    from langchain_core.runnables import RunnableConfig
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

_LOG = logging.getLogger(__name__)
_STEPS = 20


class SupportAgent:
    """Answers messages. Make it with `SupportAgent.open`, close it with `async with` or `aclose`.

    Turns of one conversation run one at a time, in the order they came; conversations run side by
    side.
    """

    def __init__(
        self, parts: Parts, saver: AsyncSqliteSaver, path: Path, stack: AsyncExitStack
    ) -> None:
        self._parts = parts
        self._saver = saver
        self._path = path
        self._stack = stack
        self._graph = build_graph(parts, saver)
        # A lock lives while a turn holds it or waits for it; asyncio's locks are first come, first
        # served.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @classmethod
    async def open(
        cls,
        *,
        knowledge: Knowledge,
        worker: BaseChatModel | None = None,
        worker_name: str = "",
        worker_seconds: float = WORKER_SECONDS,
        checkpoints: Path,
        handoff: str,
        language_hint: bool = False,
    ) -> Self:
        """Open the conversations and the searching half of the knowledge.

        Args:
            knowledge: The documents.
            worker: Writes answers from passages; without one, answers are quoted.
            worker_name: What to call it in replies.
            worker_seconds: Longest time it may take for one answer.
            checkpoints: SQLite file of the conversations; made where it is missing.
            handoff: One sentence on how to reach a person.
            language_hint: Point out, on questions in other languages, that the multilingual
                embedding model is missing.

        Raises:
            SettingsError: The knowledge was built with another embedding model.
            StorageError: A file cannot be opened.
        """
        stack = AsyncExitStack()
        try:
            executor = ThreadPoolExecutor(1, thread_name_prefix="deskhand-search")
            stack.callback(executor.shutdown)
            saver = await stack.enter_async_context(open_checkpoints(checkpoints))
            loop = asyncio.get_running_loop()
            retrieval, unsettled = await loop.run_in_executor(executor, _opened, knowledge)
        except BaseException:
            await stack.aclose()
            raise
        parts = Parts(
            retrieval=retrieval,
            executor=executor,
            worker=worker,
            worker_name=worker_name,
            worker_seconds=worker_seconds,
            handoff=handoff,
            language_hint=language_hint,
            unsettled=unsettled,
            embeddings=_names(knowledge.embedders),
        )
        return cls(parts, saver, checkpoints, stack)

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

        Asking again with the id of a turn that ended returns its stored reply and runs nothing;
        its timings are those of the looking up. A turn that was canceled, killed or failed is not
        part of the conversation, and asked again it runs from its beginning: no node has an effect
        outside the conversation, so there is nothing to resume.

        A bug or a library's error in a node ends the turn as `failed`, with an id that the log has
        too.

        Raises:
            StorageError: The conversation was written by a newer version, or the disk or a database
                failed. Nothing was half written.
            DeskhandError: A part that the operator set up does not work.
        """
        reply: Reply | None = None
        async with self._lock(message.conversation):
            started = time.perf_counter()
            stored = await self._stored(message)
            if stored is not None:
                timings = {"total": time.perf_counter() - started}
                reply = stored_reply(stored, message.conversation, timings)
            else:
                async with aclosing(self._turn(message, started)) as pieces:
                    async for piece in pieces:
                        if isinstance(piece, Delta):
                            yield piece
                        else:
                            reply = piece
        # The turn is over: whoever stops reading here must not keep the conversation locked.
        assert reply is not None
        yield reply

    async def history(self, conversation: str) -> list[tuple[str, str]]:
        """The conversation so far as (role, text) pairs; role is `person` or `desk`.

        Raises:
            StorageError: The conversation cannot be read.
        """
        return [(s["role"], s["text"]) for s in await self._said(conversation)]

    # Inside

    def _lock(self, conversation: str) -> asyncio.Lock:
        lock = self._locks.get(conversation)
        if lock is None:
            lock = self._locks[conversation] = asyncio.Lock()
        return lock

    async def _turn(self, message: Message, started: float) -> AsyncGenerator[Delta | Reply, None]:
        """The graph's pieces, then its reply. The last checkpoint is written before the reply."""
        inputs: SupportState = {"message": {"id": message.id, "text": message.text}}
        values: Any = {}
        run = self._graph.astream(
            inputs,
            _config(message.conversation),
            stream_mode=["custom", "values"],
            # One write a turn, when it ends: the nodes before have nothing worth resuming.
            durability="exit",
        )
        try:
            with conversation_errors(self._path):
                # Closed at once when the turn is canceled, so that the worker stops writing.
                async with aclosing(run) as pieces:  # type: ignore[type-var]
                    async for kind, piece in pieces:
                        if kind == "custom":
                            yield Delta(str(piece))
                        else:
                            values = piece
        except NodeError as error:
            said = await self._said(message.conversation)
            number = secrets.token_hex(4)
            _LOG.error(
                "A turn failed in the node %s (error %s)", error, number, exc_info=error.__cause__
            )
            timings = {"total": time.perf_counter() - started}
            yield failed_reply(message, said, number, timings)
            return
        except StorageError:
            await self._roll_back()
            raise
        await self._forget_older(message.conversation)
        timings = {**values["timings"], "total": time.perf_counter() - started}
        yield stored_reply(values["reply"], message.conversation, timings)

    async def _stored(self, message: Message) -> dict[str, Any] | None:
        said = await self._said(message.conversation)
        return next((s["reply"] for s in said if s["turn"] == message.id and s["reply"]), None)

    async def _said(self, conversation: str) -> list[Said]:
        with conversation_errors(self._path):
            values = (await self._graph.aget_state(_config(conversation))).values
        if values.get("version", STATE_VERSION) > STATE_VERSION:
            raise StorageError(
                f"The conversation {conversation} was written by a newer version of Deskhand.",
                "Upgrade Deskhand, or begin a new conversation.",
            )
        return list(values.get("said", []))

    async def _forget_older(self, conversation: str) -> None:
        """Drop old checkpoints. A stored turn does not fail for it: the next one tries again."""
        try:
            await keep_newest(self._saver, conversation)
        except sqlite3.Error:
            _LOG.warning("Old checkpoints could not be dropped", exc_info=True)
            await self._roll_back()

    async def _roll_back(self) -> None:
        """Leave no open transaction behind, or a later turn would commit it."""
        with suppress(sqlite3.Error, ValueError):
            await self._saver.conn.rollback()


def _opened(knowledge: Knowledge) -> tuple[Retrieval, bool]:
    return knowledge.retrieval(), knowledge.unsettled()


def _names(embedders: Embedders) -> str:
    used = [embedders.custom] if embedders.custom else [embedders.english, embedders.multilingual]
    return ", ".join(embedder.name for embedder in used if embedder)


def _config(conversation: str) -> RunnableConfig:
    return {"configurable": {"thread_id": conversation}, "recursion_limit": _STEPS}
