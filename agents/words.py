"""The desk's own words by language, and which small talk a message is."""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal

from deskhand.core.text import fold

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
_POLITE = frozenset(
    {"please", "pls", "prosim", "bitte", "just", "there", "now", "jetzt", "ted", "mal", "doch"}
)


def say(language: str, name: str, **values: object) -> str:
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


def small_talk(text: str) -> tuple[SmallTalk, str] | None:
    """Whether a message is nothing but small talk or a wish for a person, and in which language.

    Args:
        text: A cleaned message.
    """
    plain = _plain(text)
    if not plain or len(plain) > 80:
        return None
    return _phrases().get(plain) or _phrases().get(_without_polite(plain))


def strip_greeting(text: str) -> str:
    """A message without the greeting it begins with: "Hi, how do I …" becomes "how do I …"."""
    head, separator, rest = re.sub(r"\s+", " ", text).partition(",")
    for mark in ("!", ".", "\n"):
        if mark in head:
            head, separator, rest = text.partition(mark)
    found = small_talk(head) if separator and rest.strip() else None
    return rest.strip() if found and found[0] == "greeting" else text


def follow_up_words(language: str) -> frozenset[str]:
    """Words by which a question leans on what was said before, folded."""
    return _follow_up(language)


@lru_cache(maxsize=16)
def _follow_up(language: str) -> frozenset[str]:
    table = _tables().get(language, {})
    return frozenset(fold(word) for word in table.get("follow_up", ()))


def _plain(text: str) -> str:
    return " ".join(_PUNCTUATION.sub(" ", fold(text).replace("'", "").replace("’", "")).split())


def _without_polite(plain: str) -> str:
    return " ".join(word for word in plain.split() if word not in _POLITE)


@lru_cache(maxsize=1)
def _phrases() -> dict[str, tuple[SmallTalk, str]]:
    found: dict[str, tuple[SmallTalk, str]] = {}
    for language, table in _tables().items():
        for kind, key in _KINDS:
            for phrase in table.get(key, ()):
                found.setdefault(_plain(phrase), (kind, language))
    return found


@lru_cache(maxsize=1)
def _tables() -> dict[str, dict[str, Any]]:
    text = files("deskhand.agents").joinpath("data/words.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
