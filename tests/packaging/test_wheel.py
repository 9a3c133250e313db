"""The wheel holds what git holds, and works in an environment without extras."""

import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = sorted(marker.parent.name for marker in ROOT.glob("*/py.typed"))
# `onnx` builds the embedded model, once, on a developer's machine: models/export says so.
IMPORT_ALL = f"""
import importlib, pkgutil, sys
for room in {ROOMS}:
    package = importlib.import_module(f"deskhand.{{room}}")
    for found in pkgutil.walk_packages(package.__path__, f"deskhand.{{room}}."):
        try:
            importlib.import_module(found.name)
        except ModuleNotFoundError as error:
            if error.name != "onnx":
                raise
print("torch" in sys.modules, package.__file__)
"""

pytestmark = pytest.mark.slow


def test_wheel_holds_what_git_holds(built: Path, tracked: list[str]) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = {f"deskhand/{name}" for name in tracked if name.split("/")[0] in ROOMS}

    assert sorted(expected - inside) == [], "git holds them, the wheel does not"
    assert sorted(inside - expected) == [], "the wheel holds them, git does not"


def test_wheel_carries_the_licenses(built: Path, tracked: list[str]) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name.partition("/licenses/")[2] for name in archive.namelist()}

    assert {name for name in tracked if Path(name).name == "LICENSE"} <= names


def test_source_archive_holds_what_git_holds(built: Path, tracked: list[str]) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        inside = {member.name.partition("/")[2] for member in tar.getmembers() if member.isfile()}

    assert sorted(set(tracked) - inside) == []


def test_wheel_installs_without_extras(
    built: Path, run: Callable[..., str], tmp_path: Path
) -> None:
    """As a person would install it: pip resolves, the constraints choose the versions."""
    (wheel,) = built.glob("*.whl")
    environment = tmp_path / "env"
    programs = environment / ("Scripts" if sys.platform == "win32" else "bin")
    python = programs / "python"

    run(sys.executable, "-m", "venv", environment, cwd=tmp_path)
    constraints = ("-c", ROOT / "constraints.txt")
    run(python, "-m", "pip", "install", "--quiet", *constraints, wheel, cwd=tmp_path)
    run(python, "-m", "pip", "check", cwd=tmp_path)
    torch, origin = run(python, "-c", IMPORT_ALL, cwd=tmp_path).split()

    assert torch == "False"
    assert Path(origin).is_relative_to(environment)
    assert "Usage" in run(programs / "deskhand", "--help", cwd=tmp_path)
