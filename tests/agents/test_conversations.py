"""Conversations: order, storing, canceling, failing, and what a damaged file does."""

import asyncio
import logging
import sqlite3

import pytest

from deskhand.agents import nodes
from deskhand.agents.testing import HOLD, ScriptedChatModel
from deskhand.core import Outcome, StorageError

WARRANTY = "How long does the warranty last?"
RETURNS = "How long can I return a parcel?"


def stored(reply):
    return (reply.outcome, reply.text, reply.citations, reply.notices, reply.models)


async def test_the_same_message_twice_is_answered_once(talk, monkeypatch):
    first = await talk.ask(WARRANTY, "t1")
    await talk.ask(RETURNS, "t2")
    monkeypatch.setattr(nodes, "understand", None)  # nothing runs again
    again = await talk.ask("another text with the same id", "t1")
    assert stored(again) == stored(first)
    assert list(again.timings) == ["total"]
    assert await talk.turns() == [WARRANTY, RETURNS]


async def test_the_same_message_after_a_restart(open_agent, talk):
    first = await talk.ask(WARRANTY, "t1")
    await talk.agent.aclose()
    talk.agent = await open_agent()
    assert stored(await talk.ask(WARRANTY, "t1")) == stored(first)
    assert await talk.turns() == [WARRANTY]
    reply = await talk.ask("And water damage?")
    assert "Water damage is not covered." in reply.text


async def test_fault_29_messages_at_once_are_all_kept_in_order(talk):
    questions = [WARRANTY + "?" * number for number in range(5)]
    replies = await asyncio.gather(*(talk.ask(text) for text in questions))
    assert await talk.turns() == questions
    assert all(reply.outcome is Outcome.ANSWERED for reply in replies)
    history = await talk.agent.history("talk")
    assert [role for role, _ in history] == ["person", "desk"] * 5


async def test_the_same_message_at_once_runs_once(talk):
    replies = await asyncio.gather(*(talk.ask(WARRANTY, "t1") for _ in range(3)))
    assert len({stored(reply)[1] for reply in replies}) == 1
    assert await talk.turns() == [WARRANTY]


async def test_conversations_run_side_by_side(open_agent, make_talk):
    model = ScriptedChatModel(replies=[["The warr", HOLD, "anty lasts two years. [1]"]])
    agent = await open_agent(worker=model, worker_name="scripted")
    slow, fast = make_talk(agent, "slow"), make_talk(agent, "fast")
    waiting = asyncio.create_task(slow.ask(WARRANTY))
    await model.wait_for_call()
    assert (await fast.ask("Hello")).outcome is Outcome.ANSWERED
    assert not waiting.done()
    model.release()
    assert (await waiting).outcome is Outcome.ANSWERED
    assert await fast.turns() == ["Hello"]
    assert await slow.turns() == [WARRANTY]


async def test_fault_36_a_conversation_is_not_another_one_with_a_longer_name(talk):
    await talk.ask(WARRANTY)
    for name in ("talk2", "tal", "Talk", "talk%", "t_lk", ""):
        assert await talk.agent.history(name) == []


async def test_whoever_stops_at_the_reply_does_not_keep_the_conversation_locked(talk):
    pieces = talk.agent.answer(talk.message("Hello"))
    await anext(pieces)  # and never closed
    assert (await talk.ask("Hello again")).outcome is not None
    await pieces.aclose()


# Interrupted turns


@pytest.fixture
async def interrupted(open_agent, make_talk):
    """An agent whose worker holds after its first sentence."""
    first = "The warranty lasts two years. [1] Water"
    model = ScriptedChatModel(
        replies=[[first, HOLD, " damage is not covered. [1]"], "Water damage is not covered. [1]"]
    )
    talk = make_talk(await open_agent(worker=model, worker_name="scripted"))
    await talk.ask("Hello", "t0")
    return talk, model


async def goes_on(talk):
    assert await talk.turns() == ["Hello"]
    reply = await talk.ask(WARRANTY, "t1")
    assert reply.text == "Water damage is not covered. [1]"
    assert (await talk.ask(WARRANTY, "t1")).text == reply.text
    assert await talk.turns() == ["Hello", WARRANTY]


async def test_closing_in_the_middle_of_an_answer(interrupted):
    talk, model = interrupted
    await talk.ask_until_delta(WARRANTY, "t1")
    assert model.canceled == 1
    await goes_on(talk)


async def test_canceling_in_the_middle_of_an_answer(interrupted):
    talk, model = interrupted
    task = asyncio.create_task(talk.ask(WARRANTY, "t1"))
    await model.wait_for_call()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert model.canceled == 1
    await goes_on(talk)


async def test_canceling_while_waiting_for_the_turn_before(interrupted):
    talk, model = interrupted
    first = asyncio.create_task(talk.ask(WARRANTY, "t1"))
    await model.wait_for_call()
    second = asyncio.create_task(talk.ask(RETURNS, "t2"))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    model.release()
    assert (await first).outcome is Outcome.ANSWERED
    assert await talk.turns() == ["Hello", WARRANTY]


async def test_a_restart_after_an_interrupted_turn(interrupted, open_agent):
    talk, model = interrupted
    await talk.ask_until_delta(WARRANTY, "t1")
    await talk.agent.aclose()
    talk.agent = await open_agent(worker=model, worker_name="scripted")
    await goes_on(talk)


@pytest.mark.parametrize(
    "node", ["understand", "retrieve", "plan_turn", "quote", "_stands_in", "final_reply"]
)
async def test_an_error_in_a_node_ends_the_turn_as_failed(talk, monkeypatch, caplog, node):
    name = {"retrieve": "_retrieve"}.get(node, node)
    await talk.ask("Hello", "t0")
    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr(nodes, name, broken)
        failed = await talk.ask(WARRANTY, "t1")
    assert failed.outcome is Outcome.FAILED
    assert failed.text.startswith("Something went wrong here")
    assert "secret" not in failed.text + "".join(failed.notices)
    number = failed.notices[0].rpartition("error ")[2].rstrip(".")
    assert number in caplog.text
    assert "/secret/path" in caplog.text
    assert await talk.turns() == ["Hello"]
    assert (await talk.ask(RETURNS, "t2")).outcome is Outcome.ANSWERED
    assert (await talk.ask(WARRANTY, "t1")).outcome is Outcome.ANSWERED
    assert await talk.turns() == ["Hello", RETURNS, WARRANTY]


def broken(*_):
    raise RuntimeError("token in /secret/path")


async def test_a_failed_turn_speaks_the_language_of_the_question(talk, monkeypatch):
    monkeypatch.setattr(nodes, "plan_turn", broken)
    reply = await talk.ask("Wie lange dauert die Lieferung nach Berlin?")
    assert reply.text.startswith("Hier ist etwas schiefgegangen")
    assert reply.language == "de"


async def test_a_database_error_of_the_knowledge_is_told(talk, monkeypatch):
    def locked(*_):
        raise sqlite3.OperationalError("database is locked")

    with monkeypatch.context() as patch:
        patch.setattr(nodes, "_retrieve", locked)
        with pytest.raises(StorageError, match="knowledge could not be read"):
            await talk.ask(WARRANTY, "t1")
    assert (await talk.ask(WARRANTY, "t1")).outcome is Outcome.ANSWERED
