"""Answers that a chat model writes."""

import itertools

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage

from deskhand.agents.testing import HOLD
from deskhand.core import Outcome

RETURNS = "How long can I return a parcel?"
WARRANTY = "How long does the warranty last?"
ROUTER = "How do I reset the router to factory settings?"

FAILED = "The language model did not answer, so this is quoted from the documents."
UNSUPPORTED = "What the language model wrote is not in the documents, so they are quoted instead."
STOPPED = "The language model stopped early: this answer may be incomplete."
LEFT_OUT = "Parts of the language model's answer were left out: the documents do not say them."


def number_of(model, source_words):
    """The number under which a passage was shown to the model."""
    shown = model.calls[-1][1].content
    before = shown[: shown.index(source_words)]
    return int(before.rpartition("\n[")[2].partition("]")[0])


async def test_an_honest_paraphrase_is_streamed_and_cited(written):
    answer = "You have 30 days after delivery to send the parcel back. [1] The label is free. [1]"
    reply, talk, model = await written(RETURNS, answer)
    assert number_of(model, "within 30 days") == 1
    assert reply.outcome is Outcome.ANSWERED
    assert reply.text == answer
    assert len(talk.deltas) == 2
    assert "".join(talk.deltas) == answer
    assert reply.notices == ()
    assert reply.models["worker"] == "scripted"
    (citation,) = reply.citations
    assert citation.source == "returns.md"
    # Short: the units that say it, not the whole passage.
    assert citation.quote == (
        "You can return a parcel within 30 days after delivery.\n"
        "The shipping label is free of charge."
    )


async def test_another_libraries_fake_model_works_too(written):
    message = AIMessage("You can return a parcel within 30 days. [1]")
    reply, _, _ = await written(RETURNS, GenericFakeChatModel(messages=iter([message])))
    assert reply.text == "You can return a parcel within 30 days. [1]"


async def test_citations_are_numbered_in_the_order_of_their_use(written):
    question = "How long can I return a parcel, and when does the money come back?"
    _, _, model = await written(question, "NO ANSWER")
    refund = number_of(model, "We refund the price")
    days = number_of(model, "within 30 days")
    assert {refund, days} == {1, 2}
    answer = (
        f"We refund the price within 14 days [{refund}]. "
        f"You can return a parcel within 30 days [{days}]. "
        f"The money goes to the card that you paid with [{refund}]."
    )
    reply, _, _ = await written(question, answer)
    assert reply.text == (
        "We refund the price within 14 days. [1] You can return a parcel within 30 days. [2] "
        "The money goes to the card that you paid with. [1]"
    )
    assert [c.quote.splitlines()[0] for c in reply.citations] == [
        "We refund the price within 14 days.",
        "You can return a parcel within 30 days after delivery.",
    ]


@pytest.mark.parametrize(
    "lie",
    [
        "You can return a parcel within 60 days. [1]",
        "You cannot return a parcel within 30 days. [1]",
        "Mr Miller sends you a new shipping label. [1]",
        "You also get a free pizza with each order. [1]",
    ],
)
async def test_a_lie_is_dropped(written, lie):
    honest = "You can return a parcel within 30 days. [1]"
    reply, talk, _ = await written(RETURNS, f"{lie} {honest}")
    assert reply.text == honest
    assert talk.deltas == [honest]
    assert reply.notices == (LEFT_OUT,)


async def test_nothing_but_lies_is_replaced_by_a_quote(written):
    reply, talk, _ = await written(RETURNS, "You have 99 days. [1] Pizza is free. [1]")
    assert reply.outcome is Outcome.ANSWERED
    assert "You can return a parcel within 30 days after delivery." in reply.text
    assert talk.deltas == []
    assert reply.notices == (UNSUPPORTED,)
    assert reply.models["worker"] == "extractive"


@pytest.mark.parametrize("marker", ["", " [77]", " [0]", " [2]"])
async def test_a_sentence_with_a_wrong_marker_or_none_is_cited_rightly(written, marker):
    reply, _, _ = await written(RETURNS, f"You can return a parcel within 30 days.{marker}")
    assert reply.text == "You can return a parcel within 30 days. [1]"
    assert "within 30 days after delivery" in reply.citations[0].quote


async def test_line_breaks_of_lists_are_kept(written):
    answer = (
        "1. Hold the small button on the back for ten seconds. [1]\n"
        "2. Wait until the light blinks red. [1]\n"
        "3. Open the Parcelo app and add the router again. [1]\n\n"
        "Resetting deletes your network name and password. [1]"
    )
    reply, talk, _ = await written(ROUTER, answer)
    assert reply.text == answer
    assert "".join(talk.deltas) == answer


