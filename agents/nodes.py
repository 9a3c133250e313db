"""The nodes of the support graph, each testable alone: state in, changes out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from deskhand.agents.extractive import Quote, quote
from deskhand.agents.grounding import supported
from deskhand.agents.planner import THRESHOLD, plan_turn
from deskhand.agents.state import STATE_VERSION, Found, Plan, Said, SupportState
from deskhand.agents.understand import understand
from deskhand.agents.words import language_name, say
from deskhand.agents.writer import write_answer
from deskhand.core.messages import Outcome
from deskhand.memory import Hit, Query, Retrieval

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from langchain_core.language_models import BaseChatModel

Stream = Callable[[str], None]

_KEPT_HITS = 8
_WRITTEN_FROM = 4
_SHOWN_QUESTION = 160
_NEAREST_SCORE = 0.12
_NEAREST_TITLES = 2


@dataclass(frozen=True, slots=True)
class Parts:
    """What the nodes work with.

    Args:
        retrieval: The searching half of the knowledge; None while there is none.
        executor: One thread: searching is blocking work, and the stores want one caller.
        worker: Writes answers; None quotes them.
        worker_name: What to call it in a reply.
        handoff: One sentence on how to reach a person.
        language_hint: Whether to point out that the multilingual model is missing.
        unsettled: Whether documents wait to be indexed.
        embeddings: Names of the embedding models, for the reply.
    """

    retrieval: Retrieval | None
    executor: Executor
    worker: BaseChatModel | None
    worker_name: str
    handoff: str
    language_hint: bool
    unsettled: bool
    embeddings: str

    async def blocking(self, work: Callable[..., Any], *args: object) -> Any:
        """Run blocking work in the one thread that searches."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.executor, partial(work, *args))


Node = Callable[[SupportState], Awaitable[dict[str, Any]]]


async def understand_node(parts: Parts, state: SupportState) -> dict[str, Any]:
    """What the message is."""
    languages = parts.retrieval.languages() if parts.retrieval else []
    message = state["message"]
    turn = understand(message["id"], message["text"], state.get("said", []), languages)
    return {"version": STATE_VERSION, "turn": turn, "found": [], "draft": {}, "reply": {}}


async def retrieve_node(parts: Parts, state: SupportState) -> dict[str, Any]:
    """Passages for the question, read on its own and with what was said before."""
    if parts.retrieval is None:
        return {"found": []}
    hits, context = await parts.blocking(_retrieve, parts.retrieval, state)
    turn = {**state["turn"], "context": context}
    return {"found": [_kept(hit) for hit in hits], "turn": turn}


def _retrieve(retrieval: Retrieval, state: SupportState) -> tuple[list[Hit], str]:
    turn = state["turn"]
    alone = Query(turn["question"], turn["language"])
    if not turn["earlier"]:
        return retrieval.find(alone, limit=_KEPT_HITS), turn["question"]
    with_context = Query(turn["context"], turn["language"], turn["earlier"])
    if turn["leans"]:
        return retrieval.find(with_context, limit=_KEPT_HITS), turn["context"]
    hits = retrieval.find(alone, limit=_KEPT_HITS)
    if hits and hits[0].score >= THRESHOLD:
        return hits, turn["question"]
    more = retrieval.find(with_context, limit=_KEPT_HITS)
    if more and more[0].score > max((hit.score for hit in hits), default=0.0):
        return more, turn["context"]
    return hits, turn["question"]


async def plan_node(parts: Parts, state: SupportState) -> dict[str, Any]:
    """The route: a deterministic decision over small talk and scores."""
    del parts
    return {"plan": plan_turn(state["turn"], state["found"])}


async def answer_node(parts: Parts, stream: Stream, state: SupportState) -> dict[str, Any]:
    """A written answer, sentence by sentence as each is checked; else a quoted one."""
    hits = await _hits(parts, state, state["plan"]["passages"])
    if parts.worker is not None and hits:
        written = await _write(parts, stream, state, hits)
        if written:
            return {"draft": written}
    quotes = await parts.blocking(quote, hits)
    return {"draft": _quoted(quotes)}


async def check_node(parts: Parts, state: SupportState) -> dict[str, Any]:
    """No quote leaves that is not in its passage, to the letter."""
    draft = state["draft"]
    if draft.get("kind") != "quoted":
        return {}
    hits = {h.passage.id: h for h in await _hits(parts, state, [q["passage"] for q in draft["quotes"]])}
    kept = [
        q
        for q in draft["quotes"]
        if q["passage"] in hits and all(_stands_in(line, hits[q["passage"]]) for line in q["lines"])
    ]
    route: Plan = state["plan"] if kept else {**state["plan"], "route": "refuse"}
    return {"draft": {**draft, "quotes": kept}, "plan": route}


def _stands_in(line: str, hit: Hit) -> bool:
    return any(line == unit for block in hit.passage.blocks for unit in block.units)


async def reply_node(parts: Parts, state: SupportState) -> dict[str, Any]:
    """The reply in the language of the question, and the conversation with it."""
    turn, route = state["turn"], state["plan"]["route"]
    language = turn["language"]
    citations: list[dict[str, Any]] = []
    worker = "extractive"
    if route == "answer":
        text, citations, worker = await _answered(parts, state)
        outcome = Outcome.ANSWERED
    elif route == "refuse":
        text, outcome = await _refused(parts, state), Outcome.REFUSED
    elif route == "hand_off":
        text = say(language, "handed_off", handoff=parts.handoff)
        outcome = Outcome.HANDED_OFF
    elif route == "clarify":
        text = say(language, "vague" if turn["text"] else "empty")
        outcome = Outcome.CLARIFYING
    else:
        text = say(language, turn["small_talk"], handoff=parts.handoff)
        outcome = Outcome.ANSWERED
    reply = {
        "outcome": outcome.value,
        "text": text,
        "citations": citations,
        "language": language,
        "notices": _notices(parts, state, outcome),
        "models": {
            "planner": "deterministic",
            "worker": worker,
            "embeddings": parts.embeddings,
        },
    }
    context = turn["context"] if route in ("answer", "refuse") else ""
    said = [*state.get("said", []), *_contributions(state, reply, context)]
    return {"reply": reply, "said": said, "found": [], "draft": {}}


