"""What a message is: its language, small talk, and the question it asks on its own."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from deskhand.agents.state import Said, Turn
from deskhand.agents.words import follow_up_words, pointing_words, small_talk, strip_greeting
from deskhand.core.text import clean_text, fold
from deskhand.memory import detect_language

MAX_QUESTION = 4000
_SHORT_QUESTION = 3
_POINTING_QUESTION = 14
_CONTEXT = 400


def understand(
    message_id: str, text: str, said: Sequence[Said], languages: Collection[str]
) -> Turn:
    """Make a message ready to be searched for.

    Args:
        message_id: The turn's id.
        text: As received.
        said: The conversation so far.
        languages: Languages of the knowledge, which decide unclear cases.
    """
    cleaned = clean_text(text, limit=MAX_QUESTION)
    question = strip_greeting(cleaned.text)
    previous = next((s for s in reversed(said) if s["role"] == "person"), None)
    before = previous["language"] if previous else ""
    chatter = small_talk(cleaned.text, before)
    if chatter:
        kind: str = chatter[0]
        language = chatter[1]
    else:
        # Signs and emoji alone ask nothing.
        kind = "" if any(c.isalnum() for c in question) else "vague"
        expected = {"en", *languages}
        language = detect_language(question, expected=expected, previous=before) or "en"
    context = f"{previous['context'][-_CONTEXT:]} {question}" if previous else question
    return Turn(
        id=message_id,
        text=cleaned.text,
        question=question,
        context=context,
        earlier=len(context) - len(question),
        leans=previous is not None and leans_on_history(question, language),
        language=language,
        small_talk=kind,
        cut=cleaned.cut,
    )


def leans_on_history(question: str, language: str) -> bool:
    """Whether a question can only be understood with what was said before.

    "And for the bigger one?" does: it begins with a connecting word, is very short, or points at
    something ("How many of those do I get?").
    """
    words = fold(question).replace("?", " ").replace(",", " ").split()
    if not words:
        return False
    if words[0] in follow_up_words(language) or len(words) <= _SHORT_QUESTION:
        return True
    return len(words) <= _POINTING_QUESTION and not pointing_words(language).isdisjoint(words)
