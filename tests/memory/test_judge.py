"""The judge and what it looks at, with the real English model."""

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from deskhand.core import StorageError
from deskhand.memory import Embedders, Knowledge, Query
from deskhand.memory.evidence import (
    MAX_TOKENS,
    PassageTokens,
    QuestionTokens,
    Tokens,
    inverse_frequency,
    match,
    passage_tokens,
    question_tokens,
    unit_scores,
)
from deskhand.memory.judge import Judge
from deskhand.memory.store import StoredPassage
from deskhand.memory.tokens import TokenCache, passage_text
from deskhand.models import OnnxEmbeddings, english_embeddings

TITLE = "Router › Reset"
TEXT = "Hold the reset button for ten seconds. The warranty lasts two years."


@pytest.fixture(scope="module")
def model() -> OnnxEmbeddings:
    return english_embeddings()


def asked(model: OnnxEmbeddings, text: str, earlier: int = 0) -> QuestionTokens:
    item = model.embed_tokens([text], "query")[0]
    tokens = Tokens(item.offsets, item.vectors)
    return question_tokens(
        text, "en", tokens, lambda found: dict.fromkeys(found, 2.0), earlier=earlier
    )


def told(model: OnnxEmbeddings, text: str = TEXT, title: str = TITLE) -> PassageTokens:
    whole = f"{title}\n{text}"
    item = model.embed_tokens([whole], "passage")[0]
    return passage_tokens(whole, title, "en", Tokens(item.offsets, item.vectors))


def test_rare_words_weigh_more_than_common_ones() -> None:
    assert inverse_frequency(1, 100) > inverse_frequency(50, 100) > 0
    assert inverse_frequency(0, 0) > 0


def test_function_words_and_earlier_words_weigh_less(model: OnnxEmbeddings) -> None:
    question = asked(model, "the warranty the router", earlier=len("the warranty "))
    by_word = dict(zip((s and s[1] for s in question.stems), question.weights, strict=True))

    assert by_word["router"] == 2.0
    assert by_word["the"] < by_word["router"]
    assert by_word["warranty"] == 1.0


def test_shared_words_are_found_by_stem(model: OnnxEmbeddings) -> None:
    result = match(asked(model, "resetting buttons"), told(model))

    assert result.shared.tolist() == [1.0] * len(result.shared)
    assert result.lexical == pytest.approx(1.0, abs=1e-3)
    assert 0 < result.coverage <= 1.0


def test_punctuation_alone_matches_nothing(model: OnnxEmbeddings) -> None:
    result = match(asked(model, "?!"), told(model))

    assert result.coverage == result.lexical == 0.0


def test_a_text_without_tokens_is_compared_too(model: OnnxEmbeddings) -> None:
    nothing = asked(model, "")
    result = match(nothing, told(model))

    assert result.cosines.shape[0] == 0
    assert Judge(model.name).judge(nothing, [told(model)], [result], [True], [0.5])[0].score < 1.0


def test_the_title_is_told_apart_and_long_passages_are_cut(model: OnnxEmbeddings) -> None:
    passage = told(model, "word " * 500)

    assert len(passage.stems) == len(passage.tokens.vectors) == MAX_TOKENS
    assert passage.tokens.offsets[passage.title - 1][1] == len(TITLE)


def test_the_unit_that_answers_scores_best(model: OnnxEmbeddings) -> None:
    whole = f"{TITLE}\n{TEXT}"
    border = whole.index("The warranty")
    spans = [(len(TITLE) + 1, border - 1), (border, len(whole))]
    question, passage = asked(model, "How long is the guarantee?"), told(model)

    first, second = unit_scores(question, passage, match(question, passage), spans)

    assert second > first


def test_scores_do_not_depend_on_what_is_judged_beside(model: OnnxEmbeddings) -> None:
    question = asked(model, "How long is the warranty?")
    passages = [told(model), told(model, "Short."), told(model, "The menu is in the app. " * 9)]
    matches = [match(question, p) for p in passages]
    judge = Judge(model.name)

    verdicts = judge.judge(question, passages, matches, [True] * 3, [0.5] * 3)
    together = [verdict.score for verdict in verdicts]
    alone = [
        judge.judge(question, [p], [m], [True], [0.5])[0].score
        for p, m in zip(passages, matches, strict=True)
    ]

    assert np.allclose(together, alone, atol=1e-4)
    assert all(0 <= score <= 1 for score in together)
    assert judge.judge(question, [], [], [], []) == []


