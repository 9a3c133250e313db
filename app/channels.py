"""Finds channels by their entry point: `deskhand.channels`. A broken one does not stop the rest."""

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points

from deskhand.core import Channel, SettingsError

GROUP = "deskhand.channels"


@dataclass(frozen=True, slots=True)
class Channels:
    """The channels that installed packages bring.

    Args:
        working: What makes a channel, by its name.
        broken: Why a channel could not be loaded, by its name.
    """

    working: dict[str, Callable[[], Channel]] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)


def load_channels(found: Iterable[EntryPoint] | None = None) -> Channels:
    """Load every channel.

    Args:
        found: The entry points; by default those of the installed packages.

    Raises:
        SettingsError: Two packages bring a channel of one name.
    """
    channels = Channels()
    for name, entry in sorted(_by_name(found).items()):
        try:
            channels.working[name] = entry.load()
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything on import
            channels.broken[name] = f"{entry.value}: {type(error).__name__}: {error}"
    return channels


def open_channel(name: str, found: Iterable[EntryPoint] | None = None) -> Channel:
    """Load one channel by its name and make it. The others are not imported.

    Raises:
        SettingsError: It is not installed, or it is broken, or two packages bring it.
    """
    known = _by_name(found)
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        raise SettingsError(
            f"There is no channel `{name}`.",
            f"Did you mean `{close[0]}`?" if close else f"Installed: {', '.join(known) or 'none'}.",
        )
    entry = known[name]
    try:
        make: Callable[[], Channel] = entry.load()
        return make()
    except Exception as error:
        raise SettingsError(
            f"The channel `{name}` ({entry.value}) cannot be loaded:"
            f" {type(error).__name__}: {error}.",
            "Reinstall the package that brings it, or remove it.",
        ) from error


def _by_name(found: Iterable[EntryPoint] | None) -> dict[str, EntryPoint]:
    entries: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUP) if found is None else found:
        first = entries.setdefault(entry.name, entry)
        if first.value != entry.value:  # one package may be seen twice, installed and as a clone
            raise SettingsError(
                f"Two packages bring a channel `{entry.name}`: {first.value} and {entry.value}.",
                "Uninstall one of them.",
            )
    return entries
