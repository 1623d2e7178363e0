"""Class activation maps against grad-cam, torchcam and captum, before any of them is normalised (parity check 7)."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import pytorch_grad_cam
import torch
import torchcam.methods
from captum.attr import LayerGradCam
from pytorch_grad_cam.ablation_layer import AblationLayer

from explorer.attributions.ablation_cam import AblationCam, without_each
from explorer.attributions.grad_cam import GradCam
from explorer.attributions.grad_cam_pp import GradCamPlusPlus
from explorer.attributions.layer_cam import LayerCam
from explorer.attributions.lift_cam import LiftCam, contributions
from explorer.attributions.question import Question, make_class_question, make_question
from explorer.attributions.scored import Scored, is_blank
from explorer.attributions.x_grad_cam import XGradCam
from explorer.core.errors import InvalidInput
from explorer.core.steps import run
from explorer.encoders.torch_layers import from_torch
from tests.attributions.networks import SIDE, Exact, cnn, picture, question, tiny_cnn

CASES = {
    "distance": lambda: question(cnn(exact=True)),
    "class": lambda: make_class_question(picture(1), encoder=cnn(exact=True)),
}
STAGES = (1, 2)


def target_of(case: Question, scale: float = 1.0) -> Callable[[Any], Any]:
    """The score of rows (..., d), as other libraries are given it."""
    reference = torch.from_numpy(np.array(case.target.embedding)).double()

    def target(rows: Any) -> Any:
        if case.distance == "dot":
            return scale * (rows @ reference)
        return scale * torch.cosine_similarity(rows, reference.expand_as(rows), dim=-1)

    return target


def planes_of(case: Question) -> Any:
    return torch.from_numpy(case.pixels).double().permute(2, 0, 1)[None]


def grad_cam_library(kind: str, case: Question, stage: int, scale: float = 1.0) -> Any:
    """What grad-cam adds up over the channels of a stage, (rows, columns)."""
    network = tiny_cnn().double()
    layer = network[3 - stage]
    targets, planes = [target_of(case, scale)], planes_of(case)
    with getattr(pytorch_grad_cam, kind)(model=network, target_layers=[layer]) as library:
        library(planes, targets)
        outputs = library.activations_and_grads.activations[0].numpy()
        slopes = library.activations_and_grads.gradients[0].numpy()
        return torch.from_numpy(library.get_cam_image(planes, layer, targets, outputs, slopes, False))[0]


def torchcam_library(kind: str, case: Question, stage: int, scale: float = 1.0) -> Any:
    """What torchcam gives for a stage, (rows, columns), without its negative part."""
    network, target = tiny_cnn().double(), target_of(case, scale)
    with getattr(torchcam.methods, kind)(network, [network[3 - stage]]) as library:
        rows = network(planes_of(case))
        (found,) = library(scores=rows, normalized=False, targets=lambda row: target(row))
    return found[0]


def spread(small: Any) -> np.ndarray:
    large = torch.nn.functional.interpolate(small[None, None], (SIDE, SIDE), mode="bilinear", align_corners=False)
    return large[0, 0].numpy()


def check(found: np.ndarray, wanted: Any, share: float = 1e-5) -> None:
    """Equal up to a share of the largest value."""
    wanted = spread(wanted)
    assert np.abs(wanted).max() > 1e-5
    np.testing.assert_allclose(found, wanted, rtol=0, atol=share * np.abs(wanted).max())


# Parity


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(("kind", "method"), [("GradCAM", GradCam), ("XGradCAM", XGradCam)])
def test_linear_ones_against_grad_cam(name: str, stage: int, kind: str, method: Any) -> None:
    case = CASES[name]()
    check(run(method(stage=stage)(case)), grad_cam_library(kind, case, stage))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(("kind", "method"), [("GradCAMPlusPlus", GradCamPlusPlus), ("LayerCAM", LayerCam)])
def test_one_sided_ones_against_grad_cam(name: str, stage: int, kind: str, method: Any) -> None:
    """Ours is theirs of s without its negative part, less theirs of -s without its. Their 1e-6 under the fraction of
    Grad-CAM++ does not count at a scale of 1000."""
    case, scale = CASES[name](), 1000.0
    sides = [grad_cam_library(kind, case, stage, sign * scale).relu() for sign in (1, -1)]
    if method is GradCamPlusPlus:
        check(run(method(stage=stage, scale=scale)(case)), sides[0] - sides[1])
    else:
        check(scale * run(method(stage=stage)(case)), sides[0] - sides[1])


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    ("kind", "method"), [("GradCAM", GradCam), ("XGradCAM", XGradCam), ("LayerCAM", LayerCam)]
)  # torchcam 0.5.0 leaves out Grad-CAM++'s fraction: it divides a copy
def test_against_torchcam(name: str, stage: int, kind: str, method: Any) -> None:
    case = CASES[name]()
    sides = [torchcam_library(kind, case, stage, sign) for sign in (1, -1)]
    check(run(method(stage=stage)(case)), sides[0] - sides[1])


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("stage", STAGES)
def test_grad_cam_against_captum(name: str, stage: int) -> None:
    case = CASES[name]()
    network, target = tiny_cnn().double(), target_of(case)
    library = LayerGradCam(lambda planes: target(network(planes)), network[3 - stage])
    found = library.attribute(planes_of(case), relu_attributions=False).detach()[0, 0]
    rectified = library.attribute(planes_of(case), relu_attributions=True).detach()[0, 0]
    torch.testing.assert_close(rectified, found.relu())
    check(run(GradCam(stage=stage)(case)), found, 1e-6)


def test_ablation_against_grad_cam() -> None:
    """They divide by the score, which is positive here, and set channels to 0 as the layer's minimum is 0."""
    case = CASES["class"]()
    network, planes, target = tiny_cnn().double().requires_grad_(False), planes_of(case), target_of(case)
    whole = float(target(network(planes))[0].detach())
    assert whole > 0
    assert float(network[:3](planes).min()) == 0
    targets = [target]
    with pytorch_grad_cam.AblationCAM(network, [network[2]], ablation_layer=AblationLayer(), batch_size=5) as library:
        outputs = network[:3](planes).detach()
        wanted = whole * library.get_cam_weights(planes, network[2], targets, outputs, None)
    with torch.no_grad():
        scores = target(network[3:](torch.cat(list(without_each(outputs, 5)))))
    np.testing.assert_allclose(whole - scores, wanted[0], rtol=1e-5, atol=1e-6)
    check(run(AblationCam()(case)), (torch.from_numpy(wanted).double().view(-1, 1, 1) * outputs[0]).sum(0))


