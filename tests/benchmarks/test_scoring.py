"""The scoring of the benchmarks, on cases whose figures can be worked out by hand."""

import importlib

import pytest


@pytest.fixture
def scoring(root, monkeypatch):
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    return importlib.import_module("_scoring")


@pytest.fixture
def case(scoring):
    def make(kind, outcome, cited=(), found=(), **changes):
        labelled = frozenset(() if kind == "unanswerable" else ("a.md",))
        values = {
            "id": "1",
            "question": "?",
            "language": "en",
            "near_miss": False,
            "labelled": labelled,
            "top": 0.5,
        } | changes
        return scoring.Case(kind=kind, outcome=outcome, cited=cited, found=found, **values)

    return make


def shares(scoring, cases, languages=None):
    found = scoring.question_shares(cases, languages or {})
    return {name: (share.hits, share.of) for name, share in found.items()}


def test_an_answer_counts_when_it_cites_a_labelled_source(scoring, case):
    found = shares(
        scoring,
        [
            case("answerable", "answered", ("b.md", "a.md")),
            case("answerable", "answered", ("b.md",)),
            case("answerable", "refused"),
            case("follow_up", "answered", ("a.md",)),
            case("follow_up", "answered"),
        ],
    )

    assert found["answerable_answered"] == (1, 3)
    assert found["answerable_answered_any"] == (2, 3)
    assert found["follow_up_correct"] == (1, 2)
    assert found["answered_wrong"] == (2, 5)


def test_a_source_counts_among_the_first_five(scoring, case):
    fifth, sixth = ("b", "c", "d", "e", "a.md"), ("b", "c", "d", "e", "f", "a.md")
    found = shares(
        scoring,
        [
            case("answerable", "refused", found=fifth),
            case("follow_up", "refused", found=sixth),
            case("unanswerable", "refused", found=fifth),
        ],
    )

    assert found["recall_at_5"] == (1, 2)


def test_handing_over_counts_as_a_refusal_and_asking_back_does_not(scoring, case):
    found = shares(
        scoring,
        [
            case("unanswerable", "refused", near_miss=True),
            case("unanswerable", "handed_off"),
            case("unanswerable", "clarifying", near_miss=True),
            case("unanswerable", "answered"),
        ],
    )

    assert found["unanswerable_refused"] == (2, 4)
    assert found["near_miss_refused"] == (1, 2)
    assert "answerable_answered" not in found


def test_every_share_is_also_there_for_each_language(scoring, case):
    found = shares(
        scoring,
        [
            case("answerable", "answered", ("a.md",), language="cs"),
            case("answerable", "refused", language="de"),
        ],
    )

    assert found["answerable_answered_cs"] == (1, 1)
    assert found["answerable_answered_de"] == (0, 1)
    assert "answerable_answered_en" not in found


def test_czech_on_english_looks_at_labels_that_are_all_english(scoring, case):
    both = frozenset(("a.md", "b.md"))
    found = shares(
        scoring,
        [
            case("answerable", "answered", ("a.md",), language="cs"),
            case("follow_up", "refused", language="cs"),
            case("answerable", "answered", ("a.md",), language="cs", labelled=both),
            case("answerable", "answered", ("a.md",), language="de"),
            case("unanswerable", "refused", language="cs"),
        ],
        {"a.md": "en", "b.md": "cs"},
    )

    assert found["czech_on_english_answered"] == (1, 2)


def test_auroc_counts_pairs_and_halves_ties(scoring, case):
    assert scoring.auroc([0.9, 0.5], [0.5, 0.1]) == pytest.approx(3.5 / 4)
    figures = scoring.refusal_aurocs(
        [
            case("answerable", "answered", top=0.8),
            case("follow_up", "refused", top=0.2, language="cs"),
            case("unanswerable", "refused", top=0.4),
        ]
    )

    assert figures == {"refusal_auroc": 0.5, "refusal_auroc_en": 1.0}


def test_ranks_are_of_distinct_sources(scoring):
    ranks = [
        scoring.rank_of("a", ["a", "b"]),
        scoring.rank_of("a", ["b", "b", "a"]),
        scoring.rank_of("a", ["b"]),
    ]

    assert ranks == [1, 2, 0]
    assert scoring.recall(ranks, 1) == pytest.approx(1 / 3)
    assert scoring.recall(ranks, 2) == pytest.approx(2 / 3)
    assert scoring.mean_reciprocal_rank(ranks) == pytest.approx(0.5)


@pytest.mark.parametrize(("percent", "expected"), [(50, 2), (75, 3), (95, 4), (1, 1)])
def test_percentile_is_one_of_the_values(scoring, percent, expected):
    assert scoring.percentile([4, 1, 3, 2], percent) == expected


def test_a_wrong_case_is_one_line(scoring, case):
    line = scoring.wrong_line(
        case("answerable", "answered", ("b.md", "b.md"), top=0.75, question="How?", id="q7")
    )

    assert line == "q7 en answerable: answered top 0.750 | cited b.md | labelled a.md | How?"
