"""DIX on convolutional networks against captum, against closed forms and against a slow oracle of paper and code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients

from explorer.attributions.dix import Dix, Dix1, Dix2, Dix2Mul, Dix3, Dix3Grads, integrate
from explorer.attributions.dix_official import DixOfficial1, DixOfficial2, DixOfficial3
from explorer.attributions.question import Question, make_class_question, make_question
from explorer.attributions.scored import Scored, is_blank
from explorer.core.errors import InvalidInput
from explorer.core.steps import run
from explorer.encoders.torch_layers import from_torch
from tests.attributions.networks import SIDE, Exact, cnn, picture, question, tiny_cnn
from tests.oracles import dix as slow

ENDS = (3, 2, 1)
"""Where the tiny network's stages end, the last first."""


def plain(case: Question, *, double: bool = True) -> list[tuple[slow.Rest, Any]]:
    """The tiny network after each stage with the score, and what the stage gives for the picture, in float64."""
    network = tiny_cnn().double() if double else tiny_cnn()
    dtype = torch.float64 if double else torch.float32
    target = torch.from_numpy(np.array(case.target.embedding)).to(dtype)
    planes = torch.from_numpy(case.pixels).to(dtype).permute(2, 0, 1)

    def rest(end: int) -> slow.Rest:
        def score(outputs: Any) -> Any:
            rows = network[end:](outputs)
            return rows @ target if case.distance == "dot" else torch.cosine_similarity(rows, target[None])

        return score

    return [(rest(end), network[:end](planes[None])[0].detach()) for end in ENDS]


def layer_of(case: Question, number: int, steps: int = 10, *, gradients: bool = False) -> Any:
    scored = Scored(case)
    return run(integrate(scored, scored.stage(number), steps, gradients=gradients))


CASES = {
    "distance": lambda: question(cnn(exact=True)),
    "class": lambda: make_class_question(picture(1), encoder=cnn(exact=True)),
}


# Parity check 1


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("number", [1, 2, 3])
def test_of_gradients_alone_it_is_captums_integrated_gradients(name: str, number: int) -> None:
    case = CASES[name]()
    rest, output = plain(case)[number - 1]
    base = output.amin((1, 2), keepdim=True).expand_as(output)
    wanted = IntegratedGradients(rest).attribute(output[None], base[None], n_steps=10, method="riemann_right")
    torch.testing.assert_close(layer_of(case, number, gradients=True), wanted[0], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("number", [1, 2, 3])
def test_of_gradients_alone_it_is_complete(name: str, number: int) -> None:
    case = CASES[name]()
    rest, output = plain(case)[number - 1]
    base = output.amin((1, 2), keepdim=True).expand_as(output)
    gained = float((rest(output[None]) - rest(base[None])).detach())
    assert abs(float(layer_of(case, number, 400, gradients=True).sum()) - gained) < 0.02 * abs(gained)


# Parity check 2


def test_before_a_linear_head_it_is_known_in_closed_form() -> None:
    """M = D (z + (N + 1) / (2 N) D) w / (h w) after global average pooling."""
    case = CASES["class"]()
    _, output = plain(case)[0]
    weights = tiny_cnn().double()[-1].weight[int(case.target.embedding.argmax())].detach().view(-1, 1, 1)
    base = output.amin((1, 2), keepdim=True)
    for steps in (1, 10):
        wanted = (output - base) * (base + (steps + 1) / (2 * steps) * (output - base)) * weights / output[0].numel()
        torch.testing.assert_close(layer_of(case, 1, steps), wanted, rtol=0, atol=1e-10)


def test_before_a_cosine_of_pooled_maps_integration_changes_nothing() -> None:
    """With z = 0 all points of the path lie in one direction, and M = X X grad s whatever N; X grad s sums to 0."""

    class FromNothing(torch.nn.Module):
        """Zero the first pixel of every map, so that each channel's smallest value is 0."""

        def forward(self, maps: Any) -> Any:
            return maps * (torch.arange(maps[0, 0].numel()).view(maps.shape[2:]) > 0)

    network = torch.nn.Sequential(*tiny_cnn()[:3], FromNothing(), *tiny_cnn()[3:5])
    case = question(from_torch(Exact(network).eval(), stages=("network.3",)))
    scored = Scored(case)
    outputs, slopes = run(scored.layer(scored.stage(1)))
    assert float(outputs.amin((2, 3)).abs().max()) == 0
    for steps in (1, 7):
        found = layer_of(case, 1, steps)
        torch.testing.assert_close(found, (outputs * outputs * slopes)[0], rtol=0, atol=1e-10)
    assert abs(float((outputs * slopes).sum())) < 1e-10


# Parity check 3, and the paper


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("method", "depth"), [(Dix1(), 1), (Dix2(), 2), (Dix3(), 3)])
def test_it_is_equations_3_to_6(name: str, method: Dix, depth: int) -> None:
    case = CASES[name]()
    wanted = slow.paper(plain(case)[:depth], (SIDE, SIDE))
    np.testing.assert_allclose(run(method(case)), wanted, rtol=1e-5, atol=1e-6 * float(wanted.abs().max()))


