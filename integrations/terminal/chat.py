"""One run of the chat: reads a line, runs its turn or its command, says what went wrong."""

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from typing import Any

from deskhand.core import Desk, DeskhandError, Message
from deskhand.core.render import one_line
from deskhand.integrations.terminal import words
from deskhand.integrations.terminal.answers import AnswerPrinter
from deskhand.integrations.terminal.commands import (
    Command,
    history_lines,
    parse_command,
    source_lines,
)
from deskhand.integrations.terminal.ids import Ids
from deskhand.integrations.terminal.lines import Happening, LineReader
from deskhand.integrations.terminal.screen import OutputClosedError, Screen

logger = logging.getLogger(__name__)
# Without any handler configured, logging would print the traceback in the middle of the chat.
logger.addHandler(logging.NullHandler())

_MOST_ECHOED = 500


class Chat:
    """Talks with one person, or reads one pipe, until it ends.

    Args:
        desk: Answers.
        screen: Where to write.
        lines: Where to read.
        ids: For messages, conversations and errors.
        channel: The channel's name.
        interactive: A person types; otherwise the lines come from a pipe or a file.
        patience_s: See `AnswerPrinter`.
    """

    def __init__(
        self,
        desk: Desk,
        screen: Screen,
        lines: LineReader,
        ids: Ids,
        *,
        channel: str,
        interactive: bool,
        patience_s: float | None,
    ) -> None:
        self._desk = desk
        self._screen = screen
        self._lines = lines
        self._ids = ids
        self._channel = channel
        self._interactive = interactive
        self._patience_s = patience_s
        self._work: asyncio.Task[None] | None = None
        self._conversation = ""
        self._code = 0

    async def run(self, conversation: str | None) -> int:
        """Greet, then answer line by line. Returns the exit code."""
        self._conversation = conversation or self._ids.new()
        greeting = [words.GREETING]
        if conversation:
            greeting.append(words.CONTINUED.format(conversation=one_line(conversation)))
        self._show([*greeting, *map(one_line, self._desk.notices())])
        while (line := await self._next_line()) is not None:
            command = parse_command(line)
            if command == Command("/quit"):
                break
            if command is not None:
                await self._perform(self._carry_out(command))
            elif line.strip() and not await self._perform(self._ask(line)):
                break
        return self._code

    def interrupt(self) -> None:
        """Ctrl-C: stop the work that is going on, or tell the prompt."""
        if self._work is not None:
            self._work.cancel()
        else:
            self._lines.interrupt()

    async def _next_line(self) -> str | None:
        """The next line; empty for one that could not be read, `None` to leave."""
        prompt = words.PROMPT if self._interactive else ""
        if not self._lines.shows_prompt:
            self._screen.write(prompt)
        event = await self._lines.read(prompt)
        if event is Happening.INTERRUPT and self._interactive:
            # Line editing keeps what was typed, so it is shown again.
            self._screen.write(f"\n{words.LEAVE_HINT}\n{prompt}{self._lines.typed}")
            event = await self._lines.read(prompt)
        if event is Happening.INTERRUPT or event is Happening.END:
            if self._interactive:
                self._screen.write("\n")
            elif event is Happening.INTERRUPT:
                self._fail()
            return None
        if event is Happening.UNREADABLE:
            self._echo("")
            self._fail()
            self._show([words.UNREADABLE], "red")
            return ""
        self._echo(event)
        return event

    def _echo(self, line: str) -> None:
        """Show the question where no terminal has: the output must read as a transcript."""
        shown = one_line(line[:_MOST_ECHOED])
        if len(line) > _MOST_ECHOED:
            shown += words.ECHO_CUT.format(count=len(line))
        if not self._interactive:
            if shown:
                self._screen.line(words.PROMPT + shown)
        elif self._screen.is_terminal:
            self._screen.line_was_entered()
        else:
            self._screen.write(f"{shown}\n")

    def _fail(self) -> None:
        """A script must see that a line got no answer; a person has read it."""
        self._code = 0 if self._interactive else 1

    async def _perform(self, work: Coroutine[Any, Any, None]) -> bool:
        """Run a turn or a command so that Ctrl-C can stop it. False: the chat must end."""
        self._work = asyncio.create_task(self._guarded(work))
        try:
            await self._work
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None and current.cancelling():  # the desk is shut down, not the turn
                raise
            if self._interactive:
                self._screen.write("\n")  # after the ^C that most terminals show
            self._fail()
            self._show([words.STOPPED])
            return self._interactive
        finally:
            self._work = None
        return True

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """Turn errors into one line each; the conversation goes on."""
        try:
            await work
        except OutputClosedError:
            raise
        except DeskhandError as problem:
            self._fail()
            self._show([words.ERROR.format(message=one_line(str(problem)))], "red")
        except Exception:
            error_id = self._ids.token()
            logger.exception("error %s in the terminal channel", error_id)
            self._fail()
            self._show([words.UNEXPECTED.format(error_id=error_id)], "red")

    async def _ask(self, text: str) -> None:
        message = Message(self._ids.new(), text, self._conversation, channel=self._channel)
        printer = AnswerPrinter(self._screen, self._patience_s)
        if not await printer.show(self._desk.answer(message)):
            self._fail()

    async def _carry_out(self, command: Command) -> None:
        if command.complaint:
            self._show([command.complaint])
        elif command.name == "/help":
            self._show(words.HELP)
        elif command.name == "/sources":
            self._show(source_lines(await self._desk.sources(), command.argument))
        elif command.name == "/history":
            self._show(history_lines(await self._desk.history(self._conversation)))
        else:
            self._conversation = self._ids.new()
            self._show([words.NEW_CONVERSATION])

    def _show(self, lines: Iterable[str], style: str = "") -> None:
        """Write lines, then an empty one before whatever comes next."""
        for line in lines:
            self._screen.line(line, style)
        self._screen.write("\n")