def _contributions(state: SupportState, reply: dict[str, Any], context: str) -> list[Said]:
    turn, said = state["turn"], state.get("said", [])
    if not context:
        # Small talk does not change what the conversation is about.
        context = next((s["context"] for s in reversed(said) if s["role"] == "person"), "")
    person = Said(
        role="person",
        turn=turn["id"],
        text=turn["text"],
        language=turn["language"],
        context=context,
        reply=None,
    )
    desk = Said(
        role="desk",
        turn=turn["id"],
        text=reply["text"],
        language=reply["language"],
        context="",
        reply=reply,
    )
    return [person, desk]


# Helpers


def _kept(hit: Hit) -> Found:
    return Found(
        passage=hit.passage.id,
        score=round(hit.score, 5),
        units=[[b, u, round(score, 4)] for b, u, score in hit.units],
    )


async def _hits(parts: Parts, state: SupportState, passages: Sequence[int]) -> list[Hit]:
    if parts.retrieval is None:
        return []
    known = {found["passage"]: found for found in state["found"]}
    wanted = {i: (known[i]["score"], known[i]["units"]) for i in passages if i in known}
    found: list[Hit] = await parts.blocking(parts.retrieval.load, wanted)
    return found


def _quoted(quotes: Sequence[Quote]) -> dict[str, Any]:
    return {
        "kind": "quoted",
        "quotes": [
            {"passage": q.hit.passage.id, "lines": list(q.lines), "text": q.text} for q in quotes
        ],
    }


async def _write(
    parts: Parts, stream: Stream, state: SupportState, hits: Sequence[Hit]
) -> dict[str, Any] | None:
    """Checked sentences of the worker with the passages they cite; None where nothing is left."""
    assert parts.worker is not None
    assert parts.retrieval is not None
    turn = state["turn"]
    shown = list(hits[:_WRITTEN_FROM])
    order: list[int] = []
    sentences: list[str] = []
    question = turn["context"]
    async for sentence, numbers in write_answer(parts.worker, question, shown, turn["language"]):
        cited = [shown[n - 1] for n in numbers] or shown[:1]
        if not await parts.blocking(
            supported, sentence, cited, turn["language"], parts.retrieval
        ):
            continue
        for hit in cited:
            if hit.passage.id not in order:
                order.append(hit.passage.id)
        marks = "".join(f"[{order.index(hit.passage.id) + 1}]" for hit in cited)
        text = f"{sentence} {marks}"
        stream(f" {text}" if sentences else text)
        sentences.append(text)
    if not sentences:
        return None
    return {"kind": "written", "text": " ".join(sentences), "passages": order}


async def _answered(parts: Parts, state: SupportState) -> tuple[str, list[dict[str, Any]], str]:
    draft = state["draft"]
    if draft["kind"] == "written":
        hits = await _hits(parts, state, draft["passages"])
        citations = [_citation(hit, hit.text) for hit in hits]
        return draft["text"], citations, parts.worker_name
    quotes = draft["quotes"]
    hits = await _hits(parts, state, [q["passage"] for q in quotes])
    citations = [_citation(h, "\n".join(q["lines"])) for h, q in zip(hits, quotes, strict=True)]
    text = "\n\n".join(_marked(q["text"], n) for n, q in enumerate(quotes, 1))
    return text, citations, "extractive"


def _marked(text: str, number: int) -> str:
    """A quote with its marker: behind its last line, or below where that is code."""
    return f"{text}\n[{number}]" if text.endswith("```") else f"{text} [{number}]"


def _citation(hit: Hit, words: str) -> dict[str, Any]:
    return {"source": hit.source, "title": hit.title, "quote": words, "score": hit.score}


async def _refused(parts: Parts, state: SupportState) -> str:
    """What was looked for, what comes nearest, and how to reach a person."""
    turn = state["turn"]
    shown = " ".join(turn["question"].split())
    if len(shown) > _SHOWN_QUESTION:
        shown = shown[:_SHOWN_QUESTION].rsplit(" ", 1)[0] + " …"
    lines = [say(turn["language"], "refused", question=shown)]
    near = [f["passage"] for f in state["found"] if f["score"] >= _NEAREST_SCORE]
    hits = await _hits(parts, state, near)
    titles = list(dict.fromkeys(hit.title for hit in hits))[:_NEAREST_TITLES]
    if titles:
        lines.append(say(turn["language"], "nearest", titles="; ".join(titles)))
    lines.append(say(turn["language"], "human", handoff=parts.handoff))
    return "\n".join(lines)


def _notices(parts: Parts, state: SupportState, outcome: Outcome) -> list[str]:
    turn = state["turn"]
    language = turn["language"]
    notices = []
    if turn["cut"]:
        notices.append(say(language, "cut", cut=turn["cut"]))
    if parts.language_hint and language != "en" and not turn["small_talk"]:
        notices.append(say(language, "multilingual"))
    if parts.unsettled:
        notices.append(say(language, "unsettled"))
    if outcome is Outcome.ANSWERED and state["plan"]["route"] == "answer":
        other = state["draft"].get("languages", [])
        for code in other:
            name = language_name(code, language)
            notices.append(say(language, "other_language", language=name))
    return notices
