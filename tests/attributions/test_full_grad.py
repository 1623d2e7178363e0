"""FullGrad: the terms against a network written out with a bias at every place, and that they add up to the score."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import timm.layers
import torch

from explorer.attributions.full_grad import FullGrad, biases_of, terms
from explorer.attributions.question import Question, make_class_question
from explorer.attributions.scored import Scored
from explorer.core.errors import InvalidInput
from explorer.core.steps import run
from explorer.encoders.gradients import Differentiable
from explorer.encoders.torch_layers import from_torch
from tests.attributions.networks import SIDE, Exact, cnn, picture, question, tiny_cnn

NOTHING = torch.zeros(())


def of(case: Question, target: str = "proj") -> tuple[list[Any], float]:
    """The terms, and the score."""
    scored = Scored(case, target=target)
    return run(terms(scored, NOTHING)), float(scored.run(scored.pixels).detach())


def written_out(case: Question) -> list[Any]:
    """Gradient times number of the planes and of the biases, each spread over its map, of the tiny network."""
    network = tiny_cnn().double().requires_grad_(False)
    target = torch.from_numpy(np.array(case.target.embedding)).double()
    maps = [torch.from_numpy(case.pixels).double().permute(2, 0, 1)]
    found = maps[0][None]
    for stage in network[:3]:
        size = stage(found).shape[2:]
        maps.append(stage[0].bias.view(-1, 1, 1).expand(-1, *size).clone())
        found = stage(found)
    leaves = [m.requires_grad_() for m in maps]
    found = leaves[0][None]
    for stage, bias in zip(network[:3], leaves[1:], strict=True):
        conv = stage[0]
        found = torch.relu(torch.nn.functional.conv2d(found, conv.weight, None, conv.stride, conv.padding) + bias)
    row = network[3:](found)[0]
    score = row @ target / (1 if case.distance == "dot" else row.norm().detach() * target.norm())
    return [(slope * leaf).detach() for slope, leaf in zip(torch.autograd.grad(score, leaves), leaves, strict=True)]


CASES = {
    "distance": lambda: question(cnn(exact=True)),
    "class": lambda: make_class_question(picture(1), encoder=cnn(exact=True)),
}


@pytest.mark.parametrize("name", CASES)
def test_terms_against_a_network_written_out(name: str) -> None:
    case = CASES[name]()
    found, _ = of(case)
    for term, wanted in zip(found, written_out(case), strict=True):
        torch.testing.assert_close(term.double(), wanted, rtol=1e-6, atol=1e-8)


def with_activation_inside() -> Any:
    """Where timm keeps the activation inside the normalisation."""
    norm = timm.layers.BatchNormAct2d(12)
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(2)
        for array in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
            array.uniform_(0.2, 1)
    network = tiny_cnn()
    network[1] = torch.nn.Sequential(network[1][0], norm)
    return network


def with_a_layer_used_twice() -> Any:
    network = tiny_cnn()
    again = torch.nn.Conv2d(16, 16, 3, padding=1)
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(3)
        torch.nn.init.kaiming_normal_(again.weight)
        again.bias.uniform_(-0.5, 0.5)
    network[2] = torch.nn.Sequential(network[2], again, torch.nn.ReLU(), again, torch.nn.ReLU())
    return network


@pytest.mark.parametrize(
    "network",
    [tiny_cnn(), tiny_cnn(normalised=True), with_activation_inside(), with_a_layer_used_twice()],
    ids=["plain", "normalised", "timm", "used twice"],
)
def test_terms_and_dense_biases_add_up_to_the_score(network: Any) -> None:
    bias = network[-1].bias.detach().double()
    encoder = from_torch(Exact(network).eval())
    for case in (question(encoder), make_class_question(picture(1), encoder=encoder)):
        found, score = of(case)
        target = torch.from_numpy(np.array(case.target.embedding)).double()
        if case.distance == "cosine":
            length = torch.from_numpy(encoder.embed_pixels(case.pixels[None])[0]).double().norm()
            target = target / target.norm() / length
        total = sum(float(term.sum()) for term in found) + float(bias @ target)
        assert total == pytest.approx(score, abs=1e-5)
        assert abs(score) > 0.01


@pytest.mark.parametrize("name", CASES)
def test_the_map_adds_up_the_terms(name: str) -> None:
    case = CASES[name]()
    found, _ = of(case)
    signed = sum(spread(term.sum(0)) for term in found)
    np.testing.assert_allclose(run(FullGrad()(case)), signed, rtol=1e-5, atol=1e-6 * float(signed.abs().max()))
    published = torch.zeros(SIDE, SIDE)
    for term in found:
        magnitude = term.abs()
        low, high = magnitude.min(), magnitude.max()
        published = published + spread(((magnitude - low) / (high - low)).sum(0))
    np.testing.assert_allclose(run(FullGrad(signed=False)(case)), published, rtol=1e-5, atol=1e-5)


def spread(small: Any) -> Any:
    return torch.nn.functional.interpolate(
        small[None, None].float(), (SIDE, SIDE), mode="bilinear", align_corners=False
    )[0, 0]


@pytest.mark.parametrize(
    "part",
    [torch.nn.GELU(), torch.nn.SiLU(), torch.nn.GroupNorm(2, 12), torch.nn.BatchNorm2d(12, track_running_stats=False)],
    ids=lambda part: type(part).__name__,
)
def test_other_networks_are_refused(part: Any) -> None:
    network = tiny_cnn()
    network[1] = torch.nn.Sequential(network[1][0], part.eval())
    with pytest.raises(InvalidInput, match=f"has {type(part).__name__}"):
        list(biases_of(Differentiable(network.eval())))


def test_parts_that_are_not_run_have_no_term() -> None:
    class Spare(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network, self.spare = tiny_cnn(), torch.nn.Conv2d(3, 4, 3)

        def forward(self, planes: Any) -> Any:
            self.spare(planes)  # goes nowhere
            return self.network(planes)

    encoder = from_torch(Spare().eval())
    np.testing.assert_array_equal(run(FullGrad()(question(encoder))), run(FullGrad()(question())))
