"""Prints one answer: its pieces as they come, then footnotes and notes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from deskhand.core import Delta, Outcome, Reply
from deskhand.core.render import render_footnotes, render_notes
from deskhand.integrations.terminal import words
from deskhand.integrations.terminal.screen import OutputClosedError, Screen


class AnswerPrinter:
    """Shows what a turn yields, once.

    Args:
        screen: Where to write.
        patience_s: Seconds without a word after which a line says that the desk is at work;
            `None` never says so. One plain line and no spinner: a small model on a laptop can take
            half a minute, and a person who hears the screen needs to know that it listens.
    """

    def __init__(self, screen: Screen, patience_s: float | None) -> None:
        self._screen = screen
        self._patience_s = patience_s
        self._pieces: list[str] = []

    async def show(self, pieces: AsyncIterator[Delta | Reply]) -> bool:
        """Print a turn until it ends.

        Returns:
            Whether the turn ended well: with every outcome but `failed`.

        Raises:
            RuntimeError: The desk broke its contract: it ended without a reply.
        """
        waiting = None
        if self._patience_s is not None:
            waiting = asyncio.get_running_loop().call_later(self._patience_s, self._say_waiting)
        reply: Reply | None = None
        try:
            async for piece in pieces:
                if waiting is not None:
                    waiting.cancel()
                if isinstance(piece, Reply):
                    reply = piece
                else:
                    self._piece(piece.text)
        finally:
            if waiting is not None:
                waiting.cancel()
            # When this task was canceled or the screen failed, the desk must stop working too.
            if (close := getattr(pieces, "aclose", None)) is not None:
                await close()
        if reply is None:
            raise RuntimeError("the desk ended a turn without a reply")
        self._finish(reply)
        return reply.outcome is not Outcome.FAILED

    def _say_waiting(self) -> None:
        with suppress(OutputClosedError):  # the next piece meets it where it can be handled
            self._screen.line(words.WAITING)

    def _piece(self, text: str) -> None:
        if text and not self._pieces:
            self._screen.write(words.DESK, "bold cyan")
        if text:
            self._pieces.append(text)
            self._screen.write(text)

    def _finish(self, reply: Reply) -> None:
        self._complete(reply.text.strip())
        self._screen.end_line()
        footnotes = render_footnotes(reply)
        if footnotes:
            self._screen.write("\n")
        for line in footnotes:
            self._screen.line(line, "dim")
        for line in render_notes(reply):
            self._screen.line(line, "yellow")
        self._screen.write("\n")

    def _complete(self, text: str) -> None:
        """Print what of the reply was not streamed; where they differ, the reply is what counts."""
        shown = "".join(self._pieces)
        if not text:
            text = shown or words.EMPTY_REPLY
        rest = _unshown(text, shown)
        if rest is None:
            self._screen.end_line()
            self._pieces.clear()
            self._piece(text)
        elif rest.strip():
            self._piece(rest.lstrip() if shown[-1:].isspace() else rest)


def _unshown(text: str, shown: str) -> str | None:
    """What of `text` comes after `shown`, white space aside; `None` when they differ."""
    letters = "".join(shown.split())
    if not "".join(text.split()).startswith(letters):
        return None
    missing = len(letters)
    for position, letter in enumerate(text):
        if not missing:
            return text[position:]
        missing -= not letter.isspace()
    return ""
