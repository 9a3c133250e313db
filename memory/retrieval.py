"""From a question to passages: vectors and keywords find candidates, evidence ranks them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from deskhand.memory.evidence import (
    Match,
    QuestionWords,
    Tokens,
    inverse_frequency,
    match,
    unit_vectors,
    weigh_question,
)
from deskhand.memory.indexer import passage_of, passage_text
from deskhand.memory.language import detect_language
from deskhand.memory.relevance import relevance
from deskhand.memory.sentences import stems, words
from deskhand.memory.spaces import Embedder, Embedders, Space, spaces_for
from deskhand.memory.store import Store, StoredPassage, query_terms

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from deskhand.memory.vectors import Vectors

_NEAREST = 24
_COMPARED = 6
_CACHED_PASSAGES = 2000


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
    space: Space
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
    """Searches the knowledge. Holds a cache of passages' word vectors; calls from one thread."""

    def __init__(self, store: Store, vectors: Vectors, embedders: Embedders) -> None:
        self._store = store
        self._vectors = vectors
        self._embedders = embedders
        self._cache: OrderedDict[tuple[str, int], tuple[str, Tokens, frozenset[str]]]
        self._cache = OrderedDict()

    def search(self, question: str, *, language: str | None = None, limit: int = 10) -> list[Hit]:
        """Passages that fit a question, best first, at most one of each entry's passages twice.

        Args:
            question: In any language.
            language: Its ISO 639-1 code; detected where not given.
            limit: Most hits to return.
        """
        if language is None:
            language = detect_language(question, expected=tuple(self._store.languages()))
        return self.find(Query(question, language), limit=limit)

    def find(self, query: Query, *, limit: int = 10) -> list[Hit]:
        """As `search`, for a question that was made ready."""
        candidates: list[_Candidate] = []
        compared: list[Hit] = []
        for space in spaces_for(self._embedders, query.language):
            found = self._candidates(space, query)
            if not found:
                continue
            words_of_question = self._question(space.embedder, query)
            compared += self._compare(found[:_COMPARED], words_of_question, query)
            candidates += found[_COMPARED:]
        compared.sort(key=lambda hit: hit.score, reverse=True)
        rest = sorted(candidates, key=lambda c: c.fused, reverse=True)
        floor = compared[-1].score if compared else 0.0
        tail = [_hit(c, min(floor, 0.05) * c.fused) for c in rest]
        return (compared + tail)[:limit]

    def support(self, text: str, language: str, hits: Sequence[Hit]) -> tuple[float, str]:
        """How much of a sentence some passages say, from 0 to 1, and their nearest unit.

        Args:
            text: One sentence.
            language: Its ISO 639-1 code.
            hits: The passages it should rest on.
        """
        best, nearest, closest = 0.0, "", -1.0
        for hit in hits:
            space = next(
                s for s in spaces_for(self._embedders, language) if s.holds(hit.language)
            )
            question = self._question(space.embedder, Query(text, language))
            prepared, tokens, known = self._prepared(space.embedder, [hit.passage])[0]
            result = match(question, tokens, known)
            best = max(best, result.coverage)
            places, spans = unit_spans(prepared, hit.passage)
            vectors = question.tokens.vectors
            vector = vectors.mean(axis=0) if len(vectors) else vectors.sum(axis=0)
            scores = _unit_scores(
                question, result, tokens, spans, unit_vectors(tokens, spans), vector
            )
            for (start, end), score in zip(spans, scores, strict=True):
                if score > closest:
                    closest, nearest = score, prepared[start:end]
        return best, nearest

    def load(self, found: Mapping[int, tuple[float, Sequence[Sequence[float]]]]) -> list[Hit]:
        """Hits again from what was kept of them: (score, units) by passage id, in that order."""
        passages = self._store.passages(list(found))
        return [
            _hit_of(
                passages[i], score, {}, tuple((int(b), int(u), float(s)) for b, u, s in units)
            )
            for i, (score, units) in found.items()
            if i in passages
        ]

    def languages(self) -> list[str]:
        """Languages of the knowledge, most entries first."""
        return [language for language in self._store.languages() if language]

    # Candidates

    def _candidates(self, space: Space, query: Query) -> list[_Candidate]:
        """The nearest passages of one space by their fused cosine, best first."""
        vector = space.embedder.embed_array([query.text], "query")[0]
        by_passage = dict(self._vectors.search(space.collection("passages"), vector, _NEAREST))
        by_question: dict[int, float] = {}
        wordings = self._vectors.search(space.collection("questions"), vector, _NEAREST)
        for name, cosine in wordings:
            by_question.setdefault(passage_of(name), cosine)
        keywords = dict(
            self._store.keyword_search(query_terms(query.text, query.language), _NEAREST)
        )
        found_otherwise = dict.fromkeys(str(i) for i in (*by_question, *keywords))
        missing = [name for name in found_otherwise if name not in by_passage]
        for name, stored in self._vectors.get(space.collection("passages"), missing).items():
            by_passage[name] = float(stored @ vector)
        passages = self._store.passages([int(name) for name in by_passage])
        best_keyword = max(keywords.values(), default=1.0)
        # The wordings of a FAQ entry speak for all its passages. An entry whose wordings are not
        # among the nearest has at most the cosine of the last one that is.
        by_source = {
            passages[i].source: cosine for i, cosine in by_question.items() if i in passages
        }
        last = wordings[-1][1] if wordings else 0.0
        found = []
        for passage in passages.values():
            candidate = _Candidate(passage, space)
            candidate.parts["cosine"] = by_passage[str(passage.id)]
            if passage.questions:
                candidate.parts["question"] = by_source.get(passage.source, last)
            if passage.id in keywords:
                candidate.parts["keyword"] = keywords[passage.id] / best_keyword
            found.append(candidate)
        return sorted(found, key=lambda c: c.fused, reverse=True)

    # Evidence

    def _question(self, embedder: Embedder, query: Query) -> QuestionWords:
        tokens = _tokens(embedder, [query.text], "query")[0]
        return weigh_question(
            query.text, query.language, tokens, self._rarity, earlier=query.earlier
        )

    def _rarity(self, found: Sequence[str]) -> Mapping[str, float]:
        total = self._store.count_passages()
        counts = self._store.document_frequencies(found)
        return {stem: inverse_frequency(n, total) for stem, n in counts.items()}

    def _compare(
        self, candidates: Sequence[_Candidate], question: QuestionWords, query: Query
    ) -> list[Hit]:
        prepared = self._prepared(candidates[0].space.embedder, [c.passage for c in candidates])
        vectors = question.tokens.vectors
        vector = vectors.mean(axis=0) if len(vectors) else vectors.sum(axis=0)
        hits = []
        for candidate, (text, tokens, passage_stems) in zip(candidates, prepared, strict=True):
            result = match(question, tokens, passage_stems)
            places, spans = unit_spans(text, candidate.passage)
            parts = unit_vectors(tokens, spans)
            scores = _unit_scores(question, result, tokens, spans, parts, vector)
            candidate.parts |= {
                "unit": float((parts @ vector).max()) if len(parts) else 0.0,
                "coverage": result.coverage,
                "weakest": result.weakest,
                "nearness": result.nearness,
                "lexical": result.lexical,
            }
            same = query.language == candidate.passage.language
            score = relevance(candidate.space.name, candidate.parts, same_language=same)
            units = tuple((b, u, s) for (b, u), s in zip(places, scores, strict=True))
            hits.append(_hit(candidate, score, units))
        return hits

    def _prepared(
        self, embedder: Embedder, passages: Sequence[StoredPassage]
    ) -> list[tuple[str, Tokens, frozenset[str]]]:
        """Text, tokens and stems of passages, from the cache where they are in it."""
        fresh = [p for p in passages if (embedder.fingerprint, p.id) not in self._cache]
        texts = [passage_text(p) for p in fresh]
        for passage, text, tokens in zip(
            fresh, texts, _tokens(embedder, texts, "passage"), strict=True
        ):
            # Half precision: the cache holds twice as much, a cosine changes in its fourth digit.
            kept = Tokens(tokens.offsets, tokens.vectors.astype(np.float16))  # type: ignore[arg-type]
            known = frozenset((*words(text), *stems(text, passage.language)))
            self._cache[embedder.fingerprint, passage.id] = (text, kept, known)
        result = []
        for passage in passages:
            key = (embedder.fingerprint, passage.id)
            self._cache.move_to_end(key)
            text, tokens, known = self._cache[key]
            full = Tokens(tokens.offsets, tokens.vectors.astype(np.float32))
            result.append((text, full, known))
        while len(self._cache) > _CACHED_PASSAGES:
            self._cache.popitem(last=False)
        return result


