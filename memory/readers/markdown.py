"""Markdown, HTML and plain text: blocks under their headings."""
# ruff: noqa: PLC0415 - parsers are only loaded for their files

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from deskhand.core.text import clean_text
from deskhand.memory.documents import TITLE_SEPARATOR, Block, Entry, Passage, ReadFile
from deskhand.memory.language import detect_language, language_code
from deskhand.memory.readers.html import html_to_markdown
from deskhand.memory.readers.passages import cut_passages
from deskhand.memory.sentences import split_sentences

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_TITLE_CHARACTERS = 200
_FRONT_MATTER = re.compile(r"\A---\n(\s*[\w-]+\s*:.*?)\n(?:---|\.\.\.)\n", re.DOTALL)
_FRONT_MATTER_LINE = re.compile(r"^(title|language|lang)\s*:\s*[\"']?(.+?)[\"']?\s*$", re.MULTILINE)
_SPACES = re.compile(r"\s+")
_BREAK = re.compile(r"</?(?:br|p|div|li|ul|ol|tr|td|th|hr|img)\b", re.IGNORECASE)
_EXTERNAL = re.compile(r"(?:https?:|mailto:|tel:)", re.IGNORECASE)


@dataclass(slots=True)
class _Section:
    title: str
    blocks: list[Block] = field(default_factory=list)


def read_markdown(text: str, source: str) -> ReadFile:
    """One article: its title path is the headings, or the file's name where there are none."""
    text = clean_text(text).text
    facts: dict[str, str] = {}
    if match := _FRONT_MATTER.match(text + "\n"):
        facts = dict(_FRONT_MATTER_LINE.findall(match[1]))
        text = text[match.end() :]
    return _article(text, source, facts)


def read_html(text: str, source: str) -> ReadFile:
    """One article: the readable part of a page."""
    return _article(clean_text(html_to_markdown(text)).text, source, {}, html=False)


def _article(text: str, source: str, facts: Mapping[str, str], *, html: bool = True) -> ReadFile:
    sections = _sections(text, facts.get("title", "")[:_TITLE_CHARACTERS], html=html)
    title = facts.get("title") or next((s.title for s in sections if s.title), "")
    title = title.split(TITLE_SEPARATOR)[0] or _name_of(source)
    passages = tuple(p for s in sections for p in cut_passages(s.title or title, s.blocks))
    if not passages:
        return ReadFile(())
    language = language_code(facts.get("language") or facts.get("lang") or "")
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
    passages = tuple(cut_passages(title, blocks))
    return ReadFile((Entry(source, title, "article", language, passages),) if passages else ())


def answer_passages(text: str, title: str) -> tuple[Passage, ...]:
    """The answer of a FAQ entry, which may be Markdown, as passages under one title."""
    blocks: list[Block] = []
    for section in _sections(clean_text(text).text, ""):
        # Headings in an answer are part of its text.
        blocks += [Block("paragraph", (section.title,))] if section.title else []
        blocks += section.blocks
    return tuple(cut_passages(shorten(title), blocks))


def shorten(title: str) -> str:
    """A title of bearable length: it is repeated in every passage."""
    if len(title) <= _TITLE_CHARACTERS:
        return title
    return title[: _TITLE_CHARACTERS - 1].rstrip() + "…"


def _name_of(source: str) -> str:
    words = PurePosixPath(source).stem.replace("-", " ").replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def _flat(text: str) -> str:
    return _SPACES.sub(" ", text).strip()


def _sections(text: str, title: str, *, html: bool = True) -> list[_Section]:
    """Blocks grouped by heading; each section's title is the path of headings above it."""
    language = detect_language(text)
    path: list[tuple[int, str]] = [(0, title)] if title else []
    sections = [_Section(title)]
    for block in _blocks(_parse(text, html=html), language):
        if isinstance(block, Block):
            sections[-1].blocks.append(block)
            continue
        level, heading = block
        while path and path[-1][0] >= level:
            path.pop()
        if not (path and path[-1][1] == heading):
            path.append((level, shorten(heading)))
        sections.append(_Section(TITLE_SEPARATOR.join(name for _, name in path)))
        if len(heading) > _TITLE_CHARACTERS:
            sections[-1].blocks.append(Block("paragraph", (heading,)))
    for section, after in zip(sections, [*sections[1:], _Section("")], strict=True):
        # A heading with nothing under it is in no title path: it is text of its own.
        if path and not section.blocks and section.title and not _leads(section, after):
            heading = section.title.rpartition(TITLE_SEPARATOR)[2]
            section.blocks.append(Block("paragraph", (heading,)))
    return [section for section in sections if section.blocks]


