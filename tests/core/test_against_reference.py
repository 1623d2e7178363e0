"""The reference implementation, `distance_explainer` 0.6.0, side by side with ours.

Theirs draws from the global generator, ours takes the same stream as scheme "dianna"; both get the same function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from distance_explainer import DistanceExplainer

import explorer
from explorer import MaskSettings, SelectionSettings
from explorer.core.mask_schemes import draw_dianna
from explorer.core.masks import GridMasks
from tests.oracles import slow

ATTRIBUTION = 1e-5
SIZES = {
    "square": (32, 32, 8),
    "not square": (24, 40, 8),
    "not divisible": (29, 37, 6),
    "one cell a pixel": (16, 19, 16),
}
EMPTY = (0.0, 0.0)

SELECTIONS = {
    "closest": SelectionSettings(mode="closest"),
    "farthest": SelectionSettings(mode="farthest"),
    "mirror at 1 %": SelectionSettings(mode="mirror", threshold=0.01),
    "mirror at 5 %": SelectionSettings(mode="mirror", threshold=0.05),
    "mirror at 10 %": SelectionSettings(),
    "mirror at 29 %": SelectionSettings(mode="mirror", threshold=0.29),
    "mirror at 50 %": SelectionSettings(mode="mirror", threshold=0.5),
    # Figure 16 of the paper: what the usual selection leaves out.
    "10 to 20 %": SelectionSettings(closest=(0.1, 0.2), farthest=(0.8, 0.9)),
    "20 to 30 %": SelectionSettings(closest=(0.2, 0.3), farthest=(0.7, 0.8)),
    "30 to 40 %": SelectionSettings(closest=(0.3, 0.4), farthest=(0.6, 0.7)),
    "40 to 50 %": SelectionSettings(closest=(0.4, 0.5), farthest=(0.5, 0.6)),
    "20 to 50 %": SelectionSettings(closest=(0.2, 0.5), farthest=(0.5, 0.8)),
    "uneven": SelectionSettings(closest=(0.05, 0.33), farthest=(0.61, 0.62)),
    "overlapping": SelectionSettings(closest=(0.0, 0.7), farthest=(0.4, 1.0)),
    "one slice": SelectionSettings(farthest=(0.75, 1.0)),
}


def their_ranges(selection: SelectionSettings) -> dict[str, float]:
    """Our selection as their four arguments; a mode's unused side is an empty slice."""
    t = selection.threshold
    closest, farthest = {
        "closest": ((0.0, t), EMPTY),
        "farthest": (EMPTY, (1 - t, 1.0)),
        "mirror": ((0.0, t), (1 - t, 1.0)),
    }[selection.mode]
    if selection.closest or selection.farthest:
        closest, farthest = selection.closest or EMPTY, selection.farthest or EMPTY
    return {
        "mask_selection_range_min": closest[0],
        "mask_selection_range_max": closest[1],
        "mask_selection_negative_range_min": farthest[0],
        "mask_selection_negative_range_max": farthest[1],
    }


class Projection:
    """A smooth function of a picture, (b, h, w, c) -> (b, 6) float64, that keeps what it was shown."""

    def __init__(self, shape: tuple[int, ...], seed: int = 0) -> None:
        self.weights = np.random.RandomState(seed).standard_normal((int(np.prod(shape)), 6))
        self.seen: list[np.ndarray] = []

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        self.seen.append(np.array(batch))
        white = 255 if batch.dtype == np.uint8 else 1
        rows = np.asarray(batch, dtype=np.float64).reshape(len(batch), -1) / white
        # A row at a time: a product of a whole batch may round each row by its place.
        return np.tanh(np.stack([row @ self.weights for row in rows]) / 5)


@pytest.fixture(autouse=True)
def global_generator() -> Iterator[None]:
    """Theirs reseeds the global generator; put it back for other tests."""
    before = np.random.get_state()
    yield
    np.random.set_state(before)


def an_image(shape: tuple[int, ...], dtype: type) -> np.ndarray:
    values = np.random.RandomState(11).random_sample(shape)
    return (values * 255).astype(np.uint8) if dtype == np.uint8 else values.astype(dtype)


