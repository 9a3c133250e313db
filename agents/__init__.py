"""LangGraph state machines: what happens in one turn, and in what order."""

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deskhand.agents.graph import build_graph, draw_mermaid
    from deskhand.agents.parts import Parts
    from deskhand.agents.support import SupportAgent

__all__ = ["Parts", "SupportAgent", "build_graph", "draw_mermaid"]

# Without any handler configured, logging would print tracebacks on the person's screen.
logging.getLogger(__name__).addHandler(logging.NullHandler())

_LAZY = {
    "Parts": "parts",
    "SupportAgent": "support",
    "build_graph": "graph",
    "draw_mermaid": "graph",
}


def __getattr__(name: str) -> Any:
    # LangGraph takes most of a second to import; only those who run the graph wait for it.
    if name in _LAZY:
        from importlib import import_module  # noqa: PLC0415 - as above

        return getattr(import_module(f"deskhand.agents.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
