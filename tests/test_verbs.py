"""The public verbs where they do more than the rooms below them: ``explain`` by any method."""

from __future__ import annotations

import numpy as np
import pytest

import explorer
from explorer import InvalidInput, MaskSettings, SelectionSettings
from explorer.attributions.method import METHODS, masks_with, offered
from explorer.attributions.question import make_question
from explorer.core.steps import run
from tests.attributions.networks import cnn, picture

FEW = MaskSettings(n_masks=30, feature_res=4)


@pytest.mark.parametrize("key", [key for key in offered(cnn()) if key != "distance-explainer"])
def test_any_method_that_fits_explains(key: str) -> None:
    encoder, masked = cnn(), key == "rise"
    seen = []
    found = explorer.explain(
        picture(1),
        method=key,
        reference=picture(2),
        encoder=encoder,
        masking=FEW if masked else None,
        on_progress=lambda done, total: seen.append((done, total)),
    )
    question = make_question(picture(1), reference=picture(2), encoder=encoder)
    expected = run(masks_with(METHODS[key], FEW)(question))
    np.testing.assert_array_equal(found.attribution, expected)
    assert found.method == key
    assert seen[-1][0] <= seen[-1][1] == masks_with(METHODS[key], FEW).passes(question)
    assert 0 <= found.unmasked_distance <= 1


def test_the_default_is_the_papers_method() -> None:
    asked = {"reference": picture(2), "encoder": cnn(), "masking": FEW}
    one, other = (
        explorer.explain(picture(1), **asked),
        explorer.explain(picture(1), method="distance-explainer", **asked),
    )
    np.testing.assert_array_equal(one.attribution, other.attribution)
    assert isinstance(other, explorer.Explanation)


@pytest.mark.parametrize(
    ("code", "asked"),
    [
        ("unknown_method", {"method": "lime"}),
        ("method_encoder", {"method": "grad-cam", "encoder": explorer.from_function(lambda b: b.mean(axis=(1, 2)))}),
        ("method_masks", {"method": "grad-cam", "masking": FEW}),
        ("method_selection", {"method": "grad-cam", "selection": SelectionSettings(mode="closest")}),
    ],
)
def test_what_does_not_go_together_is_refused(code: str, asked: dict) -> None:
    with pytest.raises(InvalidInput) as refused:
        explorer.explain(picture(1), **{"reference": picture(2), "encoder": cnn(), **asked})
    assert refused.value.code == code


VECTORS = {"length": np.ones(3), "zeros": np.zeros(17), "nan": np.full(17, np.nan)}


@pytest.mark.parametrize("wrong", VECTORS)
@pytest.mark.parametrize("method", ["distance-explainer", "rise"])
def test_a_reference_is_checked_before_it_costs_more_than_a_batch(wrong: str, method: str, picture_encoder) -> None:
    array = np.random.default_rng(5).integers(0, 256, (24, 40, 3), dtype=np.uint8)
    masking = MaskSettings(n_masks=200)
    with pytest.raises((InvalidInput, explorer.UnusableEmbedding)) as caught:
        explorer.explain(array, method=method, embedding=VECTORS[wrong], encoder=picture_encoder, masking=masking)
    codes = {"length": "reference_shape", "zeros": "embedding_zero", "nan": "embedding_finite"}
    assert caught.value.code == codes[wrong]
    assert picture_encoder.rows <= (picture_encoder.batch_size if wrong == "length" else 0)


def test_settings_and_pictures_are_checked_when_a_stream_is_asked_for(picture_encoder) -> None:
    for given in ({"image": "gone.jpg"}, {"image": picture(1), "masking": MaskSettings(feature_res=128)}):
        with pytest.raises(InvalidInput):
            explorer.stream(given["image"], encoder=picture_encoder, masking=given.get("masking"))
    assert not picture_encoder.rows


def test_a_picture_is_looked_at_before_the_reference_is_embedded(picture_encoder) -> None:
    with pytest.raises(InvalidInput, match=r"gone\.jpg"):
        explorer.explain("gone.jpg", reference=np.zeros((24, 40, 3), np.uint8), encoder=picture_encoder)
    assert not picture_encoder.rows
