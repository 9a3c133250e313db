"""The commands in the README work as printed.

Of a fenced `console` block, the lines that start with `$ ` are run, in order:

- after `<!-- ci: run -->` in this environment, with an empty data folder that the blocks share;
- after `<!-- ci: run in a fresh clone -->` in a copy of what git holds, with the machine's own
  Python; that block must not end in something that waits for a person.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"


def commands(mark: str) -> list[str]:
    if not README.exists():
        pytest.skip("there is no README.md")
    block = re.compile(rf"<!-- ci: {mark} -->\s*```console\n(.*?)```", re.DOTALL)
    text = "".join(block.findall(README.read_text(encoding="utf-8"))).replace("\\\n", " ")
    found = [line[2:] for line in text.splitlines() if line.startswith("$ ")]
    if not found:
        pytest.skip(f"README.md has no console block after <!-- ci: {mark} -->")
    return found


@pytest.mark.slow
def test_commands_work(data_dir: Path) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for line in commands("run"):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", line],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env=os.environ | {"PATH": path},
            stdin=subprocess.DEVNULL,
            timeout=300,
        )
        assert done.returncode == 0, f"$ {line}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


@pytest.mark.slow
def test_commands_work_in_a_fresh_clone(
    clone: Path, data_dir: Path, run: Callable[..., str]
) -> None:
    script = "\n".join(commands("run in a fresh clone"))

    run("bash", "-euxo", "pipefail", "-c", script, cwd=clone, DESKHAND_DATA_DIR=str(data_dir))


def test_make_targets_exist() -> None:
    if not README.exists():
        pytest.skip("there is no README.md")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = re.findall(r"(?:`|\$ )make ([a-z][a-z-]*)", README.read_text(encoding="utf-8"))
    missing = [name for name in named if not re.search(rf"^{name}:", makefile, re.MULTILINE)]

    assert missing == []
