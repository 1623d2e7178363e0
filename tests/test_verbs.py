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
