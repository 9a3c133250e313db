import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from deskhand.app.channels import GROUP, load_channels, open_channel
from deskhand.core import SettingsError


class Good:
    name = "good"

    async def run(self, desk, *, conversation=None):
        return 0


class Refuses(Good):
    def __init__(self):
        raise RuntimeError("no screen")


@pytest.fixture(autouse=True)
def plugin(monkeypatch):
    module = ModuleType("a_plugin")
    module.Good, module.Other, module.Refuses = Good, Good, Refuses
    monkeypatch.setitem(sys.modules, "a_plugin", module)


def entry(name, value):
    return EntryPoint(name, value, GROUP)


def test_a_broken_channel_is_named_and_the_others_load():
    channels = load_channels(
        [entry("good", "a_plugin:Good"), entry("gone", "nowhere:X"), entry("bad", "a_plugin:No")]
    )
    assert list(channels.working) == ["good"]
    assert "nowhere:X: ModuleNotFoundError" in channels.broken["gone"]
    assert "AttributeError" in channels.broken["bad"]


def test_two_packages_with_one_name():
    found = [entry("good", "a_plugin:Good"), entry("good", "a_plugin:Other")]
    for use in (load_channels, lambda them: open_channel("good", them)):
        with pytest.raises(SettingsError, match="a_plugin:Good and a_plugin:Other"):
            use(found)


def test_one_package_seen_twice_is_one():
    found = [entry("good", "a_plugin:Good"), entry("good", "a_plugin:Good")]
    assert isinstance(open_channel("good", found), Good)


def test_only_the_wanted_channel_is_imported():
    assert open_channel("good", [entry("good", "a_plugin:Good"), entry("x", "nowhere:X")])


def test_a_channel_that_is_not_there():
    with pytest.raises(SettingsError, match="Did you mean `good`"):
        open_channel("goood", [entry("good", "a_plugin:Good")])
    with pytest.raises(SettingsError, match="Installed: none"):
        open_channel("good", [])


@pytest.mark.parametrize("value", ["nowhere:X", "a_plugin:Refuses"])
def test_a_channel_that_breaks(value):
    with pytest.raises(SettingsError, match=r"`bad`.*cannot be loaded"):
        open_channel("bad", [entry("bad", value)])


def test_the_terminal_comes_through_the_same_door():
    assert "terminal" in load_channels().working
