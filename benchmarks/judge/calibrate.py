"""Turns what the judges say into probabilities: writes memory/data/judges.json.

For every labelled question about the sample help center, the candidates are right (a labelled
source) or not. A linear function of the network's raw score and the simpler measures beside it is
fitted to put a right one first, and to be above 0 when the first is right and below when it is not
(because it is another, or because nothing answers the question), both kinds weighing the same. Then
the whole is shifted so that three of four unanswerable questions stay below 0.5. With --data,
questions of StackFAQ (threads with even numbers) and XQuAD take part, each also without the source
that answers it. Run it after train.py.

    python benchmarks/judge/calibrate.py --models-dir DIR --data DIR
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deskhand.memory import Embedders, Hit, Knowledge, Query
from deskhand.memory.judge import CALIBRATED
from deskhand.models import english_embeddings, multilingual_embeddings

ROOT = Path(__file__).parents[2]
OUTPUT = ROOT / "memory" / "data" / "judges.json"
QUESTIONS = ("help_center_dev.jsonl", "help_center_hard.jsonl")
SAMPLE = 120
HELP_CENTER = "help center"
# Of the help center's unanswerable questions; most come close to a document. More refusals cost
# more answers: benchmarks/app_main_job.py shows both.
REFUSED = 0.75
_STEPS, _RATE, _SMOOTHING = 3000, 0.02, 0.003

Candidates = tuple[np.ndarray, np.ndarray, bool]
"""Measures [candidates, measures], which are right [candidates], and the fold it belongs to."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with the sources that answer it, none where nothing does."""

    query: Query
    sources: frozenset[str]


def help_center() -> Iterator[Asked]:
    """The labelled questions about the sample help center."""
    for name in QUESTIONS:
        text = (ROOT / "examples" / "evaluation" / name).read_text("utf-8")
        for row in map(json.loads, text.splitlines()):
            earlier = [turn["text"] for turn in row["history"] if turn["role"] == "person"]
            before = f"{earlier[-1]} " if earlier else ""
            query = Query(before + row["question"], row["language"], len(before))
            yield Asked(query, frozenset(row["sources"]))


def stackfaq(folder: Path, data: Path) -> Iterator[Asked]:
    """StackFAQ: writes its entries into a folder; queries of the threads with even numbers."""
    entries = (data / "faq_stackfaq" / "faqs.jsonl").read_text("utf-8").splitlines()
    with (folder / "faq.jsonl").open("w", encoding="utf-8") as file:
        for entry in map(json.loads, entries):
            answer = "\n\n".join(entry.pop("answers"))
            file.write(json.dumps(entry | {"answer": answer, "language": "en"}) + "\n")
    queries = (data / "faq_stackfaq" / "queries.jsonl").read_text("utf-8").splitlines()
    rows = [row for row in map(json.loads, queries) if int(row["faq_id"][2:]) % 2 == 0]
    for row in random.sample(rows, SAMPLE):
        yield Asked(Query(row["query"], "en"), frozenset({row["faq_id"]}))


def xquad(folder: Path, data: Path, asked: str, told: str) -> Iterator[Asked]:
    """XQuAD: writes its paragraphs in one language into a folder; questions in another."""
    questions = []
    for language in (told, asked):
        packed = (data / "multi_xquad" / f"xquad.{language}.json.gz").read_bytes()
        articles = json.loads(gzip.decompress(packed))["data"]
        paragraphs = [paragraph for article in articles for paragraph in article["paragraphs"]]
        for number, paragraph in enumerate(paragraphs):
            name = f"p{number:03d}.txt"
            if language == told:
                (folder / name).write_text(paragraph["context"], encoding="utf-8")
            if language == asked:
                questions += [(row["question"], name) for row in paragraph["qas"]]
    for text, name in random.sample(questions, SAMPLE):
        yield Asked(Query(text, asked), frozenset({name}))


def candidates(
    embedders: Embedders, documents: Path, questions: Iterable[Asked], *, without: bool
) -> dict[str, list[Candidates]]:
    """For each judge, the candidates of every question that it compares.

    Args:
        embedders: Both models.
        documents: What to search.
        questions: What to ask.
        without: Whether to ask each question once more as if its sources were not there.
    """
    found: dict[str, list[Candidates]] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        Knowledge.open(Path(folder), embedders) as knowledge,
    ):
        knowledge.add([documents])
        retrieval = knowledge.retrieval()
        for number, asked in enumerate(questions):
            hits = [hit for hit in retrieval.find(asked.query, limit=40) if hit.units]
            language = asked.query.language
            for judge in (embedders.english.name, embedders.multilingual.name):
                mine = [h for h in hits if embedders.comparing(language, h.language).name == judge]
                if not mine:
                    continue
                values, right = _measures(mine, asked.sources)
                found.setdefault(judge, []).append((values, right, bool(number % 2)))
                if without and (~right).any():
                    rest = (values[~right], right[~right], bool(number % 2))
                    found[judge].append(rest)
    return found


def _measures(hits: list[Hit], sources: frozenset[str]) -> tuple[np.ndarray, np.ndarray]:
    values = np.asarray([[hit.parts[name] for name in CALIBRATED] for hit in hits])
    return values, np.asarray([hit.source in sources for hit in hits])


