"""Which model is used: shipped, pulled, or named by a setting."""

import shutil
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import deskhand.models
from deskhand.core import MissingExtraError, ModelError, SettingsError
from deskhand.models import (
    OnnxEmbeddings,
    custom_embeddings,
    list_models,
    multilingual_embeddings,
)
from deskhand.models.folder import MODEL, shipped


def test_every_public_name_is_there() -> None:
    for name in deskhand.models.__all__:
        assert getattr(deskhand.models, name)
    with pytest.raises(AttributeError, match="no_such_name"):
        deskhand.models.no_such_name  # noqa: B018


def test_list_models(tmp_path: Path) -> None:
    shipped_model, pulled = list_models(tmp_path / "nowhere")
    assert (shipped_model.name, shipped_model.present, shipped_model.shipped) == (
        "all-MiniLM-L6-v2", True, True,
    )  # fmt: skip
    assert (pulled.present, pulled.shipped, pulled.problem) == (False, False, "")
    (tmp_path / "multilingual-e5-small").mkdir()
    damaged = list_models(tmp_path)[1]
    assert not damaged.present
    assert "no embedding model" in damaged.problem


def test_multilingual_embeddings(tmp_path: Path) -> None:
    assert multilingual_embeddings(tmp_path) is None
    folder = Path(shutil.copytree(shipped("all-MiniLM-L6-v2"), tmp_path / "multilingual-e5-small"))
    assert multilingual_embeddings(tmp_path)
    (folder / MODEL).unlink()
    with pytest.raises(ModelError):
        multilingual_embeddings(tmp_path)


def test_custom_folder_of_ours(copy: Path) -> None:
    assert isinstance(custom_embeddings(str(copy)), OnnxEmbeddings)


@pytest.mark.parametrize("setting", ["./nowhere", "/no/such/folder", "a/b/c", "a b"])
def test_custom_setting_that_means_nothing(
    setting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match="neither a folder"):
        custom_embeddings(setting)


def test_custom_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deskhand.models.sentence.importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"deskhand\[transformers\]"):
        custom_embeddings("owner/model")


class _Sentence:
    """Stands in for sentence_transformers.SentenceTransformer."""

    calls: list[tuple[str, dict[str, Any]]]

    def __init__(self, name: str, **options: Any) -> None:
        if name == "owner/missing":
            raise OSError("not found")
        self.calls.append((name, options))

    def __getitem__(self, index: int) -> SimpleNamespace:
        config = SimpleNamespace(_commit_hash="c" * 40)
        return SimpleNamespace(auto_model=SimpleNamespace(config=config))

    def get_sentence_embedding_dimension(self) -> int:
        return 3

    def encode_query(self, texts: list[str], **options: Any) -> np.ndarray:
        assert options["normalize_embeddings"]
        return np.tile([1.0, 0.0, 0.0], (len(texts), 1))

    def encode_document(self, texts: list[str], **options: Any) -> np.ndarray:
        return np.tile([0.0, 1.0, 0.0], (len(texts), 1))


@pytest.fixture
def sentence(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Sentence]]:
    module = ModuleType("sentence_transformers")
    module.__spec__ = ModuleSpec("sentence_transformers", None)
    module.SentenceTransformer = _Sentence  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)
    _Sentence.calls = []
    yield _Sentence


async def test_custom_from_the_hub(sentence: type[_Sentence]) -> None:
    model = custom_embeddings("owner/model")
    ((name, options),) = sentence.calls
    assert name == "owner/model"
    assert options["trust_remote_code"] is False
    assert options["local_files_only"] is False
    assert (model.name, model.dimension, model.english_only) == ("owner/model", 3, False)
    assert len(model.fingerprint) == 16
    assert model.embed_query("a \ud800") == [1, 0, 0]
    assert model.embed_documents(["a", "b"]) == [[0, 1, 0]] * 2
    assert await model.aembed_query("a") == [1, 0, 0]
    assert await model.aembed_documents(["a"]) == [[0, 1, 0]]
    assert model.embed_array([], "query").shape == (0, 3)
    with pytest.raises(ModelError, match="not found"):
        custom_embeddings("owner/missing")


def test_custom_folder_uses_nothing_else(sentence: type[_Sentence], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    model = custom_embeddings(str(tmp_path))
    assert sentence.calls[0][1]["local_files_only"] is True
    assert model.name == tmp_path.name
    (tmp_path / "config.json").write_text("{ }")
    assert custom_embeddings(str(tmp_path)).fingerprint != model.fingerprint
