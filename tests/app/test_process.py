"""The command as a process of its own: exit codes, pipes, Ctrl-C, and what `--help` imports."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deskhand.app.owner import own

SCRIPT = str(Path(sys.executable).with_name("deskhand"))


@pytest.fixture
def environ(tmp_path):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DESKHAND_")}
    return {**kept, "DESKHAND_DATA_DIR": str(tmp_path / "data")}


def call(environ, tmp_path, *arguments):
    return subprocess.run(
        [SCRIPT, *arguments],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def test_exit_codes_and_streams(environ, tmp_path):
    shown = call(environ, tmp_path, "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "Commands:" in shown.stdout
    wrong = call(environ, tmp_path, "knowlege", "--json")
    assert (wrong.returncode, wrong.stderr) == (2, "")
    assert "Did you mean 'knowledge'?" in json.loads(wrong.stdout)["error"]
    wrong = call({**environ, "DESKHAND_DEBG": "1"}, tmp_path, "knowledge", "list")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "Did you mean DESKHAND_DEBUG?" in wrong.stderr
    assert not (tmp_path / "data").exists()


def test_help_imports_nothing_heavy(environ, tmp_path):
    program = (
        "import sys\nfrom deskhand.app.main import run\nassert run(['--help']) == 0\n"
        "heavy = 'pydantic pydantic_settings rich asyncio chromadb langgraph langchain numpy'\n"
        "found = [name for name in heavy.split() if name in sys.modules]\n"
        "assert not found, found\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c_while_waiting_for_another_owner(environ, tmp_path):
    with (
        own(tmp_path / "data", "deskhand chat"),
        subprocess.Popen(
            [SCRIPT, "knowledge", "sync"],
            env=environ,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert "Waiting for `deskhand chat`" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err == "Stopped. Nothing half done.\n"


def test_a_reader_that_leaves_early(environ, tmp_path):
    with subprocess.Popen(
        [SCRIPT, "knowledge", "list", "--json"],
        env=environ,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdout.close()
        err = process.stderr.read()
    assert process.returncode == 0
    assert err == "There are no documents yet. Add some: deskhand knowledge add PATH\n"
