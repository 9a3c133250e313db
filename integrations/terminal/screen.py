"""Where the chat writes: cleaned text, flushed piece by piece, color only on a color terminal."""

import errno
import os
import sys
from collections.abc import Mapping
from typing import TextIO

from deskhand.core.render import strip_terminal_controls

# What our own wording uses and an old code page may lack.
_PLAINER = str.maketrans({"›": ">", "…": "...", "“": '"', "”": '"'})


class OutputClosedError(Exception):
    """Whoever read our output is gone, as in `deskhand chat | head -1`."""


class Screen:
    """Writes text, and only text, to a stream.

    Nothing is ever redrawn and the cursor is never moved: what was written stays, in order, so that
    a screen reader, a pipe and a log see the same. Every piece is cleaned here, so no escape
    sequence of a document can reach the terminal whatever the caller does. Color decorates words
    that say the same without it.

    Args:
        stream: Where to write; `None` (a process without standard output) writes nowhere.
        environ: For `NO_COLOR` and `TERM`.
    """

    def __init__(self, stream: TextIO | None, environ: Mapping[str, str]) -> None:
        self._stream = stream
        self._encoding = (stream.encoding if stream else None) or "utf-8"
        self.is_terminal = stream is not None and stream.isatty()
        self._color = self.is_terminal and _wants_color(stream, environ)
        self._at_line_start = True

    def write(self, text: str, style: str = "") -> None:
        """Write a piece as it is and flush it.

        Args:
            text: Untrusted; control characters are removed.
            style: A rich style such as "bold cyan", for color terminals.

        Raises:
            OutputClosedError: Nobody reads any more.
        """
        text = self._encodable(strip_terminal_controls(text))
        if not text or self._stream is None:
            return
        self._at_line_start = text.endswith("\n")
        if style and self._color:
            text = _styled(text, style)
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError as problem:
            # EIO: the terminal is gone. EINVAL: what Windows says of a closed pipe.
            if problem.errno in (errno.EPIPE, errno.EIO, errno.EINVAL):
                raise OutputClosedError from problem
            raise

    def line(self, text: str, style: str = "") -> None:
        """Write a line of its own, after the end of the line that may be open."""
        self.end_line()
        self.write(text, style)
        self.write("\n")

    def end_line(self) -> None:
        """End the line that was begun, if one was."""
        if not self._at_line_start:
            self.write("\n")

    def line_was_entered(self) -> None:
        """Note that the terminal itself has shown the newline of a line that was typed."""
        self._at_line_start = True

    def discard(self) -> None:
        """Send what is still buffered nowhere, or Python complains of the closed pipe at exit."""
        if self._stream is not None and self._stream is sys.stdout:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)

    def _encodable(self, text: str) -> str:
        try:
            text.encode(self._encoding)
        except UnicodeEncodeError:
            plainer = text.translate(_PLAINER) if "utf" not in self._encoding.lower() else text
            return plainer.encode(self._encoding, "replace").decode(self._encoding)
        return text


def _wants_color(stream: TextIO | None, environ: Mapping[str, str]) -> bool:
    if environ.get("NO_COLOR") or environ.get("TERM") == "dumb":
        return False
    from rich.console import Console  # noqa: PLC0415 - only a color terminal pays for the import

    console = Console(file=stream, force_terminal=True, _environ=environ)
    return console.color_system is not None and not console.legacy_windows


def _styled(text: str, style: str) -> str:
    from rich.color import ColorSystem  # noqa: PLC0415 - as above
    from rich.style import Style  # noqa: PLC0415

    # A Style, not Console.print: markup in the text stays literal and nothing is wrapped.
    return Style.parse(style).render(text, color_system=ColorSystem.STANDARD)
