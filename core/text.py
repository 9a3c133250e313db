"""Cleaning of text that people, documents and tools bring in."""

import re
import unicodedata
from dataclasses import dataclass

# Markers that chat templates give a meaning to: <|end|>, <|system|>, <s>, [INST], <<SYS>>, <think>,
# <start_of_turn>, and their full-width look-alikes. They are removed, never interpreted.
_CONTROL_TOKENS = re.compile(
    r"<\s*[|｜][^<>|｜]{1,40}[|｜]\s*>"
    r"|</?s>|\[/?INST\]|<</?SYS>>|</?(?:start|end)_of_(?:turn|image)>|</?think>"
    r"|<\s*[|｜](?:im_start|im_end|endoftext)\b",
    re.IGNORECASE,
)
# Everything in C0 and C1 but tab and newline, and the bidirectional overrides that can hide words.
_CONTROL_CHARACTERS = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb]"
)
_MANY_NEWLINES = re.compile(r"\n{4,}")


@dataclass(frozen=True, slots=True)
class CleanText:
    """Cleaned text and how many characters of the original were cut off its end."""

    text: str
    cut: int = 0


def clean_text(text: str, *, limit: int | None = None) -> CleanText:
    """Remove control tokens and control characters, compose accents, cut at a limit.

    Args:
        text: Anything a person, a document or a tool wrote. Lone surrogates are replaced.
        limit: Most characters to keep; `None` keeps all.
    """
    cut = 0
    if limit is not None and len(text) > limit:
        cut = len(text) - limit
        text = text[:limit]
    text = text.encode("utf-8", "replace").decode("utf-8")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = unicodedata.normalize("NFC", text)
    text = _CONTROL_CHARACTERS.sub("", text)
    # Removing an inner marker can complete an outer one; what is left after a second pass was built
    # to do that, and is broken up instead.
    for _ in range(2):
        text = _CONTROL_TOKENS.sub(" ", text)
    text = text.replace("<|", "< |").replace("|>", "| >")
    return CleanText(_MANY_NEWLINES.sub("\n\n\n", text).strip(), cut)


def fold(text: str) -> str:
    """Lower case without diacritics, for matching: "Účet" and "ucet" become the same."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c))
