"""Intervals against distributions whose own are known, and what must hold of any."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vouch.core.bootstrap import RESAMPLES, difference, drawn, holm, interval

gains = st.lists(st.floats(-1, 1, allow_subnormal=False), min_size=1, max_size=40)


def test_of_a_normal_sample_the_interval_and_p_are_the_textbooks() -> None:
    rng = np.random.default_rng(11)
    for mean in (0.0, 0.01, 0.03):
        values = rng.normal(mean, 0.2, 400)
        error = float(values.std()) / math.sqrt(len(values))
        found = interval(values)
        assert found.mean == pytest.approx(float(values.mean()))
        assert found.low == pytest.approx(found.mean - 1.96 * error, abs=0.1 * error)
        assert found.high == pytest.approx(found.mean + 1.96 * error, abs=0.1 * error)
        assert found.p == pytest.approx(math.erfc(abs(found.mean) / error / math.sqrt(2)), abs=0.02)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Of 150 samples some 142 are expected to; 132 would be nearly four standard deviations fewer."""
    rng = np.random.default_rng(3)
    held = 0
    for sample in range(150):
        values = rng.beta(2, 5, 60)
        found = interval(values, seed=sample)
        held += found.low <= 2 / 7 <= found.high
    assert 132 <= held <= 149


def test_where_nothing_differs_chance_calls_it_significant_as_seldom_as_it_says() -> None:
    """Gains that are mostly 0, as those of single questions are; of 150, 7 are expected below .05."""
    rng = np.random.default_rng(5)
    false = sum(interval(rng.normal(0, 0.3, 90) * (rng.random(90) < 0.3), seed=n).p <= 0.05 for n in range(150))
    assert 1 <= false <= 18


def test_no_difference_at_all_is_no_difference() -> None:
    found = interval([0.0] * 30)
    assert (found.mean, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_a_difference_everywhere_is_as_sure_as_resamples_can_tell() -> None:
    assert interval([-0.2] * 10 + [-0.3] * 40).p == 1 / (RESAMPLES + 1)


def test_of_two_samples_the_interval_and_p_are_the_textbooks() -> None:
    rng = np.random.default_rng(7)
    for mean in (0.0, 0.03):
        former, later = rng.normal(0.4, 0.2, 300), rng.normal(0.4 + mean, 0.3, 120)
        error = math.sqrt(float(former.var()) / 300 + float(later.var()) / 120)
        found = difference(former, later)
        assert found.mean == pytest.approx(float(later.mean() - former.mean()))
        assert found.low == pytest.approx(found.mean - 1.96 * error, abs=0.1 * error)
        assert found.high == pytest.approx(found.mean + 1.96 * error, abs=0.1 * error)
        assert found.p == pytest.approx(math.erfc(abs(found.mean) / error / math.sqrt(2)), abs=0.02)
    assert difference([1.0] * 3, [1.0] * 4).p == 1 and difference([0.0] * 30, [1.0] * 9).p < 0.001


@settings(max_examples=25)
@given(gains, st.integers(0, 3))
def test_what_holds_of_any(values: list[float], seed: int) -> None:
    found = interval(values, seed)
    assert found == interval(values, seed)
    assert min(values) - 1e-9 <= found.low <= found.high <= max(values) + 1e-9
    assert 0 < found.p <= 1
    turned = interval([-value for value in values], seed)
    assert (turned.mean, turned.low, turned.high) == pytest.approx((-found.mean, -found.high, -found.low), abs=1e-9)
    assert turned.p == pytest.approx(found.p, abs=0.01)
    halved = interval([value / 2 for value in values], seed)
    assert (halved.low, halved.high) == pytest.approx((found.low / 2, found.high / 2), abs=1e-9)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.6]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_only_ever_doubts_more_and_keeps_the_order(ps: list[float]) -> None:
    adjusted = holm(ps)
    assert all(p <= a <= 1 for p, a in zip(ps, adjusted, strict=True))
    assert [a for _, a in sorted(zip(ps, adjusted, strict=True))] == sorted(adjusted)
    assert min(adjusted) == pytest.approx(min(1, min(ps) * len(ps)))


def test_of_any_statistic_the_draws_are_the_same_and_what_has_no_value_is_left_out() -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(0.1, 0.3, 80)
    assert drawn([values], lambda columns: columns[0].mean(axis=1)) == interval(values)
    gaps = np.where(np.arange(80) % 2, values, np.nan)
    found = drawn([gaps], lambda columns: np.asarray(np.nanmean(columns[0], axis=1)))
    assert found is not None and found.mean == pytest.approx(float(values[1::2].mean()))
    assert found.high - found.low > interval(values).high - interval(values).low
    assert drawn([np.full(3, np.nan)], lambda columns: columns[0].mean(axis=1)) is None
