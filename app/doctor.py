"""What is configured, what is missing, what it would cost, and the exact next command."""
# ruff: noqa: PLC0415 - each part is looked at on its own, so that a broken one does not hide others

import os
import platform
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from deskhand.app.channels import load_channels
from deskhand.app.failures import explain_failure
from deskhand.app.owner import NEEDED_BYTES, DataFolder, free_bytes
from deskhand.app.settings import Settings
from deskhand.app.wiring import PULL_MULTILINGUAL, build_worker, reading_knowledge
from deskhand.core import DeskhandError

_TELEMETRY = {
    "ONNX Runtime": ("ORT_DISABLE_TELEMETRY", "1"),
    "Chroma": ("ANONYMIZED_TELEMETRY", "False"),
    "Hugging Face": ("HF_HUB_DISABLE_TELEMETRY", "1"),
    "LangSmith": ("LANGSMITH_TRACING", "false"),
}
_MULTILINGUAL = "multilingual-e5-small"
_USE_PHI = "install Ollama, run `ollama pull phi3.5`, and set DESKHAND_MODELS__WORKER=ollama:phi3.5"


@dataclass(frozen=True, slots=True)
class Advice:
    """Something to mend or to improve.

    Args:
        what: What is missing or wrong, and what it costs to mend.
        next: The exact next step.
    """

    what: str
    next: str


@dataclass
class Checkup:
    """What the doctor found.

    Args:
        facts: By topic; the body of the JSON object.
        problems: What is required and broken.
        hints: What would make the desk better.
    """

    facts: dict[str, Any] = field(default_factory=dict)
    problems: list[Advice] = field(default_factory=list)
    hints: list[Advice] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The object that `deskhand doctor --json` prints."""
        return {
            "ok": not self.problems,
            **self.facts,
            "problems": [asdict(advice) for advice in self.problems],
            "hints": [asdict(advice) for advice in self.hints],
        }


def examine(settings: Settings, settings_file: Path | None) -> Checkup:
    """Look at everything. Contacts nothing, changes nothing.

    Args:
        settings: The operator's settings.
        settings_file: Where they come from.
    """
    checkup = Checkup()
    parts: dict[str, Callable[[], Any]] = {
        "versions": lambda: _versions(checkup),
        "settings": lambda: _settings(settings, settings_file),
        "data_folder": lambda: _data_folder(settings, checkup),
        "language_model": lambda: _worker(settings, checkup),
        "models": lambda: _models(settings, checkup),
        "knowledge": lambda: _knowledge(settings, checkup),
        "channels": lambda: _channels(checkup),
        "telemetry": lambda: _telemetry(checkup),
    }
    for name, look in parts.items():
        try:
            checkup.facts[name] = look()
        except Exception as error:  # noqa: BLE001 - the doctor reports what is broken, and goes on
            known = explain_failure(error) or DeskhandError(f"{type(error).__name__}: {error}")
            checkup.facts[name] = {"error": known.message}
            checkup.problems.append(Advice(f"{name}: {known.message}", known.hint))
    return checkup


def _versions(checkup: Checkup) -> dict[str, str]:
    found = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    for package in ("deskhand", "onnxruntime", "chromadb", "langgraph"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "missing"
            checkup.problems.append(
                Advice(f"The package {package} is not installed.", "pip install deskhand")
            )
    found["fts5"] = "present" if _has_fts5() else "missing"
    if found["fts5"] == "missing":
        checkup.problems.append(
            Advice("This Python's SQLite has no FTS5.", "Use a Python with a newer SQLite.")
        )
    return found


def _has_fts5() -> bool:
    database = sqlite3.connect(":memory:")
    try:
        database.execute("CREATE VIRTUAL TABLE probe USING fts5(text)")
    except sqlite3.OperationalError:
        return False
    finally:
        database.close()
    return True


def _settings(settings: Settings, settings_file: Path | None) -> dict[str, Any]:
    return {
        "file": str(settings_file) if settings_file else None,
        **settings.model_dump(mode="json"),
        "models": {
            **settings.models.model_dump(mode="json", exclude={"worker_api_key"}),
            "worker_api_key": "set" if settings.models.worker_api_key else "not set",
        },
    }


def _data_folder(settings: Settings, checkup: Checkup) -> dict[str, Any]:
    path = settings.data_dir
    owner = DataFolder(path).owner()
    free = free_bytes(path)
    nearest = next(folder for folder in (path, *path.parents) if folder.exists())
    if free < NEEDED_BYTES:
        checkup.problems.append(
            Advice(f"Only {free // 1_000_000} MB are free on the disk of {path}.", "Free some.")
        )
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        checkup.problems.append(
            Advice(f"{path} cannot be written.", "Set DESKHAND_DATA_DIR to a folder of yours.")
        )
    return {
        "path": str(path),
        "exists": path.is_dir(),
        "owner": asdict(owner) if owner else None,
        "free_mb": free // 1_000_000,
    }


def _worker(settings: Settings, checkup: Checkup) -> dict[str, Any]:
    model = build_worker(settings)
    if model is None:
        checkup.hints.append(Advice("No language model is set: answers are quoted.", _USE_PHI))
    return {"worker": settings.models.worker or None, "answers": "written" if model else "quoted"}


def _models(settings: Settings, checkup: Checkup) -> list[dict[str, Any]]:
    from deskhand.models import list_models

    models = list_models(settings.models_dir)
    for model in models:
        if model.name == _MULTILINGUAL and not model.present:
            checkup.hints.append(
                Advice(
                    "Only English is answered well: the multilingual embeddings are missing"
                    f" ({model.disk_mb} MB on disk, {model.memory_mb} MB of memory).",
                    PULL_MULTILINGUAL,
                )
            )
    return [model_facts(model) for model in models]


def model_facts(model: Any) -> dict[str, Any]:
    """A model of the catalog as the JSON object that commands print."""
    names = ("name", "purpose", "languages", "disk_mb", "memory_mb", "present", "license")
    return {name: getattr(model, name) for name in names}


def _knowledge(settings: Settings, checkup: Checkup) -> dict[str, Any]:
    with reading_knowledge(settings) as knowledge:
        sources = [] if knowledge is None else knowledge.list()
        interrupted = knowledge is not None and knowledge.unsettled()
    if not sources:
        checkup.hints.append(Advice("There are no documents yet.", "deskhand knowledge add PATH"))
    if interrupted:
        checkup.hints.append(
            Advice("The last change of the documents was interrupted.", "deskhand knowledge sync")
        )
    return {
        "sources": len(sources),
        "passages": sum(source.passages for source in sources),
        "languages": dict(
            Counter(source.language or "unknown" for source in sources).most_common()
        ),
        "interrupted": interrupted,
    }


def _channels(checkup: Checkup) -> dict[str, Any]:
    channels = load_channels()
    checkup.problems += [
        Advice(f"The channel `{name}` is broken: {why}", "Reinstall the package that brings it.")
        for name, why in channels.broken.items()
    ]
    return {"working": sorted(channels.working), "broken": channels.broken}


def _telemetry(checkup: Checkup) -> dict[str, str]:
    found = {
        product: "off" if os.environ.get(switch) == value else "on"
        for product, (switch, value) in _TELEMETRY.items()
    }
    checkup.problems += [
        Advice(f"The telemetry of {product} is on.", f"Set {'='.join(_TELEMETRY[product])}")
        for product, state in found.items()
        if state == "on"
    ]
    return found
