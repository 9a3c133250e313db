"""The shipped English model, and the multilingual one where it has been pulled."""

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings

from deskhand.models import OnnxEmbeddings, TokenVectors

TEXTS = [
    "How do I reset my password?",
    "",
    "I was charged twice this month. Can I get a refund for the second payment?",
    "hello",
    "To enable two-factor authentication, open Settings and choose Security. " * 8,
    "Ünïcode 日本語 текст 😀👩‍👩‍👧 e\u0301",
]
HARD = {
    "empty": "",
    "blank": " \n\t ",
    "control": "\x00\x01\x1b[31m\x7f\u202e",
    "surrogate": "half \ud83d a pair",
    "signs": "[SEP] </s> <s> [MASK] <pad>",
    "emoji": "👩‍👩‍👧" * 400,
    "megabyte of words": "word and another " * 60_000,
    "megabyte without a blank": "x" * 1_000_000,
    "megabyte of blanks": " " * 1_000_000,
}


@pytest.fixture(params=["english", "multilingual"])
def model(request: pytest.FixtureRequest) -> OnnxEmbeddings:
    if request.param == "english":
        found: OnnxEmbeddings = request.getfixturevalue("english")
        return found
    return OnnxEmbeddings(request.getfixturevalue("multilingual_model"))


def _cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.asarray((left * right).sum(axis=-1))


def test_is_langchains(english: OnnxEmbeddings) -> None:
    assert isinstance(english, Embeddings)
    assert english.name == "all-MiniLM-L6-v2"
    assert english.english_only
    assert english.dimension == 384
    assert len(english.fingerprint) == 16


def test_batch_is_single(model: OnnxEmbeddings) -> None:
    together = model.embed_array(TEXTS, "passage")
    alone = np.concatenate([model.embed_array([text], "passage") for text in TEXTS])
    assert together.dtype == np.float32
    assert _cosines(together, alone).min() > 0.999
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


def test_order_is_kept_in_a_long_list(english: OnnxEmbeddings) -> None:
    texts = [f"{'word ' * (number % 7)}number {number}" for number in range(1100)]
    vectors = english.embed_array(texts, "passage")
    for number in (0, 6, 511, 1023, 1024, 1099):
        assert _cosines(vectors[number], english.embed_array([texts[number]], "passage")[0]) > 0.999


def test_lists_and_arrays_agree(model: OnnxEmbeddings) -> None:
    texts = TEXTS[:3]
    assert np.allclose(model.embed_documents(texts), model.embed_array(texts, "passage"))
    assert np.allclose(model.embed_query(texts[0]), model.embed_array(texts[:1], "query")[0])
    assert model.embed_documents([]) == []
    assert model.embed_array([], "query").shape == (0, model.dimension)
    assert model.embed_tokens([], "query") == []


async def test_async(english: OnnxEmbeddings) -> None:
    assert await english.aembed_query("hello") == english.embed_query("hello")
    assert await english.aembed_documents(["hello"]) == english.embed_documents(["hello"])


@pytest.mark.parametrize("text", HARD.values(), ids=HARD)
def test_hard_texts(model: OnnxEmbeddings, text: str) -> None:
    vectors = model.embed_array([text, "hello"], "query")
    assert np.isfinite(vectors).all()
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    (tokens,) = model.embed_tokens([text], "query")
    assert len(tokens.offsets) == len(tokens.vectors)
    assert all(0 <= start < end <= len(text) for start, end in tokens.offsets)


def test_meaning_in_english(english: OnnxEmbeddings) -> None:
    question = english.embed_array(["I cannot remember my login secret"], "query")[0]
    passages = english.embed_array(
        ["Choose a new password on the sign-in page.", "Parcels arrive within three days."],
        "passage",
    )
    right, wrong = passages @ question
    assert right > wrong + 0.2


def test_meaning_across_languages(multilingual_model: Path) -> None:
    model = OnnxEmbeddings(multilingual_model)
    passages = model.embed_array(
        ["Choose a new password on the sign-in page.", "Parcels arrive within three days."],
        "passage",
    )
    for question in (
        "Zapomněl jsem heslo",
        "Ich habe mein Passwort vergessen",
        "パスワードを忘れました",
    ):
        right, wrong = passages @ model.embed_array([question], "query")[0]
        assert right > wrong


def test_fidelity_to_the_original_weights(english: OnnxEmbeddings) -> None:
    # Made with transformers from the official float32 weights.
    reference = json.loads((Path(__file__).parent / "data/minilm_float32.json").read_text("utf-8"))
    vectors = english.embed_array(list(reference), "passage")
    assert _cosines(vectors, np.array(list(reference.values()), np.float32)).min() > 0.995


def test_token_offsets(model: OnnxEmbeddings) -> None:
    text = "  Reset my naïve password, 日本 😀!"
    found: TokenVectors = model.embed_tokens([text], "query")[0]
    pieces = [text[start:end] for start, end in found.offsets]
    assert pieces[0].startswith("Res")
    assert not any(piece[0].isspace() for piece in pieces)
    assert "".join(pieces).replace(" ", "") == text.replace(" ", "")
    assert found.vectors.shape == (len(pieces), model.dimension)
    assert np.allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-5)


def test_prefix_is_no_part_of_the_tokens(
    copy: Path, rewrite: Callable[..., None], english: OnnxEmbeddings
) -> None:
    rewrite(copy, query_prefix="query: ")
    prefixed = OnnxEmbeddings(copy)
    text = "How do I reset it?"
    plain = english.embed_tokens([text], "query")[0]
    assert prefixed.embed_tokens([text], "query")[0].offsets == plain.offsets
    assert prefixed.embed_query(text) != english.embed_query(text)
    assert prefixed.embed_documents([text]) == english.embed_documents([text])
    assert prefixed.fingerprint != english.fingerprint


def test_a_model_may_refuse_batches(
    copy: Path, rewrite: Callable[..., None], english: OnnxEmbeddings
) -> None:
    rewrite(copy, batch_texts=False)
    alone = OnnxEmbeddings(copy)
    texts = ["one two three", "four five six", "seven"]
    assert alone.embed_documents(texts) == [alone.embed_documents([text])[0] for text in texts]
    assert alone.fingerprint == english.fingerprint


def test_many_threads_load_once_and_agree(copy: Path) -> None:
    model = OnnxEmbeddings(copy, threads=1)
    expected = OnnxEmbeddings(copy, threads=1).embed_query("hello there")
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(model.embed_query, ["hello there"] * 32))
    assert all(_cosines(np.array(row), np.array(expected)) > 0.9999 for row in results)


def test_constructor_loads_nothing(english: OnnxEmbeddings) -> None:
    program = (
        "import sys, deskhand.models as m; "
        "heavy = {'onnxruntime', 'tokenizers', 'numpy', 'langchain_core', 'huggingface_hub'}; "
        "assert not heavy & set(sys.modules), heavy & set(sys.modules); "
        "m.list_models(__import__('pathlib').Path('nowhere')); "
        "assert not heavy & set(sys.modules), heavy & set(sys.modules); "
        "e = m.english_embeddings(); "
        "assert not {'onnxruntime', 'tokenizers'} & set(sys.modules); print(e.fingerprint)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == english.fingerprint
