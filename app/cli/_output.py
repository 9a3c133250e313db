"""What goes where: one result on standard output; progress, notes and errors on standard error."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO

from deskhand.core import DeskhandError

Progress = Callable[[str, int, int], None]  # what, done, total


class Output:
    """Where a command puts its result and its notes.

    Args:
        as_json: Print the result as one JSON object instead of text.
        stdout: Where the result goes.
    """

    def __init__(self, as_json: bool, stdout: TextIO) -> None:
        self.as_json = as_json
        self._stdout = stdout

    def result(self, data: Mapping[str, Any], text: str) -> None:
        """Print the result, once.

        Args:
            data: The JSON object.
            text: The same for people. Terminal controls are removed: document names are untrusted.
        """
        _write(_json(data, self._stdout) if self.as_json else _safe(text), self._stdout)

    def note(self, line: str) -> None:
        """Tell the person something beside the result."""
        _write(_safe(line), sys.stderr)

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """A callable that shows progress: a bar on a terminal, else a line every 10 %."""
        if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            with _bars() as show:
                yield show
        else:
            yield _lines(self.note)


@contextmanager
def command(as_json: bool, *, writes: bool = False) -> Iterator[Output]:
    """Run a command's work with its output; what libraries print cannot reach standard output.

    Args:
        as_json: The command's `--json`.
        writes: Whether it changes stored data, for what to say after Ctrl-C.
    """
    from deskhand.app.failures import StoppedError  # noqa: PLC0415

    stdout = sys.stdout
    try:
        with redirect_stdout(sys.stderr):
            yield Output(as_json, stdout)
    except KeyboardInterrupt:
        raise StoppedError("Stopped. Nothing half done." if writes else "Stopped.") from None


def print_error(error: DeskhandError, *, as_json: bool) -> None:
    """Print an error: a JSON object on standard output, or lines on standard error."""
    if as_json:
        _write(_json({"error": error.message, "hint": error.hint}, sys.stdout), sys.stdout)
        return
    prefix = "" if error.exit_code == 130 else "Error: "
    _write(_safe(f"{prefix}{error.message}"), sys.stderr)
    if error.hint:
        _write(_safe(error.hint), sys.stderr)


def table(rows: list[tuple[str, ...]], header: tuple[str, ...]) -> str:
    """Aligned columns without rules, readable aloud and in a pipe."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _json(data: Mapping[str, Any], stream: TextIO) -> str:
    unicode = (getattr(stream, "encoding", None) or "utf-8").lower().startswith("utf")
    return json.dumps(data, ensure_ascii=not unicode, indent=2, default=str)


def _safe(text: str) -> str:
    from deskhand.core.render import strip_terminal_controls  # noqa: PLC0415

    return strip_terminal_controls(text)


def _write(text: str, stream: TextIO) -> None:
    """Write a block of text. A reader that left early, as `head` does, is no error."""
    try:
        stream.write(text + "\n")
        stream.flush()
    except BrokenPipeError:
        # Python flushes the stream once more at exit; that must not fail either.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn  # noqa: PLC0415
    from rich.progress import Progress as Bars  # noqa: PLC0415

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    tasks: dict[str, Any] = {}
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(_safe(what), total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield show


def _lines(note: Callable[[str], None]) -> Progress:
    shown: dict[str, int] = {}

    def show(what: str, done: int, total: int) -> None:
        tenth = 10 * done // total if total else 10
        if tenth > shown.get(what, -1):
            shown[what] = tenth
            note(f"{what}: {done} of {total} ({100 * done // total if total else 100} %)")

    return show
