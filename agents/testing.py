"""A chat model that follows a script, for tests of graphs, plugins and channels: no network."""
# ruff: noqa: ARG002 - the signatures are LangChain's

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import PrivateAttr

from deskhand.core.testing import HOLD

__all__ = ["HOLD", "ScriptedChatModel"]


class ScriptedChatModel(BaseChatModel):
    """Answers the calls it gets with the replies of a script, in order; the last one is repeated.

    A reply is a text, streamed in pieces of `piece` characters; an error to raise; or any iterable
    of texts, errors and `HOLD`, streamed as they are. `HOLD` waits until the call is canceled or
    `release()` is called. An iterable may be endless.

    Args:
        replies: One for each call.
        piece: Characters a piece.

    Attributes:
        calls: The messages of every call, in order.
        canceled: How many calls ended before their script did.
    """

    replies: Sequence[Any]
    piece: int = 7
    _calls: list[list[BaseMessage]] = PrivateAttr(default_factory=list)
    _canceled: int = PrivateAttr(default=0)
    _called: asyncio.Event = PrivateAttr(default_factory=asyncio.Event)
    _released: asyncio.Event = PrivateAttr(default_factory=asyncio.Event)

    @property
    def calls(self) -> list[list[BaseMessage]]:
        """The messages of every call, in order."""
        return self._calls

    @property
    def canceled(self) -> int:
        """How many calls ended before their script did."""
        return self._canceled

    def release(self) -> None:
        """Let every call that is at a `HOLD`, now or later, go on."""
        self._released.set()

    async def wait_for_call(self) -> None:
        """Return as soon as the model was called for the first time."""
        await self._called.wait()

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _next(self, messages: list[BaseMessage]) -> Iterator[Any]:
        reply = self.replies[min(len(self._calls), len(self.replies) - 1)]
        self._calls.append(list(messages))
        self._called.set()
        return iter(_pieces(reply, self.piece))

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        text = "".join(_text(piece) for piece in self._next(messages))
        return ChatResult(generations=[ChatGeneration(message=AIMessage(text))])

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        try:
            for piece in self._next(messages):
                # As with a real model, other tasks run between two pieces.
                await asyncio.sleep(0)
                if piece is HOLD:
                    await self._released.wait()
                else:
                    yield ChatGenerationChunk(message=AIMessageChunk(content=_text(piece)))
        except (asyncio.CancelledError, GeneratorExit):
            self._canceled += 1
            raise


def _pieces(reply: Any, size: int) -> Iterable[Any]:
    if isinstance(reply, str):
        return [reply[i : i + size] for i in range(0, len(reply), size)]
    return [reply] if isinstance(reply, BaseException) else reply


def _text(piece: Any) -> str:
    if isinstance(piece, BaseException):
        raise piece
    return "" if piece is HOLD else str(piece)
