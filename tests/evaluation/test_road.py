"""ROAD: the pixels filled in as pytorch-grad-cam does, and what is made of the scores."""

from __future__ import annotations

import numpy as np
import pytest

from explorer.core.steps import run
from explorer.evaluation.road import NOISE, RoadConfig, imputed, road, road_passes, road_value
from explorer.evaluation.scorers import make_scorer
from tests.evaluation.classes import SIDE, Classes, about_class, noise_map

PICTURE = np.random.default_rng(0).uniform(0, 255, (17, 23, 3))


@pytest.mark.parametrize("share", [0.02, 0.5, 0.9, 0.98])
def test_pixels_are_filled_in_as_by_grad_cam(share: float) -> None:
    import torch
    from pytorch_grad_cam.metrics.road import NoisyLinearImputer

    gone = np.random.default_rng(1).random(PICTURE.shape[:2]) < share
    gone[3:9, :5] = share > 0.1
    kept = torch.from_numpy((~gone).astype(np.float32))
    theirs = (
        NoisyLinearImputer(noise=0.0)(torch.from_numpy(PICTURE.astype(np.float32)).permute(2, 0, 1), kept)
        .permute(1, 2, 0)
        .numpy()
    )
    ours = imputed(PICTURE, gone)
    np.testing.assert_allclose(ours, theirs, atol=2e-4)
    np.testing.assert_array_equal(ours[~gone], PICTURE[~gone])
    assert PICTURE.min() <= ours.min() <= ours.max() <= PICTURE.max()


def test_without_any_pixel_left_there_is_the_mean() -> None:
    assert np.allclose(imputed(PICTURE, np.ones(PICTURE.shape[:2], bool)), PICTURE.mean((0, 1)))


def test_the_score_is_that_of_grad_cam(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their combined one, on the small network; without the noise, which they draw from torch."""
    import torch
    from pytorch_grad_cam.metrics.road import NoisyLinearImputer, ROADCombined

    encoder = Classes(0.3)
    case = about_class(seed=1, encoder=encoder)
    scorer = run(make_scorer(case))
    values = noise_map()

    class Network(torch.nn.Module):
        def forward(self, planes: torch.Tensor) -> torch.Tensor:
            rows = encoder.embed_pixels(planes.permute(0, 2, 3, 1).numpy().astype(np.float32))
            return torch.from_numpy(scorer.score(rows))[:, None]

    init = NoisyLinearImputer.__init__
    monkeypatch.setattr(NoisyLinearImputer, "__init__", lambda self: init(self, noise=0.0))
    monkeypatch.setattr("explorer.evaluation.road.NOISE", 0.0)
    planes = torch.from_numpy(case.pixels.astype(np.float32)).permute(2, 0, 1)[None]
    unit = (values - values.min()) / (values.max() - values.min())
    theirs = ROADCombined([20, 40, 60, 80])(planes, unit[None].astype(np.float32), [lambda out: out[..., 0]], Network())
    ours = road_value(run(road(case, values, scorer)))
    assert ours == pytest.approx(100 * float(np.ravel(theirs)[0]), abs=0.2)


def test_noise_is_the_seeds_and_small() -> None:
    case = about_class(seed=1, encoder=Classes(0.3))
    scorer = run(make_scorer(case))
    one, again, other = (run(road(case, noise_map(), scorer, seed=seed)) for seed in (1, 1, 2))
    assert one == again
    assert one != other
    np.testing.assert_allclose(one["least"], other["least"], atol=10 * NOISE)
    assert road_passes(case) == 8
    few = RoadConfig((0.5,))
    assert road_passes(case, few) == 2
    assert len(run(road(case, np.eye(SIDE), scorer, few))["most"]) == 1
