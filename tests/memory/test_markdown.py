"""Markdown and plain text: what becomes of headings, lists, tables and code."""

import json
import re
import time
from contextlib import suppress

import pytest
from markdown_it import MarkdownIt

from deskhand.memory.documents import UnreadableError
from deskhand.memory.readers.passages import PASSAGE_CHARACTERS


def blocks(result):
    return [block for entry in result.entries for p in entry.passages for block in p.blocks]


def titles(result):
    return [p.title for entry in result.entries for p in entry.passages]


def test_headings_become_the_title_path(read):
    result = read(
        "a.md", "# Guide\n\nHello there.\n\n## Setup\n\n### Disk\n\nPlug it in.\n\n## End\n\nBye."
    )
    assert titles(result) == ["Guide", "Guide › Setup › Disk", "Guide › End"]
    assert result.entries[0].title == "Guide"


def test_setext_headings_count(read):
    result = read("a.md", "Guide\n=====\n\nOne.\n\nPart\n----\n\nTwo.")
    assert titles(result) == ["Guide", "Guide › Part"]


def test_without_a_heading_the_file_name_is_the_title(read):
    assert titles(read("reset-your_password.md", "Press the button.")) == ["Reset your password"]


def test_front_matter_gives_title_and_language(read):
    text = '---\ntitle: "Zurücksetzen"\nlang: de-DE\ntags: [a]\n---\n# Schritt\n\nTaste drücken.'
    entry = read("a.md", text).entries[0]
    assert (entry.title, entry.language) == ("Zurücksetzen", "de")
    assert entry.passages[0].title == "Zurücksetzen › Schritt"
    assert "tags" not in entry.passages[0].text


def test_a_rule_at_the_top_is_not_front_matter(read):
    result = read("a.md", "---\n\nThis paragraph counts.\n\n---\n\nAnd this one.")
    assert "This paragraph counts." in result.entries[0].passages[0].text


def test_steps_keep_their_numbers_across_interruptions(read):
    text = "# T\n\nDo this:\n\n1. Open it.\n2. Close it.\n\n```\nrun me\n```\n\n3. Smile.\n"
    steps = [b for b in blocks(read("a.md", text)) if b.kind == "steps"]
    assert steps[0].lead == "Do this:"
    assert steps[0].text == "1. Open it.\n2. Close it."
    assert steps[1].text == "3. Smile."


def test_steps_keep_their_numbers_when_a_long_list_is_cut(read):
    text = "\n".join(f"{n}. Step number {n} " + "is long " * 20 for n in range(1, 13))
    cut = [b for b in blocks(read("a.md", text)) if b.kind == "steps"]
    assert len(cut) > 1
    for block in cut:
        assert all(
            f"{n}. Step number {n} " in block.text
            for n in range(block.start, block.start + len(block.units))
        )


def test_a_nested_list_stays_with_its_item(read):
    text = "- Colors\n  - red\n  - blue\n- Sizes\n  1. small\n"
    (block,) = blocks(read("a.md", text))
    assert block.kind == "list"
    assert block.units == ("Colors red blue", "Sizes small")


def test_table_rows_carry_their_column_names(read):
    text = "| Plan | Price |\n|---|---|\n| Basic | 5 € |\n| Pro | a<br>b \\| c |\n"
    (block,) = blocks(read("a.md", text))
    assert block.units == ("Plan: Basic; Price: 5 €", "Plan: Pro; Price: a b | c")


def test_a_table_of_nothing_but_its_header_is_kept(read):
    assert blocks(read("a.md", "| Plan | Price |\n|---|---|\n"))[0].units == ("Plan; Price",)


def test_code_is_one_unit_with_its_lines(read):
    (block,) = blocks(read("a.md", "```sh\nif x:\n    y\n```\n"))
    assert (block.kind, block.units) == ("code", ("if x:\n    y",))


def test_a_heading_with_nothing_under_it_is_text(read):
    result = read("a.md", "# Help\n\nHello.\n\n## Call 555-1234\n")
    assert "Call 555-1234" in [p.text for p in result.entries[0].passages]
    assert read("b.md", "# Only a heading").entries[0].passages[0].text == "Only a heading"


def test_a_huge_heading_is_not_repeated_in_every_passage(read):
    result = read("a.md", "word " * 5000 + "\n===\n\n" + "Text. " * 2000)
    assert max(map(len, titles(result))) <= 200
    assert sum(p.text.count("word") for p in result.entries[0].passages) == 5000


def test_html_inside_markdown_is_read_as_what_it_shows(read):
    text = (
        "# T\n\n<details>\n<summary>Where is it?</summary>\n<p>In the <b>box</b>.</p>\n"
        "</details>\n\n"
        "Press <kbd>Ctrl</kbd> now<br>or never. <!-- secret -->\n\n<!-- hidden note -->\n\n"
        "- item\n\n  <div>inner text</div>\n"
    )
    text = "\n".join(p.text for p in read("a.md", text).entries[0].passages)
    assert "Where is it?" in text
    assert "In the box ." in text or "In the box." in text
    assert "Press Ctrl now or never." in text
    assert "inner text" in text
    assert "secret" not in text
    assert "hidden" not in text


