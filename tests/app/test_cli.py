"""The command line in this process: what is printed where, and the exit codes."""

import errno
import io
import os
import sqlite3
import sys

import pytest

from deskhand.app.cli._output import Output, table
from deskhand.app.cli.commands import build_app
from deskhand.app.owner import own
from deskhand.core import ModelError, Outcome

READING = [("knowledge", "list"), ("knowledge", "search", "x"), ("models", "list"), ("graph",)]
WRITING = [
    ("knowledge", "add", "."),
    ("knowledge", "sync"),
    ("knowledge", "remove", "a.md"),
    ("knowledge", "rebuild"),
]


def words(text):
    """The words of a help page's list of commands, first of each line."""
    lines = text.split("Commands:\n")[1].splitlines()
    return [line.split()[0] for line in lines if line.startswith("  ") and line[2] != " "]


def test_help_lists_exactly_the_commands_that_exist(deskhand):
    shown = deskhand("--help")
    assert shown.code == 0
    assert sorted(words(shown.out)) == ["ask", "chat", "doctor", "graph", "knowledge", "models"]
    assert words(deskhand("knowledge").out) == [
        "add",
        "list",
        "search",
        "sync",
        "remove",
        "rebuild",
    ]
    assert words(deskhand("models").out) == ["list", "pull"]
    assert deskhand().out == shown.out


def test_every_command_has_help_in_one_sentence():
    app = build_app()
    groups = [group.typer_instance for group in app.registered_groups]
    commands = [command for one in (app, *groups) for command in one.registered_commands]
    for command in commands:
        about = (command.callback.__doc__ or "").strip()
        assert about.endswith("."), command.name
        assert "\n" not in about, command.name


@pytest.mark.parametrize("arguments", [*READING, *WRITING, ("ask", "x"), ("doctor",)])
def test_json_is_the_only_thing_on_standard_output(world, deskhand, arguments):
    result = deskhand(*arguments, "--json")
    assert result.code == 0, result
    assert isinstance(result.json, dict)
    assert "a library that prints" not in result.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("caht",), "Did you mean 'chat'?"),
        (("knowledge", "ad", "x"), "Did you mean 'add'?"),
        (("ask",), "Missing argument 'QUESTION'"),
        (("ask", "x", "--jsno"), "--json"),
        (("knowledge", "search", "x", "--limit", "0"), "--limit"),
        (("ask", " \n"), "The question is empty."),
        (("knowledge", "search", " "), "The question is empty."),
        (("ask", "x", "--conversation", ""), "conversation's id"),
        (("ask", "x", "--conversation", "a\nb"), "conversation's id"),
        (("knowledge", "add", "nowhere"), "There is no such path: nowhere."),
    ],
)
def test_wrong_calls(world, deskhand, arguments, said):
    plain = deskhand(*arguments)
    assert (plain.code, plain.out) == (2, "")
    assert said in plain.err
    assert plain.err.startswith("Error: ")
    assert "Traceback" not in plain.err
    strict = deskhand(*arguments, "--json")
    assert strict.code == 2
    assert said in strict.json["error"] + strict.json["hint"]
    assert world.calls == []


def test_json_after_two_dashes_is_not_the_option(world, deskhand):
    result = deskhand("ask", "--", "--json")
    assert world.asked[0].text == "--json"
    assert "Yes [1]." in result.out


def test_ask_prints_the_reply(world, deskhand):
    result = deskhand("ask", "Can I?", "--conversation", "c1")
    assert result.code == 0
    assert "Yes [1]." in result.out
    assert "a.md" in result.out
    assert "Answers are quoted" in result.err
    assert "Answers are quoted" not in result.out
    assert world.asked[0].conversation == "c1"
    assert world.closed == ["agent", "knowledge"]


def test_ask_json_is_the_object_of_the_design(world, deskhand):
    reply = deskhand("ask", "Can I?", "--json").json
    assert reply["outcome"] == "answered"
    assert reply["answer"] == "Yes [1]."
    assert reply["citations"] == [{"source": "a.md", "title": "A", "quote": "Yes", "score": 1}]
    assert {"conversation", "timings", "models"} <= set(reply)


def test_ask_reads_standard_input(world, deskhand, monkeypatch):
    raw = io.BytesIO("Kolik to stojí? \udcff".encode("utf-8", "surrogateescape"))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(raw, "utf-8"))
    assert deskhand("ask", "-").code == 0
    assert world.asked[0].text == "Kolik to stojí? \ufffd"


