"""Passages: whole blocks, packed up to a size that the embedding models read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from deskhand.memory.documents import Block, Passage

# The English embedding model was trained on up to 128 word pieces and reads at most 256.
PASSAGE_CHARACTERS = 700
_UNIT_CHARACTERS = 1500
# What `Block.text` adds: to a block, and at most to each unit.
_FRAME = {"paragraph": 0, "code": 8, "steps": 0, "list": 0, "rows": 0}
_MARKER = {"paragraph": 1, "code": 1, "steps": 6, "list": 3, "rows": 3}


def cut_passages(title: str, blocks: Iterable[Block]) -> Iterator[Passage]:
    """Whole blocks, packed up to the passage size; only a longer block is cut, between units."""
    packed: list[Block] = []
    size = 0
    for block in blocks:
        for part in _cut(block):
            length = len(part.text) + 1
            if packed and size + length > PASSAGE_CHARACTERS:
                yield Passage(title, tuple(packed))
                packed, size = [], 0
            packed.append(part)
            size += length
    if packed:
        yield Passage(title, tuple(packed))


def _cut(block: Block) -> Iterator[Block]:
    units: list[str] = []
    size, start = _FRAME[block.kind], block.start
    for unit in _short_units(block):
        length = len(unit) + _MARKER[block.kind]
        if units and size + length > PASSAGE_CHARACTERS:
            yield Block(block.kind, tuple(units), block.lead, start)
            start += len(units) if block.kind == "steps" else 0
            units, size = [], _FRAME[block.kind]
        units.append(unit)
        size += length
    if units:
        yield Block(block.kind, tuple(units), block.lead, start)


def _short_units(block: Block) -> Iterator[str]:
    """A unit that is far too long (no sentence borders) is cut at line ends or spaces."""
    code = block.kind == "code"
    for unit in block.units:
        start = 0
        while len(unit) - start > _UNIT_CHARACTERS:
            low, high = start + _UNIT_CHARACTERS // 2, start + _UNIT_CHARACTERS
            border = unit.rfind("\n", low, high) if code else -1
            border = border if border > 0 else unit.rfind(" ", low, high)
            border = border if border > 0 else high
            if piece := unit[start:border].strip("\n" if code else None):
                yield piece
            start = border
        if rest := unit[start:].strip("\n" if code else None):
            yield rest