@pytest.mark.parametrize(
    "answer", ["NO ANSWER", "NO ANSWER.", '"NO ANSWER" [1]', "**NO ANSWER**\n"]
)
async def test_no_answer_refuses(written, answer):
    """The worker has read the passages; a score only says that they are near."""
    reply, talk, _ = await written(RETURNS, answer)
    assert reply.outcome is Outcome.REFUSED
    assert "The closest I have: Returns" in reply.text
    assert talk.deltas == []
    assert reply.citations == ()
    assert reply.models["worker"] == "scripted"


async def test_no_answer_after_an_answer_ends_it(written):
    honest = "You can return a parcel within 30 days. [1]"
    reply, _, _ = await written(RETURNS, f"{honest} NO ANSWER. You get a pizza. [1]")
    assert reply.text == honest


async def test_no_answer_in_the_middle_of_a_sentence_is_no_refusal(written):
    reply, _, _ = await written(RETURNS, "If NO ANSWER comes you can return a parcel, yes. [1]")
    assert reply.outcome is Outcome.ANSWERED


@pytest.mark.parametrize(
    "reply",
    [
        RuntimeError("connection refused: http://secret"),
        ["You can ", ConnectionError("reset")],
        "",
        " \n [1] ",
        ["…"] * 50,
    ],
)
async def test_a_worker_that_fails_is_replaced_by_a_quote(written, reply, capfd):
    answer, talk, _ = await written(RETURNS, reply)
    assert answer.outcome is Outcome.ANSWERED
    assert "You can return a parcel within 30 days after delivery." in answer.text
    assert answer.notices == (FAILED,)
    assert answer.models["worker"] == "extractive"
    assert talk.deltas == []
    assert len(await talk.turns()) == 1
    assert "Traceback" not in "".join(capfd.readouterr())


async def test_a_worker_that_fails_in_the_middle_keeps_what_was_checked(written):
    honest = "You can return a parcel within 30 days. [1]"
    reply, talk, _ = await written(RETURNS, [f"{honest} The", RuntimeError("reset")])
    assert reply.text == honest
    assert talk.deltas == [honest]
    assert reply.notices == (STOPPED,)


async def test_a_worker_that_takes_too_long_is_stopped(written):
    reply, _, model = await written(RETURNS, ["You can ", HOLD], worker_seconds=0.05)
    assert reply.notices == (FAILED,)
    assert "within 30 days" in reply.text
    assert model.canceled == 1


@pytest.mark.parametrize(
    ("piece", "notice"),
    [("word ", FAILED), ("You get a pizza. [1] ", FAILED), ("\n", FAILED)],
)
async def test_endless_output_is_stopped(written, piece, notice):
    reply, _, model = await written(RETURNS, itertools.repeat(piece))
    assert reply.notices == (notice,)
    assert model.canceled == 1


async def test_endless_repetition_of_the_truth_is_cut(written):
    honest = "You can return a parcel within 30 days. [1] "
    reply, _, _ = await written(RETURNS, itertools.repeat(honest))
    assert reply.text.count("30 days") <= 16
    assert reply.notices == (STOPPED,)


async def test_fault_44_control_tokens_of_the_worker_are_removed(written):
    answer = "<|assistant|>You can return a parcel within 30 days.<|end|> [1]<|end|>"
    reply, _, _ = await written(RETURNS, answer)
    assert reply.text == "You can return a parcel within 30 days. [1]"


async def test_the_worker_is_not_asked_where_nothing_was_found(written):
    reply, _, model = await written("What is the capital of Australia?", "Canberra.")
    assert reply.outcome is Outcome.REFUSED
    assert model.calls == []


async def test_a_follow_up_reaches_the_worker_with_its_context(written):
    _, talk, model = await written(WARRANTY, "The warranty lasts two years. [1]")
    await talk.ask("And water damage?")
    assert model.calls[-1][1].content.endswith(f"Question: {WARRANTY} And water damage?")


async def test_answers_in_the_language_of_the_question(written):
    question = "Baterie senzoru: jak vyměnit baterie v senzoru?"
    reply, _, model = await written(question, "Vyměňte obě baterie. [1]")
    assert "Answer in Czech" in model.calls[0][0].content
    assert reply.text == "Vyměňte obě baterie. [1]"
