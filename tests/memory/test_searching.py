"""Searching: what comes first, and what no question can break."""

import json
import subprocess
import sys

import pytest

from deskhand.memory import Knowledge
from deskhand.memory.store import query_terms

FILES = {
    "password.md": "# Passwords\n\n## Reset\n\nOpen Settings and press Reset password.\n",
    "bills.md": "# Bills\n\nYour bill arrives by e-mail on the first day of the month.\n",
    "returns.md": "# Returns\n\nSend the device back within 30 days for a full refund.\n",
    "cs.md": "# Předplatné\n\nPředplatné zrušíte v nastavení účtu. Příliš žluťoučký kůň.\n",
    "ja.md": "# 返品\n\n商品は三十日以内に返品できます。\n",
    "code.md": "# Codes\n\nX-4711 NEAR the ø straße AND C++ \"quoted\": the disk is full.\n",
    "faq.jsonl": "\n".join(
        json.dumps(row)
        for row in [
            {"id": "ship", "questions": ["How long does shipping take?", "When does it arrive?"],
             "answer": "Three days."},
            {"id": "pay", "question": "Which cards do you take?", "answer": "Visa and Mastercard."},
        ]
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def filled(tmp_path_factory, embedders):
    top = tmp_path_factory.mktemp("searching")
    for name, text in FILES.items():
        (top / name).write_text(text)
    with Knowledge.open(tmp_path_factory.mktemp("index"), embedders) as knowledge:
        knowledge.add([top])
        yield knowledge


@pytest.mark.parametrize(
    ("question", "source"),
    [
        ("How can I change a forgotten password?", "password.md"),
        ("When do I get my invoice?", "bills.md"),
        ("Can I get my money back?", "returns.md"),
        ("How many days until my parcel comes?", "ship"),
        ("Do you accept Visa?", "pay"),
        ("What does X-4711 mean?", "code.md"),
    ],
)
def test_the_answer_comes_first(filled, question, source):
    hits = filled.search(question)
    assert hits[0].source == source
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert len({hit.passage.id for hit in hits}) == len(hits)


@pytest.mark.parametrize(
    "question",
    [
        "", " ", "\n", "?", '"', '""', "'", "NEAR(", "NEAR(a b, 2)", "a AND", "OR", "NOT x", "*",
        "pass*", "terms:reset", "{terms}", "^reset", "(", ")", "a\nb", "\0",
        "reset\0password", "--", ";",
        "😀", "\ud83d", "a" * 3000, "-" * 500, "x'); DROP TABLE passages; --",
    ],
)  # fmt: skip
def test_no_question_breaks_the_search(filled, question):
    text = question.encode("utf-8", "replace").decode()
    assert isinstance(filled.search(text), list)
    filled._store.keyword_search(query_terms(question, "en"), 5)
    filled._store.document_frequencies(query_terms(question, "cs"))


def test_scores_are_between_0_and_1(filled):
    for question in ("When do I get my invoice?", "OR", "NOT x", "返品"):
        assert all(0.0 <= hit.score <= 1.0 for hit in filled.search(question))


def keyword_hits(knowledge, question, language="en"):
    store = knowledge._store
    found = store.keyword_search(query_terms(question, language), 10)
    passages = store.passages([i for i, _ in found])
    assert all(score > 0 for _, score in found)
    return [passages[i].source for i, _ in found]


@pytest.mark.parametrize(
    ("question", "language", "source"),
    [
        ("predplatne", "cs", "cs.md"),
        ("PŘEDPLATNÉ", "cs", "cs.md"),
        ("předplatného", "cs", "cs.md"),
        ("zlutoucky", "cs", "cs.md"),
        ("返品", "ja", "ja.md"),
        ("三十日", "ja", "ja.md"),
        ("x-4711", "en", "code.md"),
        ("strasse", "de", "code.md"),
        ("resetting", "en", "password.md"),
        ("NEAR", "en", "code.md"),
    ],
)
def test_keywords_without_case_accents_and_endings(filled, question, language, source):
    assert keyword_hits(filled, question, language)[0] == source


def test_ten_thousand_different_words_are_searched(filled):
    words = [f"w{n}" for n in range(10_000)] + ["refund"]
    assert keyword_hits(filled, " ".join(words)) == ["returns.md"]


def test_document_frequencies_count_passages(filled):
    terms = ["bill", "e-mail", "straße", "strasse", "ø", "返品", "the", "nowhere", 'a"b', ""]
    found = filled._store.document_frequencies(terms)
    assert found["bill"] == 1
    assert found["e-mail"] == 1
    assert found["strasse"] == 1
    assert found["ø"] == 1
    assert found["返品"] == 1
    assert found["the"] >= 3
    assert found["nowhere"] == 0
    assert list(found) == terms


def test_many_ids_at_once(filled):
    store, vectors = filled._store, filled._open_vectors()
    ids = list(range(100_000))
    assert len(store.passages(ids)) == store.count_passages()
    name = vectors.names()[0]
    assert set(vectors.get(name, [str(i) for i in ids])) <= vectors.ids(name)
    vectors.delete([f"{i}" for i in range(500_000, 505_000)])


def test_a_reader_beside_a_writer_sees_what_is_written(request, tmp_path, docs, embedders):
    program = (
        "import sys; from pathlib import Path\n"
        "from deskhand.memory import *; from deskhand.models import english_embeddings\n"
        "k = Knowledge.open(Path(sys.argv[1]), Embedders(english_embeddings(threads=1)))\n"
        "for line in sys.stdin:\n"
        "    what = line.strip()\n"
        "    getattr(k, what)(*([[Path(sys.argv[2])]] if what == 'add' else []))\n"
        "    print('done', flush=True)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-P", "-c", program, tmp_path / "index", tmp_path / "docs"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    request.addfinalizer(lambda: child.communicate(timeout=60))

    def writer(what):
        child.stdin.write(f"{what}\n")
        child.stdin.flush()
        assert child.stdout.readline() == "done\n"

    folder = docs({"a.md": FILES["bills.md"]})
    writer("add")
    with Knowledge.open(tmp_path / "index", embedders, read_only=True) as reader:
        retrieval = reader.retrieval()

        def sources():
            return {hit.source for hit in retrieval.search("When does my bill arrive?")}

        assert sources() == {"a.md"}
        docs({"b.md": "# More bills\n\nAnother bill arrives in May.\n"})
        writer("sync")
        assert sources() == {"a.md", "b.md"}
        writer("rebuild")
        assert sources() == {"a.md", "b.md"}
        (folder / "a.md").unlink()
        writer("sync")
        assert sources() == {"b.md"}
        assert {path.name for path in (tmp_path / "index").iterdir()} >= {"chroma", "knowledge.db"}
