"""Measures the embedding models: how fast they load, and how fast they read.

python benchmarks/models_embeddings.py [--models-dir DIR] [--full]

The last line is one JSON object. The multilingual model is measured where it has been pulled.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import sys
import time
from importlib.metadata import version
from pathlib import Path

import platformdirs

from deskhand.models import OnnxEmbeddings, english_embeddings, multilingual_embeddings

QUESTION = "How do I change the address on my invoice?"
# About 120 tokens in both models.
PASSAGE = (
    "The billing page shows every invoice of a workspace, with its date, amount and state. Owners "
    "may change the address and the tax number there; the change applies to the next invoice, not "
    "to those that were already sent. "
) * 3


def measure(model: OnnxEmbeddings, passages: int, questions: int) -> dict[str, float]:
    """Time to load and to read a question (median) in ms, passages a second, megabytes grown."""
    before = _memory_mb()
    start = time.perf_counter()
    model.load()
    loaded = time.perf_counter() - start
    for _ in range(5):
        model.embed_query(QUESTION)
    seconds = []
    for number in range(questions):
        start = time.perf_counter()
        model.embed_query(f"{QUESTION} {number}")
        seconds.append(time.perf_counter() - start)
    texts = [f"{number} {PASSAGE}" for number in range(passages)]
    model.embed_array(texts[:8], "passage")
    start = time.perf_counter()
    model.embed_array(texts, "passage")
    return {
        "load_ms": loaded * 1000,
        "query_p50_ms": statistics.median(seconds) * 1000,
        "passages_per_s": passages / (time.perf_counter() - start),
        "memory_mb": _memory_mb() - before,
    }


def _memory_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1_000_000 if sys.platform == "darwin" else 1_000)


def main() -> None:
    """Measure, print a line a figure, and the JSON object last."""
    options = argparse.ArgumentParser(description=__doc__)
    default = os.environ.get("DESKHAND_MODELS_DIR") or (
        Path(os.environ.get("DESKHAND_DATA_DIR") or platformdirs.user_data_dir("deskhand"))
        / "models"
    )
    options.add_argument("--models-dir", type=Path, default=Path(default))
    options.add_argument("--full", action="store_true", help="ten times as many texts")
    chosen = options.parse_args()
    factor = 10 if chosen.full else 1
    figures: dict[str, float] = {}
    for name, model in {
        "english": english_embeddings(),
        "multilingual": multilingual_embeddings(chosen.models_dir),
    }.items():
        if model is None:
            print(f"{name}: skipped, it is not in {chosen.models_dir}")
            continue
        for figure, value in measure(model, 128 * factor, 50 * factor).items():
            figures[f"{name}_{figure}"] = round(value, 2)
            print(f"{name} {figure}: {value:.2f}")
    packages = ("deskhand", "onnxruntime", "tokenizers", "numpy")
    result = {
        "benchmark": "models_embeddings",
        "figures": figures,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
        "versions": {"python": platform.python_version()} | {p: version(p) for p in packages},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
