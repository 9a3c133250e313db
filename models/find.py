"""Finds the embedding models of this machine: the shipped one, the pulled one, one by setting."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from deskhand.core import SettingsError
from deskhand.models.embeddings import OnnxEmbeddings
from deskhand.models.folder import ABOUT, shipped

if TYPE_CHECKING:
    from deskhand.models.sentence import SentenceEmbeddings

ENGLISH = "all-MiniLM-L6-v2"
MULTILINGUAL = "multilingual-e5-small"

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


def english_embeddings(*, threads: int | None = None) -> OnnxEmbeddings:
    """The English model that is part of the package.

    Args:
        threads: As in `OnnxEmbeddings`.
    """
    return OnnxEmbeddings(shipped(ENGLISH), threads=threads)


def multilingual_embeddings(
    models_dir: Path, *, threads: int | None = None
) -> OnnxEmbeddings | None:
    """The model for every language, or `None` when it has not been pulled.

    Args:
        models_dir: Where pulled models lie.
        threads: As in `OnnxEmbeddings`.

    Raises:
        ModelError: It is there, but damaged.
    """
    folder = models_dir / MULTILINGUAL
    return OnnxEmbeddings(folder, threads=threads) if folder.exists() else None


def custom_embeddings(setting: str) -> "OnnxEmbeddings | SentenceEmbeddings":
    """The embedding model that a setting names.

    Args:
        setting: A folder in our format, a folder of a sentence-transformers model, or the name of
            such a model on the hub.

    Raises:
        SettingsError: It is neither a folder nor a hub name.
        MissingExtraError: It needs sentence-transformers, which is not installed.
        ModelError: The model cannot be loaded.
    """
    folder = Path(setting).expanduser()
    if (folder / ABOUT).exists():
        return OnnxEmbeddings(folder)
    if not folder.is_dir() and not _HUB_NAME.fullmatch(setting):
        raise SettingsError(
            f"The embedding model {setting!r} is neither a folder here nor a name on the hub.",
            "Give the path of a model folder, or a name such as intfloat/multilingual-e5-base.",
        )
    from deskhand.models.sentence import SentenceEmbeddings  # noqa: PLC0415 - needs an extra

    return SentenceEmbeddings(str(folder) if folder.is_dir() else setting)
