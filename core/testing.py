"""A desk that follows a script, for tests of channels: no model, no disk, no network."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from enum import Enum
from typing import Final

from deskhand.core.messages import Delta, Message, Outcome, Reply

__all__ = ["HOLD", "ScriptedDesk", "Step"]


class _Hold(Enum):
    HOLD = "hold"


HOLD: Final = _Hold.HOLD
"""A step that waits until `ScriptedDesk.release()` is called or the turn is canceled."""

Step = str | Reply | Exception | _Hold
"""A piece of the answer (sent as a `Delta`), the reply, an error to raise, or `HOLD`."""


class ScriptedDesk:
    """Answers each message with the steps that its text has in a script.

    A script without a `Reply` ends with one that holds its pieces joined, unless it raises. As with
    the real desk, the reply of a message id is stored and given again, and a canceled or failed
    turn leaves no trace in the history.

    Args:
        script: Message text to steps. A text that is not in it is answered with `You said: …`.
        sources: What `sources()` returns.
        notices: What `notices()` returns.

    Attributes:
        messages: Every message that was asked, in order.
        canceled: The ids of the messages whose turns were canceled.
    """

    def __init__(
        self,
        script: Mapping[str, Sequence[Step]] | None = None,
        *,
        sources: Sequence[tuple[str, str, int]] = (),
        notices: Sequence[str] = (),
    ) -> None:
        self.messages: list[Message] = []
        self.canceled: list[str] = []
        self._script = dict(script or {})
        self._sources = list(sources)
        self._notices = list(notices)
        self._replies: dict[str, Reply] = {}
        self._history: dict[str, list[tuple[str, str]]] = {}
        self._released = asyncio.Event()

    def release(self) -> None:
        """Let every turn that is at a `HOLD`, now or later, go on."""
        self._released.set()

    async def answer(self, message: Message) -> AsyncIterator[Delta | Reply]:
        """Follow the script of the message's text."""
        self.messages.append(message)
        if (stored := self._replies.get(message.id)) is not None:
            yield stored
            return
        steps = self._script.get(message.text, [f"You said: {message.text[:200]}"])
        try:
            async with aclosing(self._follow(steps)) as pieces:
                async for piece in pieces:
                    yield self._kept(message, piece) if isinstance(piece, Reply) else piece
        except (asyncio.CancelledError, GeneratorExit):
            if message.id not in self._replies:
                self.canceled.append(message.id)
            raise

    async def history(self, conversation: str) -> list[tuple[str, str]]:
        """The turns of the conversation that ended."""
        return list(self._history.get(conversation, []))

    async def sources(self) -> list[tuple[str, str, int]]:
        """The sources given at the start."""
        return list(self._sources)

    def notices(self) -> list[str]:
        """The notices given at the start."""
        return list(self._notices)

    async def _follow(self, steps: Sequence[Step]) -> AsyncGenerator[Delta | Reply, None]:
        pieces: list[str] = []
        for step in steps:
            if isinstance(step, Exception):
                raise step
            if isinstance(step, Reply):
                yield step
                return
            if isinstance(step, str):
                pieces.append(step)
                yield Delta(step)
            else:
                await self._released.wait()
        yield Reply(Outcome.ANSWERED, "".join(pieces), "")

    def _kept(self, message: Message, reply: Reply) -> Reply:
        reply = replace(reply, conversation=message.conversation)
        self._replies[message.id] = reply
        turns = self._history.setdefault(message.conversation, [])
        turns += [("person", message.text), ("desk", reply.text)]
        return reply
