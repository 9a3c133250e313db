"""The deterministic planner: the route of a turn from small talk and retrieval scores."""

from __future__ import annotations

from collections.abc import Sequence

from deskhand.agents.state import Found, Plan, Turn

# The scores are calibrated probabilities; below an even chance the desk does not answer.
THRESHOLD = 0.5
_SUPPORTING = 0.5


def plan_turn(turn: Turn, found: Sequence[Found]) -> Plan:
    """Decide what to do with a turn.

    Args:
        turn: The message.
        found: Passages, best first.

    Returns:
        The route, and for `answer` the passages to answer from.
    """
    if not turn["text"]:
        return Plan(route="clarify", passages=[])
    if turn["small_talk"] == "human":
        return Plan(route="hand_off", passages=[])
    if turn["small_talk"] == "vague":
        return Plan(route="clarify", passages=[])
    if turn["small_talk"]:
        return Plan(route="small_talk", passages=[])
    if not found or found[0]["score"] < THRESHOLD:
        return Plan(route="refuse", passages=[])
    floor = _SUPPORTING * found[0]["score"]
    return Plan(route="answer", passages=[f["passage"] for f in found if f["score"] >= floor])
