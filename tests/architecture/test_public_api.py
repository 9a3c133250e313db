"""The public names of the rooms change only on purpose."""

import json
import runpy
from pathlib import Path

import pytest

API = runpy.run_path(str(Path(__file__).with_name("public_api.py")))
ROOMS = API["rooms"]()


def test_public_names_are_the_frozen_ones() -> None:
    frozen = json.loads(API["FROZEN"].read_text(encoding="utf-8"))

    assert API["public_api"]() == frozen, "if the change is meant, accept it: `make api`"


@pytest.mark.parametrize("room", ROOMS)
def test_all_is_what_is_public(room: str) -> None:
    assert API["leaks"](room) == [], f"deskhand.{room}: __all__ and the public names differ"
