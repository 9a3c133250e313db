"""The desk's own words by language, and which small talk a message is."""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal

from deskhand.core.text import fold
from deskhand.memory.sentences import is_function_word

SmallTalk = Literal["greeting", "thanks", "goodbye", "about", "human", "vague"]

_KINDS: tuple[tuple[SmallTalk, str], ...] = (
    ("human", "human_words"),
    ("greeting", "greetings"),
    ("thanks", "thanks_words"),
    ("goodbye", "goodbyes"),
    ("about", "about_words"),
    ("vague", "vague_words"),
)
_PUNCTUATION = re.compile(r"[^\w\s]+")
_OPENING = re.compile(r"([^,.!?:;\n–—]{1,40})([,!\n–—]\s*|[.:;]\s+)(?:[,!.\s]*)(?=\S)")
_POLITE = frozenset(
    {"please", "pls", "prosim", "bitte", "just", "there", "now", "jetzt", "ted", "mal", "doch"}
)


def say(language: str, name: str, /, **values: object) -> str:
    """A sentence of the desk in a language, English where that language is not there.

    Args:
        language: ISO 639-1 code.
        name: Key in data/words.toml.
        values: What its placeholders become.
    """
    table = _tables().get(language, _tables()["en"])
    # Values may hold braces, so no second round of formatting ever happens.
    return str(table.get(name) or _tables()["en"][name]).format(**values)


def language_name(code: str, language: str) -> str:
    """What a language is called in another; its code where we do not know."""
    table = _tables().get(language, _tables()["en"])
    return str(table.get("languages", {}).get(code, code))


def spoken(language: str) -> str:
    """The language the desk's own words are in when it is asked for one."""
    return language if language in _tables() else "en"


def small_talk(text: str, previous: str = "") -> tuple[SmallTalk, str] | None:
    """Whether a message is nothing but small talk or a wish for a person, and in which language.

    Args:
        text: A cleaned message.
        previous: Language of the conversation so far, for words that several languages share.
    """
    plain = _plain(text)
    if not plain or len(plain) > 80:
        return None
    kinds = _phrases().get(plain) or _phrases().get(_without_polite(plain))
    if not kinds:
        return None
    language = previous if previous in kinds else next(iter(kinds))
    return kinds[language], language


def strip_greeting(text: str) -> str:
    """A message without the greetings it begins with: "Hi, how do I …" becomes "how do I …".

    A thank-you goes too where it is a sentence of its own. A message that is nothing else stays.
    """
    rest = text.strip()
    while True:
        shorter = _without_opening(rest) or _without_bare_greeting(rest)
        if not shorter:
            return rest
        rest = shorter


def _without_opening(text: str) -> str:
    """What follows a greeting and its comma, exclamation mark or period; "" without one."""
    match = _OPENING.match(text)
    found = small_talk(match.group(1)) if match else None
    if not match or not found:
        return ""
    ended = match.group(2)[0] in "!.\n"
    return text[match.end() :] if found[0] == "greeting" or (found[0] == "thanks" and ended) else ""


def _without_bare_greeting(text: str) -> str:
    """What follows a greeting without any mark: "hi how do I …", but not "Hi-Fi speakers are …"."""
    words = text.split(maxsplit=4)
    for count in (3, 2, 1):
        if len(words) <= count or any(_PUNCTUATION.search(word) for word in words[:count]):
            continue
        found = small_talk(" ".join(words[:count]))
        following = _plain(words[count])
        if found and found[0] == "greeting":
            known = any(is_function_word(following, code) for code in (found[1], *_tables()))
            return text.split(maxsplit=count)[count] if known else ""
    return ""


def follow_up_words(language: str) -> frozenset[str]:
    """Words by which a question leans on what was said before, folded."""
    return _word_set(language, "follow_up")


def pointing_words(language: str) -> frozenset[str]:
    """Words that point at something said before, wherever they stand in a question, folded."""
    return _word_set(language, "pointing")


@lru_cache(maxsize=16)
def number_words(language: str) -> dict[str, str]:
    """Number words of a language, folded, with their digits: "zwei" is "2"."""
    table = _tables().get(language, {}).get("numbers", {})
    return {fold(word): str(number) for word, number in table.items()}


@lru_cache(maxsize=16)
def _word_set(language: str, name: str) -> frozenset[str]:
    table = _tables().get(language, {})
    return frozenset(fold(word) for word in table.get(name, ()))


def _plain(text: str) -> str:
    return " ".join(_PUNCTUATION.sub(" ", fold(text).replace("'", "").replace("’", "")).split())


def _without_polite(plain: str) -> str:
    return " ".join(word for word in plain.split() if word not in _POLITE)


@lru_cache(maxsize=1)
def _phrases() -> dict[str, dict[str, SmallTalk]]:
    """What each phrase is, by language."""
    found: dict[str, dict[str, SmallTalk]] = {}
    for language, table in _tables().items():
        for kind, key in _KINDS:
            for phrase in table.get(key, ()):
                found.setdefault(_plain(phrase), {}).setdefault(language, kind)
    return found


@lru_cache(maxsize=1)
def _tables() -> dict[str, dict[str, Any]]:
    text = files("deskhand.agents").joinpath("data/words.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
