"""The public names of every room, as they are; `--write` accepts them into public_api.json."""

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

FROZEN = Path(__file__).with_name("public_api.json")
ROOT = Path(__file__).parents[2]


def rooms() -> list[str]:
    """The rooms of this clone: the top-level folders with a `py.typed`."""
    return sorted(marker.parent.name for marker in ROOT.glob("*/py.typed"))


def public_api() -> dict[str, list[str]]:
    """What each room offers: its `__all__`, sorted."""
    modules = {room: importlib.import_module(f"deskhand.{room}") for room in rooms()}
    return {room: sorted(getattr(module, "__all__", [])) for room, module in modules.items()}


def leaks(room: str) -> list[str]:
    """Names that a room shows without naming them in `__all__`, and the other way around."""
    module = importlib.import_module(f"deskhand.{room}")
    promised = set(getattr(module, "__all__", []))
    # What a room borrows from elsewhere to build itself (`Any`, `import_module`) is not its offer.
    shown = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and not isinstance(value, ModuleType)
        and getattr(value, "__module__", "deskhand").startswith("deskhand")
        and name != "TYPE_CHECKING"
    }
    broken = {name for name in promised if not hasattr(module, name)}
    return sorted((shown - promised) | broken)


if __name__ == "__main__" and "--write" in sys.argv:
    FROZEN.write_text(json.dumps(public_api(), indent=2) + "\n", encoding="utf-8")
