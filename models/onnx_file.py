"""Reads from an ONNX file which other files it refers to, without loading it.

ONNX Runtime opens external weights by the path written in the file. A hostile file could name any
path, so the names are read and checked first. Only the protobuf wire format is understood here, and
only the fields that can lead to a tensor.
"""

import mmap
from collections.abc import Iterator
from pathlib import Path

# Field numbers of onnx.proto that can hold a tensor, by message: field -> message of its content.
_PATHS: dict[str, dict[int, str]] = {
    "Model": {7: "Graph", 25: "Function"},
    "Graph": {1: "Node", 5: "Tensor", 15: "Sparse"},
    "Function": {7: "Node", 11: "Attribute"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "Sparse", 23: "Sparse"},
    "Sparse": {1: "Tensor", 2: "Tensor"},
    "Tensor": {13: "Entry"},
}
_MAX_DEPTH = 40


class MalformedOnnxError(ValueError):
    """The file is not a whole ONNX model."""


def external_files(path: Path) -> set[str]:
    """The locations of external weights that an ONNX file names, as written.

    Args:
        path: The ONNX file.

    Raises:
        MalformedOnnxError: The file is empty, truncated or not ONNX.
    """
    if path.stat().st_size == 0:
        raise MalformedOnnxError("empty file")
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        return set(_locations(data, 0, len(data), "Model", 0))


def _locations(data: mmap.mmap, start: int, end: int, message: str, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        raise MalformedOnnxError("nested too deep")
    fields = _PATHS[message]
    for field, first, last in _fields(data, start, end):
        inner = fields.get(field)
        if inner == "Entry":
            entry = {number: data[low:high] for number, low, high in _fields(data, first, last)}
            if entry.get(1) == b"location":
                yield entry.get(2, b"").decode("utf-8", "replace")
        elif inner is not None:
            yield from _locations(data, first, last, inner, depth + 1)


def _fields(data: mmap.mmap, position: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number, start and end of the length-delimited fields of a message; numbers are skipped."""
    while position < end:
        key, position = _varint(data, position, end)
        wire = key & 7
        if wire == 0:
            _, position = _varint(data, position, end)
            continue
        if wire == 2:
            length, position = _varint(data, position, end)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise MalformedOnnxError(f"wire type {wire}")
        if position + length > end:
            raise MalformedOnnxError("truncated")
        if wire == 2:
            yield key >> 3, position, position + length
        position += length


def _varint(data: mmap.mmap, position: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= end or shift > 63:
            raise MalformedOnnxError("truncated")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
