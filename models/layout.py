"""The tensors of a BERT encoder with 8-bit matrices: their names, shapes and places in one file.

The exporter writes the graph from this list and the converter writes the weights from it, so that
converting needs neither `onnx` nor `torch`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

# Every tensor starts at a multiple of this, so that it can be used where it is mapped.
_ALIGNMENT = 64
BLOCK = 128

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class EncoderSize:
    """Sizes of a BERT encoder."""

    layers: int
    heads: int
    hidden: int
    feed_forward: int
    words: int
    positions: int


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of the weights file. `offset` is in bytes."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int

    @property
    def bytes(self) -> int:
        """How many bytes it takes."""
        return self.dtype.itemsize * int(np.prod(self.shape))


def tensors(size: EncoderSize) -> tuple[Tensor, ...]:
    """Every tensor of an encoder, in the order of the weights file."""
    result: list[Tensor] = []
    end = 0
    for name, dtype, shape in _shapes(size):
        start = -(-end // _ALIGNMENT) * _ALIGNMENT
        result.append(Tensor(name, np.dtype(dtype), shape, start))
        end = start + result[-1].bytes
    return tuple(result)


def _shapes(size: EncoderSize) -> list[tuple[str, str, tuple[int, ...]]]:
    hidden, wide = size.hidden, size.feed_forward
    shapes: list[tuple[str, str, tuple[int, ...]]] = [
        ("word", "i1", (size.words, hidden)),
        ("word.scale", "<f4", (size.words, 1)),
        ("positions", "<f4", (size.positions, hidden)),
        *((f"norm.{part}", "<f4", (hidden,)) for part in ("weight", "bias")),
    ]
    linears = (
        ("qkv", 3 * hidden, hidden),
        ("attention", hidden, hidden),
        ("up", wide, hidden),
        ("down", hidden, wide),
    )
    for n in range(size.layers):
        for linear, outputs, inputs in linears:
            blocks = inputs // BLOCK
            shapes += [
                (f"{n}.{linear}", "u1", (outputs, blocks, BLOCK)),
                (f"{n}.{linear}.scale", "<f4", (outputs * blocks,)),
                (f"{n}.{linear}.bias", "<f4", (outputs,)),
            ]
        for norm in ("norm1", "norm2"):
            shapes += [(f"{n}.{norm}.{part}", "<f4", (hidden,)) for part in ("weight", "bias")]
    return shapes


def quantize_words(rows: Floats) -> tuple[npt.NDArray[np.int8], Floats]:
    """Symmetric int8 of a word table: integers [words, hidden] and a scale a row [words, 1]."""
    integers, scale = _quantize(rows, rows.shape[1])
    return integers.reshape(rows.shape), scale


def quantize_matrix(matrix: Floats) -> tuple[npt.NDArray[np.uint8], Floats]:
    """Symmetric int8 in blocks along the input, as ONNX Runtime's MatMulNBits stores it.

    Args:
        matrix: float32, [outputs, inputs]; inputs are a multiple of `BLOCK`.

    Returns:
        Bytes with 128 as zero, [outputs, blocks, BLOCK], and scales [outputs * blocks].
    """
    integers, scale = _quantize(matrix, BLOCK)
    return (integers.astype(np.int16) + 128).astype(np.uint8), scale.reshape(-1)


def _quantize(rows: Floats, block: int) -> tuple[npt.NDArray[np.int8], Floats]:
    blocks = rows.reshape(len(rows), -1, block)
    scale = np.maximum(np.abs(blocks).max(axis=2) / np.float32(127), np.float32(1e-12))
    return np.rint(blocks / scale[..., None]).clip(-127, 127).astype(np.int8), scale
