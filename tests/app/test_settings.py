from pathlib import Path

import pytest

from deskhand.app.setting_names import setting_names
from deskhand.app.settings import Settings, find_settings_file, load_settings
from deskhand.core import SettingsError


def refusal(cwd: Path, toml: str | bytes | None = None, **environ: str) -> str:
    if toml is not None:
        (cwd / "deskhand.toml").write_bytes(toml if isinstance(toml, bytes) else toml.encode())
    with pytest.raises(SettingsError) as caught:
        load_settings(environ, cwd)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_defaults(tmp_path):
    settings = load_settings({}, tmp_path)
    assert settings.data_dir.is_absolute()
    assert settings.models_dir == settings.data_dir / "models"
    assert settings.models.worker == ""
    assert settings.models.embeddings == "auto"
    assert settings.support.handoff


def test_environment_overrides_the_file_key_by_key(tmp_path):
    (tmp_path / "deskhand.toml").write_text(
        "data_dir = 'state'\n[models]\nworker = 'openai:x'\nworker_base_url = 'http://127.0.0.1'\n"
    )
    settings = load_settings({"DESKHAND_MODELS__WORKER": "ollama:phi3.5"}, tmp_path)
    assert settings.models.worker == "ollama:phi3.5"
    assert settings.models.worker_base_url == "http://127.0.0.1"
    assert settings.data_dir == tmp_path / "state"
    assert settings.models_dir == tmp_path / "state" / "models"


def test_config_variable_names_the_file_and_its_folders_start_there(tmp_path):
    elsewhere = tmp_path / "etc"
    elsewhere.mkdir()
    (elsewhere / "desk.toml").write_text("data_dir = 'state'\n", encoding="utf-8-sig")
    settings = load_settings({"DESKHAND_CONFIG": "etc/desk.toml"}, tmp_path)
    assert settings.data_dir == elsewhere / "state"


def test_home_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_settings({"DESKHAND_DATA_DIR": "~/d"}, tmp_path).data_dir == tmp_path / "d"


def test_only_the_given_environment_is_read(tmp_path, monkeypatch):
    monkeypatch.setenv("DESKHAND_DEBUG", "1")
    monkeypatch.setenv("DESKHAND_NONSENSE", "1")
    assert load_settings({}, tmp_path).debug is False
    assert Settings().debug is False


def test_benchmark_data_variable_is_no_setting(tmp_path):
    load_settings({"DESKHAND_BENCH_DATA": "x", "DESKHAND_CONFIG": ""}, tmp_path)


def test_frozen_and_secret(tmp_path):
    settings = load_settings({"DESKHAND_MODELS__WORKER_API_KEY": "hush-hush"}, tmp_path)
    assert "hush" not in repr(settings) + str(settings) + settings.model_dump_json()
    with pytest.raises(ValueError, match="frozen"):
        settings.debug = True
    with pytest.raises(ValueError, match="frozen"):
        settings.models.worker = "x"


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("DESKHAND_DATADIR", "DESKHAND_DATA_DIR?"),
        ("DESKHAND_WORKER", "DESKHAND_MODELS__WORKER?"),
        ("DESKHAND_MODELS_WORKER", "DESKHAND_MODELS__WORKER?"),
        ("DESKHAND_MODELS__WROKER", "DESKHAND_MODELS__WORKER?"),
        ("DESKHAND_MODELS", "DESKHAND_MODELS__EMBEDDINGS"),
        ("DESKHAND_QQQQQQQ", "models.worker_base_url"),
    ],
)
def test_unknown_variable(tmp_path, variable, meant):
    said = refusal(tmp_path, **{variable: "hush-hush"})
    assert f"{variable} is not a setting" in said
    assert meant in said
    assert "hush" not in said


@pytest.mark.parametrize(
    ("toml", "named", "meant"),
    [
        ("datadir = 'x'", "`datadir`", "`data_dir`?"),
        ("worker = 'x'", "`worker`", "`models.worker`?"),
        ("[models]\nwroker = 'x'", "`models.wroker`", "`models.worker`?"),
        ("[modles]\nworker = 'x'", "`modles`", "`models`?"),
        ("qqqqqqq = 1", "`qqqqqqq`", "Known settings: data_dir"),
    ],
)
def test_unknown_key(tmp_path, toml, named, meant):
    said = refusal(tmp_path, toml)
    assert f"{tmp_path / 'deskhand.toml'} has an unknown setting {named}" in said
    assert meant in said


@pytest.mark.parametrize(
    ("toml", "reason"),
    [
        ("a = 1\nb = = 2", "line 2"),
        ("a = 1\nb = '''x\n", "line 2"),
        (b"a = 1\nb = '\xff'", "line 2 is not UTF-8"),
    ],
)
def test_malformed_file_names_the_line(tmp_path, toml, reason):
    said = refusal(tmp_path, toml)
    assert "deskhand.toml is not valid TOML" in said
    assert reason in said


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("models = 3", "`models` in {file} must be a section with keys."),
        ("[models]\nworker = 3", "`models.worker` in {file} must be a text in quotes."),
        ("data_dir = 3", "`data_dir` in {file} must be a text in quotes."),
        ("data_dir = ''", "`data_dir` in {file} must not be empty."),
        ("debug = [1]", "`debug` in {file} must be true or false."),
        ("[support]\nhandoff = ''", "`support.handoff` in {file} must not be empty."),
        ("[support]\nhandoff = 'a\\nb'\n", None),
        ('[support]\nhandoff = "a\\nb"\n', "`support.handoff` in {file} must be one line."),
        ("[models]\nworker_base_url = 'ftp://x'", "must start with http:// or https://"),
        ("[models]\nworker_base_url = 'http://hush:hush@x'", "must not hold a password"),
    ],
)
def test_wrong_value(tmp_path, toml, said):
    if said is None:
        (tmp_path / "deskhand.toml").write_text(toml)
        load_settings({}, tmp_path)
        return
    refused = refusal(tmp_path, toml)
    assert said.format(file=tmp_path / "deskhand.toml") in refused
    assert "hush" not in refused


def test_wrong_variable_is_named_without_its_value(tmp_path):
    said = refusal(tmp_path, DESKHAND_DEBUG="hush-hush")
    assert said.startswith("DESKHAND_DEBUG must be true or false.")
    assert "hush" not in said


def test_the_file_is_not_blamed_for_a_variable(tmp_path):
    said = refusal(
        tmp_path, "[models]\nworker = 'x'", DESKHAND_MODELS__EMBEDDINGS="", DESKHAND_DEBUG="1"
    )
    assert said.startswith("DESKHAND_MODELS__EMBEDDINGS must not be empty.")


@pytest.mark.parametrize("config", ["missing.toml", "."])
def test_config_variable_that_names_no_file(tmp_path, config):
    assert "which is not a file" in refusal(tmp_path, DESKHAND_CONFIG=config)


def test_which_file_is_used(tmp_path):
    assert find_settings_file({}, tmp_path) is None
    (tmp_path / "deskhand.toml").touch()
    assert find_settings_file({}, tmp_path) == tmp_path / "deskhand.toml"


def test_every_setting_can_be_set_by_variable(tmp_path):
    values = {"debug": "true", "models.worker_base_url": "http://127.0.0.1:1"}
    names = setting_names(Settings)
    assert "support.handoff" in names
    for name in names:
        variable = "DESKHAND_" + name.replace(".", "__").upper()
        load_settings({variable: values.get(name, "x")}, tmp_path)
