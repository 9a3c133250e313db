"""What every test stands on: no network beyond loopback, no trace of the person who runs it.

Sockets beyond loopback are forbidden by pytest-socket (see `addopts` in pyproject.toml).
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from deskhand.core.privacy import switch_off_telemetry

ROOT = Path(__file__).parents[1]

_HOME = Path(tempfile.mkdtemp(prefix="deskhand-tests-"))
_OUTSIDE = dict(os.environ)  # what pip and git need of the machine's own configuration
_FOLDERS = {
    "HOME": "",
    "USERPROFILE": "",
    "APPDATA": "AppData/Roaming",
    "LOCALAPPDATA": "AppData/Local",
    "XDG_CACHE_HOME": ".cache",
    "XDG_CONFIG_HOME": ".config",
    "XDG_DATA_HOME": ".local/share",
    "XDG_STATE_HOME": ".local/state",
}


def pytest_configure() -> None:
    """Hide the person's settings and folders before any test module is imported."""
    for name in [name for name in os.environ if name.startswith(("DESKHAND_", "HF_"))]:
        del os.environ[name]
    for name, folder in _FOLDERS.items():
        os.environ[name] = str(_HOME / folder)
        (_HOME / folder).mkdir(parents=True, exist_ok=True)
    os.environ["DESKHAND_DATA_DIR"] = str(_HOME / "data")
    switch_off_telemetry()


def pytest_unconfigure() -> None:
    """Leave nothing behind."""
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def root() -> Path:
    """The clone's top folder."""
    return ROOT


@pytest.fixture(scope="session")
def outside_environment() -> Mapping[str, str]:
    """The environment as it was outside the tests, for programs that fetch packages."""
    return {name: text for name, text in _OUTSIDE.items() if not name.startswith("DESKHAND_")}


@pytest.fixture(scope="session")
def multilingual_model() -> Path:
    """The folder of multilingual-e5-small, which `make test` fetches before the tests."""
    data = Path(_OUTSIDE.get("DESKHAND_DATA_DIR") or ROOT / ".deskhand")
    folder = Path(_OUTSIDE.get("DESKHAND_MODELS_DIR") or data / "models") / "multilingual-e5-small"
    if not folder.is_dir():
        pytest.skip("multilingual-e5-small is not here: `make model` fetches it")
    return folder


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder, also for the commands that this test starts."""
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("DESKHAND_DATA_DIR", str(folder))
    return folder


@pytest.fixture(scope="session")
def command() -> list[str]:
    """The `deskhand` command as an argument list, for subprocesses."""
    script = Path(sys.executable).with_name("deskhand")
    if not script.exists():
        pytest.skip(f"{script} is not there: install the project first, `make install`")
    return [str(script)]


@pytest.fixture
def deskhand(
    command: list[str], data_dir: Path, tmp_path: Path
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `deskhand` as a person would, in an empty working folder with an empty data folder."""

    def run(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
        settings: dict[str, object] = {"cwd": tmp_path, "timeout": 120} | options
        return subprocess.run(
            [*command, *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            **settings,  # type: ignore[call-overload]
        )

    return run
