"""Times whole processes as a person sees them: commands, chats at a terminal, fresh installs."""

import os
import select
import shutil
import statistics
import subprocess
import sys
import time
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path

from _common import ROOT, SkippedError

from deskhand.integrations.terminal.words import PROMPT

_PATIENCE_S = 120.0
_INSTALL_S = 1800.0


def script() -> str:
    """The `deskhand` command of this environment.

    Raises:
        SkippedError: Deskhand is not installed here.
    """
    found = shutil.which("deskhand", path=str(Path(sys.executable).parent))
    if found is None:
        raise SkippedError("the command deskhand is not in this environment: make install")
    return found


def seconds_of(command: Sequence[str], environment: Mapping[str, str], cwd: Path) -> float:
    """Wall time of one process, from its start to its end.

    Raises:
        RuntimeError: It failed; the message ends with what it said.
    """
    started = time.perf_counter()
    done = subprocess.run(
        list(command),
        env=dict(environment),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_INSTALL_S,
        check=False,
    )
    took = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr[-2000:]}"
        )
    return took


def median_of(
    command: Sequence[str], environment: Mapping[str, str], cwd: Path, times: int
) -> float:
    """Median wall time of several processes, one after the other."""
    return statistics.median(seconds_of(command, environment, cwd) for _ in range(times))


def seconds_to_prompt(
    command: Sequence[str],
    environment: Mapping[str, str],
    cwd: Path,
    patience_s: float = _PATIENCE_S,
) -> float:
    """Time until a chat at a terminal of its own shows its prompt; then it is left.

    Raises:
        SkippedError: This system has no pseudo-terminals.
        RuntimeError: It ended, or was not at its prompt in time; the message ends with its output.
    """
    if sys.platform == "win32":
        raise SkippedError("pseudo-terminals are not on Windows")
    import pty  # noqa: PLC0415 - POSIX only

    master, slave = pty.openpty()
    started = time.perf_counter()
    process = subprocess.Popen(
        list(command),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**environment, "TERM": "xterm", "NO_COLOR": "1"},
        cwd=cwd,
        start_new_session=True,
    )
    os.close(slave)
    try:
        _wait_for(f"\n{PROMPT}", master, started + patience_s)
        took = time.perf_counter() - started
        os.write(master, b"/quit\n")
        _drain(master)
        process.wait(_PATIENCE_S)
    finally:
        process.kill()
        process.wait()
        os.close(master)
    return took


def _wait_for(text: str, master: int, deadline: float) -> None:
    seen = ""
    while text not in seen.replace("\r\n", "\n"):
        left = deadline - time.perf_counter()
        if left <= 0 or not select.select([master], [], [], left)[0]:
            raise RuntimeError(f"no prompt in time; it said:\n{seen[-2000:]}")
        piece = _read(master)
        if not piece:
            raise RuntimeError(f"it ended before its prompt; it said:\n{seen[-2000:]}")
        seen += piece


def _drain(master: int) -> None:
    """Read to the end: a process whose terminal is full does not end."""
    while select.select([master], [], [], _PATIENCE_S)[0] and _read(master):
        pass


def _read(master: int) -> str:
    try:
        return os.read(master, 65536).decode("utf-8", "replace")
    except OSError:  # EIO: on Linux the end of the other side
        return ""


def copy_of_tree(target: Path) -> Path:
    """What git holds or would hold of this clone, in another folder.

    Raises:
        SkippedError: This is not a clone, or git is not here.
    """
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        raise SkippedError("needs git and a clone, to copy what belongs to it")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


def new_environment(folder: Path) -> str:
    """A virtual environment in a folder; returns its Python."""
    venv.EnvBuilder(with_pip=True).create(folder)
    place = folder / ("Scripts" if sys.platform == "win32" else "bin")
    return str(place / ("python.exe" if sys.platform == "win32" else "python"))


def installed(environment: Path) -> tuple[float, int]:
    """Megabytes and packages of a virtual environment, without pip and setuptools themselves."""
    megabytes, packages = 0.0, 0
    for folder in environment.glob("[Ll]ib*/**/site-packages"):
        if folder.is_symlink() or any(above.is_symlink() for above in folder.parents):
            continue
        for entry in folder.iterdir():
            if entry.name.lower().startswith(
                ("pip", "setuptools", "_distutils_hack", "distutils-")
            ):
                continue
            packages += entry.name.endswith(".dist-info")
            megabytes += _bytes_of(entry) / 1e6
    return megabytes, packages


def _bytes_of(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(item.stat().st_size for item in path.rglob("*") if item.is_file())
