"""Names of settings in the file and in the environment, and what to say about a wrong one."""

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from deskhand.core import SettingsError

PREFIX = "DESKHAND_"
Name = tuple[str, ...]

# Variables with our prefix that are no settings: where the settings are, and what benchmarks read.
_NOT_SETTINGS = frozenset({"DESKHAND_CONFIG", "DESKHAND_BENCH_DATA"})
_REASONS = {
    "model_type": "must be a section with keys",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "must be one line",
    "string_type": "must be a text in quotes",
    "path_type": "must be a text in quotes",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
}


def setting_names(schema: type[BaseModel]) -> list[str]:
    """Every setting, dotted: `data_dir`, `models.worker` and so on."""
    return [".".join(name) for name in _leaves(schema)]


def variables_by_setting(schema: type[BaseModel], environ: Mapping[str, str]) -> dict[Name, str]:
    """The variables of the environment that are ours, by the setting they set.

    Raises:
        SettingsError: A variable with our prefix sets nothing that is known.
    """
    known = set(_leaves(schema))
    sections = {name[:-1] for name in known}
    found: dict[Name, str] = {}
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable in _NOT_SETTINGS:
            continue
        name = tuple(variable.removeprefix(PREFIX).lower().split("__"))
        if name in known:
            found[name] = variable
            continue
        inside = [_variable(".".join(leaf)) for leaf in sorted(known) if leaf[:-1] == name]
        if name in sections:
            hint = f"It is a section: set {', '.join(inside)}."
        else:
            nearest = _nearest(schema, name)
            hint = f"Did you mean {_variable(nearest)}?" if nearest else _all_names(schema)
        raise SettingsError(f"The environment variable {variable} is not a setting.", hint)
    return found


def explain(
    schema: type[BaseModel],
    problem: ErrorDetails,
    variables: Mapping[Name, str],
    path: Path | None,
) -> SettingsError:
    """One sentence about what is wrong. Never the value: it may be a secret."""
    where = tuple(str(part) for part in problem["loc"])
    name = ".".join(where)
    if problem["type"] == "extra_forbidden":
        nearest = _nearest(schema, where)
        return SettingsError(
            f"{path} has an unknown setting `{name}`.",
            f"Did you mean `{nearest}`?" if nearest else _all_names(schema),
        )
    label = variables.get(where) or f"`{name}` in {path}"
    reason = _REASONS.get(problem["type"]) or problem["msg"].removeprefix("Value error, ")
    if not reason.startswith("must "):
        reason = f"is wrong: {reason[0].lower()}{reason[1:]}"
    return SettingsError(f"{label} {reason}.", "Correct or remove it.")


def _leaves(schema: type[BaseModel], above: Name = ()) -> Iterator[Name]:
    for name, field in schema.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _leaves(inner, (*above, name))
        else:
            yield (*above, name)


def _nearest(schema: type[BaseModel], wrong: Name) -> str | None:
    """The name that a misspelt one most likely meant; its section may be missing or wrong."""
    spellings: dict[str, str] = {}
    for known in setting_names(schema):
        section, _, leaf = known.rpartition(".")
        spellings.setdefault(_plain(leaf), known)
        spellings[_plain(known)] = known
        if section:
            spellings[_plain(section)] = section
    for wanted in (".".join(wrong), wrong[-1]):
        close = difflib.get_close_matches(_plain(wanted), spellings, n=1)
        if close:
            return spellings[close[0]]
    return None


def _plain(name: str) -> str:
    return name.replace("_", " ").replace(".", " ")


def _variable(name: str) -> str:
    return PREFIX + name.replace(".", "__").upper()


def _all_names(schema: type[BaseModel]) -> str:
    return "Known settings: " + ", ".join(setting_names(schema)) + "."
