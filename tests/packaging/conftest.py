"""Copies of the clone, and commands run as a person outside the tests would run them."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
Run = Callable[..., str]


@pytest.fixture(scope="session")
def run(outside_environment: Mapping[str, str]) -> Run:
    """Runs a program that may fetch packages; its standard output. Failing fails the test."""

    def run(*arguments: str | Path, cwd: Path, **environment: str) -> str:
        done = subprocess.run(
            [str(argument) for argument in arguments],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**outside_environment, **environment},
            cwd=cwd,
            timeout=900,
        )
        said = f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        assert done.returncode == 0, f"{arguments} ended with {done.returncode}:\n{said}"
        return done.stdout

    return run


@pytest.fixture(scope="session")
def tracked(run: Run) -> list[str]:
    """The files of this clone, new ones included, ignored ones not."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("needs a git clone: git says which files count")
    git = ("git", "-c", f"safe.directory={ROOT}")
    listed = run(*git, "ls-files", "-co", "--exclude-standard", "-z", cwd=ROOT)
    return sorted(name for name in listed.split("\0") if name and (ROOT / name).is_file())


@pytest.fixture
def clone(tracked: list[str], tmp_path: Path) -> Path:
    """A copy of what git holds."""
    folder = tmp_path / "clone"
    copy_files(tracked, folder)
    return folder


@pytest.fixture(scope="session")
def built(tracked: list[str], run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source archive, and the wheel that was built from that archive."""
    source = tmp_path_factory.mktemp("source")
    copy_files(tracked, source)
    target = tmp_path_factory.mktemp("dist")
    builder = Path(sys.executable).with_name("pyproject-build")
    run(builder, "--outdir", target, source, cwd=target)
    return target


def copy_files(names: list[str], folder: Path) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
