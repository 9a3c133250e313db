"""Brings a model of the catalog onto this machine: whole, checked, or not at all."""

import json
import os
import shutil
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path

from filelock import FileLock, Timeout

from deskhand.core import ModelError, StorageError
from deskhand.models.catalog import EmbeddingModel, PinnedFile, Source, embedding_model
from deskhand.models.folder import ABOUT, MODEL, ModelFolder, file_sha256, shipped
from deskhand.models.sources import Progress, SourceError, fetch

# While a model is made, what it is made of lies beside it.
_ROOM = 3


def pull_model(name: str, models_dir: Path, *, progress: Progress | None = None) -> Path:
    """Get a model of the catalog. A model that is here and whole is returned at once.

    Two pulls at the same time make one download. An interrupted pull leaves nothing behind.

    Args:
        name: Of the catalog, for example "multilingual-e5-small".
        models_dir: Folder of all models; it is made when it is missing.
        progress: Called with what is being done, the bytes done and the bytes in all.

    Returns:
        The model's folder, ready for `OnnxEmbeddings`.

    Raises:
        UserError: The catalog has no such model.
        ModelError: No source gave the model.
        StorageError: The folder cannot be written, or the disk is too small.
    """
    model = embedding_model(name)
    report = progress or _silent
    if not model.source:
        return shipped(name)
    target = models_dir / name
    if _is_whole(target):
        return target
    try:
        models_dir.mkdir(parents=True, exist_ok=True)
        with _only_one(models_dir, name, report):
            if not _is_whole(target):
                _pull(model, models_dir, target, report)
    except OSError as error:
        raise StorageError(
            f"The model {name} cannot be stored in {models_dir}: {error.strerror or error}.",
            "Check that the folder is writable and the disk is not full, then pull again.",
        ) from error
    return target


def _silent(_stage: str, _done: int, _total: int) -> None:
    pass


def _is_whole(folder: Path) -> bool:
    try:
        ModelFolder.open(folder).verify()
    except (ModelError, OSError):
        return False
    return True


def _only_one(models_dir: Path, name: str, report: Progress) -> AbstractContextManager[object]:
    lock = FileLock(models_dir / f".{name}.lock")
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        report("waiting for another download of it", 0, 0)
        return lock.acquire()


def _pull(model: EmbeddingModel, models_dir: Path, target: Path, report: Progress) -> None:
    prefix = f".{model.name}.part-"
    for left_over in models_dir.glob(f"{prefix}*"):
        shutil.rmtree(left_over, ignore_errors=True)
    _check_room(model, models_dir)
    reasons = []
    for source in model.source:
        with tempfile.TemporaryDirectory(prefix=prefix, dir=models_dir) as work:
            made = Path(work) / model.name
            made.mkdir()
            try:
                files = fetch(model.name, source, made, report)
            except SourceError as error:
                reasons.append(f"{source.kind}: {error}")
                continue
            _describe(model, source, files, made)
            if target.exists():
                os.replace(target, Path(work) / "damaged")  # noqa: PTH105 - a folder, atomically
            os.replace(made, target)  # noqa: PTH105 - a folder, atomically
            return
    raise ModelError(
        f"The model {model.name} could not be fetched ({'; '.join(reasons)}).",
        "Check the network and, if there is one, the proxy (HTTPS_PROXY); then try again: "
        f"deskhand models pull {model.name}",
    )


def _check_room(model: EmbeddingModel, models_dir: Path) -> None:
    needed = _ROOM * model.disk_mb
    free = shutil.disk_usage(models_dir).free // 1_000_000
    if free < needed:
        raise StorageError(
            f"Pulling {model.name} needs {needed} MB for a while, but {models_dir} has {free} MB.",
            "Make room, or set data_dir to a larger disk.",
        )


def _describe(
    model: EmbeddingModel, source: Source, files: tuple[PinnedFile, ...], made: Path
) -> None:
    """Write deskhand-model.json, and add the licence."""
    listed = {file.name: {"bytes": file.bytes, "sha256": file.sha256} for file in files}
    if MODEL not in listed:
        path = made / MODEL
        listed[MODEL] = {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
    about = {
        "name": model.name,
        "dimension": model.dimension,
        "max_tokens": model.max_tokens,
        "query_prefix": model.query_prefix,
        "passage_prefix": model.passage_prefix,
        "pooling": "mean",
        "english_only": model.english_only,
        "license": model.license,
        "batch_texts": source.batch_texts,
        "files": dict(sorted(listed.items())),
    }
    for name in ("LICENSE", "NOTICE"):
        if (text := shipped(model.name) / name).is_file():
            shutil.copyfile(text, made / name)
    (made / ABOUT).write_text(json.dumps(about, indent=2) + "\n", "utf-8")
