"""How well a passage answers a question: word by word, not only as a whole.

The cosine of two texts says that they are about the same thing; a question that is merely close to
the documents ("does it work on a boat?") has a high one too. So question and passage are compared
token by token, in context (late interaction, as in ColBERT: Khattab & Zaharia, 2020). What the
embedding model computed for each token goes, together with how it meets the other text, into a
small transformer that was trained to tell an answer from a near miss (`memory/judge.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from deskhand.memory.sentences import Word, is_function_word, question_words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

_FUNCTION_WORD = 0.25
_EARLIER_WORD = 0.5
_LEAST_WEIGHT = 0.1
# Tokens of a passage that are compared; passages are cut so that few have more.
MAX_TOKENS = 180


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of a text with their vectors.

    Args:
        offsets: (start, end) of each token in characters.
        vectors: Unit vectors, float32 [tokens, dimension].
    """

    offsets: Sequence[tuple[int, int]]
    vectors: Floats


@dataclass(frozen=True, slots=True)
class QuestionTokens:
    """A question taken apart.

    Args:
        tokens: Its tokens.
        weights: How much the word of each token matters, float32 [tokens].
        stems: For each token, stem and folded form of its word; None for punctuation.
    """

    tokens: Tokens
    weights: Floats
    stems: tuple[tuple[str, str] | None, ...]


@dataclass(frozen=True, slots=True)
class PassageTokens:
    """A passage taken apart.

    Args:
        tokens: Its tokens, at most `MAX_TOKENS`.
        title: How many of them belong to its title.
        stems: For each token, stem and folded form of its word; None for punctuation.
    """

    tokens: Tokens
    title: int
    stems: tuple[tuple[str, str] | None, ...]


def inverse_frequency(documents: int, total: int) -> float:
    """How rare a word is: ln((N + 1) / (n + 0.5)), Robertson's idf without its negative part."""
    return math.log((total + 1) / (documents + 0.5))


def question_tokens(
    text: str,
    language: str,
    tokens: Tokens,
    rarity: Callable[[Sequence[str]], Mapping[str, float]],
    *,
    earlier: int = 0,
) -> QuestionTokens:
    """Weigh the tokens of a question by how much their words matter.

    Args:
        text: The question; an earlier question of the conversation may stand before it.
        language: Its ISO 639-1 code.
        tokens: Its tokens.
        rarity: Gives the inverse document frequency of each stem.
        earlier: Length of what stands before the question; those words count half.
    """
    words = question_words(text, language)
    rare = rarity([word.stem for word in words])
    weights = np.zeros(len(tokens.offsets), np.float32)
    stems: list[tuple[str, str] | None] = [None] * len(tokens.offsets)
    for index, word in _words_of_tokens(tokens.offsets, words):
        weight = max(rare[word.stem], _LEAST_WEIGHT)
        weight *= _FUNCTION_WORD if is_function_word(word.folded, language) else 1.0
        weights[index] = weight * (_EARLIER_WORD if word.start < earlier else 1.0)
        stems[index] = (word.stem, word.folded)
    return QuestionTokens(tokens, weights, tuple(stems))


def passage_tokens(text: str, title: str, language: str, tokens: Tokens) -> PassageTokens:
    """Take a passage apart.

    Args:
        text: Its title, a line break, its words.
        title: Its title alone.
        language: ISO 639-1 code.
        tokens: The text's tokens.
    """
    kept = Tokens(tokens.offsets[:MAX_TOKENS], tokens.vectors[:MAX_TOKENS])
    stems: list[tuple[str, str] | None] = [None] * len(kept.offsets)
    for index, word in _words_of_tokens(kept.offsets, question_words(text, language)):
        stems[index] = (word.stem, word.folded)
    inside = sum(1 for _, end in kept.offsets if end <= len(title))
    return PassageTokens(kept, inside, tuple(stems))


def _words_of_tokens(
    offsets: Sequence[tuple[int, int]], words: Sequence[Word]
) -> list[tuple[int, Word]]:
    """(token index, word) for every token that lies in a word. Both are in reading order."""
    found: list[tuple[int, Word]] = []
    position = 0
    for index, (start, end) in enumerate(offsets):
        while position < len(words) and words[position].end <= start:
            position += 1
        if position < len(words) and words[position].start < end:
            found.append((index, words[position]))
    return found


@dataclass(frozen=True, slots=True)
class Match:
    """How a question and a passage meet.

    Args:
        cosines: Of question tokens and passage tokens, float32 [question, passage].
        nearest: For each question token its nearest cosine, float32 [question].
        shared: For each question token 1 where its word stands in the passage, float32 [question].
        asked: For each passage token 1 where its word stands in the question, float32 [passage].
        coverage: Weighted mean of `nearest`: how much of the question the passage comes near to.
        lexical: Weighted mean of `shared`.
        cosine: Of the two texts as wholes: of the means of their token vectors.
    """

    cosines: Floats
    nearest: Floats
    shared: Floats
    asked: Floats
    coverage: float
    lexical: float
    cosine: float


def match(question: QuestionTokens, passage: PassageTokens) -> Match:
    """Compare a question with a passage, token by token."""
    cosines = question.tokens.vectors @ passage.tokens.vectors.T
    nearest = cosines.max(axis=1) if passage.stems else np.zeros(len(cosines), np.float32)
    there = {form for pair in passage.stems if pair for form in pair}
    wanted = {form for pair in question.stems if pair for form in pair}
    shared = _flags(question.stems, there)
    weights = question.weights / (float(question.weights.sum()) + 1e-6)
    return Match(
        cosines=cosines,
        nearest=nearest,
        shared=shared,
        asked=_flags(passage.stems, wanted),
        coverage=float(weights @ nearest),
        lexical=float(weights @ shared),
        cosine=float(_mean(question.tokens.vectors) @ _mean(passage.tokens.vectors)),
    )


def _flags(stems: Sequence[tuple[str, str] | None], known: set[str]) -> Floats:
    return np.asarray(
        [1.0 if pair and (pair[0] in known or pair[1] in known) else 0.0 for pair in stems],
        np.float32,
    )


def unit_scores(
    question: QuestionTokens,
    passage: PassageTokens,
    result: Match,
    spans: Sequence[tuple[int, int]],
) -> list[float]:
    """How much of the question each part of a passage answers, about 0 to 1.

    Half is the part's own coverage of the question; half is the cosine of the two means of token
    vectors in context ("late chunking").

    Args:
        question: The question.
        passage: The passage.
        result: How they meet.
        spans: (start, end) of each part in the passage's text, in characters.
    """
    weights = question.weights / (float(question.weights.sum()) + 1e-6)
    whole = _mean(question.tokens.vectors)
    scores: list[float] = []
    for start, end in spans:
        inside = [i for i, (a, b) in enumerate(passage.tokens.offsets) if a >= start and b <= end]
        if not inside or not len(weights):
            scores.append(0.0)
            continue
        coverage = float(weights @ result.cosines[:, inside].max(axis=1))
        scores.append((coverage + float(whole @ _mean(passage.tokens.vectors[inside]))) / 2)
    return scores


def _mean(vectors: Floats) -> Floats:
    mean = vectors.sum(axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9), np.float32)
