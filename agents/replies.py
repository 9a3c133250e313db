"""What a turn says in the end: the text, its citations and its notices, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deskhand.agents.parts import Parts
from deskhand.agents.state import Said, SupportState
from deskhand.agents.understand import understand
from deskhand.agents.words import language_name, say, spoken
from deskhand.core.messages import Citation, Message, Outcome, Reply
from deskhand.memory import Hit

EXTRACTIVE = "extractive"

_SHOWN_QUESTION = 160
_NEAREST_TITLES = 2


def final_reply(parts: Parts, state: SupportState, nearest: Sequence[Hit]) -> dict[str, Any]:
    """The reply of a turn, to be stored.

    Args:
        parts: What the nodes work with.
        state: With a plan, and a checked draft where it answers.
        nearest: Passages to name in a refusal, best first.
    """
    turn, route, draft = state["turn"], state["plan"]["route"], state["draft"]
    language = turn["language"]
    if route == "answer":
        outcome, text = Outcome.ANSWERED, draft["text"]
    elif route == "refuse":
        outcome, text = Outcome.REFUSED, refusal(parts, state, nearest)
    elif route == "hand_off":
        outcome, text = Outcome.HANDED_OFF, say(language, "handed_off", handoff=parts.handoff)
    elif route == "clarify":
        outcome, text = Outcome.CLARIFYING, say(language, "vague" if turn["text"] else "empty")
    else:
        outcome = Outcome.ANSWERED
        text = say(language, turn["small_talk"], handoff=parts.handoff)
    return {
        "outcome": outcome.value,
        "text": text,
        "citations": draft.get("citations", []) if route == "answer" else [],
        "language": language if route == "answer" else spoken(language),
        "notices": notices(parts, state),
        "models": {
            "planner": "deterministic",
            "worker": draft.get("worker", EXTRACTIVE),
            "embeddings": parts.embeddings,
        },
    }


def refusal(parts: Parts, state: SupportState, nearest: Sequence[Hit]) -> str:
    """What was looked for, what comes nearest, and how to reach a person."""
    turn = state["turn"]
    shown = " ".join(turn["question"].split())
    if len(shown) > _SHOWN_QUESTION:
        cut = shown[:_SHOWN_QUESTION]
        shown = (cut.rsplit(" ", 1)[0] or cut) + " …"
    lines = [say(turn["language"], "refused", question=shown)]
    titles = list(dict.fromkeys(hit.title for hit in nearest))[:_NEAREST_TITLES]
    if titles:
        lines.append(say(turn["language"], "nearest", titles="; ".join(titles)))
    lines.append(say(turn["language"], "human", handoff=parts.handoff))
    return "\n".join(lines)


def notices(parts: Parts, state: SupportState) -> list[str]:
    """One line each on what the person should know about this reply."""
    turn, draft = state["turn"], state["draft"]
    language = turn["language"]
    found = []
    if turn["cut"]:
        found.append(say(language, "cut", cut=turn["cut"]))
    if parts.language_hint and language != "en" and not turn["small_talk"]:
        found.append(say(language, "multilingual"))
    if parts.unsettled:
        found.append(say(language, "unsettled"))
    if draft.get("trouble") and state["plan"]["route"] == "answer":
        found.append(say(language, draft["trouble"]))
    if draft.get("kind") == "quoted" and state["plan"]["route"] == "answer":
        for code in draft["languages"]:
            name = language_name(code, language)
            found.append(say(language, "other_language", language=name))
    return found


def stored_reply(
    stored: Mapping[str, Any], conversation: str, timings: Mapping[str, float]
) -> Reply:
    """A reply from what was stored of it."""
    return Reply(
        outcome=Outcome(stored["outcome"]),
        text=stored["text"],
        conversation=conversation,
        citations=tuple(Citation(**citation) for citation in stored["citations"]),
        language=stored["language"],
        notices=tuple(stored["notices"]),
        timings=timings,
        models=stored["models"],
    )


def failed_reply(
    message: Message, said: Sequence[Said], number: str, timings: Mapping[str, float]
) -> Reply:
    """The reply of a turn that a bug ended: no details, but the id under which the log has them."""
    try:
        language = understand(message.id, message.text, said, ())["language"]
    except Exception:  # noqa: BLE001 - what failed may be just this
        language = "en"
    return Reply(
        outcome=Outcome.FAILED,
        text=say(language, "failed"),
        conversation=message.conversation,
        language=spoken(language),
        notices=(say(language, "error_number", number=number),),
        timings=timings,
    )
