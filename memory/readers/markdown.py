"""Markdown and plain text: blocks under their headings, cut into passages along them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from deskhand.core.text import clean_text
from deskhand.memory.documents import TITLE_SEPARATOR, Block, Entry, Passage, ReadFile
from deskhand.memory.language import detect_language
from deskhand.memory.sentences import split_sentences

if TYPE_CHECKING:
    from markdown_it.token import Token

# The English embedding model was trained on up to 128 word pieces and reads at most 256.
_PASSAGE_CHARACTERS = 700
_UNIT_CHARACTERS = 1500
_FRONT_MATTER = re.compile(r"\A---\n(.*?)\n(?:---|\.\.\.)\n", re.DOTALL)
_FRONT_MATTER_LINE = re.compile(r"^(title|language|lang)\s*:\s*[\"']?(.+?)[\"']?\s*$", re.MULTILINE)
_MARKUP = re.compile(r"\s+")


@dataclass(slots=True)
class _Section:
    title: str
    blocks: list[Block] = field(default_factory=list)


def read_markdown(text: str, source: str) -> ReadFile:
    """One article: its title path is the headings, or the file's name where there are none."""
    text = clean_text(text).text
    facts: dict[str, str] = {}
    if match := _FRONT_MATTER.match(text + "\n"):
        facts = {key: value for key, value in _FRONT_MATTER_LINE.findall(match[1])}
        text = text[match.end() :]
    sections = _sections(text, facts.get("title", ""))
    title = facts.get("title") or next((s.title for s in sections if s.title), "")
    title = title.split(TITLE_SEPARATOR)[0] or _name_of(source)
    passages = tuple(p for s in sections for p in _passages(s.title or title, s.blocks))
    if not passages:
        return ReadFile(())
    language = (facts.get("language") or facts.get("lang") or "").lower()[:2]
    language = language or detect_language(" ".join(p.text for p in passages[:4]))
    return ReadFile((Entry(source, title, "article", language, passages),))


def read_text(text: str, source: str) -> ReadFile:
    """Plain text: paragraphs are blocks; the file's name is the title."""
    text = clean_text(text).text
    title = _name_of(source)
    language = detect_language(text)
    blocks = [
        Block("paragraph", tuple(split_sentences(_flat(paragraph), language)))
        for paragraph in re.split(r"\n\s*\n", text)
        if paragraph.strip()
    ]
    passages = tuple(_passages(title, blocks))
    return ReadFile((Entry(source, title, "article", language, passages),) if passages else ())


def answer_passages(text: str, title: str) -> tuple[Passage, ...]:
    """The answer of a FAQ entry, which may be Markdown, as passages under one title."""
    blocks = [block for s in _sections(clean_text(text).text, "") for block in s.blocks]
    return tuple(_passages(title, blocks))


def _name_of(source: str) -> str:
    words = PurePosixPath(source).stem.replace("-", " ").replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def _flat(text: str) -> str:
    return _MARKUP.sub(" ", text).strip()


def _sections(text: str, title: str) -> list[_Section]:
    """Blocks grouped by heading; each section's title is the path of headings above it."""
    from markdown_it import MarkdownIt

    language = detect_language(text)
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    path: list[tuple[int, str]] = [(0, title)] if title else []
    sections = [_Section(title)]
    for block in _blocks(tokens, language):
        if isinstance(block, Block):
            sections[-1].blocks.append(block)
            continue
        level, heading = block
        while path and path[-1][0] >= level:
            path.pop()
        if not (path and path[-1][1] == heading):
            path.append((level, heading))
        sections.append(_Section(TITLE_SEPARATOR.join(name for _, name in path)))
    return [section for section in sections if section.blocks]