def test_ablation_of_a_negative_score_is_not_turned_round() -> None:
    case = CASES["distance"]()
    opposite = make_question(picture(1), embedding=-case.target.embedding, encoder=case.encoder)
    found, other = run(AblationCam()(case)), run(AblationCam()(opposite))
    np.testing.assert_allclose(found, -other, atol=1e-6 * np.abs(found).max())


# LIFT-CAM


def test_lift_before_a_linear_head_is_known() -> None:
    """Contributions w_c A_c / (h w), which add up to the score but for the head's bias."""
    case = CASES["class"]()
    scored = Scored(case, target="proj")
    path = scored.stage(1)
    outputs, _ = run(scored.seen(path))
    parts, more = run(contributions(scored, path, outputs))
    weights = tiny_cnn().double()[-1].weight[int(case.target.embedding.argmax())].detach().view(1, -1, 1, 1)
    torch.testing.assert_close(parts, weights * outputs / outputs[0, 0].numel())
    assert abs(more) < 1e-6
    check(run(LiftCam()(case)), (weights * outputs.mean((2, 3), keepdim=True) * outputs).sum(1)[0])


@pytest.mark.parametrize("stage", [1, 2, 3])
def test_lift_adds_up_for_a_network_of_relus(stage: int) -> None:
    """Also where ReLUs lie behind the layer, and for a distance, if the embedding's length is held fixed."""
    scored = Scored(CASES["distance"](), target="proj")
    path = scored.stage(stage)
    outputs, whole = run(scored.seen(path))
    parts, more = run(contributions(scored, path, outputs))
    nothing = run(scored.scores_from_layer(path, [torch.zeros_like(outputs)]))
    assert abs(more) < 1e-6
    assert float(parts.sum()) == pytest.approx(float(whole - nothing), abs=1e-6)
    assert abs(float(whole - nothing)) > 0.01


