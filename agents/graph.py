"""The support graph: which node follows which."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph

from deskhand.agents.nodes import (
    answer_node,
    check_node,
    plan_node,
    reply_node,
    retrieve_node,
    understand_node,
)
from deskhand.agents.parts import Parts
from deskhand.agents.state import SupportState
from deskhand.core.errors import DeskhandError

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.graph.state import CompiledStateGraph


class NodeError(Exception):
    """A node failed for a reason that nobody foresaw; its cause says which.

    Args:
        node: The node's name.
    """

    def __init__(self, node: str) -> None:
        super().__init__(node)


_Work = Callable[[SupportState], Awaitable[dict[str, Any]]]


def build_graph(
    parts: Parts, checkpointer: BaseCheckpointSaver[Any] | None = None
) -> CompiledStateGraph[SupportState, None, SupportState, SupportState]:
    """Compile the support graph.

    Args:
        parts: What its nodes work with.
        checkpointer: Keeps conversations; None keeps nothing.
    """
    graph = StateGraph(SupportState)
    graph.add_node("understand", _timed("understand", lambda s: understand_node(parts, s)))
    graph.add_node("retrieve", _timed("retrieve", lambda s: retrieve_node(parts, s)))
    graph.add_node("plan", _timed("plan", lambda s: plan_node(parts, s)))
    graph.add_node("answer", _timed("answer", lambda s: answer_node(parts, _stream, s)))
    graph.add_node("check", _timed("check", lambda s: check_node(parts, s)))
    graph.add_node("reply", _timed("reply", lambda s: reply_node(parts, s)))
    graph.add_edge(START, "understand")
    graph.add_conditional_edges("understand", _needs_passages, ["retrieve", "plan"])
    graph.add_edge("retrieve", "plan")
    graph.add_conditional_edges("plan", _needs_answer, ["answer", "reply"])
    graph.add_edge("answer", "check")
    graph.add_edge("check", "reply")
    graph.add_edge("reply", END)
    return graph.compile(checkpointer=checkpointer)


def draw_mermaid() -> str:
    """The compiled graph as Mermaid text; nothing is sent anywhere."""
    parts = Parts(retrieval=None, executor=ThreadPoolExecutor(1))
    return build_graph(parts).get_graph().draw_mermaid()


def _needs_passages(state: SupportState) -> str:
    turn = state["turn"]
    return "plan" if turn["small_talk"] or not turn["question"] else "retrieve"


def _needs_answer(state: SupportState) -> str:
    return "answer" if state["plan"]["route"] == "answer" else "reply"


def _stream(text: str) -> None:
    get_stream_writer()(text)


def _timed(name: str, work: _Work) -> Any:
    """A node that also notes how long it took, in seconds, and whose name is on its errors."""

    async def node(state: SupportState) -> dict[str, Any]:
        started = time.perf_counter()
        try:
            changes = await work(state)
        except DeskhandError:
            raise
        except Exception as error:
            raise NodeError(name) from error
        timings = {} if name == "understand" else state.get("timings", {})
        return {**changes, "timings": {**timings, name: time.perf_counter() - started}}

    return node
