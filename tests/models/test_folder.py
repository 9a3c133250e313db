"""Folders that are no model, damaged models, and models that reach out of their folder."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from deskhand.core import ModelError
from deskhand.models import OnnxEmbeddings
from deskhand.models.folder import ABOUT, MODEL, TOKENIZER, shipped
from deskhand.models.onnx_file import MalformedOnnxError, external_files


def _error(folder: Path) -> ModelError:
    with pytest.raises(ModelError) as caught:
        OnnxEmbeddings(folder).load()
    assert str(folder) in caught.value.message
    assert caught.value.hint
    return caught.value


def test_no_model(tmp_path: Path) -> None:
    assert "no embedding model" in _error(tmp_path).message
    assert "no embedding model" in _error(tmp_path / "nowhere").message


@pytest.mark.parametrize(
    "about", ["", "[]", "{}", '{"pooling": "cls"}', "\udcff", '{"files": {}}', "null"]
)
def test_unreadable_description(copy: Path, about: str) -> None:
    (copy / ABOUT).write_bytes(about.encode("utf-8", "surrogateescape"))
    assert "model description" in _error(copy).message


@pytest.mark.parametrize("name", [MODEL, TOKENIZER])
def test_missing_file(copy: Path, name: str) -> None:
    (copy / name).unlink()
    assert "is missing" in _error(copy).message


@pytest.mark.parametrize("name", [MODEL, TOKENIZER])
def test_truncated_file(copy: Path, name: str) -> None:
    data = (copy / name).read_bytes()
    (copy / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelError, match="bytes instead of"):
        OnnxEmbeddings(copy)


@pytest.mark.parametrize("name", [MODEL, TOKENIZER])
def test_changed_file(copy: Path, name: str) -> None:
    data = bytearray((copy / name).read_bytes())
    data[-1] ^= 1
    (copy / name).write_bytes(data)
    message = _error(copy).message
    assert "SHA-256" in message or "is not a whole ONNX file" in message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a whole ONNX file"),
        (b"no model at all", "is not a whole ONNX file"),
        (b"\x08\x0a", "ONNX Runtime cannot load"),
    ],
)
def test_listed_but_no_model(
    copy: Path, rewrite: Callable[..., None], content: bytes, message: str
) -> None:
    (copy / MODEL).write_bytes(content)
    rewrite(copy)
    assert message in _error(copy).message


def test_truncated_model_that_is_listed_so(copy: Path, rewrite: Callable[..., None]) -> None:
    (copy / MODEL).write_bytes((copy / MODEL).read_bytes()[:1_000_000])
    rewrite(copy)
    assert "is not a whole ONNX file" in _error(copy).message


@pytest.mark.parametrize("content", [b"{}", b'{"version": "1.0"', b"\xff\xfe"])
def test_listed_but_no_tokenizer(copy: Path, rewrite: Callable[..., None], content: bytes) -> None:
    (copy / TOKENIZER).write_bytes(content)
    rewrite(copy)
    assert "is no tokenizer" in _error(copy).message


def _skeleton(copy: Path, location: bytes) -> None:
    """Replaces the model by one whose weights lie in a file called `location`."""
    assert len(location) == len(b"weights.bin")
    graph = (shipped("multilingual-e5-small") / MODEL).read_bytes()
    (copy / MODEL).write_bytes(graph.replace(b"weights.bin", location))


@pytest.mark.parametrize("location", [b"../evil.bin", b"/etc/passwd", b"unknown.bin"])
def test_weights_outside(copy: Path, rewrite: Callable[..., None], location: bytes) -> None:
    (copy.parent / "evil.bin").write_bytes(b"0")
    _skeleton(copy, location)
    rewrite(copy)
    assert f"refers to '{location.decode()}'" in _error(copy).message


def test_listed_file_outside(copy: Path, rewrite: Callable[..., None]) -> None:
    outside = copy.parent / "evil.bin"
    outside.write_bytes(b"0")
    files = {name: {"bytes": 1, "sha256": "0"} for name in (MODEL, TOKENIZER, "../evil.bin")}
    rewrite(copy, relist=False, files=files)
    shutil.copy(outside, copy / MODEL)
    shutil.copy(outside, copy / TOKENIZER)
    assert "lies outside" in _error(copy).message


@pytest.mark.parametrize("name", [MODEL, TOKENIZER])
def test_link_out_of_the_folder(copy: Path, name: str) -> None:
    outside = copy.parent / "elsewhere"
    shutil.move(copy / name, outside)
    (copy / name).symlink_to(outside)
    assert "lies outside" in _error(copy).message


def test_link_to_the_folder_is_fine(copy: Path) -> None:
    link = copy.parent / "link"
    link.symlink_to(copy, target_is_directory=True)
    OnnxEmbeddings(link).load()


def test_external_files(tmp_path: Path) -> None:
    assert external_files(shipped("all-MiniLM-L6-v2") / MODEL) == set()
    assert external_files(shipped("multilingual-e5-small") / MODEL) == {"weights.bin"}
    # Attribute groups nested without end: graph 7, node 1, attribute 5, graph 6, ...
    nested = b""
    for _ in range(60):
        for field in (6, 5, 1):
            nested = bytes([field << 3 | 2]) + _length(len(nested)) + nested
    (tmp_path / "deep").write_bytes(b"\x3a" + _length(len(nested)) + nested)
    with pytest.raises(MalformedOnnxError, match="deep"):
        external_files(tmp_path / "deep")


def _length(value: int) -> bytes:
    result = bytearray()
    while value > 127:
        result.append(value & 127 | 128)
        value >>= 7
    return bytes([*result, value])