@pytest.mark.parametrize("steps", [4, 10])
@pytest.mark.parametrize("kind", [DixOfficial1, DixOfficial2, DixOfficial3])
def test_it_can_be_what_the_published_code_computes(kind: Any, steps: int) -> None:
    for case in (question(), make_class_question(picture(1), encoder=cnn())):
        method = kind(steps=steps)
        found = run(method(case))
        assert found.min() < found.max()
        wanted = slow.official(plain(case, double=False)[: method.depth], (SIDE, SIDE), steps)
        np.testing.assert_allclose((found - found.min()) / np.ptp(found), wanted, atol=1e-4)


def test_the_published_code_does_not_integrate_the_last_layer() -> None:
    case = question()
    few, many = (run(DixOfficial1(steps=steps)(case)) for steps in (2, 10))
    np.testing.assert_allclose(few / few.max(), many / many.max(), atol=1e-6)


# Variants


def test_the_product_of_two_layers() -> None:
    case = CASES["distance"]()
    found = [slow.grown(slow.layer_map(rest, output, 10).mean(0), (SIDE, SIDE)) for rest, output in plain(case)[:2]]
    wanted = torch.relu(found[0]) * torch.relu(found[1]) - torch.relu(-found[0]) * torch.relu(-found[1])
    np.testing.assert_allclose(run(Dix2Mul()(case)), wanted, rtol=1e-4, atol=1e-6 * float(wanted.abs().max()))


def test_gradients_of_three_layers() -> None:
    case = CASES["distance"]()
    wanted = slow.paper(plain(case), (SIDE, SIDE), gradients=True)
    np.testing.assert_allclose(run(Dix3Grads()(case)), wanted, rtol=1e-5, atol=1e-6 * float(wanted.abs().max()))


def test_other_numbers_of_steps() -> None:
    case = CASES["distance"]()
    wanted = slow.paper(plain(case), (SIDE, SIDE), steps=3)
    np.testing.assert_allclose(run(Dix3(steps=3)(case)), wanted, rtol=1e-5, atol=1e-6 * float(wanted.abs().max()))


@pytest.mark.parametrize("kind", [Dix1, Dix2, Dix3, Dix2Mul, Dix3Grads])
def test_the_logits_of_clip_give_the_map_of_the_similarity(kind: type[Dix]) -> None:
    """Parity check 10: 100 s in the place of s changes nothing on a convolutional network, up to its scale."""
    case = question(cnn(exact=True))
    found, scaled = (run(kind(scale=scale)(case)) for scale in (1, 100))
    assert np.abs(scaled).max() > 50 * np.abs(found).max() > 0
    np.testing.assert_allclose(scaled / np.abs(scaled).max(), found / np.abs(found).max(), atol=1e-6)


def test_a_picture_that_is_its_own_reference_has_a_map_only_before_the_last_layer() -> None:
    """Parity check 10. From the minimum of an earlier layer the picture still has a way to go."""
    case = make_question(picture(1), reference=picture(1), encoder=cnn())
    earlier = run(integrate(scored := Scored(case), scored.stage(2), 10, gradients=False)).numpy()
    assert np.isfinite(earlier).all()
    assert np.abs(earlier).max() > 1e-6
    assert not is_blank(run(Dix3()(case)))


def test_more_layers_than_there_are() -> None:
    case = question(from_torch(tiny_cnn(), stages=("2",)))
    assert np.isfinite(run(Dix1()(case))).all()
    with pytest.raises(InvalidInput, match="has 1 stages of maps; stage 2"):
        run(Dix2()(case))


@pytest.mark.parametrize(("method", "instead"), [(DixOfficial2(), "dix2"), (DixOfficial3(), "dix3")])
def test_the_published_code_is_not_claimed_on_a_densenet(method: Any, instead: str) -> None:
    """There it takes norm5, the last dense block and the transition before it, all of one stage."""
    from torchvision.models.densenet import DenseNet

    network = DenseNet(growth_rate=4, block_config=(1, 1, 1, 1), num_init_features=8, num_classes=5).eval()
    question = make_question(picture(1), embedding=np.ones(5), encoder=from_torch(network), distance="dot")
    with pytest.raises(InvalidInput, match=f"other layers.*choose dix-official-1, or {instead}"):
        run(method(question))
    assert run(DixOfficial1()(question)).shape == picture(1).shape[:2]