def theirs(
    function: Callable[[np.ndarray], np.ndarray],
    image: np.ndarray,
    reference: np.ndarray,
    masking: MaskSettings,
    selection: SelectionSettings,
    masks: np.ndarray | None = None,
) -> tuple[np.ndarray, DistanceExplainer]:
    """Their attribution map (h, w) and the explainer that made it."""
    explainer = DistanceExplainer(
        n_masks=masking.n_masks,
        feature_res=masking.feature_res,
        p_keep=masking.p_keep,
        axis_labels={2: "channels"},
        **their_ranges(selection),
    )
    np.random.seed(masking.seed)
    found = np.asarray(explainer.explain_image_distance(function, image, reference, masks=masks))
    return np.broadcast_to(found.squeeze(), image.shape[:2]), explainer


@pytest.mark.parametrize("name", SELECTIONS)
@pytest.mark.parametrize("n_masks", [57, 100])
def test_every_selection(name: str, n_masks: int) -> None:
    image, selection = an_image((24, 40, 3), np.float64), SELECTIONS[name]
    function = Projection(image.shape)
    reference = np.random.RandomState(1).standard_normal(6)
    masking = MaskSettings(n_masks=n_masks, feature_res=5, p_keep=0.4, seed=17, scheme="dianna")
    expected, explainer = theirs(function, image, reference, masking, selection)
    ours = explorer.explain(
        image, embedding=reference, encoder=explorer.from_function(function), masking=masking, selection=selection
    )
    np.testing.assert_allclose(ours.attribution, expected, rtol=0, atol=ATTRIBUTION)
    their_distances = explainer.calculate_distances(explainer.predictions, reference[None])[:, 0]
    np.testing.assert_allclose(ours.distances, their_distances, rtol=0, atol=1e-6)
    assert np.abs(expected).max() > 0.1  # two zero maps would agree about nothing


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8], ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("size", SIZES)
def test_every_kind_of_picture(size: str, dtype: type, channels: int) -> None:
    h, w, feature_res = SIZES[size]
    image = an_image((h, w, channels), dtype)
    their_function, our_function = Projection(image.shape), Projection(image.shape)
    reference = np.random.RandomState(2).standard_normal(6)
    masking = MaskSettings(n_masks=60, feature_res=feature_res, seed=4, scheme="dianna")
    expected, _ = theirs(their_function, image, reference, masking, SelectionSettings())
    ours = explorer.explain(image, embedding=reference, encoder=explorer.from_function(our_function), masking=masking)
    assert_saw_the_same(our_function.seen, their_function.seen, dtype)
    np.testing.assert_allclose(ours.attribution, expected, rtol=0, atol=ATTRIBUTION)
    assert np.abs(expected).max() > 0.1


def assert_saw_the_same(ours: list[np.ndarray], theirs: list[np.ndarray], dtype: type) -> None:
    """The same batches in the same order, shape and dtype; masks that differ by 1e-7 may cut off one level."""
    assert [batch.shape for batch in ours] == [batch.shape for batch in theirs]
    assert {batch.dtype for batch in ours + theirs} == {np.dtype(dtype)}
    mine, other = (np.concatenate(batches).astype(np.float64) for batches in (ours, theirs))
    if dtype == np.uint8:
        off = np.abs(mine - other)
        assert off.max() <= 1
        assert (off > 0).mean() < 0.01
    else:
        assert np.abs(mine - other).max() <= 1e-6 * np.abs(other).max()


