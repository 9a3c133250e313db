"""Importing a room is cheap, and imports nothing that a later switch should still govern."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = sorted(marker.parent.name for marker in ROOT.glob("*/py.typed"))
HEAVY = ["torch", "transformers", "onnxruntime", "onnxruntime_genai", "chromadb", "langgraph"]
# The graph is LangGraph; whoever imports this room wants it.
LIGHT = [f"deskhand.{room}" for room in ROOMS if room != "agents"]
ENTRY = ["deskhand.app.main"] if (ROOT / "app/main.py").exists() else []


def test_no_room_is_a_top_level_module() -> None:
    """`agents`, `tools` and `models` would hide packages of other people."""
    assert sorted(set(ROOMS) & set(sys.modules)) == []


@pytest.mark.parametrize("name", LIGHT + ENTRY)
def test_import_loads_nothing_heavy(name: str, tmp_path: Path) -> None:
    code = f"import sys, {name}; print(*(m for m in {HEAVY} if m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )

    assert done.stdout.split() == []
