"""Fitting the document reranker: the measure it fits to, and what it finds."""

from __future__ import annotations

import random

import ir_measures
import pytest
from ir_measures import nDCG

from evals.fit_rerank import NOTHING, STEPS, Ranked, fit, judged, ndcg, quality
from vouch.gateway.rerank_document import Signals

SEED = 11


def question(rng: random.Random, telling: str) -> Ranked:
    """The second of four candidates is right, and the signal called ``telling`` says so."""
    signals = {name: 1.0 if name == telling else rng.random() / 10 for name in STEPS}
    head = [("a", 0.5, NOTHING), ("b", 0.45, Signals(**signals)), ("c", 0.3, NOTHING), ("a", 0.2, NOTHING)]
    return Ranked(tuple(head), ("d", "e"), {"b": 1})


@pytest.mark.parametrize("telling", STEPS)
def test_the_signal_that_tells_is_the_one_that_weighs(telling: str) -> None:
    part = {name: [question(random.Random(SEED + n), telling) for n in range(20)] for name in ("one", "other")}
    weights = fit(part)
    assert getattr(weights, telling) > 0.05
    assert quality(weights, part) == {"one": 1, "other": 1}
    assert quality(NOTHING, part)["one"] < 0.7
    assert fit(part) == weights


def test_a_signal_that_misleads_on_one_set_weighs_nothing() -> None:
    right = question(random.Random(SEED), "title_is")
    wrong = Ranked(right.head, right.tail, {"a": 1})
    assert fit({"one": [right], "other": [wrong]}).title_is == 0


def test_only_the_signals_that_are_asked_for_weigh() -> None:
    part = {"one": [question(random.Random(SEED + n), "near") for n in range(20)]}
    assert fit(part, ["title_is"]).near == 0
    assert quality(fit(part, ["near"]), part) == {"one": 1}


def test_languages_of_one_set_count_as_one() -> None:
    right = question(random.Random(SEED), "title_is")
    wrong = Ranked(right.head, right.tail, {"a": 1})
    part = {"one": [right], "two": [right], "three": [right]}
    assert fit({**part, "four": [wrong], "five": [wrong]}).title_is == 0
    assert fit({**part, "xquad-de": [wrong], "xquad-es": [wrong]}).title_is > 0


def test_fitting_is_judged_where_it_has_not_been_fitted() -> None:
    right = [question(random.Random(SEED + n), "near") for n in range(4)]
    wrong = [Ranked(one.head, one.tail, {"a": 1}) for one in right]
    found = judged({"fit": {"one": right, "other": right}, "held out": {"one": wrong, "other": wrong}})
    assert found["hybrid"]["one"] == pytest.approx(quality(NOTHING, {"one": [*right, *wrong]})["one"], abs=1e-4)
    # Each half's weights mislead on the other, or are none; fitted on both alike, they gain as much as they lose.
    assert found["other half"]["one"] < found["hybrid"]["one"]
    found = judged({"fit": {"one": right, "other": wrong}, "held out": {"one": right, "other": wrong}})
    assert found["left out"]["one"] == found["hybrid"]["one"] < 1
    assert found["left out"]["other"] < found["hybrid"]["other"] == 1


def test_the_measure_is_the_one_of_the_runs() -> None:
    rng = random.Random(SEED)
    print(f"seed {SEED}")
    for _ in range(50):
        scored = [(rng.choice("abcdefghijklmnop"), rng.random(), NOTHING) for _ in range(30)]
        head = tuple(sorted(scored, key=lambda row: -row[1]))
        relevant = {name: rng.randint(0, 3) for name in "abcdefxyz"}
        one = Ranked(head, tuple("xqrs"), relevant)
        documents = dict.fromkeys((*(document for document, _, _ in head), *one.tail))
        run = {"q": {document: 1 / place for place, document in enumerate(documents, 1)}}
        assert ndcg(NOTHING, one) == pytest.approx(
            ir_measures.calc_aggregate([nDCG @ 10], {"q": relevant}, run)[nDCG @ 10]
        )


def test_a_question_for_which_nothing_was_found_counts_as_nothing() -> None:
    assert ndcg(Signals(1, 1, 1, 1, 1), Ranked((), (), {"a": 1})) == 0
