"""Pulling: whole or not at all, once, and from whichever source answers. No network."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from deskhand.core import ModelError, StorageError, UserError
from deskhand.models import OnnxEmbeddings, pull_model
from deskhand.models.catalog import EmbeddingModel, embedding_model
from deskhand.models.folder import MODEL, ModelFolder, shipped

NAME = "tiny-model"


def _left(models: Path) -> list[str]:
    return sorted(path.name for path in models.iterdir() if not path.name.endswith(".lock"))


def test_pull_from_wheels(wheelhouse: EmbeddingModel, tmp_path: Path) -> None:
    models = tmp_path / "deep" / "models"
    stages: list[str] = []
    folder = pull_model(NAME, models, progress=lambda stage, done, total: stages.append(stage))
    assert folder == models / NAME
    assert _left(models) == [NAME]
    assert stages[0] == "downloading tiny-model==1.0"
    model = OnnxEmbeddings(folder)
    assert model.name == NAME
    assert len(model.embed_query("hello")) == 384


def test_second_pull_does_nothing(wheelhouse: EmbeddingModel, tmp_path: Path) -> None:
    folder = pull_model(NAME, tmp_path)
    before = (folder / MODEL).stat().st_ino
    stages: list[str] = []
    pull_model(NAME, tmp_path, progress=lambda stage, done, total: stages.append(stage))
    assert stages == []
    assert (folder / MODEL).stat().st_ino == before


def test_damaged_model_is_pulled_again(wheelhouse: EmbeddingModel, tmp_path: Path) -> None:
    folder = pull_model(NAME, tmp_path / "models")
    (folder / MODEL).write_bytes(b"0" * (folder / MODEL).stat().st_size)
    pull_model(NAME, tmp_path / "models")
    ModelFolder.open(folder).verify()
    assert _left(tmp_path / "models") == [NAME]


def test_two_at_once_make_one_download(wheelhouse: EmbeddingModel, tmp_path: Path) -> None:
    downloads: list[int] = []

    def pull(_: int) -> Path:
        def progress(stage: str, done: int, total: int) -> None:
            if stage.startswith("downloading") and done == 0:
                downloads.append(threading.get_ident())

        return pull_model(NAME, tmp_path / "models", progress=progress)

    with ThreadPoolExecutor(4) as pool:
        folders = set(pool.map(pull, range(4)))
    assert folders == {tmp_path / "models" / NAME}
    assert len(set(downloads)) == 1
    assert _left(tmp_path / "models") == [NAME]


def test_interrupted_pull_leaves_nothing(wheelhouse: EmbeddingModel, tmp_path: Path) -> None:
    def interrupt(stage: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    models = tmp_path / "models"
    with pytest.raises(KeyboardInterrupt):
        pull_model(NAME, models, progress=interrupt)
    assert _left(models) == []
    # What a killed process leaves is removed by the next pull.
    (models / f".{NAME}.part-killed").mkdir()
    pull_model(NAME, models)
    assert _left(models) == [NAME]


def test_nothing_to_pull_from(
    wheelhouse: EmbeddingModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nowhere"))
    with pytest.raises(ModelError, match="could not be fetched") as caught:
        pull_model(NAME, tmp_path / "models")
    assert "packages: pip:" in caught.value.message
    assert "HTTPS_PROXY" in caught.value.hint
    assert _left(tmp_path / "models") == []


def test_without_pip(
    wheelhouse: EmbeddingModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deskhand.models.sources.importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModelError, match="pip is not installed"):
        pull_model(NAME, tmp_path / "models")


@pytest.mark.parametrize("part", ["wheel", "file"])
def test_changed_package_is_refused(
    wheelhouse: EmbeddingModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    wheel = wheelhouse.source[0].wheel[0]
    if part == "wheel":
        wheel = wheel.model_copy(update={"sha256": "0" * 64})
    else:
        file = wheel.file[0].model_copy(update={"sha256": "0" * 64})
        wheel = wheel.model_copy(update={"file": (file, *wheel.file[1:])})
    source = wheelhouse.source[0].model_copy(update={"wheel": (wheel,)})
    changed = wheelhouse.model_copy(update={"source": (source,)})
    monkeypatch.setattr("deskhand.models.pull.embedding_model", lambda name: changed)
    with pytest.raises(ModelError, match="could not be fetched"):
        pull_model(NAME, tmp_path / "models")
    assert _left(tmp_path / "models") == []


def test_full_disk(
    wheelhouse: EmbeddingModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = SimpleNamespace(free=30_000_000)
    monkeypatch.setattr("deskhand.models.pull.shutil.disk_usage", lambda path: usage)
    with pytest.raises(StorageError, match="needs 72 MB"):
        pull_model(NAME, tmp_path / "models")


def test_disk_that_fills_up(
    wheelhouse: EmbeddingModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("deskhand.models.sources.shutil.copyfileobj", full)
    with pytest.raises(StorageError, match="No space left"):
        pull_model(NAME, tmp_path / "models")
    assert _left(tmp_path / "models") == []


def test_folder_that_is_a_file(wheelhouse: EmbeddingModel, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("")
    with pytest.raises(StorageError, match="cannot be stored"):
        pull_model(NAME, tmp_path / "models")


def test_names(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no embedding model 'e5'") as caught:
        pull_model("e5", tmp_path)
    assert "multilingual-e5-small" in caught.value.hint
    assert pull_model("all-MiniLM-L6-v2", tmp_path) == shipped("all-MiniLM-L6-v2")


def test_catalog_is_pinned() -> None:
    model = embedding_model("multilingual-e5-small")
    hub, packages = model.source
    assert len(hub.revision) == 40
    wheels = [file for wheel in packages.wheel for file in (wheel, *wheel.file)]
    for pinned in (*hub.file, *packages.made, *wheels):
        assert len(pinned.sha256) == 64
        assert pinned.bytes > 0
    assert all("==" in wheel.requirement for wheel in packages.wheel)


def test_pulled_folder_has_its_licence(multilingual_model: Path) -> None:
    assert "MIT" in (multilingual_model / "LICENSE").read_text("utf-8")
    ModelFolder.open(multilingual_model).verify()
