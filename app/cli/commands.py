"""Every command of `deskhand`, in the order of its help."""

from typing import Annotated, Any

import typer

from deskhand.app.cli import inspect, knowledge, models, talk

# Plain help and our own error lines: readable in a pipe and aloud, and rich is not imported.
_PLAIN: dict[str, Any] = {
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "add_completion": False,
}


def build_app() -> typer.Typer:
    """All commands. Cheap: a command imports what it needs when it runs."""
    app = typer.Typer(
        help="A private support desk that answers from your own documents, with citations.",
        **_PLAIN,
    )
    app.callback(invoke_without_command=True)(_root)
    app.command("chat")(talk.chat)
    app.command("ask")(talk.ask)
    documents = _group("Add, search and remove the documents to answer from.")
    documents.command("add")(knowledge.add)
    documents.command("list")(knowledge.list_)
    documents.command("search")(knowledge.search)
    documents.command("sync")(knowledge.sync)
    documents.command("remove")(knowledge.remove)
    documents.command("rebuild")(knowledge.rebuild)
    app.add_typer(documents, name="knowledge")
    catalog = _group("List and fetch models.")
    catalog.command("list")(models.list_)
    catalog.command("pull")(models.pull)
    app.add_typer(catalog, name="models")
    app.command("doctor")(inspect.doctor)
    app.command("graph")(inspect.graph)
    return app


def _group(about: str) -> typer.Typer:
    group = typer.Typer(help=about, **_PLAIN)
    group.callback(invoke_without_command=True)(_show_help)
    return group


def _show_help(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _root(
    context: typer.Context,
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)
    ] = False,
) -> None:
    if show_version:
        from importlib.metadata import version  # noqa: PLC0415 - slow, and rarely asked for

        typer.echo(f"deskhand {version('deskhand')}")
        raise typer.Exit
    _show_help(context)
