"""Each node alone: state in, changes out."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from deskhand.agents import Parts
from deskhand.agents.extractive import quote
from deskhand.agents.nodes import (
    _marked,
    answer_node,
    check_node,
    plan_node,
    reply_node,
    retrieve_node,
    understand_node,
)
from deskhand.agents.planner import THRESHOLD
from deskhand.agents.testing import ScriptedChatModel


@pytest.fixture
def parts(retrieval) -> Iterator[Parts]:
    with ThreadPoolExecutor(1) as executor:
        yield Parts(retrieval=retrieval, executor=executor, handoff="call us", embeddings="e")


async def state_after(parts, text, *steps, said=()):
    """The state after some nodes."""
    state = {"message": {"id": "t1", "text": text}, "said": list(said)}
    for step in (understand_node, *steps):
        state |= await step(parts, state)
    return state


async def answer(parts, state):
    return await answer_node(parts, lambda _: None, state)


QUESTION = "How long can I return a parcel?"


async def test_understand_begins_a_turn_anew(parts):
    old = {"message": {"id": "t2", "text": "Hi"}, "reply": {"old": 1}, "draft": {"old": 1}}
    changes = await understand_node(parts, old)
    assert changes["reply"] == changes["draft"] == {}
    assert changes["found"] == []
    assert changes["turn"]["small_talk"] == "greeting"


async def test_retrieve_keeps_plain_data(parts):
    state = await state_after(parts, QUESTION, retrieve_node)
    assert state["found"][0]["score"] > THRESHOLD
    assert [type(value) for value in state["found"][0].values()] == [int, float, list]
    assert state["found"] == sorted(state["found"], key=lambda f: -f["score"])


async def test_retrieve_without_knowledge():
    with ThreadPoolExecutor(1) as executor:
        nothing = Parts(retrieval=None, executor=executor)
        state = await state_after(nothing, QUESTION, retrieve_node, plan_node, reply_node)
    assert state["found"] == []
    assert state["reply"]["outcome"] == "refused"


@pytest.mark.parametrize(
    ("text", "route"),
    [
        (QUESTION, "answer"),
        ("What is the capital of Australia?", "refuse"),
        ("Hello", "small_talk"),
        ("human", "hand_off"),
        ("", "clarify"),
        ("👍", "clarify"),
        ("I have a problem", "clarify"),
    ],
)
async def test_plan(parts, text, route):
    state = await state_after(parts, text, retrieve_node, plan_node)
    assert state["plan"]["route"] == route
    assert bool(state["plan"]["passages"]) == (route == "answer")


async def test_answer_quotes_whole_units(parts, find):
    state = await state_after(parts, QUESTION, retrieve_node, plan_node, answer)
    first = state["draft"]["quotes"][0]
    hit = next(hit for hit in find(QUESTION) if hit.passage.id == first["passage"])
    units = [unit for block in hit.passage.blocks for unit in block.units]
    assert all(line in units for line in first["lines"])


async def test_answer_with_a_worker(parts, retrieval):
    model = ScriptedChatModel(replies=["You can return a parcel within 30 days. [1]"])
    with ThreadPoolExecutor(1) as executor:
        writing = Parts(retrieval=retrieval, executor=executor, worker=model, worker_name="w")
        state = await state_after(writing, QUESTION, retrieve_node, plan_node, answer, check_node)
    assert state["draft"]["kind"] == "written"
    assert state["draft"]["worker"] == "w"
    assert len(state["draft"]["citations"]) == 1


async def test_check_drops_what_is_not_in_the_passage_to_the_letter(parts):
    state = await state_after(parts, QUESTION, retrieve_node, plan_node, answer)
    true = state["draft"]["quotes"][0]
    forged = {**true, "lines": [true["lines"][0].replace("30", "60")]}
    state["draft"]["quotes"] = [forged, true, {**true, "passage": 10_000}]
    changes = await check_node(parts, state)
    assert len(changes["draft"]["citations"]) == 1
    assert changes["draft"]["text"] == f"{true['text']} [1]"
    state["draft"]["quotes"] = [forged]
    changes = await check_node(parts, state)
    assert changes["plan"]["route"] == "refuse"
    assert (await reply_node(parts, state | changes))["reply"]["outcome"] == "refused"


async def test_check_refuses_a_written_answer_whose_passage_is_gone(parts):
    state = await state_after(parts, QUESTION, retrieve_node, plan_node)
    state["draft"] = {
        "kind": "written",
        "text": "Yes. [1]",
        "quotes": [{"passage": 10_000, "lines": ["Yes."]}],
    }
    assert (await check_node(parts, state))["plan"]["route"] == "refuse"


async def test_reply_appends_two_contributions(parts):
    steps = (retrieve_node, plan_node, answer, check_node, reply_node)
    state = await state_after(parts, QUESTION, *steps)
    person, desk = state["said"]
    assert (person["role"], person["turn"], person["text"]) == ("person", "t1", QUESTION)
    assert person["context"] == QUESTION
    assert (desk["role"], desk["reply"]) == ("desk", state["reply"])
    assert state["found"] == []
    assert state["draft"] == {}


async def test_reply_keeps_what_the_conversation_is_about(parts):
    steps = (retrieve_node, plan_node, reply_node)
    said = [{"role": "person", "turn": "t0", "text": "x", "language": "en",
             "context": "the plan", "reply": None}]  # fmt: skip
    state = await state_after(parts, "Thanks", *steps, said=said)
    assert state["said"][-2]["context"] == "the plan"


async def test_a_line_that_only_introduces_is_not_quoted_alone(find):
    """ "To reset the router:" without its steps answers nothing."""
    for question in ("How do I reset the router?", "To reset the router"):
        (first, *_) = quote(find(question, "router.md"))
        assert "Hold the small button" in first.text
        assert "To reset the router:\n1. Hold" in first.text


async def test_code_is_marked_below_its_fence():
    assert _marked("```\nx\n```", 2) == "```\nx\n```\n[2]"
    assert _marked("x", 2) == "x [2]"