def fit(questions: list[Candidates]) -> dict[str, float]:
    """Weights and bias, by gradient descent on standardized measures."""
    everything = np.concatenate([values for values, _, _ in questions])
    mean, deviation = everything.mean(0), everything.std(0).clip(1e-3)
    rows = [((values - mean) / deviation, right) for values, right, _ in questions]
    weights, bias = np.zeros(len(CALIBRATED)), 0.0
    weights[0] = 1.0
    for _ in range(_STEPS):
        slope, lift = _gradient(rows, weights, bias)
        weights -= _RATE * (slope + _SMOOTHING * weights)
        bias -= _RATE * lift
    plain = weights / deviation
    named = dict(zip(CALIBRATED, plain.round(4).tolist(), strict=True))
    return named | {"bias": round(float(bias - (plain * mean).sum()), 4)}


def _gradient(
    rows: list[tuple[np.ndarray, np.ndarray]], weights: np.ndarray, bias: float
) -> tuple[np.ndarray, float]:
    """Of the ranking loss (softmax) and of the balanced log loss of each question's first."""
    slope = np.zeros(len(weights))
    firsts = []
    for values, right in rows:
        scores = values @ weights + bias
        first = int(scores.argmax())
        firsts.append((values[first], float(scores[first]), bool(right[first])))
        if right.any():
            chance = np.exp(scores - scores.max())
            chance /= chance.sum()
            wanted = chance * right
            slope += values.T @ (chance - wanted / wanted.sum()) / len(rows)
    share = np.mean([ok for _, _, ok in firsts]).clip(0.05, 0.95)
    lift = 0.0
    for values, score, ok in firsts:
        weight = 0.5 / share if ok else 0.5 / (1 - share)
        error = weight * (1 / (1 + np.exp(-score)) - ok) / len(rows)
        slope += error * values
        lift += error
    return slope, lift


def decisions(
    questions: list[Candidates], fitted: dict[str, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Best scores of answerable questions, whether they are right, best scores of the others."""
    weights = np.asarray([fitted[name] for name in CALIBRATED])
    scores = [(values @ weights + fitted["bias"], right) for values, right, _ in questions]
    best = [(float(s.max()), bool(right[s.argmax()])) for s, right in scores if right.any()]
    others = [float(s.max()) for s, right in scores if not right.any()]
    return (
        np.asarray([score for score, _ in best]),
        np.asarray([right for _, right in best]),
        np.asarray(others),
    )


def shift(questions: list[Candidates], fitted: dict[str, float]) -> dict[str, float]:
    """The same weights, with the bias that refuses a wished share of unanswerable questions."""
    _, _, others = decisions(questions, fitted)
    return fitted | {"bias": round(fitted["bias"] - float(np.quantile(others, REFUSED)), 4)}


def quality(questions: list[Candidates], fitted: dict[str, float]) -> str:
    """What comes of some questions at even chances, in words."""
    scores, right, others = decisions(questions, fitted)
    return (
        f"right first {right.mean():.2f}, answered {(scores >= 0).mean():.2f}, "
        f"answered right {((scores >= 0) & right).mean():.2f}, refused {(others < 0).mean():.2f}"
    )


def main() -> None:
    """Calibrate both judges."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models-dir", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="evaluation sets: StackFAQ (even), XQuAD")
    options = parser.parse_args()
    random.seed(0)
    multilingual = multilingual_embeddings(options.models_dir)
    if multilingual is None:
        raise SystemExit("Fetch the model first: deskhand models pull multilingual-e5-small")
    embedders = Embedders(english_embeddings(), multilingual)
    names = (embedders.english.name, multilingual.name)
    plain = dict.fromkeys(CALIBRATED, 0.0) | {"network": 1.0, "bias": 0.0}
    OUTPUT.write_text(json.dumps(dict.fromkeys(names, plain), indent=1) + "\n", encoding="utf-8")
    rows = candidates(embedders, ROOT / "examples" / "help_center", help_center(), without=False)
    sets = {HELP_CENTER: rows}
    if options.data:
        for name, asked, told in (("en", "en", "en"), ("de", "de", "de"), ("cross", "de", "en")):
            with tempfile.TemporaryDirectory() as folder:
                questions = list(xquad(Path(folder), options.data, asked, told))
                sets[name] = candidates(embedders, Path(folder), questions, without=True)
        with tempfile.TemporaryDirectory() as folder:
            questions = list(stackfaq(Path(folder), options.data))
            sets["stackfaq"] = candidates(embedders, Path(folder), questions, without=True)
    fitted = {}
    for judge in names:
        mine = {
            name: found[judge]
            for name, found in sets.items()
            if any(right.any() for _, right, _ in found.get(judge, ()))
        }
        halves = [[r for rows in mine.values() for r in rows if r[2] == fold] for fold in (0, 1)]
        for fold in (0, 1):
            own = {name: [r for r in rows if r[2] == fold] for name, rows in mine.items()}
            weights = shift(own[HELP_CENTER], fit(halves[fold]))
            for name, rows in mine.items():
                other = [row for row in rows if row[2] != fold]
                print(f"{judge}, half {fold}, the other of {name}: {quality(other, weights)}")
        fitted[judge] = shift(mine[HELP_CENTER], fit(halves[0] + halves[1]))
    OUTPUT.write_text(json.dumps(fitted, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
