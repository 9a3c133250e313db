"""What the agents know: documents become passages, questions find them."""
# ruff: noqa: PLC0415 - numpy and SQLite are only loaded by those who search

from typing import TYPE_CHECKING, Any

from deskhand.memory.documents import Block, SourceInfo, SyncReport
from deskhand.memory.progress import Progress
from deskhand.memory.spaces import Embedder, Embedders

if TYPE_CHECKING:
    from deskhand.memory.knowledge import Knowledge
    from deskhand.memory.language import detect_language
    from deskhand.memory.retrieval import Hit, Query, Retrieval
    from deskhand.memory.sentences import split_sentences

__all__ = [
    "Block",
    "Embedder",
    "Embedders",
    "Hit",
    "Knowledge",
    "Progress",
    "Query",
    "Retrieval",
    "SourceInfo",
    "SyncReport",
    "detect_language",
    "split_sentences",
]

_LAZY = {
    "Hit": "retrieval",
    "Knowledge": "knowledge",
    "Query": "retrieval",
    "Retrieval": "retrieval",
    "detect_language": "language",
    "split_sentences": "sentences",
}


def __getattr__(name: str) -> Any:
    # numpy and SQLite are only loaded by those who search.
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(f"deskhand.memory.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
