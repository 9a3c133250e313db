"""The chat's commands: which line is one, and the text that each shows."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from deskhand.core import fold
from deskhand.core.render import one_line
from deskhand.integrations.terminal import words

NAMES = ("/help", "/sources", "/history", "/new", "/quit")
MOST_LINES = 40
_LEAVING_WORDS = ("exit", "quit")


@dataclass(frozen=True, slots=True)
class Command:
    """A command as typed: its name in lower case, and what follows it."""

    name: str
    argument: str = ""

    @property
    def complaint(self) -> str:
        """Why it cannot be carried out, in one line; empty when it can."""
        name = one_line(self.name)[:40]
        if self.name not in NAMES:
            nearest = difflib.get_close_matches(name, NAMES, n=1, cutoff=0.5)
            template = words.DID_YOU_MEAN if nearest else words.UNKNOWN
            return template.format(name=name, nearest="".join(nearest))
        if self.argument and self.name != "/sources":
            return words.NO_ARGUMENT.format(name=name)
        return ""


def parse_command(line: str) -> Command | None:
    """The command in a line, or `None` when the line is a question.

    A line that starts with a path ("/etc/hosts is empty, why?") or with a space is a question.
    """
    if line.strip().casefold() in _LEAVING_WORDS:
        return Command("/quit")
    if not line.startswith("/"):
        return None
    name, _, argument = line.strip().partition(" ")
    return None if "/" in name[1:] else Command(name.lower(), argument.strip())


def source_lines(sources: Sequence[tuple[str, str, int]], word: str = "") -> list[str]:
    """The documents, one a line, at most 40, then how many more there are.

    Args:
        sources: (source name, title, number of passages).
        word: Keep those with this in their name or title, whatever its case and diacritics.
    """
    if not sources:
        return [words.NO_SOURCES]
    wanted = fold(word)
    found = [row for row in sources if wanted in fold(f"{row[0]}\n{row[1]}")]
    if not found:
        return [words.NO_MATCH.format(word=one_line(word))]
    lines = [_source_line(*row) for row in found[:MOST_LINES]]
    if len(found) > MOST_LINES:
        lines.append(words.MORE_SOURCES.format(count=len(found) - MOST_LINES))
    return lines


def history_lines(turns: Sequence[tuple[str, str]]) -> list[str]:
    """The conversation so far, each part after the name of who said it."""
    names = {"person": words.PROMPT, "desk": words.DESK}
    return [names.get(role, f"{role}: ") + text for role, text in turns] or [words.NO_HISTORY]


def _source_line(name: str, title: str, count: int) -> str:
    shown = one_line(name)
    if title and title != name:
        shown += f": {one_line(title)}"
    return f"{shown} ({words.passages(count)})"