def unit_spans(
    text: str, passage: StoredPassage
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Where each unit of a passage stands in its text: ((block, unit), (start, end)) in order."""
    places, spans, position = [], [], len(passage.title)
    for b, block in enumerate(passage.blocks):
        for u, unit in enumerate(block.units):
            start = text.find(unit, position)
            if start < 0:
                continue
            position = start + len(unit)
            places.append((b, u))
            spans.append((start, position))
    return places, spans


def _unit_scores(
    question: QuestionWords,
    result: Match,
    tokens: Tokens,
    spans: Sequence[tuple[int, int]],
    vectors: NDArray[np.float32],
    vector: NDArray[np.float32],
) -> list[float]:
    """How much of the question each unit answers: its own coverage and its cosine, halves."""
    scores = []
    total = float(question.weights.sum()) or 1.0
    for (start, end), unit in zip(spans, vectors, strict=True):
        inside = [i for i, (a, b) in enumerate(tokens.offsets) if a >= start and b <= end]
        if not inside or not question.words:
            scores.append(0.0)
            continue
        best = result.similarity[:, inside].max(axis=1)
        nearest = np.asarray([best[list(rows)].mean() for rows in question.rows])
        coverage = float((question.weights * nearest).sum()) / total
        scores.append((coverage + float(unit @ vector)) / 2)
    return scores


def _tokens(embedder: Embedder, texts: Iterable[str], kind: str) -> list[Tokens]:
    found = embedder.embed_tokens(list(texts), kind)
    return [Tokens(item.offsets, item.vectors) for item in found]


def _hit(
    candidate: _Candidate, score: float, units: tuple[tuple[int, int, float], ...] = ()
) -> Hit:
    return _hit_of(candidate.passage, score, candidate.parts, units)


def _hit_of(
    passage: StoredPassage,
    score: float,
    parts: Mapping[str, float],
    units: tuple[tuple[int, int, float], ...],
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
