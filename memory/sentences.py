"""Sentences and words of a text, in the languages the desk meets."""
# ruff: noqa: PLC0415 - each is only loaded where text is taken apart

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from deskhand.core.text import fold

_SNOWBALL = {
    "ar": "arabic", "ca": "catalan", "cs": "czech", "da": "danish", "de": "german", "el": "greek",
    "en": "english", "es": "spanish", "et": "estonian", "eu": "basque", "fi": "finnish",
    "fr": "french", "ga": "irish", "hi": "hindi", "hu": "hungarian", "hy": "armenian",
    "id": "indonesian", "it": "italian", "lt": "lithuanian", "ne": "nepali", "nl": "dutch",
    "no": "norwegian", "pl": "polish", "pt": "portuguese", "ro": "romanian", "ru": "russian",
    "sr": "serbian", "sv": "swedish", "ta": "tamil", "tr": "turkish", "yi": "yiddish",
}  # fmt: skip
_WORD = re.compile(r"[^\W_]+(?:['’.\-][^\W_]+)*", re.UNICODE)
# Scripts that are written without spaces: each character is a word, neighbors are indexed in pairs.
_UNSEGMENTED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")


def split_sentences(text: str, language: str = "en") -> list[str]:
    """Sentences of one paragraph, whitespace around them removed, nothing lost."""
    import sentencex

    pieces = [piece.strip() for piece in sentencex.segment(language or "en", text)]
    return [piece for piece in pieces if piece]


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a question.

    Args:
        start: Its first character.
        end: One past its last.
        folded: Lower case, no diacritics.
        stem: Its stem, folded.
    """

    start: int
    end: int
    folded: str
    stem: str


def question_words(text: str, language: str = "en") -> list[Word]:
    """Words with their places; in unsegmented scripts each pair of characters is one."""
    found: list[Word] = []
    stemmer = _stemmer(language)
    for match in _WORD.finditer(text):
        word, start = match.group(), match.start()
        if _UNSEGMENTED.search(word):
            for i in range(max(1, len(word) - 1)):
                pair = word[i : i + 2]
                found.append(Word(start + i, start + i + len(pair), pair, pair))
        else:
            stem = fold(_stem(stemmer, word.lower())) if stemmer else fold(word)
            found.append(Word(start, match.end(), fold(word), stem))
    return found


def is_function_word(folded: str, language: str) -> bool:
    """Whether a word carries grammar rather than meaning ("the", "bitte")."""
    return folded in _function_words(language)


@lru_cache(maxsize=16)
def _function_words(language: str) -> frozenset[str]:
    import stopwordsiso

    if not stopwordsiso.has_lang(language):
        return frozenset()
    return frozenset(fold(word) for word in stopwordsiso.stopwords(language))


def words(text: str) -> list[str]:
    """Words of a text in order, folded; unsegmented scripts give character pairs."""
    found: list[str] = []
    for match in _WORD.finditer(text):
        word = match.group()
        if _UNSEGMENTED.search(word):
            found += [word[i : i + 2] for i in range(max(1, len(word) - 1))]
        else:
            found.append(fold(word))
    return found


def stems(text: str, language: str = "en") -> list[str]:
    """Stems of the words of a text, folded, in order (Snowball; Porter's method and its kin)."""
    stemmer = _stemmer(language)
    if stemmer is None:
        return words(text)
    found: list[str] = []
    for match in _WORD.finditer(text):
        word = match.group()
        if _UNSEGMENTED.search(word):
            found += words(word)
        else:
            # Stem before folding: the rules of Czech or German need the accents.
            found.append(fold(_stem(stemmer, word.lower())))
    return found


@lru_cache(maxsize=16)
def _stemmer(language: str) -> Any:
    name = _SNOWBALL.get(language)
    if name is None:
        return None
    import snowballstemmer

    return snowballstemmer.stemmer(name)


@lru_cache(maxsize=65536)
def _stem(stemmer: Any, word: str) -> str:
    return str(stemmer.stemWord(word))
