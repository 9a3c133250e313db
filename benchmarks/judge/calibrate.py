"""Turns the judges' raw scores into probabilities: writes memory/data/judges.json.

For every labelled question about the sample help center, what the desk would put first is right (a
labelled source) or not (another source, or the question has no answer). A logistic curve with two
numbers a judge is fitted to that, both kinds weighing the same, so that 0.5 is even chances
(J. Platt, 1999). Run it after train.py.

    python benchmarks/judge/calibrate.py --models-dir DIR
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from pathlib import Path

import numpy as np

from deskhand.memory import Embedders, Knowledge, Query
from deskhand.models import english_embeddings, multilingual_embeddings

ROOT = Path(__file__).parents[2]
OUTPUT = ROOT / "memory" / "data" / "judges.json"
QUESTIONS = ("help_center_dev.jsonl", "help_center_hard.jsonl")
_STEPS, _RATE, _SMOOTHING = 5000, 0.1, 0.01


def raw_scores(models_dir: Path) -> dict[str, list[tuple[float, bool]]]:
    """For each judge, (raw score, right) of the passage it would put first for each question."""
    english, multilingual = english_embeddings(), multilingual_embeddings(models_dir)
    assert multilingual is not None, "deskhand models pull multilingual-e5-small"
    embedders = Embedders(english, multilingual)
    found: dict[str, list[tuple[float, bool]]] = {english.name: [], multilingual.name: []}
    with tempfile.TemporaryDirectory() as folder:
        knowledge = Knowledge.open(Path(folder), embedders)
        knowledge.add([ROOT / "examples" / "help_center"])
        retrieval = knowledge.retrieval()
        for name in QUESTIONS:
            lines = (ROOT / "examples" / "evaluation" / name).read_text("utf-8").splitlines()
            for row in map(json.loads, lines):
                earlier = [turn["text"] for turn in row["history"] if turn["role"] == "person"]
                before = f"{earlier[-1]} " if earlier else ""
                query = Query(before + row["question"], row["language"], len(before))
                hits = [hit for hit in retrieval.find(query, limit=30) if hit.units]
                for judge, rows in found.items():
                    mine = [
                        hit
                        for hit in hits
                        if embedders.comparing(row["language"], hit.language).name == judge
                    ]
                    if mine:
                        best = max(mine, key=lambda hit: hit.score)
                        score = min(max(best.score, 1e-9), 1 - 1e-9)
                        right = best.source in row["sources"]
                        rows.append((math.log(score / (1 - score)), right))
        knowledge.close()
    return found


def fit(rows: list[tuple[float, bool]]) -> dict[str, float]:
    """Scale and bias of the logistic curve, by gradient descent on the balanced log loss."""
    x = np.asarray([score for score, _ in rows])
    y = np.asarray([float(right) for _, right in rows])
    weights = np.where(y > 0, 0.5 / y.mean(), 0.5 / (1 - y.mean()))
    scale, bias = 1.0, 0.0
    for _ in range(_STEPS):
        error = weights * (1 / (1 + np.exp(-(scale * x + bias))) - y)
        scale -= _RATE * (float((error * x).mean()) + _SMOOTHING * (scale - 1))
        bias -= _RATE * float(error.mean())
    return {"scale": round(scale, 4), "bias": round(bias, 4)}


def main() -> None:
    """Calibrate both judges."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models-dir", type=Path, required=True)
    options = parser.parse_args()
    names = ("all-MiniLM-L6-v2", "multilingual-e5-small")
    plain = {name: {"scale": 1.0, "bias": 0.0} for name in names}
    OUTPUT.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
    fitted = {name: fit(rows) for name, rows in raw_scores(options.models_dir).items()}
    OUTPUT.write_text(json.dumps(fitted, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(fitted))


if __name__ == "__main__":
    main()
