from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import rankdata, spearmanr

from explorer.core.spearman import average_ranks, spearman

NUMBERS = arrays(np.float64, (12,), elements=st.integers(-3, 3))  # few values, so many are equal


@given(NUMBERS)
def test_equal_numbers_share_their_ranks(values: np.ndarray) -> None:
    np.testing.assert_array_equal(average_ranks(values), rankdata(values))


@given(NUMBERS, NUMBERS)
def test_is_spearmans_correlation(a: np.ndarray, b: np.ndarray) -> None:
    if np.ptp(a) and np.ptp(b):
        assert spearman(a, b) == pytest.approx(spearmanr(a, b)[0], abs=1e-12)
    else:
        assert spearman(a, b) == 0


def test_takes_maps() -> None:
    attribution = np.random.default_rng(0).normal(size=(5, 7))
    assert spearman(attribution, np.exp(attribution)) == pytest.approx(1)
    assert spearman(attribution, -attribution) == pytest.approx(-1)
