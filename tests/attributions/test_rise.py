"""RISE against its definition, one mask at a time."""

from __future__ import annotations

import numpy as np
import pytest

from explorer.attributions.question import make_question
from explorer.attributions.rise import Rise
from explorer.core.distances import DISTANCES, measure
from explorer.core.masks import MaskSettings, masks_from_array, sample_masks
from explorer.core.steps import run
from tests.attributions.networks import SIDE, cnn, picture, question

MASKING = MaskSettings(n_masks=30, feature_res=4, p_keep=0.4, seed=3)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("centred", [True, False])
def test_its_definition(distance: str, centred: bool) -> None:
    case = question(distance=distance)
    masks = sample_masks(MASKING, (SIDE, SIDE)).render(0, 30)
    rows = case.encoder.embed_pixels(np.stack([mask[..., None] * case.pixels for mask in masks]).astype(np.float32))
    closeness = 1 - measure(distance, rows, case.target.embedding)
    weights = closeness - closeness.mean() if centred else closeness
    wanted = sum(weight * mask for weight, mask in zip(weights, masks, strict=True)) / (30 * 0.4)
    found = run(Rise(MASKING, centred=centred)(case))
    np.testing.assert_allclose(found, wanted, atol=1e-5 * np.abs(wanted).max())


def test_masks_of_your_own() -> None:
    masks = sample_masks(MASKING, (SIDE, SIDE))
    given = Rise(MASKING, masks=masks_from_array(masks.render(0, 30)))
    assert given.passes(question()) == 30
    found = run(given(question()))
    np.testing.assert_allclose(found, run(Rise(MASKING)(question())), atol=1e-6 * np.abs(found).max())


def test_the_opposite_reference_gives_the_opposite_map() -> None:
    case = question()
    opposite = make_question(picture(1), embedding=-case.target.embedding, encoder=case.encoder)
    found = run(Rise(MASKING)(case))
    np.testing.assert_allclose(found, -run(Rise(MASKING)(opposite)), atol=1e-5 * np.abs(found).max())


def test_copies_that_lie_equally_far_say_nothing() -> None:
    """A distance that only rounding changes."""
    case = make_question(np.zeros((SIDE, SIDE, 3), np.float32), reference=picture(2), encoder=cnn())
    assert not run(Rise(MASKING)(case)).any()
