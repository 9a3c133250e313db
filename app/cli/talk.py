"""`deskhand chat` and `deskhand ask`: talking to the desk from here."""
# ruff: noqa: PLC0415 - `--help` must not pay for what commands need

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from deskhand.app.cli._context import AsJson, Conversation, checked_conversation, current_settings
from deskhand.app.cli._output import Output, command
from deskhand.core import Outcome, UserError

if TYPE_CHECKING:
    from deskhand.app.settings import Settings
    from deskhand.core import Reply

_MOST_BYTES = 8_000_000


def chat(conversation: Conversation = None) -> None:
    """Talk to the desk in this terminal."""
    import asyncio

    from deskhand.app.channels import open_channel

    conversation = checked_conversation(conversation)
    settings = current_settings()
    channel = open_channel("terminal")

    async def run() -> int:
        from deskhand.app.desk import open_desk

        async with open_desk(settings, purpose="deskhand chat", notify=_note) as desk:
            return await channel.run(desk, conversation=conversation)

    raise typer.Exit(asyncio.run(run()))


def ask(
    question: Annotated[
        str, typer.Argument(metavar="QUESTION", help="The question; - reads standard input.")
    ],
    conversation: Conversation = None,
    as_json: AsJson = False,
) -> None:
    """Answer one question, with citations."""
    import asyncio

    from deskhand.core.render import render_reply

    with command(as_json) as out:
        text = _read_question() if question == "-" else question
        if not text.strip():
            raise UserError("The question is empty.", 'Ask something: deskhand ask "QUESTION"')
        reply = asyncio.run(
            _answer(current_settings(), text, checked_conversation(conversation), out)
        )
        out.result(reply.as_json(), render_reply(reply))
    if reply.outcome is Outcome.FAILED:
        raise typer.Exit(1)


async def _answer(
    settings: "Settings", text: str, conversation: str | None, out: Output
) -> "Reply":
    from deskhand.app.desk import new_conversation_id, new_message_id, open_desk
    from deskhand.core import Message, Reply

    message = Message(
        id=new_message_id(), text=text, conversation=conversation or new_conversation_id()
    )
    async with open_desk(settings, purpose="deskhand ask", notify=out.note) as desk:
        for notice in desk.notices():
            out.note(notice)
        replies = [part async for part in desk.answer(message) if isinstance(part, Reply)]
    return replies[-1]


def _read_question() -> str:
    raw = sys.stdin.buffer.read(_MOST_BYTES + 1)
    if len(raw) > _MOST_BYTES:
        raise UserError(
            f"The question is longer than {_MOST_BYTES // 1_000_000} MB.",
            "Ask a shorter one; documents are added with: deskhand knowledge add PATH",
        )
    return raw.decode("utf-8", "replace")


def _note(line: str) -> None:
    typer.echo(line, err=True)
