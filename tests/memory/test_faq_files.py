"""FAQ files: CSV and JSONL, well-formed and not."""

import json

import pytest

from deskhand.memory.documents import UnreadableError


def pairs(result):
    return [(e.source, e.questions, "\n".join(p.text for p in e.passages)) for e in result.entries]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_csv_of_every_make(read, delimiter, end, bom):
    rows = [
        ["ID", " Question ", "Answer", "tags"],
        ["1", '"Is it ""big""?"', f'"Yes{delimiter} very."', "a"],
        ["", "Why?", f'"Two{end}lines"', ""],
    ]
    text = bom + end.join(delimiter.join(row) for row in rows) + end
    result = read("faq.csv", text)
    assert pairs(result) == [
        ("1", ('Is it "big"?',), f"Yes{delimiter} very.".replace("\t", "")),
        ("faq.csv#4", ("Why?",), "Two lines"),
    ]
    assert result.notes == ()


def test_excels_separator_line(read):
    assert pairs(read("faq.csv", "sep=;\r\nquestion;answer\r\nA, b?;C\r\n"))[0][1:] == (
        ("A, b?",),
        "C",
    )


def test_empty_lines_above_the_header(read):
    assert pairs(read("faq.csv", "\n\nquestion,answer\nWhy?,So.\n")) == [
        ("faq.csv#4", ("Why?",), "So.")
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "frage,antwort\na,b\n",
            "the columns question and answer are missing (columns: frage, antwort)",
        ),
        ("question,reply\na,b\n", "the column answer is missing (columns: question, reply)"),
        ("question,question,answer\na,b,c\n", "the column question is there twice"),
        ('question,answer\n"a,b\nc,d\n', "is not valid CSV"),
        ("question,answer\n", "it has no text"),
        ("question,answer\na,\n", "no entry that can be used: line 2: no answer text"),
        ("\u00a0", "it is empty"),
    ],
)
def test_csv_that_cannot_be_read_says_why(read, text, said):
    with pytest.raises(UnreadableError) as error:
        read("faq.csv", text)
    assert said in str(error.value)


def test_bad_csv_lines_are_named_and_the_others_read(read):
    result = read(
        "faq.csv", "id,question,answer\n1,A?,B\n1,C?,D\n2,E?,\n3,,F\n4,G?,H, and more\n5,I?,J\n,,\n"
    )
    assert [source for source, _, _ in pairs(result)] == ["1", "5"]
    assert result.notes == (
        "faq.csv: line 6 has 4 cells for 3 columns (quote cells that hold a comma), left out",
        "faq.csv: line 3: line 2 has the same id 1, left out",
        "faq.csv: line 4: no answer text, left out",
        "faq.csv: line 5: no question, left out",
    )


def test_many_bad_lines_are_counted(read):
    text = "question,answer\nA?,B\n" + "C?,\n" * 100
    assert read("faq.csv", text).notes[-1] == "faq.csv: 95 more lines left out"


def test_huge_fields_are_named(read):
    with pytest.raises(UnreadableError, match="larger than field limit"):
        read("faq.csv", "question,answer\nA?," + "x" * (17 * 2**20) + "\n")
    result = read("faq.csv", f"question,answer\nA?,B\n{'x' * 3000}?,C\n")
    assert "more than 2000 characters" in result.notes[0]
    assert (
        len(read("faq.csv", f"question,answer\nA?,{'word ' * 20_000}\n").entries[0].passages) > 50
    )


def test_jsonl_with_one_question_or_several(read):
    lines = [
        {"id": "a", "question": "Why?", "answer": "So."},
        {
            "id": 7,
            "questions": ["How?", "How so?", "How?"],
            "answer": "1. Do\n2. Done",
            "tags": "x, y",
        },
        {"questions": "What?", "question": "Which?", "answer": "This.", "id": None, "tags": None},
    ]
    result = read("faq.jsonl", "\r\n".join(map(json.dumps, lines)) + "\n\n")
    assert pairs(result) == [
        ("a", ("Why?",), "So."),
        ("7", ("How?", "How so?"), "1. Do\n2. Done"),
        ("faq.jsonl#3", ("Which?", "What?"), "This."),
    ]
    assert result.entries[1].tags == ("x", "y")


def test_bad_jsonl_lines_are_named_and_the_others_read(read):
    deep = "[" * 200_000
    lines = [
        '{"id": "ok", "question": "A?", "answer": "B"}',
        "{bad",
        '["a list"]',
        '{"question": "A?"}',
        '{"question": "A?", "answer": ""}',
        '{"question": {"x": 1}, "answer": "B"}',
        '{"answer": "B"}',
        f'{{"question": "A?", "answer": {deep}',
        '{"id": "ok", "question": "A?", "answer": "B"}',
        "9" * 10_000,
    ]
    result = read("faq.jsonl", "\n".join(lines))
    assert [source for source, _, _ in pairs(result)] == ["ok"]
    named = "\n".join(result.notes)
    for line in (2, 8, 10, 3, 4):
        assert f"line {line}" in named
    assert "4 more lines left out" in named
    assert all(len(note) < 300 for note in result.notes)


def test_jsonl_without_one_good_line_is_not_read(read):
    with pytest.raises(UnreadableError, match="no entry that can be used: line 1 is not JSON"):
        read("faq.jsonl", "not json\n")


def test_a_lone_surrogate_is_replaced(read):
    line = r'{"id": "i\ud800", "question": "q\udfff?", "answer": "a\ud800", "tags": ["\ud800"]}'
    entry = read("faq.jsonl", line).entries[0]
    assert (entry.source, entry.questions, entry.tags) == ("i?", ("q??",), ("?",))
    assert entry.digest


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("cs-CZ", "cs"), ("Czech", "cs"), ("čeština", "cs"), ("CS", "cs"), ("ces", "cs"),
        ("German", "de"), ("Deutsch", "de"), ("de_AT.UTF-8", "de"), ("English (US)", "en"),
        ("日本語", "ja"), ("nb-NO", "no"), ("Klingon", "en"), ("", "en"),
    ],
)  # fmt: skip
def test_languages_as_people_write_them(read, written, code):
    row = {"question": "How do I reset my password?", "answer": "Press it.", "language": written}
    assert read("faq.jsonl", json.dumps(row)).entries[0].language == code


def test_an_answer_with_headings_keeps_them(read):
    row = {"question": "How?", "answer": "# First\n\nDo this.\n\n# Then call 555\n"}
    text = pairs(read("faq.jsonl", json.dumps(row)))[0][2]
    assert "First" in text
    assert "Do this." in text
    assert "Then call 555" in text


def test_fault_35_ids_with_quotes_and_newlines_are_only_names(read):
    identifier = 'x\'); DROP TABLE entries; --\n"y"\x00\u202e'
    row = {"id": identifier, "question": "Why?", "answer": "So."}
    assert (
        read("faq.jsonl", json.dumps(row)).entries[0].source == 'x\'); DROP TABLE entries; -- "y"'
    )
