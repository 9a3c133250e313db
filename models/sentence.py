"""Any other embedding model, through sentence-transformers. Needs the extra `transformers`."""

import hashlib
import importlib
import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from deskhand.core import MissingExtraError, ModelError, switch_off_telemetry
from deskhand.models.arrays import ArrayEmbeddings


class SentenceEmbeddings(ArrayEmbeddings):
    """An embedding model of sentence-transformers, with the model's own prompts.

    Code that comes with a model is never run.

    Args:
        model: A folder, which is then all that is used, or a name on the hub.

    Raises:
        MissingExtraError: sentence-transformers is not installed.
        ModelError: There is no such model, or it cannot be loaded.
    """

    english_only = False

    def __init__(self, model: str) -> None:
        switch_off_telemetry()
        if importlib.util.find_spec("sentence_transformers") is None:
            raise MissingExtraError(f"The embedding model {model}", "transformers")
        library = importlib.import_module("sentence_transformers")
        folder = Path(model)
        local = folder.is_dir()
        try:
            self._model: Any = library.SentenceTransformer(
                model, trust_remote_code=False, local_files_only=local, device="cpu"
            )
            self.dimension = _dimension(self._model)
        except Exception as error:
            raise ModelError(
                f"The embedding model {model} cannot be loaded: {error}",
                "Check its name, the network, and that it needs no code of its own.",
            ) from error
        self.name = folder.name if local else model
        self.fingerprint = _fingerprint(folder if local else None, self._model, self.name)

    def embed_array(self, texts: Sequence[str], kind: Literal["query", "passage"]) -> Any:
        """Unit vectors of texts, float32, [texts, dimension].

        Args:
            texts: Any text; what goes past the model's length is cut.
            kind: Questions and passages get the prompts the model has for them.
        """
        if not texts:
            return np.zeros((0, self.dimension), np.float32)
        valid = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        encode = self._model.encode_query if kind == "query" else self._model.encode_document
        vectors = encode(valid, normalize_embeddings=True, show_progress_bar=False)
        result: npt.NDArray[np.float32] = np.asarray(vectors, np.float32)
        return result


def _dimension(model: Any) -> int:
    # Renamed in sentence-transformers 6; we allow 5 as well.
    renamed = getattr(model, "get_embedding_dimension", None)
    return int((renamed or model.get_sentence_embedding_dimension)())


def _fingerprint(folder: Path | None, model: Any, name: str) -> str:
    """From the hub's commit, or from the names and sizes of a folder's files."""
    if folder is None:
        config = getattr(getattr(model[0], "auto_model", None), "config", None)
        identity: object = [name, getattr(config, "_commit_hash", None)]
    else:
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        identity = [[str(p.relative_to(folder)), p.stat().st_size] for p in paths]
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