def test_lift_does_not_add_up_for_a_cosine() -> None:
    """captum lets the plain gradient through what is not a module that it knows: a known limit, not an accident."""
    scored = Scored(CASES["distance"](), target="cos")
    path = scored.stage(1)
    outputs, _ = run(scored.seen(path))
    _, more = run(contributions(scored, path, outputs))
    assert abs(more) > 0.01


def test_lift_refuses_activations_that_are_used_twice() -> None:
    """As in the blocks of torchvision's ResNets. Behind the last stage there is none."""
    network, relu = tiny_cnn(), torch.nn.ReLU()
    for stage in network[:3]:
        stage[-1] = relu
    case = question(from_torch(Exact(network).eval()))
    assert not is_blank(run(LiftCam()(case)))
    with pytest.raises(InvalidInput, match="used once"):
        run(LiftCam(stage=3)(case))


@pytest.mark.filterwarnings("ignore:mine")  # outside of what is looked at
def test_lift_hides_no_warning_but_captums() -> None:
    """Nor does it put back the filters of warnings, which other threads may have changed meanwhile."""

    class Warns(torch.nn.Module):
        def forward(self, maps: Any) -> Any:
            if maps.requires_grad:
                warnings.warn("mine", UserWarning, stacklevel=1)
            return maps

    network = tiny_cnn()
    network[3] = torch.nn.Sequential(Warns(), network[3])
    scored = Scored(question(from_torch(network.eval(), stages=("2",))), target="proj")
    outputs, _ = run(scored.seen(scored.stage(1)))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        run(contributions(scored, scored.stage(1), outputs))
    assert {str(warning.message) for warning in told} == {"mine"}


def test_lift_leaves_no_hooks() -> None:
    scored = Scored(question(), target="proj")
    path = scored.stage(2)
    outputs, _ = run(scored.seen(path))
    run(contributions(scored, path, outputs))
    for part in scored.looked.module.modules():
        assert not any((part._forward_hooks, part._forward_pre_hooks, part._backward_hooks))


# All of them


ALL = [GradCam, GradCamPlusPlus, XGradCam, LayerCam, AblationCam, LiftCam]


@pytest.mark.parametrize("method", ALL)
def test_the_opposite_reference_gives_the_opposite_map(method: Any) -> None:
    case = CASES["distance"]()
    opposite = make_question(picture(1), embedding=-case.target.embedding, encoder=case.encoder)
    found, other = run(method()(case)), run(method()(opposite))
    assert not is_blank(found)
    np.testing.assert_allclose(found, -other, atol=1e-6 * np.abs(found).max())


@pytest.mark.parametrize("method", [GradCam, GradCamPlusPlus, XGradCam, LayerCam])
@pytest.mark.parametrize("distance", ["cosine", "angular", "euclidean"])
def test_a_picture_that_is_its_own_reference_has_no_map(method: Any, distance: str) -> None:
    """Parity check 10: the gradient there is rounding."""
    case = make_question(picture(1), reference=picture(1), encoder=cnn(), distance=distance)
    found = run(method()(case))
    assert is_blank(found)
    assert not found.any()


@pytest.mark.parametrize("method", ALL)
def test_dead_channels_divide_nothing(method: Any) -> None:
    network = tiny_cnn()
    with torch.no_grad():
        network[2][0].weight[::2] = 0
        network[2][0].bias[::2] = -1
    found = run(method()(question(from_torch(Exact(network).eval()))))
    assert np.isfinite(found).all()
    assert found.any()
