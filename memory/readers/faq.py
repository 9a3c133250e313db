"""FAQs: CSV with question and answer columns, and JSONL with several wordings a question."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from deskhand.memory.documents import Entry, ReadFile, UnreadableError, one_line
from deskhand.memory.language import detect_language, language_code
from deskhand.memory.readers.markdown import answer_passages, shorten

_MAX_NAMED_ROWS = 5
_MAX_FIELD = 16 * 1024 * 1024
_MAX_QUESTION = 2000
_MAX_ID = 200
_FIELDS = ("id", "question", "answer", "language", "tags")
_DELIMITER_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_LINE_END = re.compile(r"\r\n|\n|\r")
_SEPARATOR_LINE = re.compile(r"sep=(.)", re.IGNORECASE)


class FaqRow(BaseModel):
    """One FAQ entry as it is written in a file."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True, str_strip_whitespace=True)

    id: str = ""
    question: str = ""
    questions: list[str] = Field(default_factory=list)
    answer: str = Field(min_length=1)
    language: str = ""
    tags: list[str] = Field(default_factory=list)

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, raw: Any) -> Any:
        """As exports write it: null for what is not there, one text in place of a list."""
        if not isinstance(raw, dict):
            return raw
        row = {name: _text(value) for name, value in raw.items() if value is not None}
        if isinstance(row.get("tags"), str):
            row["tags"] = _split_tags(row["tags"])
        if isinstance(row.get("questions"), str):
            row["questions"] = [row["questions"]]
        return row

    @model_validator(mode="after")
    def _has_a_question(self) -> FaqRow:
        wordings = [one_line(q) for q in (self.question, *self.questions)]
        self.questions = list(dict.fromkeys(q for q in wordings if q))
        if not self.questions:
            raise ValueError("no question")
        if max(map(len, self.questions)) > _MAX_QUESTION:
            raise ValueError(f"a question has more than {_MAX_QUESTION} characters")
        self.id = one_line(self.id)
        if len(self.id) > _MAX_ID:
            raise ValueError(f"the id has more than {_MAX_ID} characters")
        self.tags = [one_line(tag) for tag in self.tags]
        return self


def read_jsonl(text: str, source: str) -> ReadFile:
    """One JSON object a line: {"id", "question" or "questions", "answer", "language"?, "tags"?}."""
    rows: list[tuple[int, Any]] = []
    problems: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            problems.append(f"line {number} is not JSON")
            continue
        rows.append((number, row))
    return _entries(rows, problems, source)


def read_csv(text: str, source: str) -> ReadFile:
    """A table with the columns question and answer, and, if there, id, language and tags.

    Raises:
        UnreadableError: A needed column is missing (the message names those that are there), or
            the quotes are not balanced.
    """
    csv.field_size_limit(_MAX_FIELD)
    start = len(text) - len(text.lstrip())
    above = text[:start].count("\n")
    header = _LINE_END.split(text[start : start + 65536], maxsplit=1)[0]
    if stated := _SEPARATOR_LINE.fullmatch(header):  # Excel's "sep=;"
        start, above = start + len(header), above + 1
        start += len(text[start:]) - len(text[start:].lstrip("\r\n"))
    delimiter = stated[1] if stated else max(",;\t|", key=header.count)
    # Strict, or a missing quote would swallow the rest of the file without a word.
    reader = csv.reader(io.StringIO(text[start:], newline=""), delimiter=delimiter, strict=True)
    rows: list[tuple[int, Any]] = []
    problems: list[str] = []
    try:
        columns = _columns(next(reader, []))
        for cells in reader:
            line = reader.line_num + above
            if len(cells) > len(columns) and any(cell.strip() for cell in cells[len(columns) :]):
                problems.append(
                    f"line {line} has {len(cells)} cells for {len(columns)} columns (quote cells "
                    f"that hold a {_DELIMITER_NAMES.get(delimiter, delimiter)})"
                )
            elif any(cell.strip() for cell in cells):
                rows.append((line, dict(zip(columns, cells, strict=False))))
    except csv.Error as error:
        line = reader.line_num + above
        raise UnreadableError(f"line {line} is not valid CSV: {error}") from error
    return _entries(rows, problems, source)


def _columns(header: Sequence[str]) -> list[str]:
    columns = [one_line(name).lower() for name in header]
    columns = ["" if name == "questions" else name for name in columns]  # JSONL's list
    there = ", ".join(name for name in columns if name)[:200] or "none"
    if missing := [name for name in ("question", "answer") if name not in columns]:
        raise UnreadableError(
            f"the column{'s' if len(missing) > 1 else ''} {' and '.join(missing)} "
            f"{'are' if len(missing) > 1 else 'is'} missing (columns: {there})"
        )
    if double := [name for name in _FIELDS if columns.count(name) > 1]:
        raise UnreadableError(f"the column {double[0]} is there twice (columns: {there})")
    return columns


def _text(value: Any) -> Any:
    """JSON can hold halves of characters, which are no text."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return [_text(item) for item in value] if isinstance(value, list) else value


def _split_tags(text: str) -> list[str]:
    return [
        tag.strip() for tag in text.replace(";", ",").replace("|", ",").split(",") if tag.strip()
    ]


def _entries(rows: Iterable[tuple[int, Any]], problems: list[str], source: str) -> ReadFile:
    entries: list[Entry] = []
    seen: dict[str, int] = {}
    for number, raw in rows:
        try:
            row = FaqRow.model_validate(raw)
        except ValidationError as error:
            problems.append(f"line {number}: {_problem(error)}")
            continue
        identifier = row.id or f"{source}#{number}"
        entry = _entry(row, identifier)
        if identifier in seen:
            problems.append(f"line {number}: line {seen[identifier]} has the same id {identifier}")
        elif entry is None:
            problems.append(f"line {number}: no answer text")
        else:
            seen[identifier] = number
            entries.append(entry)
    if problems and not entries:
        raise UnreadableError(f"it has no entry that can be used: {problems[0]}")
    notes = [f"{source}: {problem}, left out" for problem in problems[:_MAX_NAMED_ROWS]]
    if len(problems) > _MAX_NAMED_ROWS:
        notes.append(f"{source}: {len(problems) - _MAX_NAMED_ROWS} more lines left out")
    return ReadFile(tuple(entries), tuple(notes))


def _entry(row: FaqRow, identifier: str) -> Entry | None:
    title = row.questions[0]
    passages = answer_passages(row.answer, title)
    if not passages:
        return None
    language = language_code(row.language) or detect_language(f"{title} {row.answer}")
    return Entry(
        source=identifier,
        title=shorten(title),
        kind="faq",
        language=language,
        passages=passages,
        questions=tuple(row.questions),
        tags=tuple(row.tags),
    )


def _problem(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return f"no {where}"
    if first["type"] == "string_too_short":
        return f"no {where} text"
    if first["type"] in ("model_type", "model_attributes_type"):
        return "not an object"
    message = str(first["msg"]).removeprefix("Value error, ")
    return f"{where}: {message}" if where else message
