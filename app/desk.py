"""The running desk: owns the data folder, holds the knowledge and the agent, serves channels."""
# ruff: noqa: PLC0415 - heavy parts are imported in threads, beside the loading of models

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from deskhand.app.owner import DataFolder
from deskhand.app.settings import Settings
from deskhand.app.wiring import (
    build_embedders,
    build_worker,
    conversations_file,
    knowledge_folder,
)
from deskhand.core import Delta, Message, Reply

if TYPE_CHECKING:
    from deskhand.agents import SupportAgent
    from deskhand.memory import Embedders, Knowledge

QUOTED = (
    "Answers are quoted from your documents: no language model is set. To write answers with Phi:"
    " install Ollama, run `ollama pull phi3.5`, and set DESKHAND_MODELS__WORKER=ollama:phi3.5."
)
_LOG_BYTES = 1_000_000
NO_DOCUMENTS = "There are no documents yet. Add some: deskhand knowledge add PATH"


@runtime_checkable
class _Loadable(Protocol):
    """An embedding model that can be loaded before it is needed."""

    def load(self) -> object: ...


class LocalDesk:
    """The `Desk` of one process; `open_desk` makes it.

    Args:
        settings: The operator's settings.
        knowledge: The documents.
        agent: The support graph.
        documents: How many documents it knows at the start.
    """

    def __init__(
        self, settings: Settings, knowledge: "Knowledge", agent: "SupportAgent", documents: int
    ) -> None:
        self._settings = settings
        self._knowledge = knowledge
        self._agent = agent
        self._notices = [] if settings.models.worker else [QUOTED]
        if not documents:
            self._notices.append(NO_DOCUMENTS)

    def answer(self, message: Message) -> AsyncIterator[Delta | Reply]:
        """Run one turn, as `core.Desk` promises."""
        return self._agent.answer(message)

    async def history(self, conversation: str) -> list[tuple[str, str]]:
        """The conversation so far as (role, text) pairs."""
        return await self._agent.history(conversation)

    async def sources(self) -> list[tuple[str, str, int]]:
        """What the desk knows: (source name, title, number of passages), by name."""
        known = await asyncio.to_thread(self._knowledge.list)
        return sorted((source.source, source.title, source.passages) for source in known)

    def notices(self) -> list[str]:
        """What a person should know at the start, one line each."""
        return list(self._notices)


@asynccontextmanager
async def open_desk(
    settings: Settings, *, purpose: str, notify: Callable[[str], None] = lambda _line: None
) -> AsyncIterator[LocalDesk]:
    """Own the data folder and open everything a turn needs.

    Args:
        settings: The operator's settings.
        purpose: The command, for people who find the folder in use.
        notify: Is told, in one line, when there is something to wait for.

    Raises:
        BusyError: Another process owns the data folder.
        StorageError: The data folder cannot be used.
        SettingsError: A model that is set cannot be set up.
    """
    folder = DataFolder(settings.data_dir)
    await asyncio.to_thread(folder.acquire, purpose, notify=notify)
    log = _log_errors(settings.data_dir / "logs")
    try:
        worker = await asyncio.to_thread(build_worker, settings)
        embedders = await asyncio.to_thread(build_embedders, settings)
        knowledge, documents = await _open_parts(settings, embedders)
        try:
            from deskhand.agents import SupportAgent

            agent = await SupportAgent.open(
                knowledge=knowledge,
                worker=worker,
                worker_name=settings.models.worker,
                checkpoints=conversations_file(settings),
                handoff=settings.support.handoff,
                language_hint=embedders.multilingual is None and embedders.custom is None,
            )
            async with agent:
                yield LocalDesk(settings, knowledge, agent, documents)
        finally:
            await asyncio.to_thread(knowledge.close)
    finally:
        logging.getLogger("deskhand").removeHandler(log)
        log.close()
        folder.release()


def _log_errors(folder: Path) -> logging.Handler:
    """Errors of turns go to the log file, with the ids that people were told."""
    folder.mkdir(parents=True, exist_ok=True)
    handler = RotatingFileHandler(
        folder / "deskhand.log", maxBytes=_LOG_BYTES, backupCount=2, encoding="utf-8", delay=True
    )
    handler.setLevel(logging.ERROR)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.getLogger("deskhand").addHandler(handler)
    return handler


def new_message_id() -> str:
    """An id that is unique, and sorts by the time it was made."""
    return f"{time.time_ns():020d}-{secrets.token_hex(4)}"


def new_conversation_id() -> str:
    """An id for a conversation that begins."""
    return secrets.token_hex(8)


async def _open_parts(settings: Settings, embedders: "Embedders") -> tuple["Knowledge", int]:
    """Open the knowledge and count its documents, while the embedding models load.

    Opening an ONNX session and reading a tokenizer leave the interpreter lock alone, so they
    overlap with the imports of Chroma and LangGraph even on a small machine.
    """
    used: list[object] = [embedders.custom]
    if embedders.custom is None:
        used = [embedders.english, embedders.multilingual]
    loads = [model.load for model in used if isinstance(model, _Loadable)]
    opening = asyncio.create_task(asyncio.to_thread(_open_knowledge, settings, embedders))
    try:
        await asyncio.gather(*(asyncio.to_thread(load) for load in loads))
    except BaseException:
        with suppress(Exception):
            (await opening)[0].close()
        raise
    return await opening


def _open_knowledge(settings: Settings, embedders: "Embedders") -> tuple["Knowledge", int]:
    from deskhand.memory import Knowledge

    knowledge = Knowledge.open(knowledge_folder(settings), embedders)
    try:
        documents = len(knowledge.list())
        if documents:
            knowledge.retrieval()  # opens the index; refuses one of another embedding model
        from deskhand.agents import SupportAgent  # noqa: F401 - slow to import: here it overlaps
    except BaseException:
        knowledge.close()
        raise
    return knowledge, documents
