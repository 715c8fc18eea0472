"""Pairs of questions and what is made of them, on a set of a few rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from evals import reuse
from evals.datasets import SpanSet, half
from evals.reuse_pairs import OTHER, SAME, Pair, pairs
from evals.run import figures
from retrieval.reuse import alike
from tests.evals import data
from vouch.core.types import Span
from vouch.gateway.embed import Embedder

QUESTIONS = {
    "a": "How many people moved to Ghent in 1990?",
    "b": "Who is the head of the Ghent office before March?",
    "c": "Which street did Carol Whitmore name first?",
    "d": " Which street did Carol Whitmore name first? ",
}
SPANS = {"a": Span(0, 4), "b": Span(4, 9), "c": Span(6, 12), "d": Span(20, 30)}


def _set() -> SpanSet:
    return SpanSet("made", {"p": ("P", "x" * 40)}, QUESTIONS, {name: [("p", span)] for name, span in SPANS.items()})


def test_pairs_of_each_kind_are_made_and_found() -> None:
    found = pairs(_set())
    asked = {kind: {pair.asked for pair in found if pair.kind == kind} for kind in (*SAME, *OTHER)}
    assert "What number of people moved to Ghent in 1990?" in asked["form"]
    assert "In 1990, how many people moved to Ghent?" in asked["form"]
    assert "Who's the head of the Ghent office before March?" in asked["form"]
    assert "Who is the head of the Ghent office after March?" in asked["opposite"]
    assert "Who was the head of the Ghent office before March?" in asked["tense"]
    assert "Who is the head not of the Ghent office before March?" in asked["negation"]
    assert asked["name"] and asked["courtesy"] and asked["asks"] and asked["number"]
    assert {pair.part for pair in found} == {half("p")}
    assert all(pair.same == (pair.kind in (*SAME, "reworded")) for pair in found)


def test_questions_of_one_paragraph_are_others_only_where_others_words_answer() -> None:
    texts = {(pair.kept, pair.asked) for pair in pairs(_set()) if pair.kind == "paragraph"}
    a, b, c, d = (QUESTIONS[name] for name in "abcd")
    assert (a, b) in texts and (b, a) in texts and (a, c) in texts
    assert (b, c) not in texts  # their answers overlap
    assert (c, d) not in texts  # one question, asked twice


def test_what_is_taken_for_the_same_is_counted_and_shown(
    tmp_path: Path, embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    data.spans(tmp_path / "xquad-multilingual" / "en")
    report = reuse.run(tmp_path, embedder, limit=20)
    found = figures(report)
    assert found["reuse.near.wrong"] == 0 and found["reuse.near.hits"] == 1 and not report.mistaken
    assert found["reuse.near.all_evidence"] <= found["reuse.near.same_evidence"]
    monkeypatch.setattr(reuse, "unlike", lambda *_: None)
    worse = reuse.run(tmp_path, embedder, limit=20)
    assert figures(worse)["reuse.near.wrong"] > 0 and worse.mistaken
    assert "taken for the same" in worse.remarks()


def test_the_threshold_is_one_of_those_that_are_shown() -> None:
    assert alike.NEAR in reuse.THRESHOLDS
    assert Pair("a", "b", "reworded", "fit").same
