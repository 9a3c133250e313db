"""The doctor's findings as text for people."""

from collections.abc import Iterator
from typing import Any

from deskhand.app.doctor import Checkup


def checkup_text(checkup: Checkup) -> str:
    """A few lines a topic, then what to do next."""
    facts = checkup.facts
    lines = [
        *_pairs("Versions", facts["versions"]),
        *_pairs("Settings", facts["settings"]),
        *_pairs("Data folder", facts["data_folder"]),
        *_pairs("Language model", facts["language_model"]),
        *_models(facts["models"]),
        *_pairs("Knowledge", facts["knowledge"]),
        *_pairs("Channels", facts["channels"]),
        *_pairs("Telemetry", facts["telemetry"]),
    ]
    for title, advices in (("Broken", checkup.problems), ("Better", checkup.hints)):
        for advice in advices:
            lines.append(f"{title}: {advice.what}")
            if advice.next:
                lines.append(f"  Next: {advice.next}")
    lines.append("Something required is broken." if checkup.problems else "Everything works.")
    return "\n".join(lines)


def _pairs(title: str, facts: dict[str, Any], indent: str = "") -> Iterator[str]:
    yield f"{indent}{title}:"
    for name, value in facts.items():
        label = name.replace("_", " ")
        if isinstance(value, dict) and value:
            yield from _pairs(label, value, f"{indent}  ")
        else:
            yield f"{indent}  {label}: {_words(value)}"


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) or "none"
    return "none" if value is None or value in ({}, "") else str(value)


def _models(models: Any) -> Iterator[str]:
    if isinstance(models, dict):
        yield from _pairs("Models", models)
        return
    yield "Models:"
    for model in models:
        state = "present" if model["present"] else "missing"
        yield (
            f"  {model['name']}: {state}; {model['purpose']}; {_words(model['languages'])};"
            f" {model['disk_mb']} MB on disk, {model['memory_mb']} MB of memory"
        )
