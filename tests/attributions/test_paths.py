"""Integrated, guided and blurred gradients against captum and saliency (parity check 8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import saliency.core
import torch
from captum.attr import IntegratedGradients as Captum

from explorer.attributions.blur_ig import BlurIg, blurred
from explorer.attributions.guided_ig import GuidedIg, advance
from explorer.attributions.integrated_gradients import IntegratedGradients
from explorer.attributions.question import Question, make_class_question, make_question
from explorer.attributions.scored import Scored
from explorer.core.fills import make_background
from explorer.core.steps import run
from explorer.encoders.gradients import as_tensor
from tests.attributions.networks import cnn, picture, question, tiny_cnn

CASES = {
    "distance": lambda: question(cnn(exact=True)),
    "class": lambda: make_class_question(picture(1), encoder=cnn(exact=True)),
}


@pytest.fixture(autouse=True)
def old_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    """saliency 0.2.1 calls the quantile's method its interpolation, as numpy did before 2.4."""
    quantile = np.quantile

    def both(*values: Any, interpolation: str | None = None, **options: Any) -> Any:
        return quantile(*values, **options, **({"method": interpolation} if interpolation else {}))

    monkeypatch.setattr(np, "quantile", both)


def callback(case: Question, key: str) -> Callable[..., dict[str, Any]]:
    """Our gradients by the pixels, as saliency asks for them: (b, h, w, c) -> (b, h, w, c)."""
    scored = Scored(case)

    def slopes(batch: Any, call_model_args: Any = None, expected_keys: Any = None) -> dict[str, Any]:
        return {key: run(scored.slopes(as_tensor(scored.looked.module, batch))).numpy().astype(np.float64)}

    return slopes


def score_of(case: Question) -> Callable[[Any], Any]:
    """Scores of pictures (b, h, w, c) in float64, by the tiny network itself."""
    network = tiny_cnn().double()
    target = torch.from_numpy(np.array(case.target.embedding)).double()

    def score(pixels: Any) -> Any:
        rows = network(pixels.permute(0, 3, 1, 2))
        return rows @ target if case.distance == "dot" else torch.cosine_similarity(rows, target[None])

    return score


def close(found: np.ndarray, wanted: np.ndarray) -> None:
    assert found.min() < 0 < found.max()
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6 * np.abs(wanted).max())


# Integrated Gradients


@pytest.mark.parametrize("name", CASES)
def test_integrated_gradients_against_captum_and_gauss(name: str) -> None:
    case = CASES[name]()
    score, pixels = score_of(case), torch.from_numpy(case.pixels).double()[None]
    found = run(IntegratedGradients(steps=50)(case))
    wanted = Captum(score).attribute(pixels, n_steps=50, method="gausslegendre")[0].sum(2)
    close(found, wanted.numpy())
    nodes, weights = np.polynomial.legendre.leggauss(50)
    total = torch.zeros_like(pixels)
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        point = (node * pixels).requires_grad_()
        total += weight * torch.autograd.grad(score(point)[0], point)[0]
    close(found, (total * pixels)[0].sum(2).numpy())


@pytest.mark.parametrize("fill", ["zero", "mean", "blur"])
def test_integrated_gradients_add_up(fill: str) -> None:
    case = CASES["distance"]()
    score = score_of(case)
    start = np.broadcast_to(make_background(fill, case.pixels, case.encoder, 0), case.pixels.shape)
    ends = score(torch.from_numpy(np.stack([case.pixels, start])).double())
    found = run(IntegratedGradients(steps=400, fill=fill)(case))
    assert float(found.sum()) == pytest.approx(float((ends[0] - ends[1]).detach()), rel=0.02, abs=5e-4)


# Guided IG


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("fraction", "max_dist"), [(0.25, 0.02), (0.5, 1.0), (0.1, 0.3)])
def test_guided_ig_against_saliency(name: str, fraction: float, max_dist: float) -> None:
    case = CASES[name]()
    wanted = saliency.core.GuidedIG().GetMask(
        case.pixels.astype(np.float64),
        callback(case, saliency.core.INPUT_OUTPUT_GRADIENTS),
        x_steps=20,
        fraction=fraction,
        max_dist=max_dist,
    )
    close(run(GuidedIg(steps=20, fraction=fraction, max_dist=max_dist)(case)), wanted.sum(2))


