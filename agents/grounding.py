"""Whether a sentence says only what its passages say.

Numbers must stand in the passages to the digit, names must stand there too, a negation may not
appear or disappear, and every other word must come near to something there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from deskhand.core.text import fold
from deskhand.memory import Hit, Retrieval

MARKER = re.compile(r"\s*\[(\d{1,2})\]")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_NAME = re.compile(r"(?<![.!?:]\s)(?<!^)\b[A-ZÀ-ÖØ-Þ][\w'’-]+")
_NEGATIONS = {
    "en": r"\b(?:not|no|never|none|cannot|without|nor)\b|n['’]t\b",
    "cs": r"\b(?:ne\w+|ani|bez|nikdy|žádn\w+)\b",
    "de": r"\b(?:nicht|kein\w*|nie|niemals|ohne)\b",
}
_SUPPORT = 0.62


def supported(sentence: str, passages: Sequence[Hit], language: str, retrieval: Retrieval) -> bool:
    """Whether the passages say what a sentence says.

    Args:
        sentence: Without citation markers.
        passages: Those it cites.
        language: ISO 639-1 code of the sentence.
        retrieval: Compares words by their meaning.
    """
    if not passages:
        return False
    text = "\n".join(f"{hit.title}\n{hit.text}" for hit in passages)
    if not set(_NUMBER.findall(sentence)) <= set(_NUMBER.findall(text)):
        return False
    folded = fold(text)
    same_language = all(hit.language == language for hit in passages)
    if same_language and not all(fold(name) in folded for name in _NAME.findall(sentence)):
        return False
    support, unit = retrieval.support(sentence, language, passages)
    if support < _SUPPORT:
        return False
    negation = re.compile(_NEGATIONS.get(language, _NEGATIONS["en"]), re.IGNORECASE)
    return not same_language or bool(negation.search(sentence)) == bool(negation.search(unit))