def test_ask_refuses_endless_input(world, deskhand, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"x" * 8_000_001)))
    result = deskhand("ask", "-")
    assert result.code == 2
    assert "longer than 8 MB" in result.err


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_but_failed_is_done(world, deskhand, outcome):
    world.outcome = outcome
    assert deskhand("ask", "x").code == (1 if outcome is Outcome.FAILED else 0)


def test_ids_of_messages_sort_in_time(world, deskhand):
    deskhand("ask", "one")
    deskhand("ask", "two")
    first, second = (message.id for message in world.asked)
    assert first < second
    assert world.asked[0].conversation != world.asked[1].conversation


def test_add_summary_and_progress(world, deskhand, tmp_path):
    world.report.skipped = [("x.bin", "not text\x1b[2J")]
    result = deskhand("knowledge", "add", str(tmp_path), "--dry-run")
    assert result.code == 0
    assert result.out.splitlines() == [
        "Added 1, changed 0, removed 0, unchanged 0; 3 passages in all, 0.0 s.",
        "Skipped x.bin: not text",
    ]
    assert len([line for line in result.err.splitlines() if line.startswith("Reading")]) == 11
    assert world.calls == [("add", (tmp_path,), True)]
    assert world.closed == ["knowledge"]


def test_add_of_nothing_readable_is_a_wrong_call(world, deskhand, tmp_path):
    world.report.added = []
    assert "There are no documents in ." in deskhand("knowledge", "add", ".").err
    world.report.skipped = [("x.csv", "no column `question`")]
    result = deskhand("knowledge", "add", ".", "--json")
    assert result.code == 2
    assert "x.csv: no column `question`" in result.json["error"]


def test_add_of_unchanged_documents_is_done(world, deskhand):
    world.report.added, world.report.unchanged = [], ["a.md"]
    assert deskhand("knowledge", "add", ".").code == 0


def test_a_missing_path_suggests_its_neighbor_and_adds_nothing(world, deskhand, tmp_path):
    (tmp_path / "handbook.md").touch()
    result = deskhand("knowledge", "add", "handbok.md", ".")
    assert result.code == 2
    assert "Did you mean handbook.md?" in result.err
    assert not (tmp_path / "data").exists()


def test_list_and_search_for_people(world, deskhand, tmp_path):
    assert "There are no documents yet" in deskhand("knowledge", "list").err
    assert "There are no documents yet" in deskhand("knowledge", "search", "x").err
    assert not (tmp_path / "data").exists()
    deskhand("knowledge", "sync")
    assert "a.md    en        2" in deskhand("knowledge", "list").out
    found = deskhand("knowledge", "search", "x", "--limit", "3").out
    assert "1. 0.750  a.md  A title" in found
    assert "dense 0.800, keywords 12.000" in found
    assert world.calls[-1] == ("search", "x", 3)


def test_reading_commands_work_beside_the_owner(world, deskhand, tmp_path):
    deskhand("knowledge", "sync")
    with own(tmp_path / "data", "deskhand chat"):
        for arguments in (*READING, ("doctor",)):
            assert deskhand(*arguments).code == 0


def test_writing_commands_say_who_owns_the_folder(world, deskhand, tmp_path, monkeypatch):
    monkeypatch.setitem(own.__wrapped__.__kwdefaults__, "wait_s", 0)
    with own(tmp_path / "data", "deskhand chat"):
        result = deskhand("knowledge", "sync", "--json")
    assert result.code == 1
    assert "in use by `deskhand chat`" in result.json["error"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ModelError("The model broke.", "Pull it again."), "The model broke."),
        (OSError(errno.ENOSPC, "No space left on device", "/d/x"), "The disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "/d/x"), "No permission: /d/x"),
        (sqlite3.OperationalError("database or disk is full"), "The disk is full"),
        (RuntimeError("Error executing: (code: 13) database or disk is full"), "The disk is full"),
        (sqlite3.DatabaseError("file is not a database"), "damaged"),
        (sqlite3.OperationalError("no such table: x"), "The database failed: no such table"),
        (MemoryError(), "not enough memory"),
    ],
)
def test_failures_are_one_line_and_a_hint(world, deskhand, error, said):
    world.raises = error
    for arguments in (("knowledge", "sync"), ("ask", "x")):
        result = deskhand(*arguments, "--json")
        assert result.code == 1
        assert said in result.json["error"]
        assert result.json["hint"]
        assert "Traceback" not in result.err


