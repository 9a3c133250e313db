"""From a question to passages: vectors and keywords find candidates, the judge ranks them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from deskhand.memory.evidence import (
    Match,
    PassageTokens,
    QuestionTokens,
    Tokens,
    inverse_frequency,
    match,
    question_tokens,
    unit_scores,
)
from deskhand.memory.indexer import passage_of
from deskhand.memory.judge import Judge
from deskhand.memory.language import detect_language
from deskhand.memory.spaces import Embedder, Embedders, Finder, Space, spaces_for
from deskhand.memory.store import Store, StoredPassage, query_terms
from deskhand.memory.tokens import TokenCache, passage_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from deskhand.memory.vectors import Vectors

_NEAREST = 24
_JUDGED = 8
_JUDGED_OTHER_LANGUAGE = 3
# Scores of passages that were found but not judged stay below those of all that were.
_NOT_JUDGED = 0.01
_ANSWERS = 0.5


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that was found.

    Args:
        source: Name in citations.
        title: The document's title and headings.
        text: The passage, as a person reads it.
        score: How likely it answers the question, from 0 to 1.
        language: ISO 639-1 code.
        parts: Raw scores by name: cosines, coverage, keyword score.
        passage: The stored passage.
        units: (block, unit, score) of every unit of the passage, in reading order.
    """

    source: str
    title: str
    text: str
    score: float
    language: str
    parts: Mapping[str, float]
    passage: StoredPassage
    units: tuple[tuple[int, int, float], ...] = ()


@dataclass(slots=True)
class _Candidate:
    passage: StoredPassage
    parts: dict[str, float] = field(default_factory=dict)

    @property
    def fused(self) -> float:
        """Mean of the best question wording's cosine and the passage's, or the passage's alone."""
        cosine = self.parts.get("cosine", 0.0)
        return max(cosine, (cosine + self.parts.get("question", cosine)) / 2)


@dataclass(frozen=True, slots=True)
class Query:
    """A question made ready.

    Args:
        text: What is searched for; an earlier question may stand before it.
        language: ISO 639-1 code.
        earlier: Length of what stands before the question itself.
    """

    text: str
    language: str
    earlier: int = 0


