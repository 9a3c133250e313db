"""Answers without a language model: the sentences of the passages that answer, quoted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deskhand.memory import Block, Hit

_ANSWER_CHARACTERS = 700
_WHOLE_PARAGRAPH = 320
_WHOLE_LIST = 8
_NEARLY_AS_GOOD = 0.93
_SECOND_SOURCE = 0.85
_CERTAIN = 0.8


@dataclass(frozen=True, slots=True)
class Quote:
    """Words of one passage.

    Args:
        hit: The passage.
        lines: Whole units of it, unchanged, in reading order.
        text: The same as a person reads it: steps are numbered, items have dashes.
    """

    hit: Hit
    lines: tuple[str, ...]
    text: str


def quote(hits: Sequence[Hit], *, limit: int = 2) -> list[Quote]:
    """The best part of the best passage; where that is not certain, of a second one as well.

    Args:
        hits: Passages that answer, best first.
        limit: Most passages to quote.
    """
    quotes: list[Quote] = []
    length = 0
    for hit in hits:
        if len(quotes) == limit:
            break
        if quotes and not _needed(hit, quotes[0].hit):
            break
        if any(hit.source == other.hit.source for other in quotes):
            continue
        if quotes and hit.language != quotes[0].hit.language:
            continue
        found = _best_part(hit)
        if quotes and (length + len(found.text) > _ANSWER_CHARACTERS or _repeats(found, quotes)):
            continue
        quotes.append(found)
        length += len(found.text)
    return quotes


def _needed(second: Hit, best: Hit) -> bool:
    """Whether the second passage is worth its length: as likely as the first, which is unsure."""
    return best.score < _CERTAIN and second.score >= _SECOND_SOURCE * best.score


def _best_part(hit: Hit) -> Quote:
    """The unit that fits best with what belongs to it; a short FAQ answer as a whole."""
    blocks = hit.passage.blocks
    if hit.passage.kind == "faq" and len(hit.text) <= _ANSWER_CHARACTERS:
        chosen = [(b, tuple(range(len(block.units)))) for b, block in enumerate(blocks)]
        return _quote(hit, chosen)
    scores = {(b, u): score for b, u, score in hit.units}
    if not scores:
        return _quote(hit, [(0, (0,))])
    best = _introduced(blocks, max(scores, key=lambda place: scores[place]), scores)
    chosen = [(best[0], _around(blocks[best[0]], best[1], scores, best[0]))]
    length = len(_text(blocks, chosen))
    others = sorted(scores, key=lambda place: scores[place], reverse=True)
    for b, u in (_introduced(blocks, place, scores) for place in others):
        if scores[b, u] < _NEARLY_AS_GOOD * scores[best] or len(chosen) == 3:
            break
        if any(b == taken for taken, _ in chosen):
            continue
        part = (b, _around(blocks[b], u, scores, b))
        if length + len(_text(blocks, [part])) <= _ANSWER_CHARACTERS:
            chosen.append(part)
            length = len(_text(blocks, chosen))
    return _quote(hit, sorted(chosen))


def _introduced(
    blocks: Sequence[Block], place: tuple[int, int], scores: dict[tuple[int, int], float]
) -> tuple[int, int]:
    """What a line introduces, where a unit is such a line: it says nothing on its own."""
    b, u = place
    if b + 1 == len(blocks) or blocks[b].units[u] != blocks[b + 1].lead:
        return place
    following = [(b + 1, n) for n in range(len(blocks[b + 1].units)) if (b + 1, n) in scores]
    return max(following, key=lambda unit: scores[unit], default=place)


def _around(
    block: Block, unit: int, scores: dict[tuple[int, int], float], number: int
) -> tuple[int, ...]:
    """The units of a block that are quoted together with one of them."""
    everything = tuple(range(len(block.units)))
    if block.kind == "steps" or (block.kind == "list" and len(everything) <= _WHOLE_LIST):
        return everything
    if block.kind == "paragraph":
        if len(block.text) <= _WHOLE_PARAGRAPH:
            return everything
        return tuple(u for u in (unit, unit + 1) if u < len(everything))
    best = scores[number, unit]
    if block.kind == "rows" and len(everything) <= _WHOLE_LIST and _close(scores, number, unit):
        return everything
    return tuple(u for u in everything if scores.get((number, u), 0.0) >= _NEARLY_AS_GOOD * best)[
        :4
    ] or (unit,)


def _close(scores: dict[tuple[int, int], float], number: int, unit: int) -> bool:
    """Whether another row of a table fits nearly as well: then it is asked for as a whole."""
    rows = [score for (b, u), score in scores.items() if b == number and u != unit]
    return max(rows, default=0.0) >= _NEARLY_AS_GOOD * scores[number, unit]


def _text(blocks: Sequence[Block], chosen: Sequence[tuple[int, tuple[int, ...]]]) -> str:
    lines: list[str] = []
    for b, units in chosen:
        block = blocks[b]
        before = blocks[b - 1].units[-1] if b and blocks[b - 1].kind == "paragraph" else ""
        already = any(taken == b - 1 for taken, _ in chosen)
        if block.lead and not already and before == block.lead:
            lines.append(block.lead)
        part = Block(block.kind, tuple(block.units[u] for u in units), start=block.start + units[0])
        lines.append(part.units[0] if block.kind == "rows" and len(units) == 1 else part.text)
    return "\n".join(lines)


def _quote(hit: Hit, chosen: Sequence[tuple[int, tuple[int, ...]]]) -> Quote:
    blocks = hit.passage.blocks
    lines = tuple(blocks[b].units[u] for b, units in chosen for u in units)
    return Quote(hit, lines, _text(blocks, chosen))


def _repeats(found: Quote, quotes: Sequence[Quote]) -> bool:
    """Whether a quote says, to the letter, what another says already."""
    said = {line.casefold() for other in quotes for line in other.lines}
    return all(line.casefold() in said for line in found.lines)
