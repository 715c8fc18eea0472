"""The document reranker: what it sees of candidates, counted by hand, and what it makes of the packaged weights."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from vouch.core.errors import BadConfig
from vouch.gateway.rerank import Readable
from vouch.gateway.rerank_document import (
    NEARNESS,
    VERSION,
    DocumentReranker,
    Signals,
    packaged_weights,
    read_weights,
    signals,
    weighed,
)

LEAVE = Readable("Parents take twenty weeks of leave.", "Parental leave", "leave", 0.5)
TRAVEL = Readable("Hotels on a leave of absence are not paid.", "Travel policy", "travel", 0.7)
BACKUPS = Readable("Backups run every six hours.", "Backups", "backups", 0.2)


def test_a_title_counts_by_the_words_of_the_question_that_it_has_and_few_candidates_hold() -> None:
    leave, travel, backups = signals("the parental leave policy", [LEAVE, TRAVEL, BACKUPS])
    # Of three texts one holds "parental" ("Parents" has its stem), two "leave", none "policy".
    parental, of_leave, policy = (math.log(1 + 4 / (held + 0.5)) for held in (1, 2, 0))
    everything = parental + of_leave + policy
    assert leave.title_holds == pytest.approx((parental + of_leave) / everything)
    assert travel.title_holds == pytest.approx(policy / everything)
    assert backups.title_holds == 0
    assert (leave.title_is, travel.title_is, backups.title_is) == (0, 0, 0)


@pytest.mark.parametrize("question", ["parental leave", "The Parental Leave?", "leave, parental"])
def test_a_title_that_says_just_what_is_asked_is_told_apart(question: str) -> None:
    leave, travel, _ = signals(question, [LEAVE, TRAVEL, BACKUPS])
    assert (leave.title_is, leave.title_holds) == (1, pytest.approx(1))
    assert travel.title_is == 0
    (more,) = signals(question, [replace(LEAVE, title="Parental leave abroad")])
    assert (more.title_is, more.title_holds) == (0, pytest.approx(1))


def test_further_passages_count_after_the_first_three_others() -> None:
    scores = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2]
    of_one = [Readable("", "", "one", score) for score in scores]
    found = signals("anything", [*of_one, Readable("", "", "other", 0.1)])
    assert found[0].document == pytest.approx(0.5 + 0.4 + 0.3)  # without itself and 0.8, 0.7, 0.6
    assert found[4].document == pytest.approx(0.6 + 0.4 + 0.3)  # without itself and 0.9, 0.8, 0.7
    assert found[7].document == pytest.approx(0.6 + 0.5 + 0.4)
    assert found[8].document == 0
    assert [one.document for one in signals("anything", of_one[:4])] == [0, 0, 0, 0]
    assert signals("anything", of_one[:5])[0].document == pytest.approx(0.5)


def test_words_of_the_question_are_a_documents_whichever_of_its_passages_has_them() -> None:
    more = replace(LEAVE, text="Ask for it by letter.", title="")
    other = replace(LEAVE, text="Letters are paid.", title="", document="letters")
    leave, again, letters = signals("a letter for parental leave", [LEAVE, more, other])
    # "letter" stands in two of three texts, "parental" (as "Parents") and "leave" in one.
    letter, parental, of_leave = (math.log(1 + 4 / (held + 0.5)) for held in (2, 1, 1))
    assert leave.document_holds == again.document_holds == pytest.approx(1)
    assert letters.document_holds == pytest.approx(letter / (letter + parental + of_leave))


def test_a_passage_is_worth_what_passages_like_it_are_worth() -> None:
    first, second, third = np.eye(3, dtype=np.float32)
    between = ((first + second) / math.sqrt(2)).astype(np.float32)
    candidates = [
        replace(LEAVE, vector=first, fused=0.9),
        replace(LEAVE, vector=between, fused=0.2),
        replace(TRAVEL, vector=second, fused=0.1),
        replace(TRAVEL, vector=third, fused=0.4),
        replace(BACKUPS, fused=0.6),
    ]
    counts = math.sqrt(0.5) ** NEARNESS
    near = [one.near for one in signals("anything", candidates)]
    assert near[0] == pytest.approx((0.9 + counts * 0.2) / (1 + counts) - 0.9)
    assert near[1] == pytest.approx((0.2 + counts * (0.9 + 0.1)) / (1 + 2 * counts) - 0.2)
    assert near[1] > 0 > near[0]
    assert near[3] == pytest.approx(0)  # near nothing but itself
    assert near[4] == 0  # nobody knows what it is near to
    opposite = [replace(LEAVE, vector=first, fused=0.9), replace(LEAVE, vector=-first, fused=0.1)]
    assert [one.near for one in signals("anything", opposite)] == pytest.approx([0, 0])


def test_scores_are_the_fused_ones_with_the_weighed_signals_added() -> None:
    weights = Signals(title_holds=0.1, title_is=0.5, document_holds=0.3, document=2.0, near=0.7)
    known = [replace(LEAVE, fused=n / 10, vector=np.array([0.6, 0.8], np.float32)) for n in range(1, 6)]
    candidates = [TRAVEL, LEAVE, BACKUPS, *known]
    seen = signals("parental leave", candidates)
    by_hand = [
        one.fused
        + 0.1 * its.title_holds
        + 0.5 * its.title_is
        + 0.3 * its.document_holds
        + 2 * its.document
        + 0.7 * its.near
        for one, its in zip(candidates, seen, strict=True)
    ]
    assert DocumentReranker(weights).rerank("parental leave", candidates) == pytest.approx(by_hand)
    assert seen[1].document > 0 and seen[3].near > 0
    assert DocumentReranker(Signals(0, 0, 0, 0, 0)).rerank("parental leave", candidates) == [
        one.fused for one in candidates
    ]


def test_the_order_of_the_candidates_decides_nothing() -> None:
    one, other = np.array([[0.6, 0.8], [0.8, 0.6]], np.float32)
    likewise = [replace(LEAVE, text="Leave.", fused=0.4, vector=one), replace(LEAVE, text="Left.", vector=other)]
    reranker, candidates = DocumentReranker(), [LEAVE, TRAVEL, BACKUPS, *likewise]
    scores = dict(zip(candidates, reranker.rerank("parental leave", candidates), strict=True))
    for turned in permutations(candidates):
        assert reranker.rerank("parental leave", turned) == pytest.approx([scores[one] for one in turned])


def test_the_packaged_weights_put_the_page_that_is_asked_for_first() -> None:
    leave, travel, backups = DocumentReranker().rerank("parental leave", [LEAVE, TRAVEL, BACKUPS])
    assert leave > travel > backups


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ("", ""),
        ("the of and", "The"),
        ("?!", "…"),
        ("\ud800 \x00", "\u202e\u200b"),
        ("休假政策", "休假政策"),
        ("a" * 4000, "a"),
    ],
)
def test_any_text_gives_a_finite_score(question: str, title: str) -> None:
    texts = ["", "\x00\ud800", "-" * 50_000, "a_" * 20_000, "休" * 2_000, "<script>", question]
    vectors = [None, *np.zeros((2, 4), np.float32), *np.ones((len(texts) - 3, 4), np.float32) / 2]
    candidates = [Readable(text, title, "one", 0.5, vector) for text, vector in zip(texts, vectors, strict=True)]
    scores = DocumentReranker().rerank(question, candidates)
    assert len(scores) == len(texts) and all(math.isfinite(score) for score in scores)
    most = Signals(1, 1, 1, 3 * 0.5, 0)
    assert all(0.5 <= score <= 0.5 + weighed(packaged_weights(), most) + 1e-9 for score in scores)


def test_nothing_to_rank_is_nothing() -> None:
    assert DocumentReranker().rerank("parental leave", []) == []


def test_the_packaged_file_says_where_its_weights_come_from() -> None:
    weights = packaged_weights()
    assert all(weight >= 0 for weight in asdict(weights).values())
    file = Path(__file__).parents[2] / "vouch" / "gateway" / f"{VERSION}.json"
    body = json.loads(file.read_text(encoding="utf-8"))
    assert body["version"] == VERSION == DocumentReranker().name
    for before, after in body["fitted"]["held_out_ndcg_10"].values():
        assert after >= 0.99 * before


@pytest.mark.parametrize(
    "weights",
    [
        "{}",
        '{"title_holds": 0.1, "title_is": 0.1, "document_holds": 0.1, "document": 0.1}',
        '{"title_holds": 0.1, "title_is": 0.1, "document_holds": 0.1, "document": 0.1, "near": "0.1"}',
        '{"title_holds": 0.1, "title_is": true, "document_holds": 0.1, "document": 0.1, "near": 0.1}',
        '{"title_holds": NaN, "title_is": 0.1, "document_holds": 0.1, "document": 0.1, "near": 0.1}',
        '{"title_holds": 0.1, "title_is": 0.1, "document_holds": 0.1, "document": 0.1, "near": 0.1, "more": 0.1}',
        "[0.1, 0.1, 0.1, 0.1, 0.1]",
    ],
)
def test_a_file_without_one_number_for_each_signal_is_refused(weights: str, tmp_path: Path) -> None:
    file = tmp_path / "weights.json"
    file.write_text(f'{{"weights": {weights}}}', encoding="utf-8")
    with pytest.raises(BadConfig) as caught:
        read_weights(file)
    assert caught.value.field == "weights"
