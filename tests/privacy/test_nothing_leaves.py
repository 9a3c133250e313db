"""Nothing leaves the machine: not by Python, not by native code, not when there is no network."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_socket import SocketConnectBlockedError

Deskhand = Callable[..., subprocess.CompletedProcess[str]]

OUTSIDE = "192.0.2.1"  # reserved for documentation: no machine answers there
ATTEMPT = [
    sys.executable,
    "-c",
    "import socket\n"
    "try: socket.create_connection(('192.0.2.1', 9), timeout=1)\n"
    "except OSError: pass",
]
ARTICLE = """# Parcels

## Returns

You can return a parcel within 30 days. Put it in its box and print the label in the app.
"""
QUESTION = "How many days do I have to return a parcel?"


@pytest.fixture
def article(tmp_path: Path) -> Path:
    path = tmp_path / "parcels.md"
    path.write_text(ARTICLE, encoding="utf-8")
    return path


def answer_of(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    assert done.returncode == 0, done.stderr
    reply = json.loads(done.stdout)
    assert isinstance(reply, dict)
    return reply


def test_tests_cannot_connect_outside() -> None:
    with pytest.raises(SocketConnectBlockedError):
        socket.create_connection((OUTSIDE, 9), timeout=1)


class TestPython:
    """Every Python process of a command is watched by an audit hook (sitecustomize.py here)."""

    @pytest.fixture
    def leaks(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        log = tmp_path / "leaks"
        log.touch()
        monkeypatch.setenv("LEAK_LOG", str(log))
        monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
        return log

    def test_the_watch_works(self, leaks: Path) -> None:
        subprocess.run(ATTEMPT, check=True)

        assert OUTSIDE in leaks.read_text(encoding="utf-8")

    @pytest.mark.slow
    def test_add_and_ask_connect_to_nothing(
        self, deskhand: Deskhand, article: Path, leaks: Path
    ) -> None:
        added = deskhand("knowledge", "add", article)
        reply = answer_of(deskhand("ask", "--json", QUESTION))

        assert added.returncode == 0, added.stderr
        assert reply["outcome"] == "answered"
        assert leaks.read_text(encoding="utf-8") == ""


# Runs the commands of its argument, then prints their results and what the kernel counted: packets
# sent, and packets for which there was no way out.
IN_NAMESPACE = """
import json, subprocess, sys
lines = json.loads(sys.argv[1])
done = [subprocess.run(line, capture_output=True, text=True) for line in lines]
names, counts, *_ = open("/proc/self/net/snmp").read().splitlines()
four = dict(zip(names.split(), counts.split()))
six = dict(line.split() for line in open("/proc/self/net/snmp6"))
counters = [four["OutRequests"], four["OutNoRoutes"], six["Ip6OutNoRoutes"]]
results = [[each.returncode, each.stdout, each.stderr] for each in done]
print(json.dumps([sum(map(int, counters)), results]))
"""


def run_inside(unshare: list[str], *lines: list[str]) -> tuple[list[str], int]:
    """Run commands in one namespace; their outputs, and how many packets wanted to leave."""
    done = subprocess.run(
        [*unshare, sys.executable, "-c", IN_NAMESPACE, json.dumps(lines)],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    packets, results = json.loads(done.stdout)
    for line, (returncode, _, errors) in zip(lines, results, strict=True):
        assert returncode == 0, f"{line}: {errors}"
    return [output for _, output, _ in results], packets


@pytest.fixture(scope="module")
def unshare() -> list[str]:
    if shutil.which("unshare") is None:
        pytest.skip("no `unshare` here: network namespaces are a Linux thing")
    for options in (["-n"], ["-rn"]):
        tried = subprocess.run(["unshare", *options, "true"], capture_output=True, check=False)
        if tried.returncode == 0:
            return ["unshare", *options]
    pytest.skip("this system forbids network namespaces")


@pytest.fixture(scope="module")
def counted(unshare: list[str]) -> list[str]:
    if run_inside(unshare, ATTEMPT)[1] == 0:
        pytest.skip("this kernel does not count packets without a route")
    return unshare


class TestNamespace:
    """A network namespace without interfaces: the kernel counts every packet that finds no way."""

    @pytest.mark.slow
    def test_ask_works_without_any_network(
        self, unshare: list[str], command: list[str], data_dir: Path, article: Path
    ) -> None:
        outputs, _ = run_inside(
            unshare,
            [*command, "knowledge", "add", str(article)],
            [*command, "ask", "--json", QUESTION],
        )

        assert json.loads(outputs[1])["outcome"] == "answered"

    @pytest.mark.slow
    def test_native_code_tries_nothing(
        self, counted: list[str], command: list[str], data_dir: Path, article: Path
    ) -> None:
        """The audit hook sees Python only; the kernel sees Chroma and ONNX Runtime as well."""
        _, packets = run_inside(
            counted,
            [*command, "knowledge", "add", str(article)],
            [*command, "ask", "--json", QUESTION],
            [*command, "doctor"],
        )

        assert packets == 0


# Runs two commands in a process that was told to be loud, and prints what the switches were when a
# talkative package was about to be imported.
WATCH_IMPORTS = """
import json, os, sys
from importlib.abc import MetaPathFinder
seen = {}
class Watch(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in ("chromadb", "onnxruntime", "onnxruntime_genai", "langsmith", "huggingface_hub"):
            seen.setdefault(name, [os.environ[switch] for switch in json.loads(sys.argv[1])])
sys.meta_path.insert(0, Watch())
from deskhand.app.main import run
codes = [run(["knowledge", "add", sys.argv[2]]), run(["ask", sys.argv[3]])]
assert codes == [0, 0], codes
print(json.dumps(seen))
"""


@pytest.mark.slow
@pytest.mark.usefixtures("data_dir")
def test_telemetry_is_off_before_anything_talkative_is_imported(article: Path) -> None:
    """Even where the environment turns it on."""
    loud = {
        "ORT_DISABLE_TELEMETRY": "0",
        "ANONYMIZED_TELEMETRY": "True",
        "HF_HUB_DISABLE_TELEMETRY": "0",
        "LANGSMITH_TRACING": "true",
        "LANGCHAIN_TRACING_V2": "true",
    }
    done = subprocess.run(
        [sys.executable, "-c", WATCH_IMPORTS, json.dumps(list(loud)), str(article), QUESTION],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | loud,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])

    assert {"chromadb", "onnxruntime"} <= set(seen)
    assert {tuple(switches) for switches in seen.values()} == {
        ("1", "False", "1", "false", "false")
    }
