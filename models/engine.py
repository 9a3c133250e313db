"""Loads a model folder: tokenizer and ONNX session, side by side, hashes checked meanwhile."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deskhand.core import ModelError, switch_off_telemetry
from deskhand.models.folder import MODEL, TOKENIZER, ModelFolder

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_MAX_THREADS = 8


@dataclass(frozen=True, slots=True)
class Engine:
    """A loaded model.

    Args:
        tokenizer: Cuts at the model's length, adds no padding.
        session: ONNX Runtime's session.
        inputs: Names of the session's inputs.
        output: Name of the output that has a vector for every token.
    """

    tokenizer: "Tokenizer"
    session: Any
    inputs: frozenset[str]
    output: str


def load_engine(folder: ModelFolder, threads: int) -> Engine:
    """Load a model.

    Args:
        folder: Where it is.
        threads: Threads of one call.

    Raises:
        ModelError: A file is damaged, or is not what it claims to be.
    """
    switch_off_telemetry()
    folder.check_references()
    with ThreadPoolExecutor(3, "load-embeddings") as pool:
        verified = pool.submit(folder.verify)
        tokenizer = pool.submit(_open_tokenizer, folder)
        session = pool.submit(_open_session, folder, threads)
        # A damaged file is the better explanation, so its error goes first.
        verified.result()
        return Engine(tokenizer.result(), *session.result())


def default_threads() -> int:
    """Half the processors this process may use, at most eight; both of two."""
    processors = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        processors = len(os.sched_getaffinity(0))
    return max(min(processors, 2), min(processors // 2, _MAX_THREADS))


def _open_tokenizer(folder: ModelFolder) -> "Tokenizer":
    from tokenizers import Tokenizer  # noqa: PLC0415 - not before telemetry is off

    try:
        tokenizer = Tokenizer.from_file(str(folder.path / TOKENIZER))
    except Exception as error:
        raise ModelError(
            f"{folder.path / TOKENIZER} is no tokenizer: {error}",
            f"Get the model again: deskhand models pull {folder.name}",
        ) from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(folder.max_tokens)
    # Signs such as </s> inside a text are text.
    tokenizer.encode_special_tokens = True
    return tokenizer


def _open_session(folder: ModelFolder, threads: int) -> tuple[Any, frozenset[str], str]:
    import onnxruntime  # noqa: PLC0415 - not before telemetry is off

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Waiting threads sleep: a desk that waits for people must not burn a processor.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(
            str(folder.path / MODEL), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        raise ModelError(
            f"ONNX Runtime cannot load {folder.path / MODEL}: {error}",
            "Use a recent onnxruntime (pip install -U onnxruntime), or get the model again: "
            f"deskhand models pull {folder.name}",
        ) from error
    inputs = frozenset(value.name for value in session.get_inputs())
    outputs = [value.name for value in session.get_outputs() if len(value.shape) == 3]
    if not {"input_ids", "attention_mask"} <= inputs or not outputs:
        raise ModelError(
            f"{folder.path / MODEL} is no text encoder.",
            "It needs the inputs input_ids and attention_mask, and a vector for every token.",
        )
    return session, inputs, outputs[0]
