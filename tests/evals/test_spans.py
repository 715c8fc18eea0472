"""Recall, precision and IoU of evidence against figures worked out by hand, and offsets that follow a text read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.datasets import Evidence
from evals.spans import Offsets, enclosed, overlaps
from ingestion.parse import parse
from vouch.core.errors import BadEvalSet, DocumentRejected
from vouch.core.types import Span


def at(document: str, start: int, end: int) -> Evidence:
    return Evidence(document, Span(start, end))


def measured(evidence: list[Evidence], passages: list[Evidence]) -> tuple[float, float, float]:
    found = enclosed(evidence, passages)
    return found["evidence_recall_5"], found["evidence_precision_5"], found["evidence_iou_5"]


def test_by_hand() -> None:
    evidence = [at("d", 10, 20), at("d", 50, 60)]
    assert measured(evidence, [at("d", 0, 40)]) == pytest.approx((10 / 20, 10 / 40, 10 / 50))
    assert measured(evidence, [at("d", 0, 40), at("d", 55, 75)]) == pytest.approx((15 / 20, 15 / 60, 15 / 65))
    assert measured(evidence, [at("e", 0, 40)]) == (0, 0, 0)
    assert measured(evidence, [at("d", 0, 40), at("e", 0, 40)]) == pytest.approx((10 / 20, 10 / 80, 10 / 90))
    assert measured(evidence, []) == (0, 0, 0)


def test_what_is_shown_twice_counts_twice_against_precision_and_once_for_recall() -> None:
    assert measured([at("d", 10, 20)], [at("d", 0, 20), at("d", 10, 30)]) == pytest.approx((1, 10 / 40, 10 / 40))


def test_touching_is_not_overlapping() -> None:
    assert measured([at("d", 10, 20)], [at("d", 20, 30)]) == (0, 0, 0)
    assert not overlaps(at("d", 20, 30), [at("d", 10, 20)])
    assert overlaps(at("d", 19, 30), [at("d", 10, 20)])
    assert not overlaps(at("e", 19, 30), [at("d", 10, 20)])


spans = st.lists(
    st.builds(lambda d, a, n: at(d, a, a + n), st.sampled_from("de"), st.integers(0, 30), st.integers(1, 20)),
    min_size=1,
    max_size=5,
)


@given(spans, spans)
def test_the_measures_keep_to_their_bounds(evidence: list[Evidence], passages: list[Evidence]) -> None:
    recall, precision, iou = measured(evidence, passages)
    assert 0 <= iou <= precision <= 1
    assert 0 <= recall <= 1
    assert (recall > 0) == any(overlaps(one, evidence) for one in passages)
    more = measured(evidence, [*passages, at("d", 0, 60), at("e", 0, 60)])
    assert more[0] >= recall


@given(st.text(st.sampled_from("ab \n\t\u00a0é.A-")), st.data())
def test_a_span_points_at_the_same_characters_in_both_texts(own: str, drawn: st.DataObject) -> None:
    try:
        read = parse(own.encode(), "a.txt").text
    except DocumentRejected:
        return
    start = drawn.draw(st.integers(0, len(read)))
    span = Span(start, drawn.draw(st.integers(start, len(read))))
    try:
        found = Offsets("a", own, read).of(span)
    except BadEvalSet:
        assert "".join(own.split()) != "".join(read.split())
        return
    assert "".join(found.of(own).split()) == "".join(span.of(read).split())
    assert found.of(own) == found.of(own).strip()