def test_agrees_with_the_paper_done_slowly() -> None:
    """The fast formulas, and the reference implementation, against loops written from the paper."""
    image = an_image((16, 19, 3), np.float64)
    function = Projection(image.shape)
    reference = np.random.RandomState(3).standard_normal(6)
    masking = MaskSettings(n_masks=30, feature_res=4, seed=8, scheme="dianna")
    ours = explorer.explain(image, embedding=reference, encoder=explorer.from_function(function), masking=masking)
    compact = ours.probe.masks
    masks = [slow.rise_mask(*pair, (16, 19)) for pair in zip(compact.grids(), compact.shifts, strict=True)]
    distances = [slow.cosine(function(slow.masked(image, mask)[None])[0], reference) for mask in masks]
    np.testing.assert_allclose(ours.distances, distances, rtol=0, atol=1e-6)
    weights = slow.slice_weights(distances, (0, 0.1), (0.9, 1))
    np.testing.assert_array_equal(ours.weights, weights)
    by_hand = slow.weighted_sum(weights, masks)
    np.testing.assert_allclose(ours.attribution, by_hand, rtol=0, atol=ATTRIBUTION)
    expected, _ = theirs(function, image, reference, masking, SelectionSettings())
    np.testing.assert_allclose(expected, by_hand, rtol=0, atol=ATTRIBUTION)


@pytest.mark.parametrize("kind", ["soft", "hard"])
@pytest.mark.parametrize("name", ["closest", "farthest", "mirror at 10 %", "20 to 50 %"])
def test_given_masks(name: str, kind: str) -> None:
    image, selection = an_image((24, 40, 3), np.float64), SELECTIONS[name]
    masks = np.random.RandomState(6).random_sample((70, 24, 40, 1)).astype(np.float32)
    masks = masks if kind == "soft" else (masks > 0.3).astype(np.float32)
    their_function, our_function = Projection(image.shape), Projection(image.shape)
    reference = np.random.RandomState(5).standard_normal(6)
    expected, _ = theirs(their_function, image, reference, MaskSettings(n_masks=70), selection, masks)
    ours = explorer.explain(
        image,
        embedding=reference,
        encoder=explorer.from_function(our_function),
        masks=explorer.masks_from_array(masks),
        selection=selection,
    )
    np.testing.assert_array_equal(np.concatenate(our_function.seen), np.concatenate(their_function.seen))
    np.testing.assert_allclose(ours.attribution, expected, rtol=0, atol=ATTRIBUTION)


def test_a_reference_picture_is_embedded_as_theirs_would_be() -> None:
    """Theirs wants an embedding; ours embeds another array with the same function."""
    image, other = an_image((24, 40, 3), np.float64), an_image((24, 40, 3), np.float64)[::-1].copy()
    function = Projection(image.shape)
    masking = MaskSettings(n_masks=40, seed=1, scheme="dianna")
    expected, _ = theirs(function, image, function(other[None])[0], masking, SelectionSettings())
    ours = explorer.explain(image, reference=other, encoder=explorer.from_function(function), masking=masking)
    np.testing.assert_allclose(ours.attribution, expected, rtol=0, atol=ATTRIBUTION)


@pytest.mark.parametrize(
    ("suffix", "selection"),
    [
        ("", SelectionSettings()),
        ("_pos_empty", SelectionSettings(mode="farthest")),
        ("_neg_empty", SelectionSettings(mode="closest")),
    ],
    ids=["mirror", "farthest", "closest"],
)
def test_golden_files_of_the_reference_implementation(shared: Path, suffix: str, selection: SelectionSettings) -> None:
    """Their own tests' files: one stream gives the reference, the image, the masks and then a random model."""
    stream = np.random.RandomState(0)
    reference = stream.randn(10)
    image = stream.random_sample((32, 32, 3))
    masking = MaskSettings(scheme="dianna")
    masks = GridMasks(*draw_dianna(masking, np.array([4, 4]), stream), 8, (32, 32))
    encoder = explorer.from_function(lambda batch: stream.randn(len(batch), 10))
    probe = explorer.probe(image, encoder=encoder, masking=masking, masks=masks)
    ours = explorer.rank(probe, embedding=reference, selection=selection)
    np.testing.assert_allclose(ours.attribution, golden(shared, suffix).squeeze(), rtol=0, atol=ATTRIBUTION)


def golden(shared: Path, suffix: str) -> Any:
    """The map of a golden file, which is its first array; the second is a number that 0.6.0 no longer returns."""
    path = shared / "reference_results" / f"test_dummy_data_exact_expected_output{suffix}.npz"
    with np.load(path, allow_pickle=False) as stored:
        return stored[stored.files[0]]
