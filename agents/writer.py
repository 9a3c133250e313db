"""Answers written by the worker model, released sentence by sentence once they are checked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING

from deskhand.agents.grounding import MARKER
from deskhand.agents.words import language_name
from deskhand.core.text import clean_text
from deskhand.memory import Hit, split_sentences

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

_NO_ANSWER = "NO ANSWER"
_PASSAGE_CHARACTERS = 1600
_MAX_SENTENCES = 12

Check = Callable[[str, Sequence[Hit]], bool]


def answer_prompt(hits: Sequence[Hit], language: str) -> str:
    """The system prompt with its passages; text of documents cannot contain control tokens."""
    template = files("deskhand.agents").joinpath("data/prompts/answer.md")
    passages = "\n\n".join(
        f"[{number}] {hit.title}\n{clean_text(hit.text, limit=_PASSAGE_CHARACTERS).text}"
        for number, hit in enumerate(hits, 1)
    )
    text = template.read_text(encoding="utf-8")
    name = language_name(language, "en")
    return text.replace("{language}", name).replace("{passages}", passages)


async def write_answer(
    worker: BaseChatModel, question: str, hits: Sequence[Hit], language: str
) -> AsyncIterator[tuple[str, tuple[int, ...]]]:
    """Sentences of the worker's answer as they are finished, with the numbers they cite.

    Args:
        worker: Any chat model.
        question: The standalone question.
        hits: Passages, numbered from 1.
        language: ISO 639-1 code of the answer.

    Yields:
        (sentence without markers, cited passage numbers); a sentence that cites nothing valid
        yields no numbers.
    """
    messages = [("system", answer_prompt(hits, language)), ("human", clean_text(question).text)]
    rest, count = "", 0
    async for chunk in worker.astream(messages):
        rest += str(chunk.text)
        if _NO_ANSWER in rest:
            return
        *whole, rest = _sentences(rest, language)
        for sentence in whole:
            if count < _MAX_SENTENCES:
                count += 1
                yield _cited(sentence, len(hits))
    if rest.strip() and count < _MAX_SENTENCES:
        yield _cited(rest, len(hits))


def _sentences(text: str, language: str) -> list[str]:
    """Finished sentences and, last, the unfinished rest. A marker belongs to what it follows."""
    pieces: list[str] = []
    for line in text.splitlines(keepends=True):
        parts = split_sentences(line, language) or [""]
        for part in parts:
            marker = MARKER.match(part)
            if marker and pieces:
                pieces[-1] += part[: marker.end()]
                part = part[marker.end() :]
            if part.strip():
                pieces.append(part)
        if line.endswith("\n"):
            pieces.append("")
    pieces = [p for i, p in enumerate(pieces) if p or i == len(pieces) - 1]
    # The last sentence may still get its marker, or go on.
    return pieces or [""]


def _cited(sentence: str, passages: int) -> tuple[str, tuple[int, ...]]:
    numbers = tuple(dict.fromkeys(int(n) for n in MARKER.findall(sentence)))
    text = MARKER.sub("", clean_text(sentence).text).strip()
    return text, tuple(n for n in numbers if 1 <= n <= passages)
