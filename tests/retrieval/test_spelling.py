"""Mistyped words: which are read otherwise, as what, and that nobody is put right by what they may not read."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.spelling import confirmed, one_slip, read_as, readings
from retrieval.types import Reading
from tests.retrieval.world import World
from vouch.core.types import Json
from vouch.index.lexical import LEXICAL, analysis_named

TEXTS = (
    "Turbulent boundary layers on slender bodies, measured at Braunschweig.",
    "The boundary layer of a blunt body.",
    "Der Bundeskanzler sprach über die Häuser der Stadt.",
)


def read(words: str, *texts: str) -> list[tuple[str, str]]:
    return [(one.typed, one.instead) for one in readings(words, texts or TEXTS, analysis_named(LEXICAL))]


# --- which words, and as what ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("bounary", "boundary"),
        ("boundarry", "boundary"),
        ("bonudary", "boundary"),
        ("boundart", "boundary"),
        ("Boundsry", "boundary"),
        ("oundary", "boundary"),
        ("boundar", "boundary"),
        ("Braunshweig", "braunschweig"),
        ("Bundeskanlzer", "bundeskanzler"),
        ("Haeuser", "hauser"),
    ],
)
def test_a_word_one_slip_away_from_one_of_the_hits_is_read_as_that(typed: str, meant: str) -> None:
    assert read(f"what of the {typed} there?") == [(typed, meant)]


@pytest.mark.parametrize(
    "words",
    [
        "boundary layer",  # as the hits have it
        "laye bodi blnt",  # too short
        "lawyer",  # an English word, if another
        "bounadyr",  # two slips
        "Hauser",  # häuser, without its accent
        "layerss-2 boundarry_layer boundarry.body",  # names
        "welcher der Bundeskanzler",
        "边界层理论家",  # what is written without spaces is no word
        "",
    ],
)
def test_everything_else_is_read_as_it_stands(words: str) -> None:
    assert read(words, *TEXTS, "welche ist das", "边界层理论") == []


def test_a_word_that_the_hits_have_in_another_form_is_no_mistake() -> None:
    assert read("turbulences", "it is the turbulence", "turbulencees") == []
    assert read("Verträgen", "Der Vertrag und die Vertragen.") == []


def test_of_several_it_is_the_word_that_most_hits_hold() -> None:
    assert read("zorbot", "this is the zorbat", "zorbit", "zorbit") == [("zorbot", "zorbit")]
    assert read("zorbot", "this is the zorbit zorbit", "zorbat") == [("zorbot", "zorbat")]


@given(st.text("abc", max_size=6), st.text("abc", max_size=6))
def test_one_slip_is_what_one_slip_makes(typed: str, word: str) -> None:
    places = range(len(typed) + 1)
    made = {typed[:n] + typed[n + 1 :] for n in places}
    made |= {typed[:n] + c + typed[n + more :] for n, c, more in product(places, "abc", (0, 1))}
    made |= {typed[:n] + typed[n + 1 : n + 2] + typed[n : n + 1] + typed[n + 2 :] for n in places}
    assert one_slip(typed, word) == (word in made - {typed})


def test_whole_words_are_replaced_and_only_what_is_found_is_told() -> None:
    seen = (Reading("cat", "hat"), Reading("Dgo", "dog"))
    assert read_as("cat, Dgo; concat dgo Dgo", seen) == "hat, dog; concat dgo dog"
    assert confirmed(seen, ["A DOG.", "hats"]) == seen[1:]


# --- in a company ------------------------------------------------------------------------------------------------


def searched(world: World, user: str, query: str, **body: object) -> Json:
    found: Json = world.post("/search", user, query=query, **body).json()
    return found


@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
@pytest.mark.parametrize("rerank", [True, False])
def test_a_search_is_made_again_with_the_word_that_was_meant(world: World, mode: str, rerank: bool) -> None:
    found = searched(world, "bob", "flihgts or trains", mode=mode, rerank=rerank)
    assert found["read_as"] == [{"typed": "flihgts", "instead": "flights"}]
    meant = searched(world, "bob", "flights or trains", mode=mode, rerank=rerank)
    assert meant["read_as"] == [] and found["hits"] == meant["hits"]
    marked = [found["hits"][0]["text"][m["start"] : m["end"]] for m in found["hits"][0]["highlights"]]
    assert "flights" in marked


def test_who_may_not_read_the_word_is_not_put_right(world: World) -> None:
    assert searched(world, "alice", "adoptoin")["read_as"] == [{"typed": "adoptoin", "instead": "adoption"}]
    assert searched(world, "bob", "adoptoin")["read_as"] == []


def test_what_gate_two_refuses_puts_nobody_right(world: World) -> None:
    hidden = searched(world, "alice", "adoptoin")["hits"][0]["document_id"]
    world.readers(hidden, ("group:nobody",), project=False)
    assert searched(world, "alice", "adoptoin")["read_as"] == []


def test_a_word_in_quotes_is_searched_for_as_it_stands(world: World) -> None:
    quoted = searched(world, "bob", '"flihgts"')
    assert quoted["hits"] == quoted["read_as"] == []


def test_what_is_left_out_puts_nobody_right(world: World) -> None:
    assert searched(world, "bob", "flihgts -journeys")["read_as"] == []


def test_facets_count_what_was_read(world: World) -> None:
    counts = [searched(world, "bob", word, facets=["source"])["matched"] for word in ("flihgts", "flights")]
    assert counts[0] == counts[1] == {"documents": 1, "exact": True}


def test_the_trace_says_that_a_word_was_read_otherwise_and_not_as_what(world: World) -> None:
    found = searched(world, "bob", "flihgts or trains")
    trace = world.get(f"/traces/{found['trace_id']}", "bob").json()
    assert trace["rewrite"]["reread"] == ["flihgts"] and trace["rewrite"]["query"] == "flihgts or trains"
    assert "flights" not in str(trace)


def test_a_question_is_answered_as_it_was_asked(world: World) -> None:
    answer = world.ask("bob", "Are trains preferred over flihgts?")
    assert world.get(f"/traces/{answer['trace_id']}", "bob").json()["rewrite"]["reread"] == []
