"""Makes the English embedding model: all-MiniLM-L6-v2 from its official weights, 8 bits a weight.

    python -m deskhand.models.export.minilm MODEL.safetensors TOKENIZER.json [OUTPUT_FOLDER]

The same input gives the same bytes. Both input files are checked against the hashes of the official
release (sentence-transformers/all-MiniLM-L6-v2). Matrices are symmetric int8 in blocks of 128 along
the input, the word table int8 with one scale a row; biases and norms stay float32.
"""

import hashlib
import json
import struct
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import numpy_helper  # type: ignore[import-not-found,unused-ignore]

from deskhand.models.export.bert import build_bert
from deskhand.models.layout import (
    EncoderSize,
    Floats,
    quantize_matrix,
    quantize_words,
    tensors,
)

_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
_SIZE = EncoderSize(layers=6, heads=12, hidden=384, feed_forward=1536, words=30_522, positions=512)
_EPSILON = 1e-12
_ABOUT = {
    "name": "all-MiniLM-L6-v2",
    "dimension": 384,
    # What its authors set (sentence_bert_config.json); longer texts are cut.
    "max_tokens": 256,
    "query_prefix": "",
    "passage_prefix": "",
    "pooling": "mean",
    "english_only": True,
    "license": "Apache-2.0",
    "origin": "sentence-transformers/all-MiniLM-L6-v2, model.safetensors " + _WEIGHTS_SHA256,
}


def read_checked(path: Path, sha256: str) -> bytes:
    """The file's bytes, or an exit when they are not the pinned ones."""
    data = path.read_bytes()
    if (found := hashlib.sha256(data).hexdigest()) != sha256:
        sys.exit(f"{path}: sha256 is {found}, expected {sha256}")
    return data


def read_safetensors(data: bytes) -> dict[str, Floats]:
    """The float32 tensors of a safetensors file, by name."""
    (length,) = struct.unpack_from("<Q", data)
    header: dict[str, Any] = json.loads(data[8 : 8 + length])
    body = memoryview(data)[8 + length :]
    return {
        name: np.frombuffer(body[slice(*about["data_offsets"])], "<f4").reshape(about["shape"])
        for name, about in header.items()
        if about.get("dtype") == "F32"
    }


class _MiniLM:
    """The tensors of the graph, computed from the official ones and kept inside the file."""

    def __init__(self, official: dict[str, Floats]) -> None:
        self._places = {tensor.name: tensor for tensor in tensors(_SIZE)}
        self._arrays: dict[str, npt.NDArray[Any]] = {}
        words, scale = quantize_words(official["embeddings.word_embeddings.weight"])
        self._arrays["word"], self._arrays["word.scale"] = words, scale
        self._arrays["positions"] = (
            official["embeddings.position_embeddings.weight"]
            + official["embeddings.token_type_embeddings.weight"][0]
        )
        self._copy("norm", official, "embeddings.LayerNorm")
        for n in range(_SIZE.layers):
            source = f"encoder.layer.{n}"
            attention = f"{source}.attention"
            queries = [f"{attention}.self.{part}" for part in ("query", "key", "value")]
            self._linear(f"{n}.qkv", official, *queries)
            self._linear(f"{n}.attention", official, f"{attention}.output.dense")
            self._linear(f"{n}.up", official, f"{source}.intermediate.dense")
            self._linear(f"{n}.down", official, f"{source}.output.dense")
            self._copy(f"{n}.norm1", official, f"{attention}.output.LayerNorm")
            self._copy(f"{n}.norm2", official, f"{source}.output.LayerNorm")

    def _linear(self, name: str, official: dict[str, Floats], *sources: str) -> None:
        weight = np.concatenate([official[f"{source}.weight"] for source in sources])
        self._arrays[name], self._arrays[f"{name}.scale"] = quantize_matrix(weight)
        self._arrays[f"{name}.bias"] = np.concatenate([official[f"{s}.bias"] for s in sources])

    def _copy(self, name: str, official: dict[str, Floats], source: str) -> None:
        for part in ("weight", "bias"):
            self._arrays[f"{name}.{part}"] = official[f"{source}.{part}"]

    def tensor(self, name: str) -> Any:
        """The tensor of that name, with its values."""
        place = self._places[name]
        array = np.ascontiguousarray(self._arrays[name], place.dtype).reshape(place.shape)
        return numpy_helper.from_array(array, name)


def minify_tokenizer(data: bytes) -> bytes:
    """The tokenizer without its fixed padding and truncation, in compact JSON."""
    tokenizer = json.loads(data)
    tokenizer["padding"] = tokenizer["truncation"] = None
    return json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":")).encode()


def main(weights: Path, tokenizer: Path, output: Path) -> None:
    """Write model.onnx, tokenizer.json and deskhand-model.json into `output`."""
    official = read_safetensors(read_checked(weights, _WEIGHTS_SHA256))
    made = {
        "model.onnx": build_bert(_SIZE, _MiniLM(official), _EPSILON).SerializeToString(
            deterministic=True
        ),
        "tokenizer.json": minify_tokenizer(read_checked(tokenizer, _TOKENIZER_SHA256)),
    }
    output.mkdir(parents=True, exist_ok=True)
    for name, data in made.items():
        (output / name).write_bytes(data)
    about = _ABOUT | {
        "files": {
            name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in made.items()
        }
    }
    (output / "deskhand-model.json").write_text(json.dumps(about, indent=2) + "\n", "utf-8")
    sys.stdout.write(json.dumps(about["files"], indent=2) + "\n")


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    default = Path(str(files("deskhand.models"))) / "data" / "all-MiniLM-L6-v2"
    target = Path(sys.argv[3]) if len(sys.argv) == 4 else default
    main(Path(sys.argv[1]), Path(sys.argv[2]), target)
