"""What every room shares: messages and replies, the error tree, cleaning of untrusted text."""

from deskhand.core.errors import (
    BusyError,
    DeskhandError,
    MissingExtraError,
    ModelError,
    SettingsError,
    StorageError,
    UserError,
)
from deskhand.core.messages import (
    Citation,
    Delta,
    Message,
    Outcome,
    Person,
    Reply,
)
from deskhand.core.plugins import Channel, Desk
from deskhand.core.privacy import switch_off_telemetry
from deskhand.core.text import CleanText, clean_text, fold

__all__ = [
    "BusyError",
    "Channel",
    "Citation",
    "CleanText",
    "Delta",
    "Desk",
    "DeskhandError",
    "Message",
    "MissingExtraError",
    "ModelError",
    "Outcome",
    "Person",
    "Reply",
    "SettingsError",
    "StorageError",
    "UserError",
    "clean_text",
    "fold",
    "switch_off_telemetry",
]