def _leads(section: _Section, after: _Section) -> bool:
    return f"{after.title}{TITLE_SEPARATOR}".startswith(f"{section.title}{TITLE_SEPARATOR}")


def _parse(text: str, *, html: bool) -> list[Token]:
    return _parser(html).parse(text)


@lru_cache(maxsize=2)
def _parser(html: bool) -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": html}).enable("table")


def _blocks(tokens: list[Token], language: str) -> Iterator[Block | tuple[int, str]]:
    """Blocks, and headings as (level, text), in reading order."""
    position, lead = 0, ""
    while position < len(tokens):
        token = tokens[position]
        end = _closing(tokens, position)
        inside = tokens[position : end + 1]
        position = end + 1
        if token.type == "heading_open":
            yield int(token.tag[1]), _inline_text(inside)
            lead = ""
        elif token.type == "html_block":
            yield from _blocks(_parse(html_to_markdown(token.content), html=False), language)
        elif (block := _block(token, inside, lead, language)) is not None:
            yield block
            lead = block.units[-1] if block.kind == "paragraph" else ""


def _block(token: Token, inside: list[Token], lead: str, language: str) -> Block | None:
    """The block that starts with a token, or None where it has no text."""
    block: Block | None = None
    if token.type == "ordered_list_open":
        block = Block("steps", tuple(_items(inside)), lead, int(token.attrGet("start") or 1))
    elif token.type == "bullet_list_open":
        block = Block("list", tuple(_items(inside)), lead)
    elif token.type == "table_open":
        block = Block("rows", tuple(_rows(inside)), lead)
    elif token.type in ("fence", "code_block"):
        block = Block("code", (_clean(token.content).rstrip("\n"),), lead)
    elif token.type in ("paragraph_open", "blockquote_open"):
        block = Block("paragraph", tuple(split_sentences(_inline_text(inside), language)))
    return block if block is not None and any(unit.strip() for unit in block.units) else None


def _closing(tokens: list[Token], position: int) -> int:
    """Index of the token that closes the one at `position` (itself where nothing opens)."""
    depth = 0
    for index in range(position, len(tokens)):
        depth += tokens[index].nesting
        if depth <= 0:
            return index
    return len(tokens) - 1


def _inline_text(tokens: Iterable[Token]) -> str:
    """The text a person sees; an address outside is kept where the text does not show it."""
    parts: list[str] = []
    for token in tokens:
        if token.type in ("fence", "code_block"):
            parts.append(f"{token.content} ")
        elif token.type == "html_block":
            inner = _parse(html_to_markdown(token.content), html=False)
            parts.append(f"{_inline_text(inner)} ")
        elif token.type == "inline":
            parts += _visible(token.children or ())
            parts.append(" ")
    return _flat(_clean("".join(parts)))


def _clean(text: str) -> str:
    """Escapes and entities are gone by now, and can have hidden what must not come through."""
    indent = text[: len(text) - len(text.lstrip())]
    return indent + clean_text(text).text


def _visible(children: Iterable[Token]) -> Iterator[str]:
    link, shown = "", ""
    for child in children:
        text = ""
        if child.type in ("text", "code_inline", "image"):
            text = child.content
        elif child.type in ("softbreak", "hardbreak") or (
            child.type == "html_inline" and _BREAK.match(child.content)
        ):
            text = " "
        elif child.type == "link_open":
            link, shown = str(child.attrGet("href") or ""), ""
        elif child.type == "link_close":
            address = link.removeprefix("mailto:").removeprefix("tel:")
            if _EXTERNAL.match(link) and address not in shown and shown not in address:
                text = f" ({address})"
        shown += text
        yield text


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
    bare = True
    for index, token in enumerate(tokens):
        if token.type == "tr_open":
            row = []
        elif token.type in ("th_open", "td_open"):
            row.append(_inline_text(tokens[index + 1 : index + 2]))
        elif token.type == "tr_close":
            if not header:
                header = row
                continue
            cells = zip(header, row, strict=False)
            if text := "; ".join(
                f"{name}: {cell}" if name else cell for name, cell in cells if cell
            ):
                bare = False
                yield text
    if bare and any(header):
        yield "; ".join(name for name in header if name)
