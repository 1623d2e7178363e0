"""Intervals over pictures: against scipy's bootstrap, and what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from explorer.evaluation.bootstrap import (
    DRAWS,
    ENOUGH,
    mean_difference,
    mean_interval,
    total_difference,
    total_interval,
)

VALUES = np.random.default_rng(0).gamma(2, 1, 60)


def test_the_interval_is_scipys() -> None:
    found = mean_interval(VALUES)
    theirs = stats.bootstrap((VALUES,), np.mean, n_resamples=20_000, method="percentile", rng=1).confidence_interval
    assert found.value == VALUES.mean()
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.02)
    assert found.n == 60


def test_a_mean_and_any_other_total_are_drawn_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    one = mean_interval(VALUES)
    assert total_interval(lambda rows: float(VALUES[rows].mean()), 60) == one
    monkeypatch.setattr("explorer.evaluation.bootstrap.BLOCK", 60 * 7)
    again = mean_interval(VALUES)
    assert (again.low, again.high) == pytest.approx((one.low, one.high))


def test_nineteen_in_twenty_hold_the_true_mean() -> None:
    random = np.random.default_rng(3)
    held = [mean_interval(random.normal(5, 2, 40)) for _ in range(200)]
    share = np.mean([found.low <= 5 <= found.high for found in held])
    assert 0.88 < share < 0.99


def test_what_pictures_have_in_common_drops_out_of_a_difference() -> None:
    hard = np.linspace(0, 100, 30)
    random = np.random.default_rng(1)
    one, other = hard + 1 + random.normal(0, 0.5, 30), hard + random.normal(0, 0.5, 30)
    assert mean_difference(one, other).sure
    apart = mean_interval(one), mean_interval(other)
    assert apart[0].low < apart[1].value < apart[0].high
    totals = [lambda rows, own=own: float(own[rows].mean()) for own in (one, other)]
    assert total_difference(*totals, 30).low == pytest.approx(mean_difference(one, other).low)
    assert not mean_difference(one, one + np.tile([1, -1], 15)).sure


def test_few_pictures_are_not_sure_of_anything() -> None:
    assert not mean_interval(np.full(ENOUGH - 1, 2.0)).sure
    assert mean_interval(np.full(ENOUGH, 2.0)).sure
    one, nothing = mean_interval([3.0, np.nan]), mean_interval([])
    assert (one.value, one.n) == (3.0, 1)
    assert np.isnan([one.low, one.high, nothing.value]).all()
    assert not one.sure
    assert DRAWS >= 1000
