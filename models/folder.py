"""A model on disk: a folder with `deskhand-model.json` and the files that it lists."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

from deskhand.core import ModelError
from deskhand.models.onnx_file import MalformedOnnxError, external_files

ABOUT = "deskhand-model.json"
MODEL = "model.onnx"
TOKENIZER = "tokenizer.json"

_PULL_AGAIN = "Delete the folder and get the model again: deskhand models pull {name}"


def shipped(name: str) -> Path:
    """The folder of package data that belongs to a model, whether or not it is whole there."""
    return Path(str(package_files("deskhand.models"))) / "data" / name


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class ModelFile:
    """Size in bytes and SHA-256 of a file of a model."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """What `deskhand-model.json` says of the embedding model in a folder.

    Args:
        path: The folder.
        name: The model's name.
        dimension: Length of a vector.
        max_tokens: Longer texts are cut here.
        query_prefix: Put before a question.
        passage_prefix: Put before a passage.
        english_only: Whether other languages are better served by another model.
        license: SPDX identifier.
        batch_texts: Whether a text gets the same vector in a batch as alone.
        files: Size and hash of each file, by name.
    """

    path: Path
    name: str
    dimension: int
    max_tokens: int
    query_prefix: str
    passage_prefix: str
    english_only: bool
    license: str
    batch_texts: bool
    files: Mapping[str, ModelFile]

    @classmethod
    def open(cls, path: Path) -> "ModelFolder":
        """Read the description and check, without reading them, that the files are there and whole.

        Args:
            path: The folder.

        Raises:
            ModelError: It is no model folder, or a file is missing, cut short, or lies elsewhere.
        """
        try:
            about = json.loads((path / ABOUT).read_bytes())
            model = cls._parse(path, about)
        except FileNotFoundError:
            raise ModelError(
                f"{path} is no embedding model: it has no {ABOUT}.",
                "Name a folder made by `deskhand models pull`.",
            ) from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(
                f"{path / ABOUT} cannot be read as a model description ({type(error).__name__}).",
                _PULL_AGAIN.format(name=path.name),
            ) from error
        for name, file in model.files.items():
            model._check_present(name, file)
        return model

    @classmethod
    def _parse(cls, path: Path, about: dict[str, Any]) -> "ModelFolder":
        if about["pooling"] != "mean":
            raise ValueError(f"pooling {about['pooling']!r}")
        files = {
            name: ModelFile(int(file["bytes"]), str(file["sha256"]))
            for name, file in about["files"].items()
        }
        if not {MODEL, TOKENIZER} <= files.keys():
            raise KeyError("files")
        dimension, max_tokens = int(about["dimension"]), int(about["max_tokens"])
        if dimension < 1 or max_tokens < 8:
            raise ValueError("dimension or max_tokens")
        return cls(
            path=path,
            name=str(about["name"]),
            dimension=dimension,
            max_tokens=max_tokens,
            query_prefix=str(about["query_prefix"]),
            passage_prefix=str(about["passage_prefix"]),
            english_only=bool(about["english_only"]),
            license=str(about["license"]),
            batch_texts=bool(about.get("batch_texts", True)),
            files=files,
        )

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that change when the vectors could.

        A collection stores it, to notice that it was built with another model.
        """
        identity = {
            "settings": [self.dimension, self.max_tokens, self.query_prefix, self.passage_prefix],
            "files": {name: file.sha256 for name, file in self.files.items()},
        }
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]

    def verify(self) -> None:
        """Read every file and compare it with its hash.

        Raises:
            ModelError: A file differs.
        """
        for name, file in self.files.items():
            if file_sha256(self.path / name) != file.sha256:
                raise self._damaged(name, "does not have the expected SHA-256")

    def check_references(self) -> None:
        """Check that model.onnx refers to no file but those of this folder's list.

        Raises:
            ModelError: It refers to another file, or is not a whole ONNX file.
        """
        try:
            named = external_files(self.path / MODEL)
        except MalformedOnnxError as error:
            raise self._damaged(MODEL, f"is not a whole ONNX file ({error})") from error
        if strangers := sorted(named - self.files.keys()):
            raise ModelError(
                f"{self.path / MODEL} refers to {strangers[0]!r}, which is not part of the model.",
                "Do not use this folder unless you trust where it came from.",
            )

    def _check_present(self, name: str, file: ModelFile) -> None:
        path = self.path / name
        if Path(name).name != name or not path.resolve().is_relative_to(self.path.resolve()):
            raise ModelError(
                f"{path} lies outside the model's folder {self.path}.",
                "Copy the file itself into the folder.",
            )
        if not path.is_file():
            raise self._damaged(name, "is missing")
        if (size := path.stat().st_size) != file.bytes:
            raise self._damaged(name, f"has {size} bytes instead of {file.bytes}")

    def _damaged(self, name: str, what: str) -> ModelError:
        return ModelError(
            f"The embedding model {self.name} is damaged: {self.path / name} {what}.",
            _PULL_AGAIN.format(name=self.name),
        )