class Retrieval:
    """Searches the knowledge. Calls come from one thread at a time."""

    def __init__(
        self, store: Store, vectors: Vectors, embedders: Embedders, tokens: TokenCache
    ) -> None:
        self._store = store
        self._vectors = vectors
        self._embedders = embedders
        self._tokens = tokens
        # The question of the current search in each model.
        self._asked: dict[tuple[str, Query], tuple[NDArray[np.float32], Tokens]] = {}

    def search(self, question: str, *, language: str | None = None, limit: int = 10) -> list[Hit]:
        """Passages that fit a question, best first.

        Args:
            question: In any language.
            language: Its ISO 639-1 code; detected where not given.
            limit: Most hits to return.
        """
        if language is None:
            language = detect_language(question, expected=tuple(self._store.languages())) or "en"
        return self.find(Query(question, language), limit=limit)

    def find(self, query: Query, *, limit: int = 10) -> list[Hit]:
        """As `search`, for a question that was made ready."""
        self._asked.clear()
        judged: list[Hit] = []
        rest: list[_Candidate] = []
        for space in spaces_for(self._embedders, query.language):
            chosen, left = _choose(self._candidates(space, query), query.language)
            judged += self._judge(chosen, query)
            rest += left
        # What answers in the person's own language goes before the same in another.
        judged.sort(
            key=lambda hit: (
                hit.language == query.language and hit.score >= _ANSWERS,
                hit.score,
            ),
            reverse=True,
        )
        rest.sort(key=lambda candidate: candidate.fused, reverse=True)
        floor = min((_NOT_JUDGED, *(hit.score for hit in judged)))
        tail = [_hit(c.passage, floor * max(c.fused, 0.0), c.parts) for c in rest]
        return (judged + tail)[:limit]

    def support(self, text: str, language: str, hits: Sequence[Hit]) -> tuple[float, str]:
        """How much of a sentence some passages say, from 0 to 1, and their nearest unit.

        Args:
            text: One sentence.
            language: Its ISO 639-1 code.
            hits: The passages it should rest on.
        """
        best, nearest, closest = 0.0, "", -1.0
        for hit in hits:
            embedder = self._embedders.comparing(language, hit.language)
            sentence = self._question(embedder, Query(text, language))
            passage = self._tokens.get(embedder, [hit.passage])[0]
            result = match(sentence, passage)
            best = max(best, result.coverage)
            whole = passage_text(hit.passage)
            spans = [span for _, span in unit_spans(whole, hit.passage)]
            for (start, end), score in zip(
                spans, unit_scores(sentence, passage, result, spans), strict=True
            ):
                if score > closest:
                    closest, nearest = score, whole[start:end]
        return best, nearest

    def load(self, found: Mapping[int, tuple[float, Sequence[Sequence[float]]]]) -> list[Hit]:
        """Hits again from what was kept of them: (score, units) by passage id, in that order."""
        passages = self._store.passages(list(found))
        return [
            _hit(passages[i], score, {}, tuple((int(b), int(u), float(s)) for b, u, s in units))
            for i, (score, units) in found.items()
            if i in passages
        ]

    def languages(self) -> list[str]:
        """Languages of the knowledge, most entries first."""
        return [language for language in self._store.languages() if language]

    # Candidates

    def _candidates(self, space: Space, query: Query) -> list[_Candidate]:
        """The nearest passages of one space by their fused cosine, best first."""
        vector = self._vector(space.embedder, query)
        by_passage = dict(self._vectors.search(space.collection("passages"), vector, _NEAREST))
        by_question: dict[int, float] = {}
        wordings = self._vectors.search(space.collection("questions"), vector, _NEAREST)
        for name, cosine in wordings:
            by_question.setdefault(passage_of(name), cosine)
        keywords = dict(
            self._store.keyword_search(query_terms(query.text, query.language), _NEAREST)
        )
        self._add_missing(space, vector, by_passage, (*by_question, *keywords))
        passages = self._store.passages([int(name) for name in by_passage])
        # The wordings of a FAQ entry speak for all its passages. An entry whose wordings are not
        # among the nearest has at most the cosine of the last one that is.
        by_source = {passages[i].source: c for i, c in by_question.items() if i in passages}
        last = wordings[-1][1] if wordings else 0.0
        best_keyword = max(keywords.values(), default=1.0) or 1.0
        found = []
        for passage in passages.values():
            candidate = _Candidate(passage, {"cosine": by_passage[str(passage.id)]})
            if passage.questions:
                candidate.parts["question"] = by_source.get(passage.source, last)
            if passage.id in keywords:
                candidate.parts["keyword"] = keywords[passage.id] / best_keyword
            found.append(candidate)
        return sorted(found, key=lambda c: c.fused, reverse=True)

    def _add_missing(
        self,
        space: Space,
        vector: NDArray[np.float32],
        by_passage: dict[str, float],
        others: Sequence[int],
    ) -> None:
        """Cosines of passages that were found otherwise than by their own vector."""
        names = dict.fromkeys(str(i) for i in others)
        missing = [name for name in names if name not in by_passage]
        for name, stored in self._vectors.get(space.collection("passages"), missing).items():
            by_passage[name] = float(stored @ vector)

    # Judging

    def _vector(self, embedder: Finder, query: Query) -> NDArray[np.float32]:
        if embedder is self._embedders.custom or not isinstance(embedder, Embedder):
            vector: NDArray[np.float32] = embedder.embed_array([query.text], "query")[0]
            return vector
        return self._embedded(embedder, query)[0]

    def _embedded(self, embedder: Embedder, query: Query) -> tuple[NDArray[np.float32], Tokens]:
        """Vector and tokens of a question: one run of the model, whatever compares it."""
        if (embedder.fingerprint, query) not in self._asked:
            vectors, items = embedder.embed_both([query.text], "query")
            tokens = Tokens(items[0].offsets, items[0].vectors)
            self._asked[embedder.fingerprint, query] = (vectors[0], tokens)
        return self._asked[embedder.fingerprint, query]

    def _question(self, embedder: Embedder, query: Query) -> QuestionTokens:
        _, tokens = self._embedded(embedder, query)
        return question_tokens(
            query.text, query.language, tokens, self._rarity, earlier=query.earlier
        )

    def _rarity(self, found: Sequence[str]) -> Mapping[str, float]:
        total = self._store.count_passages()
        counts = self._store.document_frequencies(found)
        return {stem: inverse_frequency(n, total) for stem, n in counts.items()}

    def _judge(self, candidates: Sequence[_Candidate], query: Query) -> list[Hit]:
        """Candidates as hits with their probability, compared in the model that suits each."""

        def embedder_of(candidate: _Candidate) -> Embedder:
            return self._embedders.comparing(query.language, candidate.passage.language)

        hits: list[Hit] = []
        for _, group in groupby(candidates, key=lambda c: embedder_of(c).fingerprint):
            same = list(group)
            hits += self._judge_in(embedder_of(same[0]), same, query)
        return hits

    def _judge_in(
        self, embedder: Embedder, candidates: Sequence[_Candidate], query: Query
    ) -> Iterator[Hit]:
        question = self._question(embedder, query)
        passages = self._tokens.get(embedder, [c.passage for c in candidates])
        matches = [match(question, passage) for passage in passages]
        same = [c.passage.language == query.language for c in candidates]
        fused = [
            m.cosine if self._embedders.custom else c.fused
            for c, m in zip(candidates, matches, strict=True)
        ]
        verdicts = Judge(embedder.name).judge(question, passages, matches, same, fused)
        for candidate, passage, result, verdict in zip(
            candidates, passages, matches, verdicts, strict=True
        ):
            units = _units(candidate.passage, question, passage, result)
            parts = candidate.parts | verdict.parts
            yield _hit(candidate.passage, verdict.score, parts, units)


