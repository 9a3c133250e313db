"""Lists the embedding models of the catalog and says which are here."""

from dataclasses import dataclass
from pathlib import Path

from deskhand.core import ModelError
from deskhand.models.catalog import embedding_models
from deskhand.models.folder import ModelFolder, shipped


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model as `deskhand models list` and `deskhand doctor` show it.

    Args:
        name: As in `deskhand models pull NAME`.
        purpose: What it is used for.
        languages: In words.
        license: SPDX identifier.
        disk_mb: Size of the ready model.
        memory_mb: What a process grows by when the model is loaded and used.
        present: Whether it is here. Sizes are checked, hashes are not.
        shipped: Whether it is part of the package and needs no pulling.
        problem: Why a model that is here cannot be used; empty when it can.
    """

    name: str
    purpose: str
    languages: str
    license: str
    disk_mb: int
    memory_mb: int
    present: bool
    shipped: bool
    problem: str = ""


def list_models(models_dir: Path) -> list[ModelInfo]:
    """Every embedding model of the catalog, the shipped one first.

    Args:
        models_dir: Where pulled models lie; it need not exist.
    """
    result = []
    for model in embedding_models():
        in_package = not model.source
        folder = shipped(model.name) if in_package else models_dir / model.name
        problem = ""
        if folder.exists():
            try:
                ModelFolder.open(folder)
            except ModelError as error:
                problem = str(error)
        result.append(
            ModelInfo(
                name=model.name,
                purpose=model.purpose,
                languages=model.languages,
                license=model.license,
                disk_mb=model.disk_mb,
                memory_mb=model.memory_mb,
                present=folder.exists() and not problem,
                shipped=in_package,
                problem=problem,
            )
        )
    return result
