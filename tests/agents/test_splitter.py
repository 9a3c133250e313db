import pytest

from deskhand.agents.splitter import Splitter

ANSWERS = {
    "marker behind the period": (
        "You have 30 days. [1] It costs $5.99 a month. [2]",
        [("You have 30 days.", (1,), " "), ("It costs $5.99 a month.", (2,), " ")],
    ),
    "marker before the period": (
        "You have 30 days [1]. It is free [2].",
        [("You have 30 days.", (1,), " "), ("It is free.", (2,), " ")],
    ),
    "several markers": (
        "You have 30 days. [1][2] It is free [2, 3]. Done. [9] [1]",
        [("You have 30 days.", (1, 2), " "), ("It is free.", (2, 3), " "), ("Done.", (9, 1), " ")],
    ),
    "no marker": (
        "You have 30 days. It is free",
        [("You have 30 days.", (), " "), ("It is free", (), " ")],
    ),
    "marker on the next line": (
        "You have 30 days.\n[1]\nIt is free.\n[2]",
        [("You have 30 days.", (1,), " "), ("It is free.", (2,), "\n")],
    ),
    "steps": (
        "Do this:\n\n1. Open the app. [1]\n2. Press the button. [1]\n3) Wait. [2]\n",
        [
            ("Do this:", (), " "),
            ("Open the app.", (1,), "\n\n1. "),
            ("Press the button.", (1,), "\n2. "),
            ("Wait.", (2,), "\n3) "),
        ],
    ),
    "a list": (
        "- Open the app. Press it. [1]\n* Wait. [2]\nStep 3: Go. [2]",
        [
            ("Open the app.", (), "- "),
            ("Press it.", (1,), " "),
            ("Wait.", (2,), "\n* "),
            ("Go.", (2,), "\nStep 3: "),
        ],
    ),
    "abbreviations": (
        "Use it e.g. at home. [1] See p. 3. [1]",
        [("Use it e.g. at home.", (1,), " "), ("See p. 3.", (1,), " ")],
    ),
    "control tokens": ("Yes. [1]<|end|><|user|>", [("Yes.", (1,), " ")]),
    "nothing": (" \n\n [1] … ", []),
}


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("name", ANSWERS)
def test_sentences_are_the_same_however_they_arrive(name, size):
    text, expected = ANSWERS[name]
    splitter = Splitter("en")
    found = [
        sentence
        for i in range(0, len(text), size)
        for sentence in splitter.feed(text[i : i + size])
    ]
    found += splitter.close()
    assert [(s.text, s.cited, s.lead.lstrip(" ") or " ") for s in found] == [
        (text, cited, lead.lstrip(" ") or " ") for text, cited, lead in expected
    ]


def test_a_sentence_is_given_as_soon_as_its_marker_cannot_follow():
    splitter = Splitter("en")
    assert splitter.feed("You have 30 days. ") == []
    assert splitter.feed("[1") == []
    assert splitter.feed("] It") != []


def test_endless_output_is_not_kept():
    splitter = Splitter("en")
    for _ in range(200):
        splitter.feed("Once more. ")
    assert len(splitter._rest) < 100