@pytest.mark.parametrize(
    ("question", "answer", "near_miss"),
    [
        (
            "How long can I send it back?",
            "You can return an item within 30 days of delivery.",
            "Returned items are checked in our warehouse in Ohio.",
        ),
        (
            "what does the red light mean",
            "A red light means that the battery is empty.",
            "The light is on the left side, next to the button.",
        ),
        (
            "is there a student discount",
            "Students get 20% off with a valid student card.",
            "A gift card can be used on any plan.",
        ),
    ],
)
def test_an_answer_scores_above_a_near_miss(
    model: OnnxEmbeddings, question: str, answer: str, near_miss: str
) -> None:
    words = asked(model, question)
    passages = [told(model, answer, "Help"), told(model, near_miss, "Help")]

    right, wrong = Judge(model.name).judge(
        words, passages, [match(words, p) for p in passages], [True, True], [0.5, 0.5]
    )

    assert right.score > wrong.score


# The cache of token vectors


@pytest.fixture
def knowledge(tmp_path: Path, model: OnnxEmbeddings) -> Knowledge:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "router.md").write_text(f"# Router\n\n## Reset\n\n{TEXT}\n")
    opened = Knowledge.open(tmp_path / "knowledge", Embedders(model))
    opened.add([tmp_path / "docs"])
    return opened


def stored(knowledge: Knowledge) -> StoredPassage:
    return knowledge.search("warranty")[0].passage


def rows(knowledge: Knowledge) -> int:
    with sqlite3.connect(knowledge.folder / "tokens.db") as database:
        return int(database.execute("SELECT count(*) FROM tokens").fetchone()[0])


def test_kept_tokens_equal_computed_ones(knowledge: Knowledge, model: OnnxEmbeddings) -> None:
    passage = stored(knowledge)
    cache = TokenCache(knowledge.folder / "tokens.db", read_only=True)
    kept = cache.get(model, [passage])[0]
    computed = told(model, passage.text, passage.title)

    assert rows(knowledge) == 1
    assert kept.stems == computed.stems
    assert kept.tokens.offsets == computed.tokens.offsets
    cosines = (kept.tokens.vectors * computed.tokens.vectors).sum(axis=1)
    assert cosines.min() > 0.999
    cache.close()


def test_a_removed_document_leaves_no_tokens(knowledge: Knowledge) -> None:
    knowledge.remove("router.md")

    assert rows(knowledge) == 0


def test_tokens_of_another_text_are_not_used(knowledge: Knowledge, model: OnnxEmbeddings) -> None:
    passage = stored(knowledge)
    cache = TokenCache(knowledge.folder / "tokens.db")
    cache.put(model, [passage], [Tokens([(0, 1)], np.ones((1, 384), np.float32))])
    with sqlite3.connect(knowledge.folder / "tokens.db") as database:
        database.execute("UPDATE tokens SET digest = 'of an older text'")

    assert len(cache.get(model, [passage])[0].stems) > 1
    cache.close()


def test_without_the_file_answers_are_the_same(knowledge: Knowledge, model: OnnxEmbeddings) -> None:
    before = knowledge.search("How long is the warranty?")
    knowledge.close()
    (knowledge.folder / "tokens.db").unlink()

    with Knowledge.open(knowledge.folder, Embedders(model), read_only=True) as reader:
        after = reader.retrieval().find(Query("How long is the warranty?", "en"))

    assert [hit.source for hit in after] == [hit.source for hit in before]
    assert after[0].score == pytest.approx(before[0].score, abs=0.02)
    assert passage_text(after[0].passage) == passage_text(before[0].passage)


def test_a_damaged_file_is_one_clear_error(tmp_path: Path, model: OnnxEmbeddings) -> None:
    path = tmp_path / "tokens.db"
    path.write_bytes(b"no database at all" * 100)
    cache = TokenCache(path)

    with pytest.raises(StorageError, match="damaged"):
        cache.put(model, [], [])
    cache.clear()

    assert not path.exists()
