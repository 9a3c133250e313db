"""How likely a passage answers a question: a logistic model over the evidence.

The weights lie in data/relevance.json and are fitted by benchmarks/memory_relevance.py. There is one
set for each way of meeting: in the English model, in a multilingual model within one language, and
across languages. Other embedding models use the multilingual weights on their own cosines.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files


def features(parts: Mapping[str, float]) -> dict[str, float]:
    """The numbers the model sees, from a hit's raw scores; a FAQ's wordings count on their own."""
    asked = parts.get("question")
    return {
        "faq": 0.0 if asked is None else 1.0,
        "question": asked or 0.0,
        "cosine": parts.get("cosine", 0.0),
        "unit": parts.get("unit", 0.0),
        "coverage": parts.get("coverage", 0.0),
        "weakest": parts.get("weakest", 0.0),
        "nearness": parts.get("nearness", 0.0),
        "lexical": parts.get("lexical", 0.0),
    }


def meeting(space: str, *, same_language: bool) -> str:
    """Which set of weights fits: `english`, `multilingual` or `across`."""
    if space == "english":
        return "english"
    return "multilingual" if same_language else "across"


def relevance(space: str, parts: Mapping[str, float], *, same_language: bool) -> float:
    """Probability from 0 to 1 that a passage with these raw scores answers its question."""
    weights = _weights()[meeting(space, same_language=same_language)]
    total = weights["bias"] + sum(weights.get(name, 0.0) * x for name, x in features(parts).items())
    return 1.0 / (1.0 + math.exp(-max(min(total, 60.0), -60.0)))


@lru_cache(maxsize=1)
def _weights() -> dict[str, dict[str, float]]:
    text = files("deskhand.memory").joinpath("data/relevance.json").read_text(encoding="utf-8")
    return dict(json.loads(text))
