"""Imports point one way: integrations → app → agents → tools, memory, models → core."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = sorted(marker.parent.name for marker in ROOT.glob("*/py.typed"))

# What each room may import of the others. The channels are found by entry point, so nobody imports
# `integrations`.
CORE = {"core"}
PARTS = CORE | {"models"}, CORE | {"memory"}, CORE | {"tools"}
ALLOWED = {
    "core": CORE,
    "models": PARTS[0],
    "memory": PARTS[1],
    "tools": PARTS[2],
    "agents": {"agents"}.union(*PARTS),
    "app": {"app", "agents"}.union(*PARTS),
    "integrations": {"integrations", "app", "agents"}.union(*PARTS),
}
MAY_READ_ENVIRONMENT = {
    "core/privacy.py",  # sets the telemetry switches, reads nothing
    "models/sources.py",  # hands it on to pip, whose settings are in it
}
LONGEST_MODULE = 400


def modules() -> dict[str, Path]:
    """Every module of the rooms by its installed name."""
    found = {}
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(("deskhand", *parts))
            found[name.removesuffix(".__init__")] = path
    return found


MODULES = modules()


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imported(name: str, path: Path) -> Iterator[str]:
    """Names of the deskhand modules that a module imports, inside functions too."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            candidates = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = package.split(".")
                parent = parent[: len(parent) - node.level + 1]
                base = ".".join([*parent, base] if base else parent)
            # `from package import module` imports the module, not a name of the package.
            submodules = [f"{base}.{alias.name}" for alias in node.names]
            candidates = [sub if sub in MODULES else base for sub in submodules]
        else:
            continue
        yield from (c for c in candidates if c == "deskhand" or c.startswith("deskhand."))


def test_the_rooms_are_the_designed_ones() -> None:
    assert set(ROOMS) <= set(ALLOWED)


def test_setup_installs_every_room() -> None:
    for node in ast.walk(parse(ROOT / "setup.py")):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ROOMS":
            assert sorted(ast.literal_eval(node.value)) == ROOMS
            return
    pytest.fail("setup.py names no ROOMS")


def test_nothing_is_named_deskhand_at_the_top() -> None:
    assert not (ROOT / "deskhand").exists(), "it would hide the installed namespace"


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_one_way(name: str) -> None:
    room = name.split(".")[1]
    wrong = [
        target
        for target in imported(name, MODULES[name])
        if target == "deskhand" or target.split(".")[1] not in ALLOWED[room]
    ]

    assert not wrong, f"{name} imports {', '.join(wrong)}; {room} may use {sorted(ALLOWED[room])}"


def test_rooms_are_imported_by_their_installed_names() -> None:
    """`import memory` works by accident where the clone is on the path, and nowhere else."""
    wrong = []
    for name, path in MODULES.items():
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.Import):
                tops = {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                tops = {(node.module or "").split(".")[0]}
            else:
                continue
            wrong += [f"{name}: {top}" for top in tops & set(ALLOWED)]

    assert not wrong


def test_no_circles() -> None:
    graph = {name: set(imported(name, path)) & set(MODULES) for name, path in MODULES.items()}
    done: set[str] = set()

    def walk(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " → ".join([*trail[trail.index(name) :], name])
        if name not in done:
            for target in sorted(graph[name]):
                walk(target, (*trail, name))
            done.add(name)

    for name in graph:
        walk(name, ())


def test_app_names_no_channel() -> None:
    """Channels come by entry point; a dotted name in a string would be an import in disguise."""
    wrong = [
        f"{name}: {node.value}"
        for name, path in MODULES.items()
        if name.split(".")[1] != "integrations"
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.startswith("deskhand.integrations")
    ]

    assert not wrong


@pytest.mark.parametrize(
    "name", [n for n in MODULES if n.split(".")[1] not in {"app", "integrations"}]
)
def test_the_environment_is_read_by_app_only(name: str) -> None:
    path = MODULES[name]
    if path.relative_to(ROOT).as_posix() in MAY_READ_ENVIRONMENT:
        return
    readers = {"os.environ", "os.environb", "os.getenv", "os.putenv"}
    found = {
        ast.unparse(node)
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in readers
    }
    found |= {
        alias.name
        for node in ast.walk(parse(path))
        if isinstance(node, ast.ImportFrom) and node.module == "os"
        for alias in node.names
        if f"os.{alias.name}" in readers
    }

    assert not found, f"{name} reads {', '.join(found)}: take a setting as an argument instead"


def written() -> list[Path]:
    folders = [*ROOMS, "tests", "benchmarks", "examples"]
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def test_modules_stay_short() -> None:
    lengths = {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8").count("\n")
        for path in written()
    }

    assert {path: lines for path, lines in lengths.items() if lines > LONGEST_MODULE} == {}


def test_every_module_says_what_it_does() -> None:
    silent = [str(path) for path in MODULES.values() if not ast.get_docstring(parse(path))]

    assert not silent
