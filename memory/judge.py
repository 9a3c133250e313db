"""The judge: a small transformer that says how likely a passage answers a question.

It reads the token vectors that the embedding model computed anyway, so it costs a few milliseconds.
It was trained on help articles of many invented companies with questions that they answer and near
misses that they do not, in three languages; benchmarks/judge/train.py has the data and the method.
There is one set of weights for each embedding model, data/judge-NAME.onnx, and a calibration from
its raw score, and the simpler measures beside it, to a probability (calibrate.py, ibidem). Other
embedding models have none: what they find is compared in ours.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Any

import numpy as np

from deskhand.core.privacy import switch_off_telemetry
from deskhand.memory.evidence import Match, PassageTokens, QuestionTokens

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What the probability is computed from: the network's raw score, how the passage was found, and
# `whole_row`.
CALIBRATED = (
    "network", "fused", "cosine", "coverage", "lexical", "nearness", "weakest", "same_language"
)  # fmt: skip
_TOKEN_FEATURES = 5
_LARGEST_IDF = 5.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the judge says of one passage.

    Args:
        score: Probability from 0 to 1 that it answers.
        parts: What went into it, by name (`CALIBRATED`).
    """

    score: float
    parts: dict[str, float]


class Judge:
    """The judge of one embedding model. Loads at the first call; may be shared between threads.

    Args:
        name: The embedding model's name.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._calibration = _calibrations()[name]

    def judge(
        self,
        question: QuestionTokens,
        passages: Sequence[PassageTokens],
        matches: Sequence[Match],
        same_language: Sequence[bool],
        fused: Sequence[float],
    ) -> list[Verdict]:
        """A verdict on each passage.

        Args:
            question: The question.
            passages: The passages.
            matches: How each meets the question.
            same_language: Whether each passage is in the language of the question.
            fused: Cosine by which each passage was found, with that of its FAQ's wordings.
        """
        if not passages:
            return []
        pairs = [pair_rows(question, p, m) for p, m in zip(passages, matches, strict=True)]
        longest = max(1, *(len(pair) for pair in pairs))
        width = question.tokens.vectors.shape[1] + _TOKEN_FEATURES
        tokens = np.zeros((len(pairs), longest, width), np.float32)
        padding = np.ones((len(pairs), longest), np.bool_)
        for i, pair in enumerate(pairs):
            tokens[i, : len(pair)] = pair
            padding[i, : max(1, len(pair))] = False
        rows = [whole_row(m, same) for m, same in zip(matches, same_language, strict=True)]
        feed = {"tokens": tokens, "padding": padding, "whole": np.asarray(rows, np.float32)}
        raw = _session(self.name).run(None, feed)[0].reshape(-1)
        measures = zip(raw.tolist(), fused, rows, strict=True)
        return [self._verdict((x, cosine, *row)) for x, cosine, row in measures]

    def _verdict(self, measures: Sequence[float]) -> Verdict:
        parts = dict(zip(CALIBRATED, measures, strict=True))
        total = self._calibration["bias"]
        total += sum(self._calibration[name] * value for name, value in parts.items())
        return Verdict(1.0 / (1.0 + math.exp(-max(min(total, 60.0), -60.0))), parts)


def whole_row(result: Match, same_language: bool) -> list[float]:
    """What the judge is told about a question and a passage as wholes."""
    nearest = result.nearest
    return [
        result.cosine,
        result.coverage,
        result.lexical,
        float(nearest.mean()) if len(nearest) else 0.0,
        float(nearest.min()) if len(nearest) else 0.0,
        float(same_language),
    ]


def pair_rows(
    question: QuestionTokens, passage: PassageTokens, result: Match
) -> NDArray[np.float32]:
    """One row a token, the question's first, float32 [tokens, dimension + 5].

    A row is the token's vector, its nearest cosine in the other text, whether its word stands
    there, its weight, whether it is of the title, whether it is of the question.
    """
    asked, told = len(question.stems), len(passage.stems)
    nearest = result.cosines.max(axis=0) if asked else np.zeros(told, np.float32)
    zeros, ones = np.zeros(asked, np.float32), np.ones(asked, np.float32)
    weights = question.weights / _LARGEST_IDF
    left = np.column_stack((result.nearest, result.shared, weights, zeros, ones))
    title = np.zeros(told, np.float32)
    title[: passage.title] = 1.0
    none = np.zeros(told, np.float32)
    right = np.column_stack((nearest, result.asked, none, title, none))
    vectors = np.concatenate((question.tokens.vectors, passage.tokens.vectors))
    return np.concatenate((vectors, np.concatenate((left, right))), axis=1).astype(np.float32)


@lru_cache(maxsize=4)
def _session(name: str) -> Any:
    switch_off_telemetry()
    import onnxruntime  # noqa: PLC0415 - heavy

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    options.log_severity_level = 3
    with as_file(files("deskhand.memory").joinpath(f"data/judge-{name}.onnx")) as path:
        return onnxruntime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )


@lru_cache(maxsize=1)
def _calibrations() -> dict[str, dict[str, float]]:
    text = files("deskhand.memory").joinpath("data/judges.json").read_text(encoding="utf-8")
    return dict(json.loads(text))