def test_a_bug_is_an_id_and_the_log_has_the_traceback(world, deskhand, tmp_path):
    world.raises = KeyError("token hush")
    result = deskhand("knowledge", "sync")
    assert result.code == 1
    assert "hush" not in result.err
    assert "Traceback" not in result.err
    log = tmp_path / "data" / "logs" / "deskhand.log"
    bug = result.err.split("(error ")[1].split(":")[0]
    assert f"error {bug}\nTraceback" in log.read_text()
    assert str(log) in result.err


def test_a_bug_with_debug_shows_the_traceback(world, deskhand, monkeypatch):
    monkeypatch.setenv("DESKHAND_DEBUG", "1")
    world.raises = KeyError("x")
    result = deskhand("ask", "x", "--json")
    assert "Traceback" in result.err
    assert result.json["error"]


def test_ctrl_c_frees_the_folder(world, deskhand, tmp_path):
    world.raises = KeyboardInterrupt()
    result = deskhand("knowledge", "add", ".")
    assert (result.code, result.out) == (130, "")
    assert result.err.splitlines()[-1] == "Stopped. Nothing half done."
    with own(tmp_path / "data", "next", wait_s=0):
        pass
    assert world.closed == ["knowledge"]


def test_ctrl_c_of_a_question(world, deskhand):
    world.raises = KeyboardInterrupt()
    result = deskhand("ask", "x", "--json")
    assert result.code == 130
    assert result.json == {"error": "Stopped.", "hint": ""}


def test_wrong_settings_are_a_wrong_call(world, deskhand, monkeypatch):
    monkeypatch.setenv("DESKHAND_MODELS__WROKER", "x")
    for arguments in (*READING[:3], *WRITING, ("ask", "x"), ("chat",), ("doctor",)):
        result = deskhand(*arguments)
        assert result.code == 2
        assert "Did you mean DESKHAND_MODELS__WORKER?" in result.err


def test_a_worker_without_its_package_names_the_extra(world, deskhand, monkeypatch):
    monkeypatch.setitem(sys.modules, "langchain_ollama", None)
    monkeypatch.setitem(sys.modules, "langchain_community.chat_models", None)
    monkeypatch.setenv("DESKHAND_MODELS__WORKER", "ollama:phi3.5")
    result = deskhand("ask", "x")
    assert result.code == 2
    assert "pip install 'deskhand[endpoints]'" in result.err


def test_a_worker_that_nobody_knows(world, deskhand, monkeypatch):
    monkeypatch.setenv("DESKHAND_MODELS__WORKER", "nobody:phi")
    result = deskhand("ask", "x")
    assert result.code == 2
    assert "`nobody:phi` cannot be set up" in result.err


def test_chat_runs_the_terminal_channel(world, deskhand, monkeypatch):
    seen = []

    class Terminal:
        name = "terminal"

        async def run(self, desk, *, conversation=None):
            seen.append((conversation, await desk.history("c"), await desk.sources()))
            return 1

    monkeypatch.setattr("deskhand.app.channels.open_channel", lambda _: Terminal())
    assert deskhand("chat", "--conversation", "c9").code == 1
    assert seen == [("c9", [("person", "Hello")], [("a.md", "Title", 2)])]


def test_models(world, deskhand, tmp_path):
    assert "multilingual-e5-small  missing  118 MB" in deskhand("models", "list").out
    pulled = deskhand("models", "pull", "multilingual-e5-small", "--json").json
    assert pulled["path"] == str(tmp_path / "data" / "models" / "multilingual-e5-small")


def test_version(deskhand):
    result = deskhand("--version")
    assert result.code == 0
    assert result.out.startswith("deskhand ")


def test_a_bar_on_a_terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with Output(False, io.StringIO()).progress() as progress:
        progress("Reading [x]", 1, 2)
        progress("Reading [x]", 2, 2)
    assert "Reading [x]" in screen.getvalue()


def test_json_on_a_stream_that_is_not_unicode():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, "ascii")
    Output(True, stream).result({"a": "ž"}, "")
    assert raw.getvalue() == b'{\n  "a": "\\u017e"\n}\n'


def test_a_reader_that_left_is_no_error():
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as stream:
        Output(False, stream).result({}, "x" * 100_000)
        Output(False, stream).result({}, "more")


def test_table_has_no_trailing_blanks():
    assert table([("a", "b"), ("cc", "")], ("X", "Y")) == "X   Y\na   b\ncc"
