"""Embeddings from a local ONNX model: text in, unit vectors out, on the CPU without torch."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from deskhand.models.arrays import ArrayEmbeddings
from deskhand.models.batches import batches
from deskhand.models.engine import Engine, default_threads, load_engine
from deskhand.models.folder import ModelFolder

if TYPE_CHECKING:
    from tokenizers import Encoding

Kind = Literal["query", "passage"]
Vectors = npt.NDArray[np.float32]

# Larger batches are slower: their activations no longer fit the processor's cache.
_TOKENS_PER_BATCH = 1024
# Texts tokenized at once, so that a large corpus does not lie in memory as tokens.
_TEXTS_PER_WINDOW = 1024
# Characters kept for each token the model can read. Tokenizing a megabyte to keep 256 tokens of it
# would take seconds; only a text of mostly blanks or unknown signs loses anything by this.
_CHARACTERS_PER_TOKEN = 64


@dataclass(frozen=True, slots=True)
class TokenVectors:
    """The tokens of one text, each with its vector in context.

    Args:
        offsets: (start, end) of each token in characters of the text as given.
        vectors: Unit vectors, float32, [tokens, dimension].
    """

    offsets: list[tuple[int, int]]
    vectors: Vectors


class OnnxEmbeddings(ArrayEmbeddings):
    """An embedding model of a local folder, for questions and passages.

    The constructor reads only the description; the model is loaded by the first call or by
    `load()`. Instances may be shared between threads: loading is locked, and after it nothing
    changes (ONNX Runtime's `run` and the tokenizer are safe to call at the same time).

    Args:
        folder: Holds deskhand-model.json, model.onnx and tokenizer.json.
        threads: Threads of one call. Default: half the processors this process may use, at most 8;
            both of two.

    Raises:
        ModelError: The folder holds no whole model.
    """

    def __init__(self, folder: Path, *, threads: int | None = None) -> None:
        self._folder = ModelFolder.open(folder)
        self._threads = threads or default_threads()
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self.name = self._folder.name
        self.dimension = self._folder.dimension
        self.english_only = self._folder.english_only
        self.fingerprint = self._folder.fingerprint

    def __repr__(self) -> str:
        return f"OnnxEmbeddings({str(self._folder.path)!r})"

    def load(self) -> None:
        """Load the model now instead of at the first call. Doing it twice costs nothing.

        Raises:
            ModelError: A file is damaged, or is not what it claims to be.
        """
        self._loaded()

    def embed_array(self, texts: Sequence[str], kind: Kind) -> Vectors:
        """Unit vectors of texts: the mean of their token vectors, normalized.

        Args:
            texts: Any text; what goes past the model's length is cut.
            kind: Whether they are questions or passages; some models tell them apart.

        Returns:
            float32, [texts, dimension], in the order of `texts`.
        """
        result = np.zeros((len(texts), self.dimension), np.float32)
        for indices, _, hidden, mask in self._run(texts, kind):
            result[indices] = _mean(hidden, mask)
        return _unit(result)

    def embed_tokens(self, texts: Sequence[str], kind: Kind) -> list[TokenVectors]:
        """The vector of every token, for comparing texts word by word.

        The model's own signs and the prefix are left out. Offsets never include leading blanks.

        Args:
            texts: As in `embed_array`.
            kind: As in `embed_array`.
        """
        return self.embed_both(texts, kind)[1]

    def embed_both(self, texts: Sequence[str], kind: Kind) -> tuple[Vectors, list[TokenVectors]]:
        """What `embed_array` and `embed_tokens` give, in one run of the model.

        Args:
            texts: As in `embed_array`.
            kind: As in `embed_array`.
        """
        nothing = TokenVectors([], np.zeros((0, self.dimension), np.float32))
        tokens = [nothing] * len(texts)
        whole = np.zeros((len(texts), self.dimension), np.float32)
        prefix = len(self._prefix(kind))
        for indices, encodings, hidden, mask in self._run(texts, kind):
            whole[indices] = _mean(hidden, mask)
            for index, encoding, states in zip(indices, encodings, hidden, strict=True):
                kept, offsets = _own_tokens(encoding, texts[index], prefix)
                tokens[index] = TokenVectors(offsets, _unit(states[kept]))
        return _unit(whole), tokens

    def _prefix(self, kind: Kind) -> str:
        return self._folder.query_prefix if kind == "query" else self._folder.passage_prefix

    def _run(
        self, texts: Sequence[str], kind: Kind
    ) -> Iterator[tuple[list[int], list["Encoding"], Vectors, npt.NDArray[np.int64]]]:
        """For each batch: indices of its texts, their tokens, last hidden states, and the mask."""
        if not texts:
            return
        engine = self._loaded()
        prefix = self._prefix(kind)
        budget = _TOKENS_PER_BATCH if self._folder.batch_texts else 0
        most = self._folder.max_tokens * _CHARACTERS_PER_TOKEN
        for start in range(0, len(texts), _TEXTS_PER_WINDOW):
            window = texts[start : start + _TEXTS_PER_WINDOW]
            encodings = engine.tokenizer.encode_batch(
                [prefix + _valid_unicode(text[:most]) for text in window]
            )
            for group in batches([len(e) for e in encodings], budget):
                chosen = [encodings[i] for i in group]
                ids, mask = _pad([e.ids for e in chosen])
                feed = {"input_ids": ids, "attention_mask": mask}
                if "token_type_ids" in engine.inputs:
                    feed["token_type_ids"] = np.zeros_like(ids)
                hidden = engine.session.run([engine.output], feed)[0]
                yield [start + i for i in group], chosen, hidden, mask

    def _loaded(self) -> Engine:
        if self._engine is None:
            with self._lock:
                if self._engine is None:
                    self._engine = load_engine(self._folder, self._threads)
        return self._engine


def _mean(hidden: Vectors, mask: npt.NDArray[np.int64]) -> Vectors:
    """Means of token vectors without the padding, float32 [texts, dimension]."""
    weights = mask / np.maximum(mask.sum(axis=1, keepdims=True), 1)
    means: Vectors = np.matmul(weights[:, None, :].astype(np.float32), hidden)[:, 0]
    return means


def _valid_unicode(text: str) -> str:
    # Half a surrogate pair cannot be tokenized; it becomes "?", which keeps offsets as they are.
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _pad(rows: list[list[int]]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    width = max(1, *map(len, rows))
    ids = np.zeros((len(rows), width), np.int64)
    mask = np.zeros_like(ids)
    for row, tokens in enumerate(rows):
        ids[row, : len(tokens)] = tokens
        mask[row, : len(tokens)] = 1
    return ids, mask


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    result: Vectors = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
    return result


def _own_tokens(
    encoding: "Encoding", text: str, prefix: int
) -> tuple[list[int], list[tuple[int, int]]]:
    """Positions and character offsets of the tokens that are made of the text itself."""
    kept: list[int] = []
    offsets: list[tuple[int, int]] = []
    pairs = zip(encoding.offsets, encoding.special_tokens_mask, strict=True)
    for position, ((start, end), special) in enumerate(pairs):
        first, last = max(0, start - prefix), end - prefix
        while first < last and text[first].isspace():
            first += 1
        if not special and first < last:
            kept.append(position)
            offsets.append((first, last))
    return kept, offsets
