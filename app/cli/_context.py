"""What commands share: the settings of this process, and options that mean the same everywhere."""
# ruff: noqa: PLC0415 - `--help` must not pay for what commands need

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deskhand.app.cli._output import Output
from deskhand.core import UserError

if TYPE_CHECKING:
    from deskhand.app.settings import Settings
    from deskhand.memory import Knowledge

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would happen; change nothing.")]
Conversation = Annotated[
    str | None, typer.Option("--conversation", metavar="ID", help="Continue this conversation.")
]


def current_settings() -> "Settings":
    """The settings of this process: the working folder's file and the environment."""
    from deskhand.app.settings import load_settings

    return load_settings(os.environ, working_folder())


def working_folder() -> Path:
    """The working folder.

    Raises:
        UserError: It was deleted under our feet.
    """
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise UserError("The working folder does not exist any more.", "Change to one.") from None


@contextmanager
def owned_knowledge(settings: "Settings", purpose: str, out: Output) -> Iterator["Knowledge"]:
    """Own the data folder and open the knowledge to change it."""
    from deskhand.app.owner import own
    from deskhand.app.wiring import writing_knowledge

    with own(settings.data_dir, purpose, notify=out.note), writing_knowledge(settings) as knowledge:
        yield knowledge


def checked_conversation(conversation: str | None) -> str | None:
    """The id that a person gave, if it can be one.

    Raises:
        UserError: It is empty, very long, or holds control characters.
    """
    if conversation is None:
        return None
    if not conversation.strip() or len(conversation) > 200 or not conversation.isprintable():
        raise UserError(
            "The conversation's id must be 1 to 200 printable characters.",
            "Use the id that an earlier answer gave, or leave --conversation out.",
        )
    return conversation