def unit_spans(text: str, passage: StoredPassage) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where each unit of a passage stands in its text: ((block, unit), (start, end)) in order."""
    found: list[tuple[tuple[int, int], tuple[int, int]]] = []
    position = len(passage.title)
    for b, block in enumerate(passage.blocks):
        for u, unit in enumerate(block.units):
            start = text.find(unit, position)
            if start >= 0:
                position = start + len(unit)
                found.append(((b, u), (start, position)))
    return found


def _choose(
    candidates: Sequence[_Candidate], language: str
) -> tuple[list[_Candidate], list[_Candidate]]:
    """Those to be judged, fewer of other languages, and the rest.

    A passage in the language of the question has a higher cosine than an equally good one in
    another; each group therefore has places of its own.
    """
    own = [c for c in candidates if c.passage.language == language][:_JUDGED]
    other = [c for c in candidates if c.passage.language != language]
    # English documents are asked for in every language, others seldom in English.
    other = other[: _JUDGED_OTHER_LANGUAGE if own or language == "en" else _JUDGED]
    chosen = own + other
    taken = {c.passage.id for c in chosen}
    return chosen, [c for c in candidates if c.passage.id not in taken]


def _units(
    passage: StoredPassage, question: QuestionTokens, tokens: PassageTokens, result: Match
) -> tuple[tuple[int, int, float], ...]:
    found = unit_spans(passage_text(passage), passage)
    scores = unit_scores(question, tokens, result, [span for _, span in found])
    return tuple((b, u, s) for ((b, u), _), s in zip(found, scores, strict=True))


def _hit(
    passage: StoredPassage,
    score: float,
    parts: Mapping[str, float],
    units: tuple[tuple[int, int, float], ...] = (),
) -> Hit:
    return Hit(
        source=passage.source,
        title=passage.title,
        text=passage.text,
        score=score,
        language=passage.language,
        parts=dict(parts),
        passage=passage,
        units=units,
    )
