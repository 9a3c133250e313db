"""What benchmarks share: which parts run, what is skipped, and the line they end with."""

import importlib
import json
import subprocess
import sys

import pytest


@pytest.fixture
def common(root, monkeypatch):
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    return importlib.import_module("_common")


@pytest.fixture
def parts(common):
    return [
        common.Part("start", ("help_s",), dict),
        common.Part("ask", ("ask_*",), dict),
        common.Part("install", ("base_mb",), dict, default=False),
    ]


@pytest.mark.parametrize(
    ("only", "full", "expected"),
    [
        ("", False, ["start", "ask"]),
        ("", True, ["start", "ask", "install"]),
        ("install", False, ["install"]),
        ("base_mb, ask_cold_s", False, ["ask", "install"]),
    ],
)
def test_parts_are_chosen_by_name_and_by_figure(common, parts, only, full, expected):
    assert [part.name for part in common.choose(parts, only, full=full)] == expected


def test_an_unknown_name_is_named(common, parts):
    with pytest.raises(ValueError, match="nothing here measures 'bas_mb'; parts: start, ask"):
        common.choose(parts, "bas_mb", full=False)


def test_skipped_and_broken_parts_are_seen_and_the_others_still_run(common, capsys):
    def skipped():
        raise common.SkippedError("no data")

    def broken():
        raise RuntimeError("broken")

    run = common.run_parts(
        [
            common.Part("first", ("a",), skipped),
            common.Part("second", ("b",), broken),
            common.Part("third", ("c",), lambda: {"c": 1 / 3}),
        ]
    )

    assert run.figures == {"c": 0.3333}
    assert run.failed == ["second"]
    out = capsys.readouterr().out
    assert "SKIPPED first: no data" in out
    assert "FAILED second" in out


def test_a_set_that_is_not_there_is_skipped(common, tmp_path):
    with pytest.raises(common.SkippedError, match="DESKHAND_BENCH_DATA"):
        common.data_set(None, "faq", "faq.jsonl")
    with pytest.raises(common.SkippedError, match=r"not there: .*faq\.jsonl"):
        common.data_set(tmp_path, "faq", "faq.jsonl")


def test_the_main_job_ends_with_one_json_object(root, command, tmp_path):
    program = root / "benchmarks" / "app_main_job.py"
    done = subprocess.run(
        [sys.executable, "-P", str(program), "--only", "help_s,stackfaq_r1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "SKIPPED stackfaq" in done.stdout
    result = json.loads(done.stdout.splitlines()[-1])
    assert sorted(result) == ["benchmark", "figures", "machine", "versions"]
    assert result["benchmark"] == "app_main_job"
    assert list(result["figures"]) == ["help_s"]
