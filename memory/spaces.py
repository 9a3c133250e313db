"""Which embedding model sees which passages, and which collections a question is compared with.

English questions meet English passages in an English model; everything else meets in a multilingual
one. Each is clearly better there: on short FAQs MiniLM finds .97 of the English entries first and
e5 .86, while a Czech question finds its English entry with .17 and .86.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np

Kind = Literal["passages", "questions"]
KINDS: tuple[Kind, ...] = ("passages", "questions")


class Finder(Protocol):
    """What this room needs of an embedding model to find passages with it."""

    @property
    def name(self) -> str:
        """The model's name, for people."""
        ...

    @property
    def fingerprint(self) -> str:
        """Changes with anything that changes the vectors."""
        ...

    def embed_array(
        self, texts: Sequence[str], kind: Literal["query", "passage"]
    ) -> np.ndarray[Any, Any]:
        """Unit vectors, float32 [texts, dimension]."""
        ...


@runtime_checkable
class Embedder(Finder, Protocol):
    """What it needs to compare a question with a passage token by token."""

    def embed_both(
        self, texts: Sequence[str], kind: Literal["query", "passage"]
    ) -> tuple[np.ndarray[Any, Any], list[Any]]:
        """What `embed_array` and `embed_tokens` give, in one run of the model."""
        ...

    def embed_tokens(self, texts: Sequence[str], kind: Literal["query", "passage"]) -> list[Any]:
        """For each text, `offsets` (start, end) and unit `vectors` of its tokens."""
        ...


@dataclass(frozen=True, slots=True)
class Embedders:
    """The embedding models in use.

    Args:
        english: For English questions and passages.
        multilingual: For everything else; None where it is not installed.
        custom: The operator's own model; where set, it alone is used.
    """

    english: Embedder
    multilingual: Embedder | None = None
    custom: Finder | None = None

    def comparing(self, question: str, passage: str) -> Embedder:
        """The model in which a question and a passage are compared token by token.

        Args:
            question: The question's language.
            passage: The passage's language.
        """
        if self.multilingual is None or question == passage == "en":
            return self.english
        return self.multilingual


@dataclass(frozen=True, slots=True)
class Space:
    """An embedding model together with the group of passages it sees.

    Args:
        name: Prefix of its collections' names.
        embedder: The model.
        group: `all`, `en` (English passages) or `other` (all but English).
    """

    name: str
    embedder: Finder
    group: Literal["all", "en", "other"]

    def holds(self, language: str) -> bool:
        """Whether passages of this language are in the space."""
        return self.group == "all" or (self.group == "en") == (language == "en")

    def collection(self, kind: Kind) -> str:
        """Name of the collection for one kind of vector."""
        return f"{self.name}-{self.group}-{kind}"


def spaces(embedders: Embedders) -> tuple[Space, ...]:
    """All spaces that passages are stored in."""
    if embedders.custom is not None:
        return (Space(_slug(embedders.custom.name), embedders.custom, "all"),)
    if embedders.multilingual is None:
        return (Space("english", embedders.english, "all"),)
    return (
        Space("english", embedders.english, "en"),
        Space("multilingual", embedders.multilingual, "en"),
        Space("multilingual", embedders.multilingual, "other"),
    )


def spaces_for(embedders: Embedders, language: str) -> Iterator[Space]:
    """The spaces that a question in this language is compared in; together they hold all."""
    everything = spaces(embedders)
    if len(everything) == 1:
        yield everything[0]
        return
    english, multilingual_english, other = everything
    yield english if language == "en" else multilingual_english
    yield other


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[-40:] or "custom"
