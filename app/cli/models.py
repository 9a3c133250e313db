"""`deskhand models …`: the embedding models on this machine."""
# ruff: noqa: PLC0415 - `--help` must not pay for what commands need

from typing import Annotated

import typer

from deskhand.app.cli._context import AsJson, current_settings
from deskhand.app.cli._output import command, table


def list_(as_json: AsJson = False) -> None:
    """List the models: what they are for, what they cost, whether they are here."""
    with command(as_json) as out:
        from deskhand.app.doctor import model_facts
        from deskhand.models import list_models

        models = [model_facts(model) for model in list_models(current_settings().models_dir)]
        rows: list[tuple[str, ...]] = [
            (
                model["name"],
                "present" if model["present"] else "missing",
                f"{model['disk_mb']} MB",
                f"{model['memory_mb']} MB",
                model["license"],
                model["purpose"],
            )
            for model in models
        ]
        head = ("NAME", "STATE", "DISK", "MEMORY", "LICENSE", "PURPOSE")
        out.result({"models": models}, table(rows, head))


def pull(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A name that `deskhand models list` shows.")
    ],
    as_json: AsJson = False,
) -> None:
    """Fetch a model to this machine."""
    with command(as_json, writes=True) as out:
        from deskhand.app.owner import check_disk
        from deskhand.models import pull_model

        settings = current_settings()
        check_disk(settings.models_dir)
        with out.progress() as progress:
            path = pull_model(name, settings.models_dir, progress=progress)
        out.result({"name": name, "path": str(path)}, f"{name} is ready in {path}.")
