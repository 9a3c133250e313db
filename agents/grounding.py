"""Whether a sentence says only what its passages say.

Each part of a sentence is compared with the unit of the passages that it comes nearest to. It must
come near enough, word by word; one of its numbers must stand in that very unit, and all of them in
the passages, to the digit; a negation may not appear or disappear; two rows of a table may not be
mixed; and names must stand in the passages. This is a filter, not a proof: it is strict where a
small model errs most, and rather drops an honest sentence than pass a wrong one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from deskhand.agents.words import number_words
from deskhand.core.text import fold
from deskhand.memory import Hit, Retrieval
from deskhand.memory.sentences import is_function_word

_THOUSANDS = re.compile(r"(?<=\d)[.,\u00a0\u202f ](?=\d{3}(?!\d))")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_WORD = re.compile(r"[^\W\d_]+")
_NAME = re.compile(r"(?<![.!?:]\s)(?<!^)\b[A-ZÀ-ÖØ-Þ][\w'’-]+")
# Czech negates with a prefix. Not every word in ne- is negated: nebo, než, superlatives in nej-.
_NEGATIONS = {
    "en": r"\b(?:not|no|never|none|nothing|nobody|neither|cannot|without|nor|unable)\b|n['’]t\b",
    "cs": r"\b(?:ani|bez|beze|nikdy|nikdo|nic|žádn\w+|nej(?:de|dou|sou|sem|sme|ste|si|edn\w+)"
    r"|ne(?!j|bo\b|boť|ž\b|žli|ch[ať]|děl|mocn|movit|dáv|ustál|rez|hod|bezp|pál)\w*)\b",
    "de": r"\b(?:nicht|nichts|kein\w*|nie|niemals|niemand|ohne|weder)\b",
}
_BORDERS = {
    "en": r"[,;:]\s+|\s[–—]\s|\s(?:and|but|or|while)\s",
    "cs": r"[,;:]\s+|\s[–—]\s|\s(?:a|ale|nebo|však)\s",
    "de": r"[,;:]\s+|\s[–—]\s|\s(?:und|aber|oder|sondern)\s",
}
_PART_WORDS = 3
_SUPPORT = 0.62
_PART_SUPPORT = 0.5


def evidence(
    sentence: str, passages: Sequence[Hit], language: str, retrieval: Retrieval
) -> dict[int, str]:
    """The passages that support a sentence, each with its unit that does; empty where it is not.

    Args:
        sentence: Without citation markers.
        passages: Those it cites.
        language: ISO 639-1 code of the sentence.
        retrieval: Compares words by their meaning.
    """
    if not passages or not _names_stand(sentence, passages, language):
        return {}
    if not numbers(sentence, language) <= _numbers_of(passages):
        return {}
    support, nearest = retrieval.support(sentence, language, passages)
    if support < _SUPPORT:
        return {}
    parts = split_parts(sentence, language)
    for part in parts:
        part_support, unit = (
            (support, nearest) if len(parts) == 1 else retrieval.support(part, language, passages)
        )
        if part_support < _PART_SUPPORT or not _agrees(part, unit, passages, language):
            return {}
    if len(passages) == 1:
        return {passages[0].passage.id: nearest}
    alone = {hit.passage.id: retrieval.support(sentence, language, [hit]) for hit in passages}
    # Of several that are cited, those that say nothing of it are not needed.
    return {passage: unit for passage, (value, unit) in alone.items() if value >= _SUPPORT and unit}


def numbers(text: str, language: str) -> frozenset[str]:
    """The numbers of a text, written one way: "1,000", "1 000" and "thousand" are "1000"."""
    plain = _THOUSANDS.sub("", text)
    digits = {found.replace(",", ".") for found in _NUMBER.findall(plain)}
    words = number_words(language)
    return frozenset(digits | {words[w] for w in _WORD.findall(fold(text)) if w in words})


def split_parts(sentence: str, language: str) -> list[str]:
    """Parts of a sentence that each say something; too short ones stay with what is before them."""
    parts: list[str] = []
    for part in re.split(_BORDERS.get(language, _BORDERS["en"]), sentence, flags=re.IGNORECASE):
        if parts and (len(part.split()) < _PART_WORDS or len(parts[-1].split()) < _PART_WORDS):
            parts[-1] += f" {part}"
        else:
            parts.append(part)
    return parts


def _agrees(part: str, unit: str, passages: Sequence[Hit], language: str) -> bool:
    """Whether a part of a sentence and its nearest unit have the same number, sense and row."""
    said = numbers(part, language)
    titles = "\n".join(hit.title for hit in passages)
    languages = {hit.language for hit in passages}
    there = {n for code in languages for n in numbers(f"{titles}\n{unit}", code)}
    if said and not said & there:
        return False
    if languages == {language} and _negates(part, language) != _negates(unit, language):
        return False
    return not _mixes_rows(part, unit, passages, language)


def _mixes_rows(part: str, unit: str, passages: Sequence[Hit], language: str) -> bool:
    """Whether a part of a sentence about one row of a table uses words of other rows only."""
    for hit in passages:
        for block in hit.passage.blocks:
            if block.kind == "rows" and unit in block.units:
                own = set(_WORD.findall(fold(f"{unit} {hit.title}")))
                others = set(_WORD.findall(fold(" ".join(block.units)))) - own
                # A function word may be a name in a table: the "Plus" plan.
                return any(
                    fold(word) in others
                    and (word[0].isupper() or not is_function_word(fold(word), language))
                    for word in _WORD.findall(part)
                )
    return False


def _numbers_of(passages: Sequence[Hit]) -> set[str]:
    return {n for hit in passages for n in numbers(f"{hit.title}\n{hit.text}", hit.language)}


def _names_stand(sentence: str, passages: Sequence[Hit], language: str) -> bool:
    """Capitalized words stand in the passages, endings aside; across languages nobody can tell."""
    if any(hit.language != language for hit in passages):
        return True
    known = fold("\n".join(f"{hit.title}\n{hit.text}" for hit in passages))
    return all(_stem(fold(name)) in known for name in _NAME.findall(sentence))


def _stem(name: str) -> str:
    return name[: max(5, len(name) - 2)]


def _negates(text: str, language: str) -> bool:
    pattern = _NEGATIONS.get(language, _NEGATIONS["en"])
    return re.search(pattern, text, re.IGNORECASE) is not None
