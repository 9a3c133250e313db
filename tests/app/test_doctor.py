import sqlite3

from deskhand.app.doctor import examine
from deskhand.app.settings import load_settings
from deskhand.core import switch_off_telemetry


def test_json_names_what_is_there_and_what_to_do_next(world, deskhand):
    deskhand("knowledge", "sync")
    found = deskhand("doctor", "--json").json
    assert found["ok"] is True
    assert found["problems"] == []
    assert found["versions"]["fts5"] == "present"
    assert found["knowledge"] == {
        "sources": 1,
        "passages": 2,
        "languages": {"en": 1},
        "interrupted": False,
    }
    assert found["language_model"] == {"worker": None, "answers": "quoted"}
    assert set(found["telemetry"].values()) == {"off"}
    assert found["data_folder"]["owner"] is None
    hints = {hint["next"]: hint["what"] for hint in found["hints"]}
    cost = hints["deskhand models pull multilingual-e5-small"]
    assert "118 MB on disk, 300 MB of memory" in cost
    assert any("ollama pull phi3.5" in step for step in hints)


def test_no_hint_for_what_is_there(world, deskhand, monkeypatch):
    world.multilingual = True
    deskhand("knowledge", "sync")
    assert "models pull" not in deskhand("doctor").out


def test_text_for_people(world, deskhand, tmp_path):
    (tmp_path / "deskhand.toml").touch()
    result = deskhand("doctor")
    assert result.code == 0
    assert f"file: {tmp_path / 'deskhand.toml'}" in result.out
    assert "There are no documents yet." in result.out
    assert "Next: deskhand knowledge add PATH" in result.out
    assert result.out.endswith("Everything works.\n")
    assert not (tmp_path / "data").exists()


def test_secrets_are_not_shown(world, deskhand, monkeypatch):
    monkeypatch.setenv("DESKHAND_MODELS__WORKER_API_KEY", "hush-hush")
    for arguments in (("doctor",), ("doctor", "--json")):
        result = deskhand(*arguments)
        assert "hush" not in result.out + result.err
    assert result.json["settings"]["models"]["worker_api_key"] == "set"


def test_a_broken_part_does_not_hide_the_rest(world, deskhand, monkeypatch):
    def broken(_settings):
        raise sqlite3.DatabaseError("file is not a database")

    monkeypatch.setattr("deskhand.app.doctor.reading_knowledge", broken)
    result = deskhand("doctor", "--json")
    assert result.code == 1
    assert result.json["ok"] is False
    assert result.json["channels"]["working"]
    (problem,) = result.json["problems"]
    assert problem["next"] == "Run: deskhand knowledge rebuild"
    assert "Broken: knowledge: The database file is damaged." in deskhand("doctor").out


def test_a_broken_catalog_of_models(world, deskhand, monkeypatch):
    def broken(_folder):
        raise OSError(5, "Input/output error", "/models")

    monkeypatch.setattr("deskhand.models.list_models", broken)
    assert "Broken: models: /models cannot be used: Input/output error." in deskhand("doctor").out


def test_a_worker_that_cannot_be_set_up_is_a_problem(world, deskhand, monkeypatch):
    monkeypatch.setenv("DESKHAND_MODELS__WORKER", "nobody:phi")
    result = deskhand("doctor", "--json")
    assert result.code == 1
    assert "`nobody:phi` cannot be set up" in result.json["problems"][0]["what"]


def test_telemetry_that_is_on_is_a_problem(world, tmp_path, monkeypatch):
    switch_off_telemetry()
    monkeypatch.setenv("ANONYMIZED_TELEMETRY", "True")
    (problem,) = examine(
        load_settings({"DESKHAND_DATA_DIR": str(tmp_path)}, tmp_path), None
    ).problems
    assert problem.what == "The telemetry of Chroma is on."
    assert problem.next == "Set ANONYMIZED_TELEMETRY=False"


def test_a_data_folder_inside_a_file(world, deskhand, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("DESKHAND_DATA_DIR", str(tmp_path / "file" / "data"))
    result = deskhand("doctor", "--json")
    assert result.code == 1
    assert "cannot be written" in result.json["problems"][0]["what"]


def test_an_interrupted_change_is_mended_by_sync(world, deskhand):
    deskhand("knowledge", "sync")
    world.interrupted = True
    assert "Next: deskhand knowledge sync" in deskhand("doctor").out
