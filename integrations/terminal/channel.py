"""The terminal channel: finds out what it is connected to, then starts the chat."""

import os
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from typing import TextIO

from deskhand.core import Desk
from deskhand.integrations.terminal.chat import Chat
from deskhand.integrations.terminal.ids import Ids
from deskhand.integrations.terminal.interrupts import on_interrupt
from deskhand.integrations.terminal.lines import LineReader
from deskhand.integrations.terminal.screen import OutputClosedError, Screen


class TerminalChannel:
    """The chat of `deskhand chat`, for a person at a terminal and for a pipe.

    At a terminal, Ctrl-C stops an answer, and pressed twice at the prompt it leaves. In a pipe each
    line is a question; it is echoed so that the output reads as a transcript, and Ctrl-C ends the
    run. The exit code is 0, except that a pipe returns 1 when a question got no answer because a
    turn failed, the line was not text, or the run was interrupted.

    Args:
        stdin: Instead of standard input.
        stdout: Instead of standard output.
        environ: Instead of the process environment, for `NO_COLOR` and `TERM`.
        clock_ns: Nanoseconds since 1970, for the ids of messages.
        token: A short random string, for ids of messages, conversations and errors.
        patience_s: Seconds until a person who waits is told that the desk is at work.
    """

    name = "terminal"

    def __init__(
        self,
        *,
        stdin: TextIO | None = None,
        stdout: TextIO | None = None,
        environ: Mapping[str, str] | None = None,
        clock_ns: Callable[[], int] = time.time_ns,
        token: Callable[[], str] = lambda: secrets.token_hex(4),
        patience_s: float = 1.0,
    ) -> None:
        self._stdin = stdin
        self._stdout = stdout
        self._environ = environ
        self._ids = Ids(clock_ns, token)
        self._patience_s = patience_s

    async def run(self, desk: Desk, *, conversation: str | None = None) -> int:
        """Talk until the person leaves or the input ends.

        Args:
            desk: The running desk.
            conversation: Continue this conversation instead of a new one.

        Returns:
            0, or 1 for a pipe in which not every line was answered.
        """
        environ = os.environ if self._environ is None else self._environ
        stdin, stdout = self._stdin or sys.stdin, self._stdout or sys.stdout
        screen = Screen(stdout, environ)
        interactive = stdin is not None and stdin.isatty()
        full = interactive and screen.is_terminal
        standard = stdin is sys.stdin and stdout is sys.stdout  # line editing knows only these
        edit = full and standard and environ.get("TERM") != "dumb"
        try:
            with LineReader(stdin, edit=edit) as lines:
                chat = Chat(
                    desk,
                    screen,
                    lines,
                    self._ids,
                    channel=self.name,
                    interactive=interactive,
                    patience_s=self._patience_s if full else None,
                )
                with on_interrupt(chat.interrupt):
                    return await chat.run(conversation)
        except OutputClosedError:
            screen.discard()
            return 0
