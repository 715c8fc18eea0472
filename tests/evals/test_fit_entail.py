"""Training the entailer: what the network reads, that the runtime computes what it computes, and what is chosen."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from evals.entail_calibrating import calibration, read, told, trade_off
from evals.entail_net import Batch, Net, loss, predicted
from evals.entail_pairs import Pair
from evals.entail_shapes import Item
from evals.fit_entail import ALLOWED, BATCH, batches, exported, in_float32, rows
from vouch.core.types import Span
from vouch.gateway.entail import Stated
from vouch.gateway.entail_embedded import FOUND, NEW, Measured

EVIDENCE = "New parents take twenty weeks of leave. The office opens at nine."
RIGHT = Pair("g", "s", EVIDENCE, "Parents take twenty weeks.", "supported", ())
WRONG = Pair("g", "s", EVIDENCE, "Parents take thirty-two weeks.", "contradicted", (Span(13, 23),))
UNKNOWN = Pair("g", "s", "It rains.", "Parents take leave.", "not_enough", None)


@pytest.fixture(scope="module")
def net() -> Net:
    torch.set_num_threads(1)
    net = Net(6)
    with torch.no_grad():  # so that every part of it counts
        for name, parameter in net.trained.items():
            if name.endswith((".up", "word.weight", "head.weight")):
                parameter += torch.randn(parameter.shape) * (0.05 if name.endswith(".up") else 0.1)
    return net


def test_a_row_says_of_each_word_piece_whether_it_is_wrong() -> None:
    right, wrong, unknown = rows([RIGHT, WRONG, UNKNOWN])
    assert set(right.words) == {0.0} and set(unknown.words) == {-1.0}
    assert wrong.words == [0, 0, 1, 1, 1, 0, 0]  # parents take [thirty - two] weeks .
    assert len(right.ids) == len(right.types) == right.split + len(right.words) + 1
    assert right.types[right.split] == FOUND and wrong.types[wrong.split + 2] == NEW
    assert right.allowed == ALLOWED["supported"]


def test_batches_hold_everything_once() -> None:
    lengths = [random.Random(n).randrange(10, 200) for n in range(2000)]
    found = batches(lengths, random.Random(1))
    assert sorted(at for batch in found for at in batch) == list(range(2000))
    assert max(map(len, found)) == BATCH
    assert found == batches(lengths, random.Random(1))


def test_the_runtime_computes_what_was_trained(net: Net) -> None:
    pairs = [RIGHT, WRONG, UNKNOWN]
    trained = predicted(net, rows(pairs))
    for entailer in in_float32(exported(net), Measured()):
        found = entailer.entail([Stated(pair.evidence, pair.claim) for pair in pairs])
        given = np.array([(one.supported, one.contradicted, one.not_enough) for one in found])
        assert np.abs(given - trained).max() < 0.01
        assert np.ptp(given, axis=0).max() > 0.3


def test_the_loss_takes_any_outcome_that_may_be() -> None:
    batch = Batch.of(rows([RIGHT, Pair("g", "s", EVIDENCE, "It is so.", "not_supported", None)]))
    words = torch.zeros(batch.ids.shape)

    def of(*logits: tuple[float, float, float]) -> float:
        return float(loss(torch.tensor(logits, dtype=torch.float32), words, batch))

    assert of((9, 0, 0), (0, 9, 0)) == pytest.approx(of((9, 0, 0), (0, 0, 9)), abs=1e-4)
    assert of((9, 0, 0), (0, 9, 0)) < of((9, 0, 0), (9, 0, 0))
    assert of((9, 0, 0), (0, 9, 0)) < of((0, 9, 0), (0, 9, 0))


def test_what_is_wrong_is_learnt(net: Net) -> None:
    batch = Batch.of(rows([RIGHT, WRONG, UNKNOWN]))
    optimiser = torch.optim.AdamW(net.trained.values(), lr=2e-3)
    told_: list[float] = []
    for _ in range(6):
        found = loss(*net(batch), batch)
        optimiser.zero_grad()
        found.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        told_.append(float(found.detach()))
    assert told_[-1] < 0.7 * told_[0]


def test_sources_count_alike_in_the_trade_off() -> None:
    few = (np.array([True, False]), np.array([0.9, 0.8]))
    many = (np.array([True, False] * 50), np.array([0.6, 0.2] * 50))
    one_sided = (np.array([False] * 9), np.array([0.9] * 9))
    curve = trade_off({"few": few, "many": many, "one-sided": one_sided})
    assert curve[0.5] == (1.0, 0.5) and curve[0.7] == (0.5, 0.5) and curve[0.85] == (0.5, 0.0)
    assert told(curve, 0.85, 0.0) == {**{f"0.{n}": list(curve[n / 10]) for n in range(1, 10)}, "0.85": [0.5, 0.0]}


def test_a_calibration_weighs_what_tells_the_shapes_apart(net: Net) -> None:
    """By words that the text has, where the network knows nothing."""
    lines = ("Parents take leave.", "The office opens at nine.", "Lunch is at noon.")
    right, wrong = "Lunch is at noon.", "Submarines surface in spring."
    items = [Item(lines, claim, claim == right) for claim in (right, wrong) for _ in range(9)]
    entailer, _ = in_float32(exported(net), Measured())
    found = calibration(read(entailer, {"wice": items, "other": items[6:12]}))
    assert found.weights["found"] > 0.1
    calibrated, _ = in_float32(exported(net), Measured(found))
    held, refused = calibrated.entail([items[0].stated, items[-1].stated])
    assert held.supported > 0.5 > refused.supported
