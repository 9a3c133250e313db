"""What benchmarks share: options, evaluation sets, what is skipped, the line they end with."""

import argparse
import json
import os
import platform
import sys
import time
import traceback
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

_PACKAGES = ("deskhand", "chromadb", "langgraph", "numpy", "onnxruntime", "tokenizers")

Figures = Mapping[str, float]


class SkippedError(Exception):
    """What a part needs is not here; the message says what, and how to get it."""


@dataclass(frozen=True, slots=True)
class Part:
    """Figures that are measured together.

    Args:
        name: Its name for `--only`.
        figures: The figures it measures; a name may end in `*`.
        measure: Measures them.
        default: Whether it runs without arguments.
    """

    name: str
    figures: tuple[str, ...]
    measure: Callable[[], Figures]
    default: bool = True

    def answers_to(self, wanted: str) -> bool:
        """Whether `--only` means this part: by its name, or by a figure of it."""
        return wanted == self.name or any(
            wanted.startswith(figure[:-1]) if figure.endswith("*") else wanted == figure
            for figure in self.figures
        )


@dataclass(slots=True)
class Run:
    """What came out of a benchmark so far."""

    figures: dict[str, float] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)


def options(about: str | None) -> argparse.ArgumentParser:
    """The options of every benchmark; add your own."""
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        default=os.environ.get("DESKHAND_BENCH_DATA") or None,
        help="evaluation sets, one folder a set (default: DESKHAND_BENCH_DATA)",
    )
    parser.add_argument(
        "--only", metavar="NAME[,NAME]", default="", help="only these figures or parts"
    )
    parser.add_argument("--full", action="store_true", help="everything; may take an hour")
    return parser


def choose(parts: Sequence[Part], only: str, *, full: bool) -> list[Part]:
    """The parts to run.

    Raises:
        ValueError: `only` names something that no part measures.
    """
    wanted = [name.strip() for name in only.split(",") if name.strip()]
    if not wanted:
        return [part for part in parts if part.default or full]
    for name in wanted:
        if not any(part.answers_to(name) for part in parts):
            known = ", ".join(part.name for part in parts)
            raise ValueError(f"nothing here measures {name!r}; parts: {known}")
    return [part for part in parts if any(part.answers_to(name) for name in wanted)]


def run_parts(parts: Iterable[Part]) -> Run:
    """Measure part by part. One that is skipped or fails says so, and the others still run."""
    run = Run()
    for part in parts:
        print(f"\n== {part.name}", flush=True)
        started = time.perf_counter()
        try:
            figures = part.measure()
        except SkippedError as reason:
            print(f"SKIPPED {part.name}: {reason}", flush=True)
            continue
        except Exception:  # noqa: BLE001 - a broken part must not cost the figures of the others
            traceback.print_exc()
            print(f"FAILED {part.name}", flush=True)
            run.failed.append(part.name)
            continue
        for name, value in figures.items():
            run.figures[name] = round(value, 4)
        print(f"({part.name}: {time.perf_counter() - started:.0f} s)", flush=True)
    return run


def data_set(data: Path | None, name: str, *files: str) -> Path:
    """The folder of an evaluation set.

    Raises:
        SkippedError: It is not there.
    """
    if data is None:
        raise SkippedError(
            f"needs the set {name}: name its folder by --data or DESKHAND_BENCH_DATA"
        )
    folder = data / name
    missing = [str(folder / file) for file in files if not (folder / file).is_file()]
    if missing:
        raise SkippedError(f"not there: {', '.join(missing)}")
    return folder


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """One JSON object a line."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]


def result_line(benchmark: str, figures: Figures) -> str:
    """The line that every benchmark ends with."""
    result = {
        "benchmark": benchmark,
        "figures": dict(figures),
        "machine": machine(),
        "versions": versions(),
    }
    return json.dumps(result)


def machine() -> str:
    """The machine in a few words."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"


def versions(packages: Collection[str] = _PACKAGES) -> dict[str, str]:
    """Versions of Python and of packages, those that are installed."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def progress(line: str) -> None:
    """Tell the person who waits; standard output is for results."""
    print(line, file=sys.stderr, flush=True)