def _blocks(tokens: list[Token], language: str) -> Iterator[Block | tuple[int, str]]:
    """Blocks, and headings as (level, text), in reading order."""
    position, lead = 0, ""
    while position < len(tokens):
        token = tokens[position]
        end = _closing(tokens, position)
        inside = tokens[position : end + 1]
        block: Block | None = None
        if token.type == "heading_open":
            yield int(token.tag[1]), _inline_text(inside)
            lead = ""
        elif token.type in ("ordered_list_open", "bullet_list_open"):
            kind = "steps" if token.type == "ordered_list_open" else "list"
            block = Block("steps" if kind == "steps" else "list", tuple(_items(inside)), lead)
        elif token.type == "table_open":
            block = Block("rows", tuple(_rows(inside)), lead)
        elif token.type in ("fence", "code_block"):
            block = Block("code", (token.content.rstrip("\n"),), lead)
        elif token.type in ("paragraph_open", "blockquote_open"):
            units = tuple(split_sentences(_inline_text(inside), language))
            block = Block("paragraph", units)
        if block is not None and any(unit.strip() for unit in block.units):
            yield block
            lead = block.units[-1] if block.kind == "paragraph" else ""
        position = end + 1


def _closing(tokens: list[Token], position: int) -> int:
    """Index of the token that closes the one at `position` (itself where nothing opens)."""
    depth = 0
    for index in range(position, len(tokens)):
        depth += tokens[index].nesting
        if depth <= 0:
            return index
    return len(tokens) - 1


def _inline_text(tokens: Iterable[Token]) -> str:
    """The text a person sees; link targets are kept only where they differ from their text."""
    parts: list[str] = []
    for token in tokens:
        if token.type in ("fence", "code_block"):
            parts.append(token.content)
        if token.type != "inline":
            continue
        for child in token.children or ():
            if child.type in ("text", "code_inline"):
                parts.append(child.content)
            elif child.type in ("softbreak", "hardbreak"):
                parts.append(" ")
            elif child.type == "image":
                parts.append(child.content)
        parts.append(" ")
    return _flat("".join(parts))


def _items(tokens: list[Token]) -> Iterator[str]:
    """Items of a list; a nested list stays in the item above it."""
    depth, start = 0, 0
    for index, token in enumerate(tokens):
        if token.type == "list_item_open":
            depth += 1
            if depth == 1:
                start = index
        elif token.type == "list_item_close":
            depth -= 1
            if depth == 0 and (text := _inline_text(tokens[start:index])):
                yield text


def _rows(tokens: list[Token]) -> Iterator[str]:
    """Rows of a table, each cell with its column's name, so that a row can be read alone."""
    header: list[str] = []
    row: list[str] = []
    for index, token in enumerate(tokens):
        if token.type == "tr_open":
            row = []
        elif token.type in ("th_open", "td_open"):
            row.append(_inline_text(tokens[index + 1 : index + 2]))
        elif token.type == "tr_close":
            if not header:
                header = row
            else:
                cells = zip(header, row, strict=False)
                yield "; ".join(f"{name}: {cell}" if name else cell for name, cell in cells if cell)


def _passages(title: str, blocks: Iterable[Block]) -> Iterator[Passage]:
    """Whole blocks, packed up to the passage size; only a longer block is cut, between units."""
    packed: list[Block] = []
    size = 0
    for block in blocks:
        for part in _cut(block):
            length = len(part.text)
            if packed and size + length > _PASSAGE_CHARACTERS:
                yield Passage(title, tuple(packed))
                packed, size = [], 0
            packed.append(part)
            size += length
    if packed:
        yield Passage(title, tuple(packed))


def _cut(block: Block) -> Iterator[Block]:
    units: list[str] = []
    size = 0
    for unit in _short_units(block.units):
        if units and size + len(unit) > _PASSAGE_CHARACTERS:
            yield Block(block.kind, tuple(units), block.lead)
            units, size = [], 0
        units.append(unit)
        size += len(unit) + 1
    if units:
        yield Block(block.kind, tuple(units), block.lead)


def _short_units(units: Iterable[str]) -> Iterator[str]:
    """A unit that is far too long (no sentence borders) is cut at spaces."""
    for unit in units:
        rest = unit
        while len(rest) > _UNIT_CHARACTERS:
            border = rest.rfind(" ", _UNIT_CHARACTERS // 2, _UNIT_CHARACTERS)
            border = border if border > 0 else _UNIT_CHARACTERS
            yield rest[:border].strip()
            rest = rest[border:].strip()
        if rest:
            yield rest
