"""What the support graph remembers: plain data only, so that no checkpoint ever names a class."""

from __future__ import annotations

from typing import Any, TypedDict

STATE_VERSION = 1


class Turn(TypedDict):
    """The message being answered.

    `id` is the message's id, `text` what was received (cleaned), `question` what is searched for,
    `earlier` the length of what stands before the question itself in `context`.
    """

    id: str
    text: str
    question: str
    context: str
    earlier: int
    leans: bool
    language: str
    small_talk: str
    cut: int


class Found(TypedDict):
    """A passage that was retrieved: its id and how well its parts fit."""

    passage: int
    score: float
    units: list[list[float]]


class Plan(TypedDict):
    """The planner's decision: `answer`, `refuse`, `hand_off`, `clarify` or `small_talk`."""

    route: str
    passages: list[int]


class Said(TypedDict):
    """One contribution to the conversation; `reply` is the stored reply of a desk's turn."""

    role: str
    turn: str
    text: str
    language: str
    context: str
    reply: dict[str, Any] | None


class SupportState(TypedDict, total=False):
    """The state of one conversation. `said` grows; everything else belongs to the current turn."""

    version: int
    message: dict[str, str]
    said: list[Said]
    turn: Turn
    found: list[Found]
    plan: Plan
    draft: dict[str, Any]
    reply: dict[str, Any]
    timings: dict[str, float]
