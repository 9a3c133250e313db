"""Lines from a person or a pipe, read beside the event loop."""

import asyncio
import codecs
import importlib
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from types import TracebackType
from typing import Any, Self, TextIO

if sys.platform != "win32":
    import termios

# Far above what the graph keeps of a question; it only bounds memory.
MOST_BYTES = 8 * 1024 * 1024
_CHUNK = 64 * 1024


class Happening(Enum):
    """What can come instead of a line."""

    END = "end of input"
    UNREADABLE = "a line that is not UTF-8"
    INTERRUPT = "Ctrl-C at the prompt"


class LineReader:
    """Reads one line at a time in a daemon thread, so the loop never waits for a keyboard.

    Reading goes past `sys.stdin`: its buffer holds a lock while it waits, and a process that exits
    while a thread holds it dies with a fatal error. Line editing uses `readline`, whose own history
    is in memory only. A thread that still waits at the end is left behind; it cannot hold up exit.

    Args:
        stream: Standard input, or `None` where a process has none.
        edit: Read with `input()` and line editing. Only for real terminals on both ends.
    """

    def __init__(self, stream: TextIO | None, *, edit: bool) -> None:
        self._readline = _load_readline() if edit else None
        self._bytes = _ByteLines(stream)
        self._events: asyncio.Queue[str | Happening] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._reading = False
        self._restore_terminal = _terminal_keeper(stream if edit else None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._reading:  # readline is left in the middle of a line, with the echo off
            self._restore_terminal()

    @property
    def shows_prompt(self) -> bool:
        """Whether `read` shows the prompt itself (line editing must know where the line begins)."""
        return self._readline is not None

    @property
    def typed(self) -> str:
        """What was typed of the line that is being read, as far as line editing knows."""
        return self._readline.get_line_buffer() if self._readline is not None else ""

    async def read(self, prompt: str = "") -> str | Happening:
        """The next line without its newline, or what happened instead.

        After an INTERRUPT the same line is still being read; call again to go on waiting for it.
        """
        if not self._reading:
            self._reading = True
            threading.Thread(target=self._read_one, args=(prompt,), daemon=True).start()
        event = await self._events.get()
        self._reading = event is Happening.INTERRUPT
        return event

    def interrupt(self) -> None:
        """Make `read` return INTERRUPT."""
        self._events.put_nowait(Happening.INTERRUPT)

    def _read_one(self, prompt: str) -> None:
        try:
            event = self._edited(prompt) if self._readline is not None else self._bytes.next_line()
        except (OSError, ValueError):  # the terminal or the pipe is gone
            event = Happening.END
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)

    def _edited(self, prompt: str) -> str | Happening:
        try:
            line = input(prompt)
            line.encode()  # a locale without UTF-8 smuggles bad bytes in as surrogates
        except EOFError:
            return Happening.END
        except UnicodeError:
            return Happening.UNREADABLE
        return line


class _ByteLines:
    """Splits a byte stream into lines; what is cut off a line above `MOST_BYTES` is lost."""

    def __init__(self, stream: TextIO | None) -> None:
        buffer = getattr(stream, "buffer", None)
        self._raw = getattr(buffer, "raw", buffer)
        self._pending = bytearray()
        self._ended = False
        self._first = True

    def next_line(self) -> str | Happening:
        searched = 0
        while (end := self._pending.find(b"\n", searched)) < 0 and not self._ended:
            searched = len(self._pending)
            self._fill()
            if len(self._pending) > 2 * MOST_BYTES:
                del self._pending[MOST_BYTES + 1 :]  # one more: it shows that there was more
                searched = 0
        if end < 0 and not self._pending:
            return Happening.END
        end = len(self._pending) if end < 0 else end
        line = bytes(self._pending[: min(end, MOST_BYTES)])
        del self._pending[: end + 1]
        return self._decode(line, cut=end > MOST_BYTES)

    def _fill(self) -> None:
        chunk = self._raw.read(_CHUNK) if self._raw is not None else b""
        self._ended = not chunk
        self._pending += chunk or b""

    def _decode(self, line: bytes, *, cut: bool) -> str | Happening:
        if self._first:
            self._first = False
            line = line.removeprefix(codecs.BOM_UTF8)
        try:
            return codecs.getincrementaldecoder("utf-8")().decode(line, not cut).removesuffix("\r")
        except UnicodeDecodeError:
            return Happening.UNREADABLE


def _load_readline() -> Any:
    """The standard module set up for a chat, or `None` where there is none (Windows)."""
    try:
        readline = importlib.import_module("readline")  # this changes how input() behaves
    except ImportError:
        return None
    if "libedit" not in (readline.__doc__ or ""):  # libedit reads another language
        readline.parse_and_bind("set enable-meta-key off")  # or it writes an escape at each prompt
        readline.parse_and_bind("set enable-bracketed-paste off")
    return readline


def _terminal_keeper(stream: TextIO | None) -> Callable[[], None]:
    """A function that sets the terminal as it is now; Windows needs none."""
    if sys.platform != "win32" and stream is not None:
        descriptor = stream.fileno()
        state = termios.tcgetattr(descriptor)

        def restore() -> None:
            with suppress(termios.error):
                termios.tcsetattr(descriptor, termios.TCSADRAIN, state)

        return restore
    return lambda: None
