"""FAQs: CSV with question and answer columns, and JSONL with several wordings a question."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from deskhand.core.text import clean_text
from deskhand.memory.documents import Entry, ReadFile, UnreadableError
from deskhand.memory.language import detect_language
from deskhand.memory.readers.markdown import answer_passages

_MAX_NAMED_ROWS = 5
_MAX_FIELD = 16 * 1024 * 1024


class FaqRow(BaseModel):
    """One FAQ entry as it is written in a file."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True, str_strip_whitespace=True)

    id: str = ""
    question: str = ""
    questions: list[str] = Field(default_factory=list)
    answer: str = Field(min_length=1)
    language: str = ""
    tags: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _has_a_question(self) -> FaqRow:
        wordings = [clean_text(q).text for q in (self.question, *self.questions)]
        self.questions = list(dict.fromkeys(q for q in wordings if q))
        if not self.questions:
            raise ValueError("no question")
        return self


def read_jsonl(text: str, source: str) -> ReadFile:
    """One JSON object a line: `{"id", "question" or "questions", "answer", "language"?, "tags"?}`."""
    rows: list[tuple[int, Any]] = []
    notes: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            notes.append(f"line {number} is not JSON")
            continue
        if isinstance(row, dict) and isinstance(row.get("tags"), str):
            row["tags"] = _split_tags(row["tags"])
        rows.append((number, row))
    return _entries(rows, notes, source, "line")


def read_csv(text: str, source: str) -> ReadFile:
    """A table with the columns question and answer, and, if there, id, language and tags.

    Raises:
        UnreadableError: A needed column is missing; the message names those that are there.
    """
    csv.field_size_limit(_MAX_FIELD)
    sample = text[:65536]
    header = sample.split("\n", 1)[0]
    delimiter = max(",;\t|", key=header.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    columns = [(name or "").strip().lower() for name in reader.fieldnames or []]
    missing = [name for name in ("question", "answer") if name not in columns]
    if missing:
        there = ", ".join(columns)[:200] or "none"
        raise UnreadableError(f"the column {' and '.join(missing)} is missing (columns: {there})")
    reader.fieldnames = columns
    rows: list[tuple[int, Any]] = []
    try:
        for raw in reader:
            row: dict[str, Any] = {k: v for k, v in raw.items() if k and isinstance(v, str)}
            if not any(value.strip() for value in row.values()):
                continue
            row["tags"] = _split_tags(row.get("tags", ""))
            row.pop("questions", None)
            rows.append((reader.line_num, row))
    except csv.Error as error:
        raise UnreadableError(f"line {reader.line_num} is not valid CSV: {error}") from error
    return _entries(rows, [], source, "line")


def _split_tags(text: str) -> list[str]:
    return [tag.strip() for tag in text.replace(";", ",").replace("|", ",").split(",") if tag.strip()]


def _entries(
    rows: Iterable[tuple[int, Any]], problems: list[str], source: str, unit: str
) -> ReadFile:
    entries: list[Entry] = []
    seen: dict[str, int] = {}
    for number, raw in rows:
        try:
            row = FaqRow.model_validate(raw)
        except ValidationError as error:
            problems.append(f"{unit} {number}: {_problem(error)}")
            continue
        identifier = row.id or f"{source}#{number}"
        if identifier in seen:
            problems.append(f"{unit} {number}: the id {identifier} was used in {unit} {seen[identifier]}")
            continue
        seen[identifier] = number
        entry = _entry(row, identifier)
        if entry is None:
            problems.append(f"{unit} {number}: no answer text")
        else:
            entries.append(entry)
    notes = [f"{source}: {problem}, left out" for problem in problems[:_MAX_NAMED_ROWS]]
    if len(problems) > _MAX_NAMED_ROWS:
        notes.append(f"{source}: {len(problems) - _MAX_NAMED_ROWS} more rows left out")
    return ReadFile(tuple(entries), tuple(notes))


def _entry(row: FaqRow, identifier: str) -> Entry | None:
    title = row.questions[0]
    passages = answer_passages(row.answer, title)
    if not passages:
        return None
    language = row.language.lower()[:2] or detect_language(f"{title} {row.answer}")
    return Entry(
        source=identifier,
        title=title,
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
    if first["type"] in ("model_type", "model_attributes_type"):
        return "not an object"
    message = str(first["msg"]).removeprefix("Value error, ")
    return f"{where}: {message}" if where else message
