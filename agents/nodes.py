"""The nodes of the support graph, each testable alone: state in, changes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from deskhand.agents.extractive import Quote, quote
from deskhand.agents.parts import Parts
from deskhand.agents.planner import plan_turn
from deskhand.agents.replies import EXTRACTIVE, final_reply
from deskhand.agents.state import STATE_VERSION, Found, Plan, Said, SupportState
from deskhand.agents.understand import understand
from deskhand.agents.writer import NO_ANSWER, write_answer
from deskhand.memory import Hit, Query, Retrieval

Stream = Callable[[str], None]

_KEPT_HITS = 8
_CLEARLY_BETTER = 0.05
_WRITTEN_FROM = 4
_NEAREST_SCORE = 0.05


async def understand_node(parts: Parts, state: SupportState) -> dict[str, Any]:
    """What the message is."""
    languages = await parts.blocking(parts.retrieval.languages) if parts.retrieval else []
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
    hits = retrieval.find(alone, limit=_KEPT_HITS)
    if not turn["leans"]:
        return hits, turn["question"]
    # A new topic can begin with "and", too: the question alone wins where it clearly does better.
    with_context = Query(turn["context"], turn["language"], turn["earlier"])
    more = retrieval.find(with_context, limit=_KEPT_HITS)
    if _best(hits) > _best(more) + _CLEARLY_BETTER:
        return hits, turn["question"]
    return more, turn["context"]


def _best(hits: Sequence[Hit]) -> float:
    return hits[0].score if hits else 0.0


async def plan_node(parts: Parts, state: SupportState) -> dict[str, Any]:
    """The route: a deterministic decision over small talk and scores."""
    del parts
    return {"plan": plan_turn(state["turn"], state["found"])}


async def answer_node(parts: Parts, stream: Stream, state: SupportState) -> dict[str, Any]:
    """A written answer, sentence by sentence as each is checked; else a quoted one.

    A worker that says the passages do not answer is believed, and the turn refuses: it has read
    them, while a score only says that they are near. A worker that fails is not the passages'
    fault: they are quoted, and a notice says why.
    """
    hits = await _hits(parts, state, state["plan"]["passages"])
    trouble = ""
    if parts.worker is not None and hits:
        written = await write_answer(
            parts, stream, state["turn"]["context"], hits[:_WRITTEN_FROM], state["turn"]["language"]
        )
        if written.text:
            draft = {
                "kind": "written",
                "text": written.text,
                "quotes": [{"passage": p, "lines": list(w)} for p, w in written.quotes.items()],
                "trouble": written.trouble,
                "worker": parts.worker_name,
            }
            return {"draft": draft}
        if written.trouble == NO_ANSWER:
            draft = {"kind": "none", "worker": parts.worker_name}
            return {"draft": draft, "plan": _refusing(state)}
        trouble = written.trouble
    quotes = await parts.blocking(quote, hits)
    return {"draft": {**_quoted(quotes), "trouble": trouble, "worker": EXTRACTIVE}}


async def check_node(parts: Parts, state: SupportState) -> dict[str, Any]:
    """No quote leaves that is not in its passage, to the letter; what is left becomes citations."""
    draft = state["draft"]
    if draft.get("kind") not in ("quoted", "written"):
        return {}
    found = await _hits(parts, state, [q["passage"] for q in draft["quotes"]])
    hits = {hit.passage.id: hit for hit in found}
    kept = [
        (q, hits[q["passage"]])
        for q in draft["quotes"]
        if q["passage"] in hits and all(_stands_in(line, hits[q["passage"]]) for line in q["lines"])
    ]
    written = draft["kind"] == "written"
    # The markers of a written answer are in its text, so it stands or falls as a whole.
    if not kept or (written and len(kept) < len(draft["quotes"])):
        return {"draft": {}, "plan": _refusing(state)}
    language = state["turn"]["language"]
    text = draft.get("text") or "\n\n".join(
        _marked(q["text"], number) for number, (q, _) in enumerate(kept, 1)
    )
    others = dict.fromkeys(hit.language for _, hit in kept)
    return {
        "draft": {
            **draft,
            "text": text,
            "citations": [_citation(hit, "\n".join(q["lines"])) for q, hit in kept],
            "languages": [code for code in others if code and code != language],
        }
    }


async def reply_node(parts: Parts, state: SupportState) -> dict[str, Any]:
    """The reply in the language of the question, and the conversation with it."""
    route = state["plan"]["route"]
    near = [f["passage"] for f in state["found"] if f["score"] >= _NEAREST_SCORE]
    nearest = await _hits(parts, state, near) if route == "refuse" else []
    reply = final_reply(parts, state, nearest)
    context = state["turn"]["context"] if route in ("answer", "refuse") else ""
    said = [*state.get("said", []), *_contributions(state, reply, context)]
    # The message as it came may be a megabyte; what was read of it is in `said`.
    return {"reply": reply, "said": said, "message": {}, "found": [], "draft": {}}


# Helpers


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


def _refusing(state: SupportState) -> Plan:
    return Plan(route="refuse", passages=state["plan"]["passages"])


def _kept(hit: Hit) -> Found:
    return Found(
        passage=hit.passage.id,
        score=round(hit.score, 5),
        units=[[b, u, round(score, 4)] for b, u, score in hit.units],
    )


async def _hits(parts: Parts, state: SupportState, passages: Sequence[int]) -> list[Hit]:
    """Passages that were found, read again; one that was deleted meanwhile is left out."""
    known = {found["passage"]: found for found in state["found"]}
    wanted = {i: (known[i]["score"], known[i]["units"]) for i in passages if i in known}
    if parts.retrieval is None or not wanted:
        return []
    found: list[Hit] = await parts.blocking(parts.retrieval.load, wanted)
    return found


def _quoted(quotes: Sequence[Quote]) -> dict[str, Any]:
    return {
        "kind": "quoted",
        "quotes": [
            {"passage": q.hit.passage.id, "lines": list(q.lines), "text": q.text} for q in quotes
        ],
    }


def _stands_in(line: str, hit: Hit) -> bool:
    return any(line == unit for block in hit.passage.blocks for unit in block.units)


def _marked(text: str, number: int) -> str:
    """A quote with its marker: behind its last line, or below where that is code."""
    return f"{text}\n[{number}]" if text.endswith("```") else f"{text} [{number}]"


def _citation(hit: Hit, words: str) -> dict[str, Any]:
    return {"source": hit.source, "title": hit.title, "quote": words, "score": hit.score}
