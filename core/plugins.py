"""The contract between the desk and what is plugged into it.

A channel is a class that an installed package names in the entry-point group `deskhand.channels`.
The desk calls it without arguments, then awaits `run(desk)`. Our own channels go through the same
door.
"""

from collections.abc import AsyncIterator
from typing import Protocol

from deskhand.core.messages import Delta, Message, Reply


class Desk(Protocol):
    """What a channel may ask of the desk."""

    def answer(self, message: Message) -> AsyncIterator[Delta | Reply]:
        """Run one turn. Yields checked pieces of text, then exactly one `Reply`, last.

        Asking again with the same message id returns the stored reply and runs nothing.
        """
        ...

    async def history(self, conversation: str) -> list[tuple[str, str]]:
        """The conversation so far as (role, text) pairs; role is `person` or `desk`."""
        ...

    async def sources(self) -> list[tuple[str, str, int]]:
        """What the desk knows: (source name, title, number of passages), by name."""
        ...

    def notices(self) -> list[str]:
        """What a person should know at the start, one line each. Often empty."""
        ...


class Channel(Protocol):
    """A place where people talk to the desk."""

    name: str

    async def run(self, desk: Desk, *, conversation: str | None = None) -> int:
        """Serve until the person or the operator stops it.

        Args:
            desk: The running desk.
            conversation: Continue this conversation instead of a new one.

        Returns:
            The process exit code: 0 done, 1 failed.
        """
        ...
