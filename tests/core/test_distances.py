"""Distances against scipy, scikit-learn and loops; their ranges; what has no distance."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.metrics import pairwise_distances

from explorer import InvalidInput, UnusableEmbedding
from explorer.core.distances import DISTANCES, indistinct, measure
from tests.oracles import slow


def some_rows(n: int = 50, d: int = 7, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.normal(size=(n, d)), generator.normal(size=d)


def scipys(key: str, rows: np.ndarray, vector: np.ndarray) -> np.ndarray:
    if key == "dot":
        return -(rows * vector).sum(axis=1)
    if key == "angular":
        return np.arccos(1 - cdist(rows, vector[None], "cosine")[:, 0]) / np.pi
    return cdist(rows, vector[None], key)[:, 0] / (2 if key == "cosine" else 1)


@pytest.mark.parametrize("key", DISTANCES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_against_scipy_and_loops(key: str, dtype: type) -> None:
    rows, vector = (array.astype(dtype) for array in some_rows())
    found = measure(key, rows, vector)
    assert found.shape == (50,)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, scipys(key, rows.astype(float), vector.astype(float)), atol=1e-12)
    np.testing.assert_allclose(found, [slow.DISTANCES[key](row, vector) for row in rows], atol=1e-12)


@pytest.mark.parametrize("key", DISTANCES)
def test_long_probes_are_not_in_memory_twice(key: str) -> None:
    rows, vector = some_rows(9000, 64)
    few = np.float32(rows)
    tracemalloc.start()
    found = measure(key, few, vector)
    indistinct(key, found, few, vector)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < few.nbytes
    np.testing.assert_allclose(found, scipys(key, few.astype(float), vector), atol=1e-12)
    few[[5, 8000], 0] = np.nan
    with pytest.raises(UnusableEmbedding, match="non-finite values for 2 of 9000 masked copies"):
        measure(key, few, vector)


def test_cosine_is_the_reference_implementations() -> None:
    rows, vector = some_rows(seed=1)
    expected = pairwise_distances(rows, vector[None], metric="cosine")[:, 0] / 2
    np.testing.assert_allclose(measure("cosine", rows, vector), expected, atol=1e-15)


@given(
    seed=st.integers(0, 10_000),
    scale=st.floats(-30, 30),
    d=st.integers(1, 12),
    key=st.sampled_from(["cosine", "angular", "euclidean", "dot"]),
)
def test_stays_in_its_range(seed: int, scale: float, d: int, key: str) -> None:
    rows, vector = some_rows(20, d, seed)
    rows = np.concatenate([rows, vector[None], -vector[None], 3 * vector[None]]) * 10.0**scale
    found = measure(key, rows, vector)
    assert np.isfinite(found).all()
    assert (found >= DISTANCES[key].low).all()
    assert (found <= DISTANCES[key].high).all()
    if key in ("cosine", "angular"):  # the same, the opposite, and the same direction
        np.testing.assert_allclose(found[-3:], [0, 1, 0], atol=1e-7)


@pytest.mark.parametrize("key", DISTANCES)
def test_small_is_close(key: str) -> None:
    """On unit vectors all four agree about who is nearer."""
    rows, vector = some_rows(seed=2)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    vector /= np.linalg.norm(vector)
    np.testing.assert_array_equal(np.argsort(measure(key, rows, vector)), np.argsort(-(rows @ vector)))


@pytest.mark.parametrize("key", DISTANCES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_non_finite_values_are_counted(key: str, value: float) -> None:
    rows, vector = some_rows()
    rows[[3, 8, 9], [0, 1, 2]] = value
    with pytest.raises(UnusableEmbedding, match="non-finite values for 3 of 50 masked copies") as caught:
        measure(key, rows, vector)
    assert caught.value.code == "embedding_finite"
    rows, vector = some_rows()
    vector[0] = value
    with pytest.raises(UnusableEmbedding, match="compare with holds non-finite values"):
        measure(key, rows, vector)


def test_float16_overflow_is_told() -> None:
    rows, vector = some_rows()
    with np.errstate(over="ignore"):
        overflown = (rows * 1e6).astype(np.float16).astype(np.float32)
    with pytest.raises(UnusableEmbedding, match="for 50 of 50 masked copies"):
        measure("cosine", overflown, vector)


@pytest.mark.parametrize("key", DISTANCES)
def test_zero_length_matters_where_the_direction_does(key: str) -> None:
    rows, vector = some_rows()
    rows[[1, 40]] = 0
    if DISTANCES[key].needs_length:
        with pytest.raises(UnusableEmbedding, match="zero-length embedding for 2 of 50 masked copies") as caught:
            measure(key, rows, vector)
        assert caught.value.code == "embedding_zero"
        with pytest.raises(UnusableEmbedding, match="compare with has zero length"):
            measure(key, some_rows()[0], np.zeros(7))
    else:
        assert np.isfinite(measure(key, rows, vector)).all()


@pytest.mark.parametrize("reference", [np.ones(6), np.ones(8), np.ones((1, 7)), np.ones((7, 1)), np.float64(1)])
def test_a_reference_of_another_shape(reference: np.ndarray) -> None:
    with pytest.raises(InvalidInput, match=r"must have shape \(7,\) like the picture's, got \(") as caught:
        measure("cosine", some_rows()[0], reference)
    assert caught.value.code == "reference_shape"


def test_neither_long_nor_short_embeddings_are_non_finite() -> None:
    """The square of 1e160 is more than float64 holds, that of 1e-170 less."""
    rows, vector = some_rows(seed=3)
    for scale in (1e160, 1e-170, 1e307):
        for key in ("cosine", "angular"):
            np.testing.assert_allclose(
                measure(key, rows * scale, vector / scale), measure(key, rows, vector), rtol=1e-12, atol=1e-15
            )
        if scale < 1e300:
            found = measure("euclidean", rows * scale, vector * scale) / scale
            np.testing.assert_allclose(found, measure("euclidean", rows, vector), rtol=1e-12)
    some = rows.copy()
    some[3] *= 1e200  # beside others whose numbers stay what they were, to the last bit
    found = measure("cosine", some, vector)
    np.testing.assert_array_equal(np.delete(found, 3), np.delete(measure("cosine", rows, vector), 3))
    with pytest.raises(UnusableEmbedding, match="no number can hold their minus dot product; use the cosine"):
        measure("dot", rows * 1e160, vector * 1e160)


# Telling a signal from rounding


@pytest.mark.parametrize("key", DISTANCES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_embeddings_are_indistinct(key: str, dtype: type) -> None:
    rows = np.tile(some_rows(1)[0], (50, 1)).astype(dtype)
    vector = some_rows()[1].astype(dtype)
    assert indistinct(key, measure(key, rows, vector), rows, vector)
    # A product that rounds each row by its place in the batch is still no signal.
    rounding = 1 + np.finfo(dtype).eps * np.random.default_rng(0).integers(-1, 2, rows.shape)
    jittered = (rows * rounding).astype(dtype)
    assert indistinct(key, measure(key, jittered, vector), jittered, vector)


@pytest.mark.parametrize("key", DISTANCES)
@pytest.mark.parametrize(("dtype", "spread"), [(np.float32, 1e-4), (np.float64, 1e-10)])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_small_differences_are_a_signal(key: str, dtype: type, spread: float, scale: float) -> None:
    """Distances in high dimensions differ by less than 1e-4 (paper, section 2.2.2)."""
    base, vector = some_rows(1, seed=4)
    rows = (scale * (base + spread * some_rows(50, seed=5)[0])).astype(dtype)
    vector = (scale * vector).astype(dtype)
    assert not indistinct(key, measure(key, rows, vector), rows, vector)


@pytest.mark.parametrize("spread", [4e-9, 4e-8, 4e-7])
@pytest.mark.parametrize("key", ["cosine", "angular"])
def test_near_parallel_embeddings_are_a_signal(key: str, spread: float) -> None:
    """Rounding moves a distance d by about eps sqrt(d (1 - d)), which is far less than eps where all are near."""
    far = np.linspace(10 * spread, 11 * spread, 40)
    angles = 2 * np.arcsin(np.sqrt(far))
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)[::-1]
    vector = np.array([1, 0], np.float32)
    found = measure(key, rows, vector)
    assert (np.diff(found) < 0).all()
    assert np.ptp(measure("cosine", rows, vector)) == pytest.approx(spread, rel=0.01)
    assert not indistinct(key, found, rows, vector)


def test_float16s_rounding_is_its_own() -> None:
    base, vector = some_rows(1, d=40, seed=6)
    rows = np.tile(base, (50, 1)) * (1 + 2e-4 * some_rows(50, d=40, seed=7)[0])
    rounded = rows.astype(np.float16).astype(np.float32)
    for key in DISTANCES:
        assert not indistinct(key, measure(key, rows, vector), rows, vector)
        assert indistinct(key, measure(key, rounded, vector), rounded, vector, float(np.finfo(np.float16).eps))


def test_a_long_reference_does_not_blur_short_rows() -> None:
    """Nobody rounded it; in float64 what is left of the rows is still to be seen."""
    rows, vector = some_rows(50, seed=8)
    rows = rows.astype(np.float32)
    assert not indistinct("euclidean", measure("euclidean", rows, 1e7 * vector), rows, 1e7 * vector)
