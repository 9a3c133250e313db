"""LangGraph state machines: what happens in one turn, and in what order."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deskhand.agents.graph import build_graph, draw_mermaid
    from deskhand.agents.nodes import Parts
    from deskhand.agents.support import SupportAgent

__all__ = ["Parts", "SupportAgent", "build_graph", "draw_mermaid"]

_LAZY = {
    "Parts": "nodes",
    "SupportAgent": "support",
    "build_graph": "graph",
    "draw_mermaid": "graph",
}


def __getattr__(name: str) -> Any:
    # LangGraph takes most of a second to import; only those who run the graph wait for it.
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(f"deskhand.agents.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
