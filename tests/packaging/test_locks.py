"""The lock files say exactly what `make` installs, and nothing about who made them."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = ["constraints.txt", "requirements.txt", "requirements-dev.txt"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# Left out of requirements*.txt: chromadb imports it for its own distributed server only.
LEFT_OUT = {"kubernetes"}


def pins(name: str) -> list[Requirement]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines]


def here(name: str) -> dict[str, str]:
    """The versions that a lock file names for this system and Python."""
    return {
        canonicalize_name(pin.name): str(pin.specifier).removeprefix("==")
        for pin in pins(name)
        if pin.marker is None or pin.marker.evaluate()
    }


@pytest.mark.parametrize("name", LOCKS)
def test_locks_hold_exact_versions_and_nothing_else(name: str) -> None:
    """No index lines, local paths, hashes, addresses or versions of a local build."""
    line = re.compile(r"[a-z0-9][a-z0-9.-]*==[0-9][0-9a-z.]*( ; [^@/]+)?")
    text = (ROOT / name).read_text(encoding="utf-8")

    assert [wrong for wrong in text.splitlines() if not line.fullmatch(wrong)] == []


@pytest.mark.parametrize("name", LOCKS[1:])
def test_requirements_agree_with_the_constraints(name: str) -> None:
    assert set(map(str, pins(name))) <= set(map(str, pins("constraints.txt")))


@pytest.mark.parametrize(
    ("name", "extras"), [("requirements.txt", []), ("requirements-dev.txt", ["dev"])]
)
def test_requirements_answer_pyproject(name: str, extras: list[str]) -> None:
    """pip does not resolve what `make` installs, so a forgotten `make lock` must fail here."""
    wanted = [*PROJECT["dependencies"]]
    for extra in extras:
        wanted += PROJECT["optional-dependencies"][extra]
    locked = here(name)
    unmet = []
    for text in wanted:
        need = Requirement(text)
        if need.marker is not None and not need.marker.evaluate():
            continue
        if not need.specifier.contains(locked.get(canonicalize_name(need.name), "0")):
            unmet.append(text)

    assert unmet == [], "run `make lock`"


def test_requirements_are_complete() -> None:
    """Every package that an installed package of the lock needs is in the lock as well."""
    locked = here("requirements-dev.txt")
    missing = []
    for name in locked:
        try:
            needs = requires(name) or []
        except PackageNotFoundError:
            missing.append(name)
            continue
        for text in needs:
            need = Requirement(text)
            # Extras were resolved when locking; what they brought is in the file.
            if need.marker is not None and not need.marker.evaluate({"extra": ""}):
                continue
            if canonicalize_name(need.name) not in {*locked, *LEFT_OUT}:
                missing.append(f"{name} needs {text}")

    assert missing == []


def test_installed_versions_are_the_locked_ones() -> None:
    locked = here("requirements-dev.txt")

    assert {name: version(name) for name in locked} == locked, "run `make install`"


def test_chroma_works_without_the_kubernetes_client(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['kubernetes'] = None\n"
        "import chromadb\n"
        f"client = chromadb.PersistentClient({str(tmp_path)!r})\n"
        "found = client.get_or_create_collection('passages', embedding_function=None)\n"
        "found.add(ids=['a', 'b'], embeddings=[[1.0, 0.0], [0.0, 1.0]], documents=['x', 'y'])\n"
        "found.delete(ids=['b'])\n"
        "print(found.query(query_embeddings=[[0.9, 0.1]], n_results=1)['ids'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path
    )

    assert done.stdout.strip() == "[['a']]", done.stderr
