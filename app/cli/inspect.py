"""`deskhand doctor` and `deskhand graph`: looking at the desk itself."""
# ruff: noqa: PLC0415 - `--help` must not pay for what commands need

import os

import typer

from deskhand.app.cli._context import AsJson, current_settings, working_folder
from deskhand.app.cli._output import command


def doctor(as_json: AsJson = False) -> None:
    """Say what is configured, what is missing, and what to do next."""
    with command(as_json) as out:
        from deskhand.app.doctor import examine
        from deskhand.app.doctor_text import checkup_text
        from deskhand.app.settings import find_settings_file

        checkup = examine(current_settings(), find_settings_file(os.environ, working_folder()))
        out.result(checkup.as_json(), checkup_text(checkup))
    if checkup.problems:
        raise typer.Exit(1)


def graph(as_json: AsJson = False) -> None:
    """Print the support graph as Mermaid."""
    with command(as_json) as out:
        from deskhand.agents import draw_mermaid

        mermaid = draw_mermaid()
        out.result({"mermaid": mermaid}, mermaid)
