import pytest

from deskhand.agents.grounding import _negates, evidence, numbers, split_parts

RETURNS, ROUTER = ("How can I return a parcel?", "returns.md"), ("Reset the router", "router.md")
PLANS, WARRANTY = ("Prices of the plans", "plans.md"), ("How long is the warranty?", "warranty.md")


@pytest.mark.parametrize(
    ("where", "sentence", "unit"),
    [
        (RETURNS, "You have 30 days after delivery to send the parcel back.", "30 days"),
        (RETURNS, "The label is free.", "free of charge"),
        (RETURNS, "It is not possible to return opened software.", "cannot be returned"),
        (RETURNS, "You can return a parcel within 30 days, but not opened software.", "30 days"),
        (RETURNS, "We refund the price within fourteen days to your card.", "14 days"),
        (ROUTER, "Hold the small button on the back for 10 seconds.", "ten seconds"),
        (ROUTER, "Finally, add the router again in the Parcelo app.", "Parcelo app"),
        (PLANS, "The Plus plan costs 9 dollars per month.", "Plan: Plus"),
        (PLANS, "Business costs 29 dollars a month and includes 20 routers.", "Plan: Business"),
        (WARRANTY, "Water damage isn't covered.", "not covered"),
    ],
)
def test_honest_paraphrases_pass(find, retrieval, where, sentence, unit):
    found = evidence(sentence, find(*where), "en", retrieval)
    assert any(unit in text for text in found.values())


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        # wrong numbers
        (RETURNS, "You can return a parcel within 60 days."),
        (RETURNS, "You can return a parcel within sixty days."),
        (RETURNS, "You can return a parcel within 14 days."),
        (RETURNS, "Returns are accepted within 14 days, and refunds take up to 30 days."),
        (ROUTER, "Hold the small button on the back for 20 seconds."),
        (WARRANTY, "The warranty lasts three years."),
        # of another row
        (PLANS, "The Plus plan costs 29 dollars per month."),
        (PLANS, "Basic costs 9 dollars."),
        # turned around
        (RETURNS, "Opened software can be returned."),
        (RETURNS, "You cannot return a parcel within 30 days."),
        (WARRANTY, "Water damage is covered."),
        # unknown names
        (RETURNS, "Ask Mr Miller for the shipping label."),
        (ROUTER, "Open the Amazon app and add the router again."),
        # invented
        (RETURNS, "You also get a free pizza with each order."),
        (RETURNS, "You can return a parcel within 30 days, and we give you a free pizza."),
        (RETURNS, "The refund goes to your bank account in Switzerland."),
        (ROUTER, "Wait until the light blinks green."),
    ],
)
def test_lies_are_dropped(find, retrieval, where, sentence):
    assert evidence(sentence, find(*where), "en", retrieval) == {}


def test_without_passages_nothing_is_supported(retrieval):
    assert evidence("You can return a parcel.", [], "en", retrieval) == {}


def test_a_passage_that_says_nothing_of_it_is_not_cited(find, retrieval):
    hits = [*find(*ROUTER), *find(*WARRANTY)]
    found = evidence("The warranty lasts two years.", hits, "en", retrieval)
    assert list(found) == [hit.passage.id for hit in find(*WARRANTY)]


def test_numbers_are_written_one_way():
    assert numbers("1,000 or 1 000 or 1.000 or a thousand", "en") == {"1000"}
    assert numbers("5.99", "en") == numbers("5,99", "de") == {"5.99"}
    assert numbers("dva roky, zwei Jahre", "cs") == {"2"}
    assert numbers("zwei Jahre, 30 Tage", "de") == {"2", "30"}
    assert numbers("no number", "en") == frozenset()


@pytest.mark.parametrize(
    ("language", "text", "negated"),
    [
        ("en", "You can’t do that", True),
        ("en", "It is noted in another note", False),
        ("cs", "To nejde a nemůžete to vrátit", True),
        ("cs", "Nevracíme peníze", True),
        ("cs", "Nejlepší je Praha nebo Brno, než začnete v neděli", False),
        ("cs", "Nejsou v ceně", True),
        ("de", "Das ist nicht dabei", True),
        ("de", "Keine Sorge", True),
        ("de", "Das ist eine Niederlassung", False),
    ],
)
def test_negations(language, text, negated):
    assert _negates(text, language) is negated


def test_parts_of_a_sentence():
    parts = split_parts("You have 30 days, and the label is free: ask us", "en")
    assert parts == ["You have 30 days", "and the label is free ask us"]
    assert split_parts("You can return a parcel", "en") == ["You can return a parcel"]
    assert len(split_parts("Vrátit to můžete do měsíce a štítek je zdarma", "cs")) == 2
