"""A claim that was refused is mended once, and by rule only where nothing but spaces and the shape of marks differs."""

from __future__ import annotations

import pytest

from retrieval.repair import exact
from retrieval.types import SOMEWHERE, DraftClaim, Freshness, Passage, Quote
from tests.retrieval.chatting import chatting
from tests.retrieval.world import World
from vouch.core.types import Span

TEXT = "Leave is \u201ctwenty\u201d days \u2013 for all.\nAsk HR\u2019s desk. Leave is 5 days. Leave is 5 days."
PASSAGE = Passage(1, "d", "d", 1, "T", "", Span(0, len(TEXT)), TEXT, (), (), 1.0, None, Freshness("fresh", None, None))
HOTEL = "How much is reimbursed for a hotel per night?"


@pytest.mark.parametrize(
    ("quote", "mended"),
    [
        ('Leave is "twenty" days - for all.', "Leave is \u201ctwenty\u201d days \u2013 for all."),
        ("for all. Ask HR's desk.", "for all.\nAsk HR\u2019s desk."),
        ("  Ask   HR\u2019s desk. ", "Ask HR\u2019s desk."),
        ("Leave is \u201ctwenty\u201d days", None),  # is right as it is
        ("leave is \u201ctwenty\u201d days", None),
        ('Leave is "thirty" days - for all.', None),
        ("Leave  is 5 days.", None),  # stands there twice
        ("Leave is ... for all.", None),
        ("Ask HR\u2019s de\u200bsk.", None),
        (".*", None),
        (" ", None),
        ("x" * 5_000, None),
    ],
)
def test_a_quote_is_the_documents_own_words_again_or_nothing(quote: str, mended: str | None) -> None:
    claim = DraftClaim("C.", (Quote(1, SOMEWHERE, quote),), 1.0)
    found = exact(claim, {1: PASSAGE})
    assert (None if found is None else found.quotes[0].text) == mended
    assert mended is None or mended in TEXT
    assert exact(DraftClaim("C.", (Quote(2, SOMEWHERE, quote),), 1.0), {1: PASSAGE}) is None


def test_a_claim_of_which_one_quote_cannot_be_mended_is_not() -> None:
    quotes = (Quote(1, SOMEWHERE, "Ask  HR's desk."), Quote(1, SOMEWHERE, "Nobody says this."))
    assert exact(DraftClaim("C.", quotes, 1.0), {1: PASSAGE}) is None


def test_a_model_that_goes_on_lying_is_asked_once_more_and_no_oftener(world: World) -> None:
    with chatting(world, "altered_quote") as server:
        answer = world.ask("bob", HOTEL)
        assert len(server.received) == 2
    assert answer["kind"] == "abstention" and answer["citations"] == []


def test_an_answer_without_a_fault_is_written_once(world: World) -> None:
    with chatting(world, "honest") as server:
        assert world.ask("bob", HOTEL)["rejected"] == 0
        assert len(server.received) == 1


def test_who_tells_their_instructions_is_not_asked_again(world: World) -> None:
    with chatting(world, "obedient") as server:
        answer = world.ask("bob", HOTEL)
        assert len(server.received) == 1
    assert answer["kind"] == "abstention" and answer["notices"] == []
