"""Highlights and snippets: what is marked, and that marks stand where they say."""

from __future__ import annotations

import random

import pytest

from retrieval.highlight import MOST, SNIPPET, mark, snippet, sought
from tests.retrieval.world import World
from vouch.core.types import Span


def marked(words: str, text: str, *phrases: str) -> list[str]:
    return [span.of(text) for span in mark(sought(words, phrases), text).highlights]


@pytest.mark.parametrize(
    ("words", "text", "found"),
    [
        ("policy for employees", "Policies for an employee.", ["Policies", "employee"]),
        ("how many days", "How many DAYS there are", ["DAYS"]),  # words of asking are not marked
        ("cafe", "The Café’s hours", ["Café’s"]),
        ("the of and", "the of and", []),
        ("ERR_CONN-4521", "see ERR_CONN-4521!", ["ERR_CONN", "4521"]),
        ("東京", "東京都庁は東京にある", ["東京", "東京"]),
    ],
)
def test_words_are_marked_by_stem(words: str, text: str, found: list[str]) -> None:
    assert marked(words, text) == found


def test_a_phrase_is_marked_where_it_stands_whole() -> None:
    text = "Parental\n leave is leave for parents; ‘Parental Léave’."
    assert marked("parental leave", text, "parental leave") == ["Parental\n leave", "Parental Léave"]
    assert marked("parental leave leave", text, "parental leave") == ["Parental\n leave", "leave", "Parental Léave"]


def test_marks_are_ascending_apart_and_bounded() -> None:
    rng = random.Random(5)
    vocabulary = ["leave", "Leaves", "parental", "é", "ﬁn", ",", "\n", "東京", "x" * 40]
    for _ in range(300):
        text = " ".join(rng.choice(vocabulary) for _ in range(rng.randint(0, 400)))
        found = mark(sought("parental leave 東京 fin", ("leave leave", "fin")), text)
        ends = [-1, *(span.end for span in found.highlights)]
        assert all(end <= span.start < span.end <= len(text) for end, span in zip(ends, found.highlights, strict=False))
        assert len(found.highlights) <= MOST
        assert 0 <= found.snippet.start <= found.snippet.end <= len(text)
        assert found.snippet.end - found.snippet.start <= SNIPPET
        if found.highlights:
            assert any(found.snippet.start <= one.start and one.end <= found.snippet.end for one in found.highlights)


def test_the_snippet_is_where_the_most_different_words_stand_together() -> None:
    around = ["Nothing of it here. " * 30, "Nor here. " * 40, "Nor there. " * 40]
    text = f"{around[0]}Leave leave leave. {around[1]}Parents have paid leave. {around[2]}"
    found = mark(sought("paid leave for parents", ()), text)
    shown = found.snippet.of(text)
    assert shown.startswith("Parents have paid leave.") or "Parents have paid leave." in shown[:120]
    assert len(shown) <= SNIPPET and shown == shown.strip()


def test_a_short_text_is_shown_whole_and_one_without_marks_from_its_beginning() -> None:
    assert snippet("short", ()) == Span(0, 5)
    assert snippet("word " * 200, ()) == Span(0, 299)
    assert snippet("x" * 1_000, [Span(500, 600)]).end <= 1_000


def test_hits_are_marked_in_their_text(world: World) -> None:
    hit = world.search("bob", '"hotel costs" nights')[0]
    assert [hit["text"][one["start"] : one["end"]] for one in hit["highlights"]] == ["Hotel costs", "night"]
    assert hit["snippet"] == {"start": 0, "end": len(hit["text"])}
