"""The 4-bit converter, against a small file written here, and the graph it fills."""

import hashlib
import json
import shutil
import struct
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from deskhand.models import OnnxEmbeddings
from deskhand.models.folder import ABOUT, MODEL, TOKENIZER, shipped
from deskhand.models.layout import BLOCK, EncoderSize, tensors
from deskhand.models.q4 import Q4File, convert

SIZE = EncoderSize(layers=1, heads=2, hidden=128, feed_forward=256, words=40, positions=16)


def _write(path: Path, cut: int | None = None) -> dict[str, np.ndarray]:
    """An E5S1 file of random weights; returns what they stand for, by tensor name."""
    random = np.random.default_rng(7)
    meant: dict[str, np.ndarray] = {}
    stored: dict[str, tuple[int, int, bytes]] = {}

    def matrix(name: str, rows: int, width: int) -> None:
        count = rows * width
        scale = random.uniform(0.01, 0.2, count // 32).astype("<f2")
        values = random.integers(0, 16, (count // 32, 32), dtype=np.uint8)
        packed = np.empty(count // 32, [("d", "<f2"), ("q", "u1", 16)])
        packed["d"], packed["q"] = scale, values[:, :16] | values[:, 16:] << 4
        real = (values.astype(np.float32) - 8) * scale.astype(np.float32)[:, None]
        meant[name] = real.reshape(rows, width)
        stored[name] = (1, count, packed.tobytes())

    def vector(name: str, length: int) -> None:
        meant[name] = random.normal(size=length).astype("<f4")
        stored[name] = (0, length, meant[name].tobytes())

    hidden, wide = SIZE.hidden, SIZE.feed_forward
    matrix("emb.word", SIZE.words, hidden)
    vector("emb.pos", SIZE.positions * hidden)
    vector("emb.type", 2 * hidden)
    for part, rows, width in [
        ("q", hidden, hidden), ("k", hidden, hidden), ("v", hidden, hidden),
        ("ao", hidden, hidden), ("fi", wide, hidden), ("fo", hidden, wide),
    ]:  # fmt: skip
        matrix(f"l0.{part}.w", rows, width)
        vector(f"l0.{part}.b", rows)
    for norm in ("emb.ln", "l0.aln", "l0.oln"):
        vector(f"{norm}.w", hidden)
        vector(f"{norm}.b", hidden)

    header = b"E5S1" + struct.pack("<I7ifi", 1, hidden, 1, 2, wide, 40, 16, 2, 1e-12, 32)
    header += struct.pack("<5iQ", 3, 0, 2, 1, 3, 5) + bytes(4 * 4 + 4 * 3 + 5)
    header += struct.pack("<iI", 2, 9) + bytes(9) + struct.pack("<i", len(stored))
    entries = sum(2 + len(name) + 1 + 4 + 16 for name in stored)
    offset, body = len(header) + entries, b""
    for name, (kind, count, data) in stored.items():
        header += struct.pack(f"<H{len(name)}sBIQQ", len(name), name.encode(), kind, count,
                              offset + len(body), len(data))  # fmt: skip
        body += data
    path.write_bytes((header + body)[:cut])
    return meant


def _tensor(weights: bytes, name: str) -> np.ndarray:
    place = next(tensor for tensor in tensors(SIZE) if tensor.name == name)
    data = weights[place.offset : place.offset + place.bytes]
    return np.frombuffer(data, place.dtype).reshape(place.shape)


def test_every_tensor_arrives(tmp_path: Path) -> None:
    meant = _write(tmp_path / "q4")
    seen: list[tuple[int, int]] = []
    convert(tmp_path / "q4", tmp_path / "weights.bin", lambda *progress: seen.append(progress))
    weights = (tmp_path / "weights.bin").read_bytes()
    last = tensors(SIZE)[-1]
    assert len(weights) == last.offset + last.bytes
    assert seen == sorted(seen)

    words = _tensor(weights, "word") * _tensor(weights, "word.scale")
    assert (
        np.abs(words - meant["emb.word"]).max() <= _tensor(weights, "word.scale").max() / 2 + 1e-6
    )
    places = meant["emb.pos"].reshape(16, -1) + meant["emb.type"][:128]
    assert np.array_equal(_tensor(weights, "positions"), places)

    for name, sources in {
        "0.qkv": "qkv", "0.attention": ["ao"], "0.up": ["fi"], "0.down": ["fo"],
    }.items():  # fmt: skip
        matrix = np.concatenate([meant[f"l0.{source}.w"] for source in sources])
        scale = _tensor(weights, f"{name}.scale").reshape(len(matrix), -1, 1)
        made = (_tensor(weights, name).astype(np.float32) - 128) * scale
        error = np.abs(made.reshape(matrix.shape) - matrix).reshape(len(matrix), -1, BLOCK)
        assert (error <= scale / 2 + 1e-6).all()
        bias = np.concatenate([meant[f"l0.{source}.b"] for source in sources])
        assert np.array_equal(_tensor(weights, f"{name}.bias"), bias)
    for name, source in {"norm": "emb.ln", "0.norm1": "l0.aln", "0.norm2": "l0.oln"}.items():
        assert np.array_equal(_tensor(weights, f"{name}.weight"), meant[f"{source}.w"])
        assert np.array_equal(_tensor(weights, f"{name}.bias"), meant[f"{source}.b"])


def test_rows_are_slices_of_the_whole(tmp_path: Path) -> None:
    meant = _write(tmp_path / "q4")
    with Q4File(tmp_path / "q4") as file:
        assert file.size == SIZE
        assert np.array_equal(file.rows("emb.word", 128, 8, 24), meant["emb.word"][8:24])
        with pytest.raises(ValueError, match="of kind 1"):
            file.vector("emb.word")
        with pytest.raises(ValueError, match="of kind 0"):
            file.rows("emb.pos", 128)
        with pytest.raises(ValueError, match="no matrix"):
            file.rows("emb.word", 96)
        with pytest.raises(ValueError, match="missing"):
            file.vector("nothing")


@pytest.mark.parametrize("cut", [1, 40, 200, 20_000])
def test_truncated_source(tmp_path: Path, cut: int) -> None:
    _write(tmp_path / "q4", cut)
    with pytest.raises(ValueError, match=r"cut short|no E5S1 file"):
        convert(tmp_path / "q4", tmp_path / "weights.bin")


def test_the_graph_finds_its_weights(tmp_path: Path) -> None:
    # All weights zero, in a file of the full length that takes no room: every place is in range.
    large = EncoderSize(12, 12, 384, 1536, 250_037, 512)
    last = tensors(large)[-1]
    folder = tmp_path / "zero"
    folder.mkdir()
    shutil.copy(shipped("multilingual-e5-small") / MODEL, folder)
    shutil.copy(shipped("all-MiniLM-L6-v2") / TOKENIZER, folder)
    with (folder / "weights.bin").open("wb") as file:
        file.truncate(last.offset + last.bytes)
    files = {}
    for path in folder.iterdir():
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        files[path.name] = {"bytes": path.stat().st_size, "sha256": digest}
    about = json.loads((shipped("all-MiniLM-L6-v2") / ABOUT).read_text("utf-8"))
    (folder / ABOUT).write_text(json.dumps(about | {"files": files}), "utf-8")
    vectors = OnnxEmbeddings(folder).embed_array(["hello world", "hi"], "query")
    assert vectors.shape == (2, 384)
    assert not vectors.any()


def test_the_graph_is_what_its_script_makes(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="making the graph again needs the package onnx")
    import_module("deskhand.models.export.e5_skeleton").main(tmp_path)
    made = (tmp_path / MODEL).read_bytes()
    assert made == (shipped("multilingual-e5-small") / MODEL).read_bytes()
