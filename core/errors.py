"""The error tree: one class for each audience and next step.

    DeskhandError
    ├── UserError            the call was wrong: mend it and try again        (exit 2)
    ├── SettingsError        the operator's setting is wrong or missing       (exit 2)
    │   └── MissingExtraError    an optional package is not installed         (exit 2)
    ├── BusyError            somebody else owns the data folder: wait         (exit 1)
    ├── StorageError         disk, database or index failed                   (exit 1)
    └── ModelError           a model could not be loaded or did not answer    (exit 1)

Any other exception is a bug. Every message says what happened, to what; `hint` says what to do
next, with the exact command where there is one.
"""


class DeskhandError(Exception):
    """Base of every error that a person may see.

    Args:
        message: What happened, and to what. One sentence, no traceback, no secret.
        hint: What to do next. Empty when the message says it already.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class UserError(DeskhandError):
    """The call was wrong: a path, an argument, a file."""

    exit_code = 2


class SettingsError(DeskhandError):
    """A setting is unknown, malformed, or asks for something that is not there."""

    exit_code = 2


class MissingExtraError(SettingsError):
    """A feature needs packages of an extra that is not installed.

    Args:
        feature: What was asked for, for example "A hub embedding model".
        extra: The extra's name in pyproject.toml.
    """

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs the extra `{extra}`.",
            f"Install it: pip install 'deskhand[{extra}]'",
        )


class BusyError(DeskhandError):
    """Another running process owns the data folder."""


class StorageError(DeskhandError):
    """The disk, a database or an index failed; nothing was half written."""


class ModelError(DeskhandError):
    """A model could not be loaded, or failed to answer."""
