"""Figures from what came out: pure functions, so that they can be tested on a handful of cases."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

LANGUAGES = ("en", "cs", "de")
_REFUSED = ("refused", "handed_off")


@dataclass(frozen=True, slots=True)
class Case:
    """A labelled question and what the desk made of it.

    Args:
        id: Of the question.
        question: As it was asked.
        language: ISO 639-1 code of the question.
        kind: `answerable`, `unanswerable` or `follow_up`.
        near_miss: An unanswerable one that sounds as if it were covered.
        labelled: The sources that answer it.
        outcome: How the turn ended.
        cited: Sources of its citations, in order.
        found: Distinct sources that retrieval found, best first.
        top: Score of the best passage; 0 where nothing was searched for.
    """

    id: str
    question: str
    language: str
    kind: str
    near_miss: bool
    labelled: frozenset[str]
    outcome: str
    cited: tuple[str, ...]
    found: tuple[str, ...]
    top: float

    @property
    def answerable(self) -> bool:
        """Whether the documents answer it."""
        return self.kind != "unanswerable"

    @property
    def answered(self) -> bool:
        """Whether the desk gave an answer."""
        return self.outcome == "answered"

    @property
    def correct(self) -> bool:
        """Whether it was answered from a labelled source."""
        return self.answered and not self.labelled.isdisjoint(self.cited)

    @property
    def refused(self) -> bool:
        """Whether the desk did not answer and said so; handing over to a person counts."""
        return self.outcome in _REFUSED

    @property
    def wrong(self) -> bool:
        """Whether the desk did the wrong thing."""
        return not (self.correct if self.answerable else self.refused)


@dataclass(frozen=True, slots=True)
class Share:
    """How many cases of how many.

    Args:
        hits: Cases for which it is true.
        of: Cases that were looked at.
    """

    hits: int
    of: int

    @property
    def value(self) -> float:
        """The share, from 0 to 1."""
        return self.hits / self.of


_SHARES: Mapping[str, tuple[Callable[[Case], bool], Callable[[Case], bool]]] = {
    # name: which cases are looked at, which of them count
    "recall_at_5": (lambda c: c.answerable, lambda c: not c.labelled.isdisjoint(c.found[:5])),
    "answerable_answered": (lambda c: c.kind == "answerable", lambda c: c.correct),
    "answerable_answered_any": (lambda c: c.kind == "answerable", lambda c: c.answered),
    "follow_up_correct": (lambda c: c.kind == "follow_up", lambda c: c.correct),
    "answered_wrong": (lambda c: c.answerable, lambda c: c.answered and not c.correct),
    "unanswerable_refused": (lambda c: not c.answerable, lambda c: c.refused),
    "near_miss_refused": (lambda c: c.near_miss and not c.answerable, lambda c: c.refused),
}


def question_shares(cases: Sequence[Case], source_languages: Mapping[str, str]) -> dict[str, Share]:
    """The shares of a question file, over all and per language (`…_en`); empty ones left out.

    Args:
        cases: What came out.
        source_languages: Language by source, for the Czech questions on English documents.
    """
    shares: dict[str, Share] = {}
    for name, (looked_at, counts) in _SHARES.items():
        shares[name] = share(cases, looked_at, counts)
        for language in LANGUAGES:
            own = [case for case in cases if case.language == language]
            shares[f"{name}_{language}"] = share(own, looked_at, counts)
    shares["czech_on_english_answered"] = share(
        cases,
        lambda c: (
            c.language == "cs" and c.answerable and _all_english(c.labelled, source_languages)
        ),
        lambda c: c.correct,
    )
    return {name: found for name, found in shares.items() if found.of}


def share(
    cases: Iterable[Case], looked_at: Callable[[Case], bool], counts: Callable[[Case], bool]
) -> Share:
    """The share of those looked at that count."""
    chosen = [case for case in cases if looked_at(case)]
    return Share(sum(map(counts, chosen)), len(chosen))


def refusal_aurocs(cases: Sequence[Case]) -> dict[str, float]:
    """How well the top score tells the answerable from the rest, overall and by language."""
    figures: dict[str, float] = {}
    for suffix in ("", *LANGUAGES):
        own = [case for case in cases if not suffix or case.language == suffix]
        can = [case.top for case in own if case.answerable]
        cannot = [case.top for case in own if not case.answerable]
        if can and cannot:
            figures["refusal_auroc" + (f"_{suffix}" if suffix else "")] = auroc(can, cannot)
    return figures


def auroc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """The chance that a positive scores above a negative; a tie is half a chance."""
    wins = sum((p > n) + (p == n) / 2 for p in positive for n in negative)
    return wins / (len(positive) * len(negative))


def wrong_line(case: Case) -> str:
    """A case in one line, for people who look for what to mend."""
    kind = "near miss" if case.near_miss else case.kind
    cited = ", ".join(dict.fromkeys(case.cited)) or "-"
    labelled = ", ".join(sorted(case.labelled)) or "-"
    return (
        f"{case.id} {case.language} {kind}: {case.outcome} top {case.top:.3f}"
        f" | cited {cited} | labelled {labelled} | {case.question}"
    )


def rank_of(wanted: str, sources: Iterable[str]) -> int:
    """Where a source stands among distinct ones, from 1; 0 where it is missing."""
    distinct = list(dict.fromkeys(sources))
    return distinct.index(wanted) + 1 if wanted in distinct else 0


def recall(ranks: Sequence[int], at: int) -> float:
    """The share of ranks from 1 to `at`."""
    return sum(1 <= rank <= at for rank in ranks) / len(ranks)


def mean_reciprocal_rank(ranks: Sequence[int]) -> float:
    """The mean of 1 / rank; a missing one adds nothing."""
    return sum(1 / rank for rank in ranks if rank) / len(ranks)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that `percent` of them do not exceed (nearest rank)."""
    rank = math.ceil(len(values) * percent / 100)
    return sorted(values)[max(rank, 1) - 1]


def _all_english(sources: Iterable[str], source_languages: Mapping[str, str]) -> bool:
    known = [source_languages.get(source, "") for source in sources]
    return bool(known) and all(language == "en" for language in known)
