"""Trains the judge of memory/judge.py and writes memory/data/judge-NAME.onnx.

Needs torch and onnx beside the project: pip install torch onnx. On a processor core an epoch takes
one minute and a half (English) or four (multilingual). The same data and seed give the same judge
on the same machine and torch.

    python benchmarks/judge/train.py all-MiniLM-L6-v2
    python benchmarks/judge/train.py multilingual-e5-small --models-dir DIR

Data: data/*.jsonl, written for this purpose: passages of help articles of invented companies, each
with questions that it answers and near misses that it does not, in English, Czech and German. In
files a to e, answers are mostly asked for in other words than the passage's and near misses share
its words; in f and g it is the other way round, so that shared words alone tell nothing.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from deskhand.memory.evidence import (
    PassageTokens,
    QuestionTokens,
    Tokens,
    inverse_frequency,
    match,
    passage_tokens,
    question_tokens,
)
from deskhand.memory.judge import pair_rows, whole_row
from deskhand.memory.sentences import stems, words
from deskhand.models import OnnxEmbeddings, english_embeddings, multilingual_embeddings

HERE = Path(__file__).parent
OUTPUT = HERE.parent.parent / "memory" / "data"
WIDTH, LAYERS, HEADS, DROPOUT = 96, 2, 4, 0.2
TOKEN_FEATURES, WHOLE_FEATURES = 5, 6
BATCH, RATE, WARM_UP = 16, 8e-4, 100
VECTOR_SCALE = 0.4
# Both kinds of near misses weigh the same in sum, so that no style of asking means "not answered".
NEAR_MISS_WEIGHTS = dict.fromkeys("abcde", 0.25) | dict.fromkeys("fg", 1.2)


@dataclass(slots=True)
class Passage:
    """A passage with its tokens."""

    domain: str
    language: str
    tokens: PassageTokens
    vector: np.ndarray
    near_miss_weight: float


@dataclass(slots=True)
class Question:
    """A question, the passage it was written for, and whether that answers it."""

    language: str
    tokens: QuestionTokens
    vector: np.ndarray
    passage: int
    answered: bool


class JudgeNetwork(nn.Module):
    """Two transformer layers over projected token vectors; its first position is the verdict.

    Inputs are standardized with the means and deviations of the training data: the vectors of some
    models (e5) have most of their length in common.
    """

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.dimension = dimension
        for name, size in (
            ("token", dimension + TOKEN_FEATURES),
            ("whole", WHOLE_FEATURES),
        ):
            self.register_buffer(f"{name}_mean", torch.zeros(size))
            self.register_buffer(f"{name}_deviation", torch.ones(size))
        self.project = nn.Linear(dimension, WIDTH, bias=False)
        self.features = nn.Linear(TOKEN_FEATURES, WIDTH)
        self.verdict = nn.Parameter(torch.randn(WIDTH) * 0.02)
        layer = nn.TransformerEncoderLayer(
            WIDTH, HEADS, 2 * WIDTH, DROPOUT, "gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(WIDTH)
        self.drop = nn.Dropout(DROPOUT)
        self.head = nn.Sequential(
            nn.Linear(WIDTH + WHOLE_FEATURES, 64), nn.GELU(), nn.Dropout(DROPOUT), nn.Linear(64, 1)
        )
        self.direct = nn.Linear(WHOLE_FEATURES, 1)

    def forward(
        self, tokens: torch.Tensor, padding: torch.Tensor, whole: torch.Tensor
    ) -> torch.Tensor:
        """Raw scores [pairs] of tokens [pairs, length, width], padding and whole-text features."""
        tokens = (tokens - self.token_mean) / self.token_deviation
        whole = (whole - self.whole_mean) / self.whole_deviation
        vectors, rest = tokens[..., : self.dimension], tokens[..., self.dimension :]
        hidden = self.project(self.drop(vectors) * VECTOR_SCALE) + self.features(rest)
        first = self.verdict.expand(hidden.shape[0], 1, -1)
        mask = torch.cat((torch.zeros_like(padding[:, :1]), padding), dim=1)
        hidden = torch.cat((first, hidden), dim=1)
        hidden = self.encode(hidden, mask)
        verdict = torch.cat((self.norm(hidden)[:, 0], whole), dim=1)
        return (self.head(verdict) + self.direct(whole))[:, 0]

    def encode(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The transformer layers, by torch's own code."""
        return self.layers(hidden, src_key_padding_mask=mask)

    def standardize(self, pairs: list[tuple[Question, Passage]]) -> None:
        """Take means and deviations from some pairs; the numbers of a vector share one."""
        tokens, padding, whole = collate(pairs)
        rows = tokens[~padding]
        self.token_mean.copy_(rows.mean(0))
        deviation = rows.std(0).clamp(min=0.01)
        deviation[: self.dimension] = rows[:, : self.dimension].std(0).mean()
        self.token_deviation.copy_(deviation)
        self.whole_mean.copy_(whole.mean(0))
        self.whole_deviation.copy_(whole.std(0).clamp(min=0.1))


