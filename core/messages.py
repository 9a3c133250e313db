"""What goes in and what comes out: messages, replies, citations and outcomes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """How a turn ended. Never silence."""

    ANSWERED = "answered"
    CLARIFYING = "clarifying"
    REFUSED = "refused"
    NEEDS_APPROVAL = "needs_approval"
    HANDED_OFF = "handed_off"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Person:
    """Who sent a message. The id comes from the channel, never from a model."""

    id: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """What a person sent.

    Args:
        id: Unique, and sortable in time; it is also the id of the turn.
        text: As received; the graph cleans it.
        conversation: The thread the message belongs to.
        person: Who sent it.
        channel: The integration it came through.
    """

    id: str
    text: str
    conversation: str
    person: Person = Person("local")
    channel: str = "terminal"


@dataclass(frozen=True, slots=True)
class Citation:
    """Where a sentence of an answer comes from.

    Args:
        source: The document's source name: a path inside its folder, or a FAQ entry's id.
        title: The document's title and headings, outermost first, joined by " › ".
        quote: The words of the document that support the answer, unchanged.
        score: How well the passage fits the question, from 0 to 1.
    """

    source: str
    title: str
    quote: str
    score: float


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of an answer that is already checked and may be shown."""

    text: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back for one message.

    Args:
        outcome: How the turn ended.
        text: The full answer, readable on its own. Citation markers are `[1]`, `[2]`, …
        conversation: The thread it belongs to.
        citations: In the order of their markers.
        language: ISO 639-1 code of the reply.
        notices: One-line hints for the person (a missing language model, a cut message).
        timings: Seconds by graph node, and `total`.
        models: What answered, by role: `planner`, `worker`, `embeddings`.
    """

    outcome: Outcome
    text: str
    conversation: str
    citations: tuple[Citation, ...] = ()
    language: str = "en"
    notices: tuple[str, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The object that `deskhand ask --json` prints."""
        return {
            "outcome": self.outcome.value,
            "answer": self.text,
            "citations": [
                {"source": c.source, "title": c.title, "quote": c.quote, "score": round(c.score, 4)}
                for c in self.citations
            ],
            "conversation": self.conversation,
            "timings": {name: round(value, 4) for name, value in self.timings.items()},
            "models": dict(self.models),
            "language": self.language,
            "notices": list(self.notices),
        }
