"""The sentences of a text that is still being written, with what they cite."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from deskhand.core.text import clean_text
from deskhand.memory import split_sentences

MARKER = re.compile(r"\s*\[(\d{1,2}(?:\s*[,;]\s*\d{1,2})*)\]")
_LEADING_MARKERS = re.compile(rf"(?:{MARKER.pattern})+[.!?:;,]?(?=\s|$|\W)")
# A marker that may still grow: "[", "[1", "[1, ".
_UNFINISHED_MARKER = re.compile(r"\s*\[[\d,;\s]*$")
_MANY_BREAKS = re.compile(r"\n\s*\n\s*\n")
_ITEM = re.compile(
    r"[ \t]*(?:[-*•]|(?:\*\*)?(?:(?:step|krok|schritt)\s+)?\d{1,2}[.):](?:\*\*)?)[ \t]+",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of an answer.

    Args:
        text: Without markers and without what makes it an item of a list.
        cited: The numbers it cites, in their order, whatever they are.
        lead: What stands before it: a space, or line breaks, and the dash or number of an item.
    """

    text: str
    cited: tuple[int, ...]
    lead: str


class Splitter:
    """Takes pieces of a text, gives its sentences as soon as they are finished.

    A sentence is finished when something follows that is not its marker: models put markers before
    or behind the period, or on the next line.

    Args:
        language: ISO 639-1 code of the text.
    """

    def __init__(self, language: str) -> None:
        self._language = language
        self._rest = ""

    def feed(self, text: str) -> list[Sentence]:
        """Take a piece; give the sentences that are finished by it."""
        self._rest = _MANY_BREAKS.sub("\n\n", self._rest + text)
        starts = self._starts()
        open_from = len(starts) - 1
        if open_from > 0 and _UNFINISHED_MARKER.match(self._rest[starts[-1] :]):
            open_from -= 1
        if open_from < 1:
            return []
        finished = [self._rest[a:b] for a, b in pairwise(starts)][:open_from]
        self._rest = self._rest[starts[open_from] :]
        return [sentence for piece in finished if (sentence := _sentence(piece))]

    def close(self) -> list[Sentence]:
        """The sentences that are left when the text has ended."""
        starts = [*self._starts(), len(self._rest)]
        pieces = [self._rest[a:b] for a, b in pairwise(starts)]
        self._rest = ""
        return [sentence for piece in pieces if (sentence := _sentence(piece))]

    def _starts(self) -> list[int]:
        """Where each piece begins; white space and item marks before it belong to it."""
        starts: list[int] = []
        position = line_start = 0
        for line in self._rest.splitlines(keepends=True):
            item = _ITEM.match(line)
            place = line_start + (item.end() if item else 0)
            for number, part in enumerate(split_sentences(line[item.end() if item else 0 :])):
                found = self._rest.find(part, place)
                if found < 0:
                    continue
                place = found + len(part)
                markers = _LEADING_MARKERS.match(part) if starts else None
                if markers and not (item and number == 0):
                    position = found + markers.end()
                    if markers.end() == len(part):
                        position = place
                        continue
                starts.append(position)
                position = place
            line_start += len(line)
        return starts


def _sentence(piece: str) -> Sentence | None:
    body = piece.lstrip()
    before = piece[: len(piece) - len(body)]
    breaks = before.count("\n")
    lead = "\n" * min(breaks, 2) if breaks else " "
    item = _ITEM.match(body)
    if item:
        lead = f"{lead.strip(' ')}{item.group().strip()} "
        body = body[item.end() :]
    numbers = [int(n) for group in MARKER.findall(body) for n in re.findall(r"\d+", group)]
    text = " ".join(MARKER.sub("", clean_text(body).text).split())
    text = re.sub(r"\s+([.!?,;:])", r"\1", text)
    if not any(c.isalnum() for c in text):
        return None
    return Sentence(text, tuple(dict.fromkeys(numbers)), lead)
