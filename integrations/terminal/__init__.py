"""The chat in a terminal or a pipe: plain lines, no redraw, readable by a screen reader."""

from deskhand.integrations.terminal.channel import TerminalChannel

__all__ = ["TerminalChannel"]
