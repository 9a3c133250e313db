"""Builds the parts that settings ask for: embeddings, the knowledge, the worker model."""
# ruff: noqa: PLC0415 - the parts are heavy: each is imported only by the command that needs it

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deskhand.app.settings import Settings
from deskhand.core import DeskhandError, MissingExtraError, SettingsError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from deskhand.memory import Embedders, Knowledge

PULL_MULTILINGUAL = "deskhand models pull multilingual-e5-small"
_ENDPOINT_PROVIDERS = frozenset({"openai", "ollama"})  # what the extra `endpoints` installs


def knowledge_folder(settings: Settings) -> Path:
    """Where the documents' passages and indexes lie."""
    return settings.data_dir / "knowledge"


def conversations_file(settings: Settings) -> Path:
    """Where conversations are checkpointed."""
    return settings.data_dir / "conversations.sqlite"


def build_embedders(settings: Settings) -> "Embedders":
    """The embedding models of the settings; each is loaded when it is first used.

    Raises:
        MissingExtraError: Another embedding model is set, and what it needs is not installed.
    """
    from deskhand.memory import Embedders
    from deskhand.models import custom_embeddings, english_embeddings, multilingual_embeddings

    chosen = settings.models.embeddings
    return Embedders(
        english=english_embeddings(),
        multilingual=multilingual_embeddings(settings.models_dir),
        custom=None if chosen == "auto" else custom_embeddings(chosen),
    )


@contextmanager
def reading_knowledge(settings: Settings) -> Iterator["Knowledge | None"]:
    """The knowledge beside its owner, to read only; `None` while there is none."""
    folder = knowledge_folder(settings)
    if not folder.is_dir() or not any(folder.iterdir()):
        yield None
        return
    from deskhand.memory import Knowledge

    knowledge = Knowledge.open(folder, build_embedders(settings), read_only=True)
    try:
        yield knowledge
    finally:
        knowledge.close()


@contextmanager
def writing_knowledge(settings: Settings) -> Iterator["Knowledge"]:
    """The knowledge, to change it. The caller owns the data folder."""
    from deskhand.memory import Knowledge

    knowledge = Knowledge.open(knowledge_folder(settings), build_embedders(settings))
    try:
        yield knowledge
    finally:
        knowledge.close()


def build_worker(settings: Settings) -> "BaseChatModel | None":
    """The chat model that writes answers; `None` when answers are quoted. Contacts nothing.

    Raises:
        MissingExtraError: The model's package is not installed.
        SettingsError: The model's name or options are wrong.
    """
    name = settings.models.worker
    if not name:
        return None
    from langchain.chat_models import init_chat_model
    from langchain_core.language_models import BaseChatModel

    provider = name.partition(":")[0]
    try:
        model = init_chat_model(name, **_worker_options(settings))
    except ImportError as error:
        raise _missing_package(name, provider, error) from None
    except Exception as error:  # noqa: BLE001 - each provider raises classes of its own
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise SettingsError(
            f"The language model `{name}` cannot be set up: {_without_key(reason, settings)}.",
            "Set models.worker to PROVIDER:MODEL, for example ollama:phi3.5.",
        ) from None
    assert isinstance(model, BaseChatModel)
    return model


def _worker_options(settings: Settings) -> dict[str, Any]:
    options: dict[str, Any] = {"temperature": 0}
    key = settings.models.worker_api_key.get_secret_value()
    if settings.models.worker_base_url:
        options["base_url"] = settings.models.worker_base_url
        if not key and settings.models.worker.startswith("openai:"):
            key = "none"  # the client insists on a key; an endpoint of one's own often has none
    if key:
        options["api_key"] = key
    return options


def _missing_package(name: str, provider: str, error: ImportError) -> DeskhandError:
    if provider in _ENDPOINT_PROVIDERS:
        return MissingExtraError(f"The language model `{name}`", "endpoints")
    return SettingsError(
        f"The language model `{name}` needs a package that is not installed.", str(error)
    )


def _without_key(text: str, settings: Settings) -> str:
    key = settings.models.worker_api_key.get_secret_value()
    return text.replace(key, "…") if key else text