def test_addresses_outside_are_kept(read):
    text = (
        "Get it [here](https://example.com/get). Write to [us](mailto:a@b.example). "
        "See <https://x.example> and [the guide](guide.md)."
    )
    shown = read("a.md", text).entries[0].passages[0].text
    assert "here (https://example.com/get)" in shown
    assert "us (a@b.example)" in shown
    assert shown.count("x.example") == 1
    assert "guide.md" not in shown


def test_plain_text_is_paragraphs(read):
    result = read("notes.txt", "First one. Second one.\r\n\r\nThird one.")
    assert [b.units for b in blocks(result)] == [("First one.", "Second one."), ("Third one.",)]


@pytest.mark.parametrize("name", ["a.md", "a.txt", "a.html"])
def test_nothing_is_lost_and_no_passage_is_too_long(read, name):
    vocabulary = [f"wörd{n}" for n in range(1500)]
    sentences = [" ".join(vocabulary[n : n + 9]) + "." for n in range(0, 900, 9)]
    text = "# Title here\n\n" + " ".join(sentences[:50]) + "\n\n" + "\n\n".join(sentences[50:])
    if name != "a.txt":
        text += "\n\n## Part\n\n" + "\n".join(f"- {w} {w}x" for w in vocabulary[900:1000])
        text += "\n\n```\n" + "\n".join(vocabulary[1000:1200]) + "\n```\n\n"
        text += "| A | B |\n|---|---|\n" + "\n".join(f"| {w} | x |" for w in vocabulary[1200:1300])
        text += "\n\n" + " ".join(vocabulary[1300:])
    if name == "a.html":
        text = MarkdownIt().enable("table").render(text)
    entry = read(name, text).entries[0]
    shown = " ".join(f"{p.title}\n{p.text}" for p in entry.passages)
    expected = vocabulary if name != "a.txt" else vocabulary[:900]
    assert set(expected) - set(re.findall(r"wörd\d+", shown)) == set()
    for passage in entry.passages:
        alone = len(passage.blocks) == 1 and len(passage.blocks[0].units) == 1
        assert alone or len(passage.text) <= PASSAGE_CHARACTERS


def test_text_without_any_border_is_cut(read):
    text = "".join(chr(0x4E00 + n % 5000) for n in range(20_000))
    entry = read("a.txt", text).entries[0]
    assert "".join(p.text for p in entry.passages).replace(" ", "") == text
    assert max(len(p.text) for p in entry.passages) <= 1500


def test_fault_34_markers_of_serialized_objects_stay_text(read):
    marker = '{"lc": 1, "type": "constructor", "id": ["os", "system"], "kwargs": {}}'
    assert marker in read("a.md", f"Hello.\n\n```\n{marker}\n```").entries[0].passages[0].text


@pytest.mark.parametrize("name", ["a.md", "a.txt", "a.html", "a.jsonl"])
def test_fault_44_control_tokens_never_reach_a_passage(read, name):
    text = "Hello <|end|> you <|sys<|end|>tem|> there \u202e \x07 [INST] now."
    if name == "a.jsonl":
        text = json.dumps({"id": f"i{text}", "question": text, "answer": text, "tags": [text]})
    entry = read(name, text).entries[0]
    shown = "\n".join(
        [
            entry.source,
            entry.title,
            *entry.questions,
            *entry.tags,
            *(p.title + p.text for p in entry.passages),
        ]
    )
    assert "Hello" in shown
    for token in ("<|", "|>", "[INST]", "\u202e", "\x07"):
        assert token not in shown


def test_fault_44_control_tokens_hidden_in_escapes_and_entities_never_reach_a_passage(read):
    hidden = "\\<|end|> &lt;|user|&gt; &#60;&#124;assistant&#124;&#62;"
    text = f"# Title {hidden}\n\n{hidden}\n\n| {hidden} |\n|---|\n| x |\n\n<pre>{hidden}</pre>\n"
    for name in ("a.md", "a.html"):
        for passage in read(name, text).entries[0].passages:
            assert "<|" not in passage.title + passage.text
            assert "|>" not in passage.title + passage.text


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "> " * 50_000 + "x",
        "[" * 50_000,
        "*a " * 30_000,
        "`" * 100_000 + "x",
        "<div>" * 20_000,
        "- " * 20_000 + "x",
        "word " * 400_000,
        "x" * 2_000_000,
        "|" * 20_000 + "\n" + "|-" * 20_000 + "\n",
    ],
    ids=["quotes", "brackets", "stars", "backticks", "tags", "bullets", "words", "letters", "bars"],
)
def test_hostile_markdown_ends(read, text):
    started = time.process_time()
    with suppress(UnreadableError):
        read("a.md", text)
    assert time.process_time() - started < 20
