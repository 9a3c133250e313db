import pytest

import deskhand.models
from deskhand.app.desk import NO_DOCUMENTS, QUOTED, open_desk
from deskhand.app.owner import DataFolder
from deskhand.app.settings import load_settings
from deskhand.app.wiring import _worker_options
from deskhand.core import Message, ModelError, Reply, SettingsError


@pytest.fixture
def settings(world, tmp_path):
    return load_settings({"DESKHAND_DATA_DIR": str(tmp_path / "data")}, tmp_path)


async def test_a_desk_owns_its_folder_while_it_is_open(world, settings):
    async with open_desk(settings, purpose="deskhand chat") as desk:
        assert DataFolder(settings.data_dir).owner().command == "deskhand chat"
        parts = [part async for part in desk.answer(Message("1", "Can I?", "c"))]
        assert isinstance(parts[-1], Reply)
        assert await desk.history("c") == [("person", "Hello")]
        assert await desk.sources() == [("a.md", "Title", 2)]
    assert DataFolder(settings.data_dir).owner() is None
    assert world.closed == ["agent", "knowledge"]


async def test_notices(world, settings, tmp_path):
    async with open_desk(settings, purpose="x") as desk:
        assert desk.notices() == [QUOTED]
    world.sources = []
    async with open_desk(settings, purpose="x") as desk:
        assert desk.notices() == [QUOTED, NO_DOCUMENTS]


async def test_what_the_agent_is_given(world, settings):
    async with open_desk(settings, purpose="x"):
        pass
    given = world.agent_options
    assert given["worker"] is None
    assert given["worker_name"] == ""
    assert given["checkpoints"].parent == settings.data_dir
    assert given["handoff"] == settings.support.handoff
    assert given["language_hint"] is True
    world.multilingual = True
    async with open_desk(settings, purpose="x"):
        assert world.agent_options["language_hint"] is False


async def test_a_failure_while_opening_frees_the_folder(world, settings, monkeypatch):
    def broken(_folder):
        raise RuntimeError("broken")

    monkeypatch.setattr("deskhand.models.multilingual_embeddings", broken)
    with pytest.raises(RuntimeError, match="broken"):
        async with open_desk(settings, purpose="x"):
            pass
    assert DataFolder(settings.data_dir).owner() is None


async def test_an_index_of_another_model_is_refused_at_the_start(world, settings):
    world.refuses = SettingsError("Another model.", "deskhand knowledge rebuild")
    with pytest.raises(SettingsError, match="Another model"):
        async with open_desk(settings, purpose="x"):
            pass
    assert DataFolder(settings.data_dir).owner() is None
    assert world.closed == ["knowledge"]


async def test_models_are_loaded_and_a_broken_one_closes_everything(world, settings, monkeypatch):
    english = deskhand.models.english_embeddings()
    monkeypatch.setattr("deskhand.models.english_embeddings", lambda: english)
    async with open_desk(settings, purpose="x"):
        assert english.loaded
    world.closed.clear()
    english.broken = ModelError("damaged")
    with pytest.raises(ModelError, match="damaged"):
        async with open_desk(settings, purpose="x"):
            pass
    assert DataFolder(settings.data_dir).owner() is None
    assert world.closed == ["knowledge"]


def options(tmp_path, **environ):
    named = {f"DESKHAND_MODELS__{name.upper()}": value for name, value in environ.items()}
    return _worker_options(load_settings(named, tmp_path))


def test_options_of_the_worker(tmp_path):
    assert options(tmp_path, worker="ollama:phi3.5") == {"temperature": 0}
    url = "http://127.0.0.1:8000/v1"
    own_endpoint = options(tmp_path, worker="openai:phi", worker_base_url=url)
    assert own_endpoint == {"temperature": 0, "base_url": url, "api_key": "none"}
    keyed = options(tmp_path, worker="openai:phi", worker_base_url=url, worker_api_key="k")
    assert keyed["api_key"] == "k"
