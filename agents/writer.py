"""Answers written by the worker model, released sentence by sentence once they are checked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from deskhand.agents.grounding import evidence
from deskhand.agents.parts import Parts
from deskhand.agents.splitter import Sentence, Splitter
from deskhand.agents.words import language_name
from deskhand.core.text import clean_text
from deskhand.memory import Hit

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

NO_ANSWER = "no_answer"
FAILED = "worker_failed"
UNSUPPORTED = "worker_unsupported"
STOPPED = "worker_stopped"
LEFT_OUT = "worker_left_out"

_LOG = logging.getLogger(__name__)
_REFUSAL = "NO ANSWER"
_PASSAGE_CHARACTERS = 1600
_MAX_SENTENCES = 16
_MAX_CHARACTERS = 6000


@dataclass(slots=True)
class Written:
    """What is left of a worker's answer after the check.

    Args:
        text: With markers `[1]`, `[2]`, … in the order of their first use; "" where none is left.
        quotes: Units that support it, by passage id, in the order of the markers.
        trouble: "" or why it is not whole; a key of data/words.toml, or `NO_ANSWER`.
    """

    text: str = ""
    quotes: dict[int, list[str]] = field(default_factory=dict)
    trouble: str = ""


class _TooLongError(Exception):
    """The worker does not come to an end."""


def answer_messages(question: str, hits: Sequence[Hit], language: str) -> list[BaseMessage]:
    """What the worker is told: our rules, then the passages with the question.

    The passages are not in the system message, where a document's words would have the weight of
    ours; the rules stay the same between turns, so their prefill is kept. No text of a document or
    a person can hold a control token.

    Args:
        question: The standalone question.
        hits: Passages, numbered from 1.
        language: ISO 639-1 code of the answer.
    """
    rules = files("deskhand.agents").joinpath("data/prompts/answer.md").read_text(encoding="utf-8")
    passages = "\n\n".join(
        f"[{number}] {' '.join(clean_text(hit.title).text.split())}\n"
        f"{clean_text(hit.text, limit=_PASSAGE_CHARACTERS).text}"
        for number, hit in enumerate(hits, 1)
    )
    asked = clean_text(question).text
    return [
        SystemMessage(rules.replace("{language}", language_name(language, "en")).strip()),
        HumanMessage(f"Passages:\n\n{passages}\n\nQuestion: {asked}"),
    ]


async def write_answer(
    parts: Parts,
    stream: Callable[[str], None],
    question: str,
    hits: Sequence[Hit],
    language: str,
) -> Written:
    """Let the worker answer, and keep what the passages say. Never raises for the worker's sake.

    Args:
        parts: With a worker and a retrieval.
        stream: Told every sentence as soon as it is checked.
        question: The standalone question.
        hits: Passages, numbered from 1.
        language: ISO 639-1 code of the answer.
    """
    assert parts.worker is not None
    written = Written()
    messages = answer_messages(question, hits, language)
    left_out = False
    try:
        async with (
            asyncio.timeout(parts.worker_seconds),
            aclosing(_sentences(parts.worker, messages, language)) as sentences,
        ):
            async for sentence in sentences:
                if _is_refusal(sentence.text):
                    written.trouble = NO_ANSWER
                    break
                support = await _support(parts, sentence, hits, language)
                if support:
                    stream(_release(written, sentence, support))
                else:
                    left_out = True
    except Exception as error:  # noqa: BLE001 - a model behind a network fails in many ways
        _LOG.warning("The worker model failed (%s)", type(error).__name__, exc_info=True)
        written.trouble = STOPPED if written.text else FAILED
    if not written.trouble or (written.text and written.trouble == NO_ANSWER):
        written.trouble = _trouble(written, left_out=left_out)
    return written


def _trouble(written: Written, *, left_out: bool) -> str:
    if written.text:
        return LEFT_OUT if left_out else ""
    return UNSUPPORTED if left_out else FAILED


def _is_refusal(sentence: str) -> bool:
    return sentence.lstrip("\"'“„*_# ").startswith(_REFUSAL)


async def _sentences(
    worker: BaseChatModel, messages: list[BaseMessage], language: str
) -> AsyncGenerator[Sentence, None]:
    """Sentences of the worker's answer as they are finished."""
    splitter = Splitter(language)
    characters = count = 0
    async with aclosing(worker.astream(messages)) as chunks:  # type: ignore[type-var]
        async for chunk in chunks:
            text = str(chunk.text)
            characters += len(text)
            for sentence in splitter.feed(text):
                count += 1
                yield sentence
            if characters > _MAX_CHARACTERS or count >= _MAX_SENTENCES:
                raise _TooLongError
    for sentence in splitter.close():
        yield sentence


async def _support(
    parts: Parts, sentence: Sentence, hits: Sequence[Hit], language: str
) -> dict[int, str]:
    """The passages that say a sentence, with the unit that does; empty where none does.

    Small models cite the wrong number, or none. So a sentence that its own passages do not support
    may stand on another one that was shown, which is then the one that is cited.
    """
    cited = [hits[n - 1] for n in sentence.cited if 1 <= n <= len(hits)]
    for tried in ([cited] if cited else []) + [[hit] for hit in hits if cited != [hit]]:
        found: dict[int, str] = await parts.blocking(
            evidence, sentence.text, tried, language, parts.retrieval
        )
        if found:
            return found
    return {}


def _release(written: Written, sentence: Sentence, support: dict[int, str]) -> str:
    """Add a checked sentence to the answer; give what was added."""
    for passage, unit in support.items():
        units = written.quotes.setdefault(passage, [])
        if unit not in units:
            units.append(unit)
    order = list(written.quotes)
    marks = "".join(f"[{order.index(passage) + 1}]" for passage in support)
    added = f"{sentence.lead}{sentence.text} {marks}"
    if not written.text:
        added = added.lstrip()
    written.text += added
    return added
