"""What every entailer promises, whatever serves it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.gateway.tiny import cross_encoder
from vouch.core.settings import Settings
from vouch.gateway.entail import UNTOLD, Entailer, Stated, load_entailer

Load = Callable[[str], Entailer]
KINDS = ("embedded", "embedded in numpy", "cross-encoder of one score", "cross-encoder of three outcomes")
EVIDENCE = "New parents take twenty weeks of parental leave. The office opens at nine."
PAIRS = [
    Stated(EVIDENCE, "New parents take twenty weeks of parental leave."),
    Stated(EVIDENCE, "New parents take two weeks of parental leave."),
    Stated("Backups run every six hours and are kept for thirty-five days.", "Backups are kept."),
    Stated(EVIDENCE * 40, "The office opens at nine."),
    Stated("Ja.", "Es ist so, wie der Leiter der Abteilung es am Montag gesagt hat."),
]
NLI = {0: "contradiction", 1: "entailment", 2: "neutral"}


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    loaded: dict[str, Entailer] = {}

    def settings(kind: str) -> Settings:
        if kind.startswith("embedded"):
            return Settings(embed_runtime="sentence-transformers" if "numpy" in kind else "auto")
        folder: Path = tmp_path_factory.mktemp("models") / "tiny"
        cross_encoder(folder, labels=None if "one" in kind else NLI)
        return Settings(entailment=f"cross-encoder:{folder}")

    def load(kind: str) -> Entailer:
        if kind not in loaded:
            entailer = load_entailer(settings(kind))
            assert entailer is not None
            loaded[kind] = entailer
        return loaded[kind]

    return load


@pytest.fixture(params=KINDS)
def entailer(request: pytest.FixtureRequest, load: Load) -> Entailer:
    return load(request.param)


def test_each_pair_is_judged_by_itself_and_in_order(entailer: Entailer) -> None:
    together = entailer.entail(PAIRS)
    assert len({one.supported for one in together}) == len(PAIRS)
    for pair, found in zip(PAIRS, together, strict=True):
        (alone,) = entailer.entail([pair])
        assert alone.supported == pytest.approx(found.supported, abs=0.01)
    turned = entailer.entail(PAIRS[::-1])
    assert [one.supported for one in turned[::-1]] == pytest.approx([one.supported for one in together], abs=0.01)


def test_outcomes_are_probabilities(entailer: Entailer) -> None:
    for found in entailer.entail(PAIRS):
        parts = (found.supported, found.contradicted, found.not_enough)
        assert all(0 <= part <= 1 for part in parts)
        assert sum(parts) == pytest.approx(1, abs=1e-5)


def test_nothing_is_asked_and_nothing_judged(entailer: Entailer) -> None:
    assert entailer.entail([]) == []


@pytest.mark.parametrize(
    "pair",
    [
        Stated("", "The office opens at nine."),
        Stated(" \n\t", "The office opens at nine."),
        Stated(EVIDENCE, ""),
        Stated(EVIDENCE, "  "),
        Stated(EVIDENCE, "The office opens at nine and closes at five. " * 60),
    ],
    ids=["no evidence", "blank evidence", "no claim", "blank claim", "a claim longer than can be read"],
)
def test_what_cannot_be_judged_is_not_enough(entailer: Entailer, pair: Stated) -> None:
    untold, other = entailer.entail([pair, PAIRS[0]])
    assert untold == UNTOLD
    assert other != UNTOLD


def test_of_evidence_that_is_too_long_a_part_is_read(entailer: Entailer) -> None:
    long = EVIDENCE + " The canteen serves lunch." * 400
    cut, more = entailer.entail([Stated(long, PAIRS[0].claim), Stated(long + " It rains.", PAIRS[0].claim)])
    assert cut.supported == pytest.approx(more.supported, abs=0.01)


def test_threads_may_share_it(entailer: Entailer) -> None:
    expected = [one.supported for one in entailer.entail(PAIRS[:3])]
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: entailer.entail(PAIRS[:3]), range(6)):
            assert [one.supported for one in found] == pytest.approx(expected, abs=0.01)


def test_it_says_what_it_is_and_from_where_on_a_claim_holds(entailer: Entailer) -> None:
    assert "@" in entailer.name and " " not in entailer.name
    assert 0 < entailer.floor <= entailer.threshold < 1
    for at, (kept, wrong) in entailer.let_through.items():
        assert 0 < at < 1 and 0 <= wrong <= kept <= 1


def test_runtimes_of_the_embedded_one_agree(load: Load) -> None:
    fast, exact = load("embedded"), load("embedded in numpy")
    assert fast.name == exact.name
    apart = [
        abs(one.supported - other.supported) for one, other in zip(fast.entail(PAIRS), exact.entail(PAIRS), strict=True)
    ]
    assert max(apart) < 0.05