class ExportedJudge(JudgeNetwork):
    """The same network with its layers written out, so that the number of pairs stays open."""

    def encode(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The transformer layers, step by step (pre-norm, dropout left out)."""
        for layer in self.layers.layers:
            hidden = hidden + self.attend(layer.self_attn, layer.norm1(hidden), mask)
            inner = nn.functional.gelu(layer.linear1(layer.norm2(hidden)))
            hidden = hidden + layer.linear2(inner)
        return hidden

    def attend(
        self, attention: nn.MultiheadAttention, hidden: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor:
        """Multi-head self-attention; masked positions are not looked at."""
        pairs, length = hidden.shape[0], hidden.shape[1]
        mixed = nn.functional.linear(hidden, attention.in_proj_weight, attention.in_proj_bias)
        query, key, value = (
            part.reshape(pairs, length, HEADS, WIDTH // HEADS).transpose(1, 2)
            for part in mixed.split(WIDTH, dim=2)
        )
        scores = query @ key.transpose(2, 3) * (WIDTH // HEADS) ** -0.5
        scores = scores.masked_fill(mask[:, None, None, :], -1e9)
        seen = (scores.softmax(dim=3) @ value).transpose(1, 2).reshape(pairs, length, WIDTH)
        return attention.out_proj(seen)


def load(embedder: OnnxEmbeddings) -> tuple[list[Passage], list[Question]]:
    """Passages and questions of the data files that concern this embedding model, embedded."""
    lines = [
        (line, NEAR_MISS_WEIGHTS[file.stem])
        for file in sorted((HERE / "data").glob("*.jsonl"))
        for line in file.read_text("utf-8").splitlines()
        if line.strip()
    ]
    rows = [json.loads(line) | {"near_miss_weight": weight} for line, weight in lines]
    if embedder.english_only:
        rows = [row for row in rows if row["language"] == "en"]
    texts = [f"{row['title']}\n{row['passage']}" for row in rows]
    known = Counter[str]()
    for row, text in zip(rows, texts, strict=True):
        known.update({*words(text), *stems(text, row["language"])})
    vectors, tokens = embedder.embed_both(texts, "passage")
    passages = [
        Passage(
            row["domain"],
            row["language"],
            passage_tokens(text, row["title"], row["language"], Tokens(t.offsets, t.vectors)),
            vector,
            row["near_miss_weight"],
        )
        for row, text, t, vector in zip(rows, texts, tokens, vectors, strict=True)
    ]
    asked = [
        (text, language, index, kind == "answerable")
        for index, row in enumerate(rows)
        for kind in ("answerable", "unanswerable")
        for language, wordings in row[kind].items()
        for text in wordings
        if not embedder.english_only or language == "en"
    ]
    vectors, tokens = embedder.embed_both([text for text, *_ in asked], "query")

    def rarity(found: list[str]) -> dict[str, float]:
        return {stem: inverse_frequency(known[stem], len(rows)) for stem in found}

    questions = [
        Question(
            language,
            question_tokens(text, language, Tokens(t.offsets, t.vectors), rarity),
            vector,
            index,
            answered,
        )
        for (text, language, index, answered), t, vector in zip(asked, tokens, vectors, strict=True)
    ]
    return passages, questions


def collate(pairs: list[tuple[Question, Passage]]) -> tuple[torch.Tensor, ...]:
    """The network's three inputs for some pairs."""
    rows, whole = [], []
    for question, passage in pairs:
        met = match(question.tokens, passage.tokens)
        rows.append(torch.from_numpy(pair_rows(question.tokens, passage.tokens, met)))
        whole.append(whole_row(met, question.language == passage.language))
    tokens = nn.utils.rnn.pad_sequence(rows, batch_first=True)
    lengths = torch.tensor([len(row) for row in rows])
    padding = torch.arange(tokens.shape[1])[None] >= lengths[:, None]
    return tokens, padding, torch.tensor(whole)


class Sampler:
    """Draws, for each question, its own passage and the nearest others of its domain."""

    def __init__(self, passages: list[Passage], questions: list[Question]) -> None:
        self.passages = passages
        vectors = np.stack([passage.vector for passage in passages])
        self.near: dict[int, list[int]] = {}
        for question in questions:
            own = passages[question.passage]
            others = [
                i
                for i, p in enumerate(passages)
                if p.domain == own.domain and i != question.passage
            ]
            order = np.argsort(-(vectors[others] @ question.vector))[:4]
            self.near[id(question)] = [others[k] for k in order]

    def pairs(self, question: Question) -> list[tuple[Question, Passage, float, float]]:
        """(question, passage, target, weight); the question's own passage is first."""
        own = self.passages[question.passage]
        near = self.near[id(question)]
        if question.answered:
            # As much weight for it as against it: the wording of a question alone tells nothing.
            drawn = random.sample(near, min(2, len(near)))
            weights = (1.5, 0.75)
        else:
            drawn, weights = [], (own.near_miss_weight, 0.0)
        return [
            (question, own, float(question.answered), weights[0]),
            *((question, self.passages[i], 0.0, weights[1]) for i in drawn),
        ]


def train(
    network: JudgeNetwork, passages: list[Passage], questions: list[Question], epochs: int
) -> None:
    """Binary cross-entropy over pairs, and a softmax over each answered question's passages."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.05)
    sampler = Sampler(passages, questions)
    step, steps = 0, epochs * len(questions) // BATCH
    for epoch in range(epochs):
        random.shuffle(questions)
        started, total = time.monotonic(), 0.0
        for start in range(0, len(questions), BATCH):
            drawn = [(q, sampler.pairs(q)) for q in questions[start : start + BATCH]]
            flat = [pair for _, pairs in drawn for pair in pairs]
            scores = network(*collate([(q, p) for q, p, _, _ in flat]))
            loss = _loss(scores, drawn, flat)
            for group in optimizer.param_groups:
                group["lr"] = RATE * min(1, step / WARM_UP) * max(0.05, 1 - step / steps)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            step, total = step + 1, total + float(loss)
        seconds = time.monotonic() - started
        print(
            f"epoch {epoch + 1}: loss {total * BATCH / len(questions):.3f}, {seconds:.0f} s",
            flush=True,
        )


def _loss(scores: torch.Tensor, drawn: list, flat: list) -> torch.Tensor:
    targets = torch.tensor([target for _, _, target, _ in flat])
    weights = torch.tensor([weight for _, _, _, weight in flat])
    pointwise = nn.functional.binary_cross_entropy_with_logits(scores, targets, reduction="none")
    loss = (pointwise * weights).mean()
    start, ranked = 0, []
    for question, pairs in drawn:
        stop = start + len(pairs)
        if question.answered:
            ranked.append(-torch.log_softmax(scores[start:stop], 0)[0])
        start = stop
    return loss + 0.5 * torch.stack(ranked).mean() if ranked else loss


def auroc(network: JudgeNetwork, passages: list[Passage], questions: list[Question]) -> float:
    """How often an answered question scores above an unanswered one, on their own passages."""
    network.eval()
    with torch.no_grad():
        scores = np.asarray(
            [float(network(*collate([(q, passages[q.passage])]))[0]) for q in questions]
        )
    network.train()
    answered = np.asarray([q.answered for q in questions])
    return float((scores[answered][:, None] > scores[~answered][None]).mean())


def export(network: JudgeNetwork, path: Path) -> None:
    """Write the network as ONNX."""
    exported = ExportedJudge(network.dimension)
    exported.load_state_dict(network.state_dict())
    exported.eval()
    example = (
        torch.zeros(2, 7, network.dimension + TOKEN_FEATURES),
        torch.zeros(2, 7, dtype=torch.bool),
        torch.zeros(2, WHOLE_FEATURES),
    )
    names = ["tokens", "padding", "whole"]
    axes = {"tokens": {0: "pairs", 1: "length"}, "padding": {0: "pairs", 1: "length"}}
    torch.onnx.export(
        exported,
        example,
        str(path),
        input_names=names,
        output_names=["scores"],
        dynamic_axes={**axes, "whole": {0: "pairs"}, "scores": {0: "pairs"}},
        opset_version=18,
        dynamo=False,
    )


def main() -> None:
    """Train one judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", choices=["all-MiniLM-L6-v2", "multilingual-e5-small"])
    parser.add_argument("--models-dir", type=Path, default=Path())
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--hold-out", type=int, default=0, help="every n-th domain")
    parser.add_argument("--checkpoint", type=Path, default=Path("judge.pt"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    random.seed(options.seed)
    torch.manual_seed(options.seed)
    english = options.model == "all-MiniLM-L6-v2"
    embedder = english_embeddings() if english else multilingual_embeddings(options.models_dir)
    if embedder is None:
        raise SystemExit("Fetch the model first: deskhand models pull multilingual-e5-small")
    passages, questions = load(embedder)
    print(f"{len(passages)} passages, {len(questions)} questions")
    network = JudgeNetwork(embedder.dimension)
    drawn = random.sample(questions, min(600, len(questions)))
    network.standardize([(question, passages[question.passage]) for question in drawn])
    held_out = set(sorted({passage.domain for passage in passages})[:: options.hold_out or 10**9])
    if not options.hold_out:
        held_out = set()
    kept = [q for q in questions if passages[q.passage].domain not in held_out]
    train(network, passages, kept, options.epochs)
    if held_out:
        tried = [q for q in questions if passages[q.passage].domain in held_out]
        print(f"held out: {len(tried)} questions, AUROC {auroc(network, passages, tried):.3f}")
    torch.save(network.state_dict(), options.checkpoint)
    export(network, OUTPUT / f"judge-{options.model}.onnx")


if __name__ == "__main__":
    main()
