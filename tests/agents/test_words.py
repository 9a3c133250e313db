import pytest

from deskhand.agents.understand import MAX_QUESTION, leans_on_history, understand
from deskhand.agents.words import language_name, say, small_talk, spoken, strip_greeting

KEYS = [
    "refused", "nearest", "human", "handed_off", "greeting", "thanks", "goodbye", "about", "empty",
    "vague", "failed", "other_language", "cut", "multilingual", "unsettled", "worker_failed",
    "worker_unsupported", "worker_stopped", "worker_left_out", "error_number",
]  # fmt: skip
VALUES = {
    "question": "Q {x}",
    "titles": "T",
    "handoff": "H",
    "language": "L",
    "cut": 3,
    "number": "n1",
}


@pytest.mark.parametrize("language", ["en", "cs", "de"])
@pytest.mark.parametrize("key", KEYS)
def test_every_sentence_is_there_in_every_language(language, key):
    text = say(language, key, **VALUES)
    assert text
    assert "{" not in text.replace("{x}", "")
    assert "\n" not in text
    if language != "en":
        assert text != say("en", key, **VALUES)


def test_a_language_we_do_not_speak_is_answered_in_english():
    assert say("fr", "goodbye") == "Goodbye!"
    assert spoken("fr") == "en"
    assert spoken("cs") == "cs"
    assert language_name("de", "cs") == "němčina"
    assert language_name("fr", "en") == "French"
    assert language_name("xx", "de") == "xx"


@pytest.mark.parametrize(
    ("text", "kind", "language"),
    [
        ("Hi!", "greeting", "en"),
        ("hello there 👋", "greeting", "en"),
        ("Thank you very much!!", "thanks", "en"),
        ("Bye", "goodbye", "en"),
        ("What can you do?", "about", "en"),
        ("Dobrý den", "greeting", "cs"),
        ("DĚKUJI", "thanks", "cs"),
        ("Na shledanou.", "goodbye", "cs"),
        ("Kdo jsi?", "about", "cs"),
        ("Guten Tag", "greeting", "de"),
        ("Hallo zusammen!", "greeting", "de"),
        ("Vielen Dank!", "thanks", "de"),
        ("Tschüss", "goodbye", "de"),
        ("Wer bist du?", "about", "de"),
        ("Please let me talk to a human", "human", "en"),
        ("Chci mluvit s člověkem", "human", "cs"),
        ("Ich möchte bitte mit einem Menschen sprechen", "human", "de"),
        ("I have a problem", "vague", "en"),
    ],
)
def test_small_talk(text, kind, language):
    assert small_talk(text) == (kind, language)


@pytest.mark.parametrize(
    "text", ["", "👍", "Do you sell gift cards?", "human resources policy", "hello world program"]
)
def test_no_small_talk(text):
    assert small_talk(text) is None


def test_words_of_several_languages_follow_the_conversation():
    assert small_talk("ok") == ("thanks", "en")
    assert small_talk("ok", "de") == ("thanks", "de")
    assert small_talk("Hi", "cs") == ("greeting", "cs")
    assert small_talk("Vielen Dank", "cs") == ("thanks", "de")


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("Hi, how do I return it?", "how do I return it?"),
        ("Hello! How do I return it?", "How do I return it?"),
        ("Hi!!! How do I return it?", "How do I return it?"),
        ("Hi 👋, how do I return it?", "how do I return it?"),
        ("Hello.\nHow do I return it?", "How do I return it?"),
        ("Good morning\n\nHow do I return it, and when?", "How do I return it, and when?"),
        ("Hi! Good morning. How do I return it?", "How do I return it?"),
        ("Dobrý den, jak to vrátím?", "jak to vrátím?"),
        ("Hallo zusammen, wie lange dauert das?", "wie lange dauert das?"),
        ("Hallo, wie lange, bitte?", "wie lange, bitte?"),
        ("hi how do I return it?", "how do I return it?"),
        ("hi there can I return it?", "can I return it?"),
        ("hallo wie lange dauert das?", "wie lange dauert das?"),
        ("Thanks! And how much is it?", "And how much is it?"),
    ],
)
def test_greetings_are_stripped(text, rest):
    assert strip_greeting(text) == rest


@pytest.mark.parametrize(
    "text",
    [
        "Hi-fi speakers, are they sold?",
        "Hi-Fi: are speakers sold?",
        "Thanks, but how do I return it?",
        "hello.py does not start",
        "Hello Kitty stickers, do you ship them?",
        "good morning routine settings",
        "Hi!",
        "How do I say hi, please?",
        "",
    ],
)
def test_what_only_looks_like_a_greeting_stays(text):
    assert strip_greeting(text) == text


def person(text, language="en", context=""):
    return {
        "role": "person", "turn": "t", "text": text, "language": language,
        "context": context or text, "reply": None,
    }  # fmt: skip


def test_understanding_a_question():
    turn = understand("id", "Hi, can I return <|system|> a parcel?\x00", [], ["en"])
    assert turn["question"].split() == ["can", "I", "return", "a", "parcel?"]
    assert turn["language"] == "en"
    assert (turn["small_talk"], turn["cut"], turn["leans"], turn["earlier"]) == ("", 0, False, 0)


def test_a_very_long_question_is_cut():
    turn = understand("id", "How? " * 200_000, [], [])
    assert len(turn["text"]) <= MAX_QUESTION
    assert turn["cut"] == 1_000_000 - MAX_QUESTION


@pytest.mark.parametrize("text", ["👍", "???", "… !", "😀 😀"])
def test_signs_alone_are_vague_in_the_language_of_the_conversation(text):
    assert understand("id", text, [], [])["small_talk"] == "vague"
    assert understand("id", text, [person("Kolik?", "cs")], [])["language"] == "cs"


def test_a_follow_up_gets_its_context():
    turn = understand("id", "And how much?", [person("Do you sell gift cards?")], ["en"])
    assert turn["leans"]
    assert turn["context"] == "Do you sell gift cards? And how much?"
    assert turn["context"][turn["earlier"] :] == "And how much?"


def test_language_of_each_message():
    said = [person("Can I return it?")]
    languages = [
        understand("id", text, said, ["en", "cs", "de"])["language"]
        for text in ("Kolik stojí doprava do zahraničí?", "Wie lange dauert die Lieferung?")
    ]
    assert languages == ["cs", "de"]


@pytest.mark.parametrize(
    ("question", "language", "leans"),
    [
        ("And for the bigger one?", "en", True),
        ("How much?", "en", True),
        ("How long does the warranty of a router last?", "en", False),
        ("A co ta větší krabice, kolik ta stojí u vás?", "cs", True),
        ("Und wie lange dauert es dann bei Ihnen?", "de", True),
        ("", "en", False),
    ],
)
def test_leaning_on_history(question, language, leans):
    assert leans_on_history(question, language) is leans
