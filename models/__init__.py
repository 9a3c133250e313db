"""What the agents think with: embedding models, and where they come from.

Importing this room is cheap; a name loads what it needs when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deskhand.models.embeddings import OnnxEmbeddings, TokenVectors
    from deskhand.models.find import (
        custom_embeddings,
        english_embeddings,
        multilingual_embeddings,
    )
    from deskhand.models.inventory import ModelInfo, list_models
    from deskhand.models.pull import pull_model

__all__ = [
    "ModelInfo",
    "OnnxEmbeddings",
    "TokenVectors",
    "custom_embeddings",
    "english_embeddings",
    "list_models",
    "multilingual_embeddings",
    "pull_model",
]

_HOMES = {
    "ModelInfo": "inventory",
    "OnnxEmbeddings": "embeddings",
    "TokenVectors": "embeddings",
    "custom_embeddings": "find",
    "english_embeddings": "find",
    "list_models": "inventory",
    "multilingual_embeddings": "find",
    "pull_model": "pull",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
