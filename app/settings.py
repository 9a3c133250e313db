"""The one settings object: `deskhand.toml`, overridden by `DESKHAND_*`, checked at the start."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import platformdirs
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from deskhand.app.setting_names import PREFIX, explain, variables_by_setting
from deskhand.core import SettingsError

FILE_NAME = "deskhand.toml"


def _folder(path: Path) -> Path:
    if not path.parts:
        raise ValueError("must not be empty")
    try:
        return path.expanduser().absolute()
    except RuntimeError as error:
        raise ValueError(f"the home folder of {path.parts[0]} is not known") from error


def _base_url(url: str) -> str:
    scheme, _, rest = url.partition("://")
    if url and (scheme not in {"http", "https"} or not rest):
        raise ValueError("must start with http:// or https://")
    if "@" in rest.partition("/")[0]:
        raise ValueError("must not hold a password; put the key into worker_api_key")
    return url


Folder = Annotated[Path, AfterValidator(_folder)]
Line = Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[^\r\n]*$")]


class ModelSettings(BaseModel):
    """Which models the desk thinks with.

    Args:
        worker: The chat model that writes answers, as LangChain's `init_chat_model` names it:
            "ollama:phi3.5", "openai:phi-3.5-mini". Empty: answers are quoted.
        worker_base_url: Where an endpoint of one's own listens.
        worker_api_key: The endpoint's key, if it wants one.
        embeddings: "auto" for the built-in ones; else a local folder or a hub name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    worker: str = ""
    worker_base_url: Annotated[str, AfterValidator(_base_url)] = ""
    worker_api_key: SecretStr = SecretStr("")
    embeddings: Annotated[str, Field(min_length=1)] = "auto"


class SupportSettings(BaseModel):
    """How the desk behaves towards people.

    Args:
        handoff: One sentence that tells people how to reach a human.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    handoff: Line = "A person can help: please contact your support team."


class Settings(BaseSettings):
    """Everything an operator can set. Frozen; secrets do not show in its repr.

    Args:
        data_dir: The folder of all state.
        models_dir: Where downloaded models lie; by default inside `data_dir`.
        debug: Show tracebacks instead of an error id.
        models: Section `[models]`.
        support: Section `[support]`.
    """

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        hide_input_in_errors=True,
    )

    data_dir: Folder = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("deskhand", appauthor=False))
    )
    models_dir: Folder = Field(
        default_factory=lambda valid: valid.get("data_dir", Path()) / "models"
    )
    debug: bool = False
    models: ModelSettings = ModelSettings()
    support: SupportSettings = SupportSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        *_usual: PydanticBaseSettingsSource,
        **_named: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read nothing behind the caller's back: `load_settings` names the sources."""
        return (init_settings,)


def load_settings(environ: Mapping[str, str], cwd: Path) -> Settings:
    """Read the settings file and the environment into one checked object.

    Args:
        environ: The environment; variables override the file.
        cwd: The working folder, where `deskhand.toml` is looked for.

    Raises:
        SettingsError: A key or variable is unknown or malformed, or the file cannot be read.
    """
    path = find_settings_file(environ, cwd)
    table = {} if path is None else _read_table(path)
    variables = variables_by_setting(Settings, environ)

    class Sourced(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            *_usual: PydanticBaseSettingsSource,
            **_named: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            environment = EnvSettingsSource(settings_cls)
            environment.env_vars = {name.lower(): environ[name] for name in variables.values()}
            return environment, InitSettingsSource(settings_cls, table)

    try:
        return Sourced()
    except ValidationError as error:
        raise explain(Settings, error.errors(include_url=False)[0], variables, path) from None


def find_settings_file(environ: Mapping[str, str], cwd: Path) -> Path | None:
    """The settings file in use: `DESKHAND_CONFIG`, else `deskhand.toml` in the working folder.

    Raises:
        SettingsError: `DESKHAND_CONFIG` names something that is not a file.
    """
    named = environ.get("DESKHAND_CONFIG", "")
    if not named:
        usual = cwd / FILE_NAME
        return usual if usual.is_file() else None
    path = cwd / Path(named).expanduser()
    if not path.is_file():
        raise SettingsError(
            f"DESKHAND_CONFIG names {path}, which is not a file.",
            "Correct the path, or unset DESKHAND_CONFIG.",
        )
    return path


def _read_table(path: Path) -> dict[str, Any]:
    """The file as a table; its relative folders start at the file, not at the working folder."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        reason = str(error).replace("at end of document", f"at line {len(text.splitlines())}")
        raise SettingsError(f"{path} is not valid TOML: {reason}.", "Mend that line.") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise SettingsError(
            f"{path} is not valid TOML: line {line} is not UTF-8.", "Save the file as UTF-8."
        ) from None
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be read: {error.strerror}.", "Check the file's permissions."
        ) from None
    for name in ("data_dir", "models_dir"):
        value = table.get(name)
        if isinstance(value, str) and value and not value.startswith("~"):
            table[name] = str(path.parent / value)
    return table
