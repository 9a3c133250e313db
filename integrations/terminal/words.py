"""Everything the terminal channel says, in one place."""

from typing import Final

PROMPT: Final = "You: "
DESK: Final = "Desk: "

GREETING: Final = "Deskhand answers questions from your documents. /help shows the commands."
CONTINUED: Final = "This continues the conversation {conversation}. /history shows it."
WAITING: Final = "Looking…"
STOPPED: Final = "Stopped."
LEAVE_HINT: Final = "Press Ctrl-C again, or type /quit, to leave."
NEW_CONVERSATION: Final = "A new conversation begins."

HELP: Final = (
    "Type a question and press Enter. Commands:",
    "  /help           this list",
    "  /sources [WORD] the documents the desk knows, or those whose name or title has WORD",
    "  /history        this conversation so far",
    "  /new            begin a new conversation",
    "  /quit           leave; also Ctrl-D, or the word exit or quit alone",
    "Ctrl-C stops an answer. At the prompt, Ctrl-C twice leaves.",
    "The arrow keys edit the line and bring back earlier ones; no input history is saved to disk.",
    "A text that begins with / but is no command: put a space before it.",
)

NO_HISTORY: Final = "Nothing has been said in this conversation yet."
NO_SOURCES: Final = "The desk knows no documents yet. Add some: deskhand knowledge add PATH"
NO_MATCH: Final = "No document has “{word}” in its name or title."
MORE_SOURCES: Final = "… and {count} more. /sources WORD shows those with WORD."

UNKNOWN: Final = "There is no command {name}. /help shows them."
DID_YOU_MEAN: Final = "There is no command {name}. Did you mean {nearest}?"
NO_ARGUMENT: Final = "{name} takes nothing after it; nothing was done."

EMPTY_REPLY: Final = "(The reply has no text.)"
UNREADABLE: Final = "Error: This line is not UTF-8 text, so it was skipped. Send it as UTF-8."
ERROR: Final = "Error: {message}"
UNEXPECTED: Final = (
    "Error: Something went wrong here, and it is not your fault. You can go on asking. "
    "For whoever runs this desk: error {error_id}, details in the log."
)
ECHO_CUT: Final = "… ({count:,} characters)"


def passages(count: int) -> str:
    """How many passages, in words."""
    return "1 passage" if count == 1 else f"{count} passages"