@pytest.mark.parametrize("name", CASES)
def test_guided_ig_on_the_straight_path_is_integrated_gradients(name: str) -> None:
    case = CASES[name]()
    pixels = torch.from_numpy(case.pixels).double()[None]
    wanted = Captum(score_of(case)).attribute(pixels, n_steps=20, method="riemann_left")[0].sum(2)
    close(run(GuidedIg(steps=20, max_dist=0)(case)), wanted.numpy())


def test_a_step_of_guided_ig_by_hand() -> None:
    """Four numbers of one length: of the first quarter of the way, all falls to the one of the smallest gradient."""
    slopes, lengths = np.array([3.0, -1.0, 2.0, 4.0]), np.ones(4)
    np.testing.assert_allclose(advance(np.zeros(4), 0.25, slopes, lengths, 0.25, 1.0), [0, 1, 0, 0])
    np.testing.assert_allclose(advance(np.zeros(4), 0.25, slopes, lengths, 0.25, 0.5), [0, 0.75, 0.25, 0])
    np.testing.assert_allclose(advance(np.zeros(4), 0.25, slopes, lengths, 0.25, 0.0), [0.25] * 4)
    np.testing.assert_allclose(advance(np.array([0, 0.5, 0, 0]), 0.25, slopes, np.array([1, 1, 0, 0]), 0.5, 1.0)[:2],
                               [0, 0.5])  # fmt: skip
    np.testing.assert_allclose(advance(np.zeros(4), 0.25, slopes, np.zeros(4), 0.25, 1.0), np.zeros(4))


# Blur IG


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("max_sigma", [50.0, 7.0])
def test_blur_ig_against_saliency(name: str, max_sigma: float) -> None:
    case = CASES[name]()
    wanted = saliency.core.BlurIG().GetMask(
        case.pixels.astype(np.float64),
        callback(case, saliency.core.INPUT_OUTPUT_GRADIENTS),
        max_sigma=max_sigma,
        steps=20,
    )
    close(run(BlurIg(steps=20, max_sigma=max_sigma)(case)), wanted.sum(2))


@pytest.mark.parametrize("sigma", [0.0, 0.01, 0.5, 3.3, 50.0])
def test_the_blur_is_scipys(sigma: float) -> None:
    from scipy.ndimage import gaussian_filter

    image = np.random.default_rng(0).normal(size=(17, 23, 3))
    wanted = gaussian_filter(image, (sigma, sigma, 0), mode="constant") if sigma else image
    np.testing.assert_allclose(blurred(image, sigma), wanted, atol=1e-12)


def test_blur_ig_adds_up() -> None:
    """To the score of the picture less that of the blurred one, the finer the steps the better."""
    case = CASES["class"]()
    blurry = blurred(case.pixels.astype(np.float64), 5.0)
    ends = score_of(case)(torch.from_numpy(np.stack([case.pixels, blurry])).double())
    found = run(BlurIg(steps=400, max_sigma=5.0)(case))
    assert float(found.sum()) == pytest.approx(float((ends[0] - ends[1]).detach()), rel=0.05)


# All of them

ALL = [IntegratedGradients(steps=8), GuidedIg(steps=8), BlurIg(steps=8)]


@pytest.mark.parametrize("method", ALL)
def test_the_opposite_reference_gives_the_opposite_map(method: Any) -> None:
    case = CASES["distance"]()
    opposite = make_question(picture(1), embedding=-case.target.embedding, encoder=case.encoder)
    close(run(method(case)), -run(method(opposite)))


@pytest.mark.parametrize("method", ALL)
def test_the_size_of_batches_does_not_matter(method: Any) -> None:
    one, all_ = (run(method(question(cnn(exact=True, batch_size=size)))) for size in (1, 16))
    close(one, all_)
