"""A reply as plain text: the answer, its footnotes and its notes, safe to write to a terminal."""

import re

from deskhand.core.messages import Citation, Outcome, Reply

# Whole escape sequences, so that no letters of them stay behind: OSC and the other strings with
# their terminator, CSI with its final byte, and the short ones. A string without a terminator loses
# only its introducer, or a hostile document could hide the rest of an answer.
_ESCAPE_SEQUENCES = re.compile(
    "(?:\x1b[]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90\x98\x9c-\x9f]*(?:\x07|\x1b\\\\|\x9c)"
    "|(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]"
    "|\x1b[ -/]*[0-~]"
)
# What is left of C0 and C1 but tab and newline, and the marks that reorder or hide words. Right-to-
# left text needs none of these; its letters carry their own direction.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb]"
)

# Only the outcomes that the text of a reply may leave open.
_OUTCOME_WORDS = {
    Outcome.FAILED: "No answer: something went wrong on this side. Please try again.",
    Outcome.NEEDS_APPROVAL: "This waits for somebody's approval.",
    Outcome.HANDED_OFF: "This was handed over to a person.",
}


def strip_terminal_controls(text: str) -> str:
    """Remove everything that could make a terminal do more than show text.

    Args:
        text: From a document, a model, a tool or a person. Line endings become newlines; tabs stay.
    """
    text = _ESCAPE_SEQUENCES.sub("", text)
    return _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def one_line(text: str) -> str:
    """The text without control characters on a single line, its white space collapsed."""
    return " ".join(strip_terminal_controls(text).split())


def render_footnotes(reply: Reply) -> list[str]:
    """One line a citation, in the order of the markers: `[1] Title › Heading (source)`."""
    return [f"[{number}] {_place(citation)}" for number, citation in enumerate(reply.citations, 1)]


def render_notes(reply: Reply) -> list[str]:
    """One line each: what the outcome means where the text may not say it, then the notices."""
    words = _OUTCOME_WORDS.get(reply.outcome)
    notices = [one_line(notice) for notice in reply.notices]
    return [f"Note: {note}" for note in (words, *notices) if note]


def render_reply(reply: Reply) -> str:
    """The whole reply as plain text, without a newline at its end.

    Control characters are gone, nothing is wrapped or cut, and every part is told by words alone.
    """
    blocks = [
        strip_terminal_controls(reply.text).strip("\n"),
        "\n".join(render_footnotes(reply)),
        "\n".join(render_notes(reply)),
    ]
    return "\n\n".join(block for block in blocks if block)


def _place(citation: Citation) -> str:
    title, source = one_line(citation.title), one_line(citation.source)
    return f"{title} ({source})" if title and title != source else source
