"""The command `deskhand`: runs a command, turns what it raises into one line and an exit code."""
# ruff: noqa: PLC0415 - `--help` must not pay for what commands need

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer

    from deskhand.app.settings import Settings
    from deskhand.core import DeskhandError

INTERRUPTED = 130


def main() -> None:
    """Run the command line of this process, and leave it with the exit code."""
    try:
        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = INTERRUPTED
    if code == INTERRUPTED:
        # Threads that load models would be waited for; nothing they do outlives the process.
        import os

        sys.stdout.flush()
        os._exit(code)
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one command.

    Args:
        arguments: The words after `deskhand`.

    Returns:
        0 done, 1 the work failed, 2 the call was wrong, 130 stopped by Ctrl-C.
    """
    from deskhand.core import switch_off_telemetry

    switch_off_telemetry()
    import typer
    from typer.main import get_command

    from deskhand.app.cli.commands import build_app

    _quiet_libraries()
    as_json = "--json" in _options(arguments)
    try:
        code = get_command(build_app()).main(
            args=list(arguments), prog_name="deskhand", standalone_mode=False
        )
    except typer.TyperException as error:
        return _fail(_usage_error(error), as_json=as_json)
    except Exception as error:  # noqa: BLE001 - people see one line; bugs go to the log
        return _fail(_explain(error), as_json=as_json)
    return code if isinstance(code, int) else 0


def _fail(error: "DeskhandError", *, as_json: bool) -> int:
    from deskhand.app.cli._output import print_error

    print_error(error, as_json=as_json)
    return error.exit_code


def _usage_error(error: "typer.TyperException") -> "DeskhandError":
    from deskhand.core import UserError

    context = getattr(error, "ctx", None)
    path = context.command_path if context else "deskhand"
    return UserError(error.format_message().rstrip("\n"), f"See: {path} --help")


def _explain(error: Exception) -> "DeskhandError":
    from deskhand.app.failures import explain_failure, report_bug

    known = explain_failure(error)
    if known is not None:
        return known
    settings = _settings()
    if settings is not None and settings.debug:
        import traceback

        traceback.print_exception(error)
    return report_bug(error, settings.data_dir if settings else None)


def _settings() -> "Settings | None":
    from deskhand.app.cli._context import current_settings
    from deskhand.core import DeskhandError

    try:
        return current_settings()
    except DeskhandError:
        return None


def _options(arguments: Sequence[str]) -> Sequence[str]:
    """The words before `--`, which ends the options."""
    words = list(arguments)
    return words[: words.index("--")] if "--" in words else words


def _quiet_libraries() -> None:
    """Python's warnings are for developers; odd characters must not stop a line of output."""
    import io
    import warnings

    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
