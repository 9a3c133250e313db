"""`deskhand knowledge …`: the documents that the desk answers from."""
# ruff: noqa: PLC0415 - `--help` must not pay for what commands need

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deskhand.app.cli._context import AsJson, DryRun, current_settings, owned_knowledge
from deskhand.app.cli._output import Output, command, table
from deskhand.core import UserError

if TYPE_CHECKING:
    from deskhand.memory import Hit, SourceInfo, SyncReport

_EMPTY = "There are no documents yet. Add some: deskhand knowledge add PATH"
_KINDS = "Deskhand reads Markdown, text, HTML, CSV and JSONL files."
_SHOWN = 20  # skipped files that are named one by one


def add(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Files and folders.")],
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Add documents, or bring them up to date."""
    with command(as_json, writes=True) as out:
        _check_paths(paths)
        settings = current_settings()
        with (
            owned_knowledge(settings, "deskhand knowledge add", out) as knowledge,
            out.progress() as progress,
        ):
            report = knowledge.add(
                [path.absolute() for path in paths], dry_run=dry_run, progress=progress
            )
        _refuse_nothing(report, paths)
        _show(report, out)


def sync(dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Read everything that was added before once more."""
    with command(as_json, writes=True) as out:
        with (
            owned_knowledge(current_settings(), "deskhand knowledge sync", out) as knowledge,
            out.progress() as progress,
        ):
            report = knowledge.sync(dry_run=dry_run, progress=progress)
        _show(report, out)


def remove(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="A source's name, or a path added before.")
    ],
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Forget a document, or a folder added before."""
    with command(as_json, writes=True) as out:
        with owned_knowledge(current_settings(), "deskhand knowledge remove", out) as knowledge:
            report = knowledge.remove(source, dry_run=dry_run)
        _show(report, out)


def rebuild(as_json: AsJson = False) -> None:
    """Build the indexes anew, as a new embedding model needs."""
    with command(as_json, writes=True) as out:
        with (
            owned_knowledge(current_settings(), "deskhand knowledge rebuild", out) as knowledge,
            out.progress() as progress,
        ):
            report = knowledge.rebuild(progress=progress)
        _show(report, out)


def list_(as_json: AsJson = False) -> None:
    """List the documents."""
    from deskhand.app.wiring import reading_knowledge

    with command(as_json) as out:
        with reading_knowledge(current_settings()) as knowledge:
            sources = [] if knowledge is None else knowledge.list()
        if not sources:
            out.note(_EMPTY)
        out.result(
            {
                "sources": [_source_facts(source) for source in sources],
                "passages": sum(source.passages for source in sources),
            },
            _source_lines(sources),
        )


def search(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="What to look for.")],
    limit: Annotated[int, typer.Option("--limit", min=1, max=100, help="Most passages.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Show the passages that fit a question, with scores."""
    from deskhand.app.wiring import reading_knowledge

    with command(as_json) as out:
        if not question.strip():
            raise UserError("The question is empty.")
        with reading_knowledge(current_settings()) as knowledge:
            hits = [] if knowledge is None else knowledge.search(question, limit=limit)
        if knowledge is None:
            out.note(_EMPTY)
        out.result({"hits": [_hit_facts(hit) for hit in hits]}, _hit_lines(hits))


def _check_paths(paths: Sequence[Path]) -> None:
    missing = [path for path in paths if not _exists(path)]
    if not missing:
        return
    named = ", ".join(str(path) for path in missing)
    first = missing[0]
    siblings = [entry.name for entry in first.parent.iterdir()] if first.parent.is_dir() else []
    close = difflib.get_close_matches(first.name, siblings, n=1)
    raise UserError(
        f"There is no such path: {named}. Nothing was added.",
        f"Did you mean {first.parent / close[0]}?" if close else "",
    )


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from None


def _refuse_nothing(report: "SyncReport", paths: Sequence[Path]) -> None:
    """Raise if not one document came out of the paths, whatever the reason."""
    if report.added or report.changed or report.removed or report.unchanged:
        return
    if report.skipped:
        reasons = "; ".join(f"{path}: {reason}" for path, reason in report.skipped[:_SHOWN])
        raise UserError(f"Nothing could be read. {reasons}", _KINDS)
    raise UserError(f"There are no documents in {', '.join(str(path) for path in paths)}.", _KINDS)


def _show(report: "SyncReport", out: Output) -> None:
    for note in report.notes:
        out.note(note)
    data: dict[str, Any] = {
        "added": report.added,
        "changed": report.changed,
        "removed": report.removed,
        "unchanged": report.unchanged,
        "skipped": [{"path": str(path), "reason": reason} for path, reason in report.skipped],
        "notes": report.notes,
        "passages": report.passages,
        "seconds": round(report.seconds, 3),
        "dry_run": report.dry_run,
    }
    out.result(data, _summary(report))


def _summary(report: "SyncReport") -> str:
    counts = ", ".join(
        f"{word} {len(names)}"
        for word, names in (
            ("added", report.added),
            ("changed", report.changed),
            ("removed", report.removed),
            ("unchanged", report.unchanged),
        )
    )
    start = f"Dry run, nothing was changed: {counts}" if report.dry_run else counts.capitalize()
    lines = [f"{start}; {report.passages} passages in all, {report.seconds:.1f} s."]
    lines += [f"Skipped {path}: {reason}" for path, reason in report.skipped[:_SHOWN]]
    if len(report.skipped) > _SHOWN:
        lines.append(f"Skipped {len(report.skipped) - _SHOWN} more; --json names them all.")
    return "\n".join(lines)


def _source_facts(source: "SourceInfo") -> dict[str, Any]:
    names = ("source", "title", "kind", "language", "passages")
    return {name: getattr(source, name) for name in names} | {"path": str(source.path)}


def _source_lines(sources: Sequence["SourceInfo"]) -> str:
    if not sources:
        return "0 documents."
    rows: list[tuple[str, ...]] = [
        (source.source, source.language or "?", str(source.passages), source.title)
        for source in sources
    ]
    total = sum(source.passages for source in sources)
    head = ("SOURCE", "LANGUAGE", "PASSAGES", "TITLE")
    return f"{table(rows, head)}\n{len(sources)} documents, {total} passages."


def _hit_facts(hit: "Hit") -> dict[str, Any]:
    return {
        "source": hit.source,
        "title": hit.title,
        "language": hit.language,
        "text": hit.text,
        "score": round(hit.score, 4),
        "parts": {name: round(value, 4) for name, value in hit.parts.items()},
    }


def _hit_lines(hits: Sequence["Hit"]) -> str:
    lines: list[str] = []
    for number, hit in enumerate(hits, 1):
        parts = ", ".join(f"{name} {value:.3f}" for name, value in hit.parts.items())
        text = " ".join(hit.text.split())
        lines.append(f"{number}. {hit.score:.3f}  {hit.source}  {hit.title}")
        lines.append(f"   {parts}")
        lines.append(f"   {text[:200]}{'…' if len(text) > 200 else ''}")
    return "\n".join(lines) or "Nothing found."
