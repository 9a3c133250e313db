"""The terminal channel with a scripted desk, as a process of its own for pipes and terminals."""

import argparse
import asyncio
import sys

if sys.platform != "win32":
    import fcntl
    import termios

from deskhand.core import Citation, DeskhandError, Outcome, Reply
from deskhand.core.testing import HOLD, ScriptedDesk
from deskhand.integrations.terminal import TerminalChannel

SCRIPT = {
    "plain": ["One ", "two."],
    "cited": [
        "You can [1]",
        ".",
        Reply(Outcome.ANSWERED, "You can [1].", "", (Citation("a.md", "A › B", "q", 0.9),)),
    ],
    "slow": ["Before", HOLD, "never"],
    "silent": [HOLD],
    "error": [DeskhandError("It broke.", "Mend it.")],
    "bug": [RuntimeError("inner detail")],
    "hostile": ["a\x1b]0;title\x07\x1b[31mb\x1b[2J\x9b5mc", "\x1b", "[9md"],
    "huge": ["0123456789" * 20_000],
}


def main() -> int:
    options = argparse.ArgumentParser()
    options.add_argument("--patience", type=float, default=3600.0)
    options.add_argument("--own-terminal", action="store_true")
    arguments = options.parse_args()
    if arguments.own_terminal:  # so that Ctrl-C typed into the pseudo-terminal reaches us
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    desk = ScriptedDesk(SCRIPT, sources=[("a.md", "A", 2)], notices=["Answers are quoted."])
    channel = TerminalChannel(patience_s=arguments.patience)
    code = asyncio.run(channel.run(desk))
    sys.stderr.write(f"canceled={len(desk.canceled)}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
