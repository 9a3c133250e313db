"""How well a passage answers a question: word by word, not only as a whole.

The cosine of two texts says that they are about the same thing; a question that is merely close to
the documents ("does it work on a boat?") has a high one too. So every word of the question looks for
its nearest word in the passage, in context: the late interaction of ColBERT (Khattab & Zaharia,
2020), here weighted by how rare a word is in the knowledge. A rare word that nothing in the passage
comes near to is the best sign that the passage does not answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from deskhand.memory.sentences import Word, is_function_word, question_words

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEATURES = ("cosine", "question", "unit", "coverage", "weakest", "nearness", "lexical")
_FUNCTION_WORD = 0.25
_EARLIER_WORD = 0.5


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of a text with their vectors.

    Args:
        offsets: (start, end) of each token in characters.
        vectors: Unit vectors, float32 [tokens, dimension].
    """

    offsets: Sequence[tuple[int, int]]
    vectors: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class QuestionWords:
    """A question taken apart.

    Args:
        words: Its words that have tokens.
        weights: How much each word matters, [words].
        rows: For each word, the indices of its tokens.
        tokens: Tokens of the whole question.
    """

    words: tuple[Word, ...]
    weights: NDArray[np.float32]
    rows: tuple[tuple[int, ...], ...]
    tokens: Tokens


def weigh_question(
    text: str,
    language: str,
    tokens: Tokens,
    rarity: Callable[[Sequence[str]], Mapping[str, float]],
    *,
    earlier: int = 0,
) -> QuestionWords:
    """Split a question into words and weigh them.

    Args:
        text: The question; an earlier question of the conversation may stand before it.
        language: Its ISO 639-1 code.
        tokens: Its tokens.
        rarity: Gives the weight of each stem: its inverse document frequency.
        earlier: Length of what stands before the question; those words count half.
    """
    words, rows = [], []
    for word in question_words(text, language):
        inside = tuple(
            i for i, (a, b) in enumerate(tokens.offsets) if a < word.end and b > word.start
        )
        if inside:
            words.append(word)
            rows.append(inside)
    rare = rarity([word.stem for word in words])
    weights = [
        max(rare[word.stem], 0.1)
        * (_FUNCTION_WORD if is_function_word(word.folded, language) else 1.0)
        * (_EARLIER_WORD if word.start < earlier else 1.0)
        for word in words
    ]
    return QuestionWords(
        tuple(words), np.asarray(weights, np.float32), tuple(rows), tokens
    )


def inverse_frequency(documents: int, total: int) -> float:
    """How rare a word is: ln((N + 1) / (n + 0.5)), Robertson's idf without its negative part."""
    return math.log((total + 1) / (documents + 0.5))


@dataclass(frozen=True, slots=True)
class Match:
    """What comparing a question with one passage gives.

    Args:
        coverage: Weighted mean of every word's nearest cosine.
        weakest: The smallest nearest cosine among the words that matter most.
        nearness: Unweighted mean over all tokens (ColBERT's score, normalized).
        lexical: Weighted share of words whose stem stands in the passage.
        nearest: For each word, its nearest cosine, [words].
        similarity: Cosines of question tokens and passage tokens.
    """

    coverage: float
    weakest: float
    nearness: float
    lexical: float
    nearest: NDArray[np.float32]
    similarity: NDArray[np.float32]


def match(question: QuestionWords, passage: Tokens, stems: frozenset[str]) -> Match:
    """Compare a question with a passage, word by word.

    Args:
        question: From `weigh_question`.
        passage: Tokens of the passage's text.
        stems: Stems and folded words of the passage.
    """
    if not len(question.tokens.vectors) or not len(passage.vectors) or not question.words:
        nothing = np.zeros(len(question.words), np.float32)
        empty = np.zeros((len(question.tokens.vectors), len(passage.vectors)), np.float32)
        return Match(0.0, 0.0, 0.0, 0.0, nothing, empty)
    similarity = question.tokens.vectors @ passage.vectors.T
    best = similarity.max(axis=1)
    nearest = np.asarray([best[list(rows)].mean() for rows in question.rows], np.float32)
    weights = question.weights
    total = float(weights.sum())
    heavy = weights >= np.median(weights)
    there = np.asarray(
        [word.stem in stems or word.folded in stems for word in question.words], np.float32
    )
    return Match(
        coverage=float((weights * nearest).sum()) / total,
        weakest=float(nearest[heavy].min()),
        nearness=float(best.mean()),
        lexical=float((weights * there).sum()) / total,
        nearest=nearest,
        similarity=similarity,
    )


def unit_vectors(
    text_tokens: Tokens, spans: Sequence[tuple[int, int]]
) -> NDArray[np.float32]:
    """Vectors of parts of a text: the mean of their tokens in context ("late chunking").

    Args:
        text_tokens: Tokens of the whole text.
        spans: (start, end) of each part, in characters.

    Returns:
        float32 [spans, dimension]; zeros for a part past the model's length.
    """
    rows: list[Any] = []
    for start, end in spans:
        inside = [i for i, (a, b) in enumerate(text_tokens.offsets) if a >= start and b <= end]
        mean = (
            text_tokens.vectors[inside].mean(axis=0)
            if inside
            else np.zeros(text_tokens.vectors.shape[1:], np.float32)
        )
        rows.append(mean / max(float(np.linalg.norm(mean)), 1e-9))
    return np.asarray(rows, np.float32).reshape(len(spans), -1)
