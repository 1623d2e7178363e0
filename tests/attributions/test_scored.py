"""A case in torch: the score of every distance, and runs of the network from a layer on."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
import torch

from explorer.attributions.ablation_cam import AblationCam
from explorer.attributions.grad_cam import GradCam
from explorer.attributions.integrated_gradients import IntegratedGradients
from explorer.attributions.method import METHODS
from explorer.attributions.question import Method, Question, make_class_question, make_question
from explorer.attributions.scored import Scored, blank_if_flat, is_blank, steps_between
from explorer.core.distances import DISTANCES, measure
from explorer.core.errors import InvalidInput, UnusableEmbedding, WeightsMissing
from explorer.core.steps import run
from explorer.encoders.functions import from_function
from explorer.encoders.torch_layers import from_torch
from tests.attributions.networks import SIDE, cnn, picture, question, tiny_cnn


def rows_of(case: Question) -> Any:
    pixels = np.stack([picture(seed) for seed in range(2, 7)])
    return case.encoder.embed_pixels(pixels)


# The score


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_the_score_is_higher_where_the_distance_is_smaller(distance: str, scale: float) -> None:
    """By the same amount everywhere: 2 for the cosine, whose distance is halved, 1 for the others."""
    case = question(distance=distance)
    rows = rows_of(case)
    found = Scored(case, scale=scale).score(torch.from_numpy(rows)).numpy() / scale
    distances = measure(distance, rows, case.target.embedding)
    wanted = 1 - 2 * distances if distance == "cosine" else -distances
    np.testing.assert_allclose(found, wanted, atol=2e-4 if distance == "angular" else 1e-5)  # arccos is steep at 1


@pytest.mark.parametrize("distance", DISTANCES)
def test_gradients_by_the_pixels(distance: str) -> None:
    """Against differences: moving a pixel moves the score as the gradient says."""
    case = make_question(picture(1), reference=picture(2), encoder=cnn(exact=True), distance=distance)
    scored = Scored(case)
    slopes = run(scored.slopes(scored.pixels))[0]
    step = 1e-2
    for place in [(0, 0, 0), (5, 9, 1), (20, 30, 2)]:
        moved = scored.pixels.repeat(2, 1, 1, 1)
        moved[0][place] += step
        moved[1][place] -= step
        up, down = scored.run(moved).detach()
        assert float(slopes[place]) == pytest.approx(float(up - down) / (2 * step), rel=0.02, abs=1e-6)


def test_the_projection_is_the_similarity_but_linear() -> None:
    case = question()
    cos, proj = Scored(case), Scored(case, target="proj")
    rows = torch.from_numpy(rows_of(case))
    own = proj.looked.module(proj.pixels).detach()
    torch.testing.assert_close(proj.score(own), cos.score(own))
    torch.testing.assert_close(proj.score(3 * rows + own), 3 * proj.score(rows) + proj.score(own))
    assert not torch.allclose(proj.score(rows), cos.score(rows))


def test_of_a_dot_product_the_projection_is_the_product() -> None:
    case = make_class_question(picture(1), encoder=cnn())
    rows = torch.from_numpy(rows_of(case))
    torch.testing.assert_close(Scored(case, target="proj").score(rows), Scored(case).score(rows))


def test_refusals() -> None:
    with pytest.raises(InvalidInput, match="cos, proj"):
        Scored(question(), target="sine")
    with pytest.raises(InvalidInput, match="use target='cos'"):
        Scored(question(distance="euclidean"), target="proj")
    with pytest.raises(InvalidInput, match="has 3 stages of maps; stage 4"):
        Scored(question()).stage(4)
    with pytest.raises(InvalidInput, match="gives no gradients"):
        Scored(question(from_function(lambda batch: batch.mean(axis=(1, 2)) + 2)))


@pytest.mark.parametrize("distance", DISTANCES)
def test_references_of_another_length_are_refused(distance: str) -> None:
    """Also one of length 1, which would go with an embedding of any."""
    for length in (1, 4):
        case = make_question(picture(1), embedding=np.ones(length), encoder=cnn(), distance=distance)
        with pytest.raises(InvalidInput, match=rf"has shape \({length},\), the picture's \(5,\)") as info:
            run(GradCam()(case))
        assert info.value.code == "reference_shape"


@pytest.mark.parametrize("number", [0.0, np.nan, np.inf])
def test_references_without_a_direction_are_refused(number: float) -> None:
    case = make_question(picture(1), embedding=np.full(5, number), encoder=cnn())
    with pytest.raises(UnusableEmbedding, match="embedding to compare with"):
        Scored(case)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_the_length_of_a_reference_does_not_matter(scale: float) -> None:
    """Not even one whose square float32 cannot hold."""
    found, wanted = (
        run(GradCam()(make_question(picture(1), embedding=factor * np.arange(5.0), encoder=cnn())))
        for factor in (scale, 1)
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_unknown_distances_are_refused() -> None:
    with pytest.raises(InvalidInput, match="distance"):
        Scored(question(distance="manhattan"))


@pytest.mark.parametrize("method", [GradCam(), AblationCam(), IntegratedGradients(steps=2)])
def test_a_network_that_answers_with_no_numbers_has_no_map(method: Method) -> None:
    network = tiny_cnn()
    with torch.no_grad():
        network[-1].weight[0, 0] = torch.nan
    case = make_question(picture(1), embedding=np.arange(5.0), encoder=from_torch(network))
    with pytest.raises(UnusableEmbedding, match=r"non-finite values .* check the encoder's weights"):
        run(method(case))


@pytest.mark.parametrize(
    ("key", "settings"),
    [(key, {"steps": 0}) for key in ("dix1", "dix-official-1", "integrated-gradients", "guided-ig", "blur-ig")]
    + [("dix1", {"depth": 0}), ("dix-official-1", {"depth": 0}), ("dix-official-1", {"depth": 4})]
    + [("guided-ig", {"fraction": 1.5}), ("guided-ig", {"max_dist": np.nan}), ("blur-ig", {"max_sigma": -1})],
)
def test_settings_out_of_range_are_refused(key: str, settings: dict[str, float]) -> None:
    ((name, value),) = settings.items()
    with pytest.raises(InvalidInput, match=f"{name} must be .* got {value}") as info:
        METHODS[key](**settings)
    assert info.value.code == f"{name}_range"


@pytest.mark.parametrize("key", ["lift-cam"])
def test_without_captum_its_methods_say_what_to_install(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(WeightsMissing, match="EXTRAS=methods"):
        run(METHODS[key]()(question()))


# Layers


@pytest.mark.parametrize("number", [1, 2, 3])
def test_from_a_layer_on(number: int) -> None:
    scored = Scored(question(cnn(exact=True)))
    path = scored.stage(number)
    outputs, slopes = run(scored.layer(path))
    again, score = run(scored.seen(path))
    torch.testing.assert_close(again, outputs)
    many = torch.cat([outputs * share for share in (0.2, 1.0, 0.5, 1.5, 1.0)])
    scores, found = run(scored.from_layer(path, many))
    torch.testing.assert_close(scores[1:2], score)
    torch.testing.assert_close(found[1:2], slopes)
    torch.testing.assert_close(scores[4], scores[1])
    torch.testing.assert_close(run(scored.scores_from_layer(path, many.split(2))), scores)
    alone = [run(scored.from_layer(path, row[None])) for row in many]  # parity check 10: a loop of ones
    torch.testing.assert_close(torch.cat([row for row, _ in alone]), scores)
    torch.testing.assert_close(torch.cat([row for _, row in alone]), found)


def test_networks_that_count_their_rows_at_the_start() -> None:
    """What comes before a layer is run once for many of its outputs, unless a network does not allow it."""

    class Counting(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = tiny_cnn()

        def forward(self, planes: Any) -> Any:
            rows = len(planes)
            return self.network[4:](self.network[:4](planes).view(rows, 16))

    stages = ("network.2", "network.1")
    plain, counting = (
        Scored(question(from_torch(network.eval(), stages=names, batch_size=4)))
        for network, names in ((tiny_cnn(), ("2", "1")), (Counting(), stages))
    )
    for number in (1, 2):
        outputs, _ = run(plain.seen(plain.stage(number)))
        many = torch.cat([outputs * share for share in (0.2, 0.5, 1.5, 1.0, 0.1)])
        for ours, theirs in zip(*(run(s.from_layer(s.stage(number), many)) for s in (plain, counting)), strict=True):
            torch.testing.assert_close(ours, theirs)


def test_progress_is_told_after_every_batch() -> None:
    scored = Scored(question(cnn(batch_size=4)))
    path = scored.stage(1)
    outputs, _ = run(scored.seen(path))
    told: list[int] = []
    run(scored.from_layer(path, outputs.repeat(9, 1, 1, 1)), told.append)
    assert told == [4, 8, 9]
    told.clear()
    run(scored.slopes(scored.pixels.repeat(5, 1, 1, 1)), told.append)
    assert told == [4, 5]


@pytest.mark.parametrize("distance", ["cosine", "angular", "euclidean"])
def test_at_the_reference_there_is_no_gradient_but_rounding(distance: str) -> None:
    scored = Scored(make_question(picture(1), reference=picture(1), encoder=cnn(), distance=distance))
    assert not run(scored.slopes(scored.pixels)).any()
    outputs, slopes = run(scored.layer(scored.stage(2)))
    assert not slopes.any()
    _, found = run(scored.from_layer(scored.stage(2), torch.cat([outputs, outputs * 0.5])))
    assert not found[0].any()
    assert found[1].any()


@pytest.mark.parametrize("distance", ["cosine", "angular"])
def test_an_embedding_without_a_length_has_no_gradient(distance: str) -> None:
    network = tiny_cnn()
    with torch.no_grad():
        for part in network.modules():
            if hasattr(part, "bias"):
                part.bias.zero_()
    scored = Scored(question(from_torch(network), distance=distance))
    nothing = torch.zeros_like(scored.pixels)
    assert float(scored.looked.module(nothing).norm()) == 0
    assert not run(scored.slopes(nothing)).any()


class Times(torch.nn.Module):
    """A network whose embeddings are so many times as long."""

    def __init__(self, network: Any, times: float) -> None:
        super().__init__()
        self.network, self.times = network, times

    def forward(self, planes: Any) -> Any:
        return self.network(planes) * self.times


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("times", [2.0**66, 2.0**-66, 2.0**-40])
def test_long_and_short_embeddings_have_gradients(distance: str, times: float) -> None:
    """Their squares are more, or less, than float32 holds; by powers of two nothing else changes."""
    settings = {"embedding": np.linspace(-1, 2, 5), "distance": distance}
    usual = Scored(make_question(picture(1), encoder=from_torch(tiny_cnn()), **settings))
    if distance == "euclidean":
        settings["embedding"] = settings["embedding"] * times
    odd = Scored(make_question(picture(1), encoder=from_torch(Times(tiny_cnn(), times).eval()), **settings))
    grown = 1.0 if DISTANCES[distance].needs_length else times
    for scored in (usual, odd):
        assert not scored.at_reference(scored.run(scored.pixels)).any()
    expected = run(usual.slopes(usual.pixels)).double() * grown
    torch.testing.assert_close(run(odd.slopes(odd.pixels)).double(), expected, rtol=1e-4, atol=0)
    if distance == "cosine":
        maps = []
        for network in (tiny_cnn(), Times(tiny_cnn(), times).eval()):
            projected = Scored(make_question(picture(1), encoder=from_torch(network), **settings), target="proj")
            maps.append(run(projected.slopes(projected.pixels)))
        torch.testing.assert_close(maps[1], maps[0], rtol=1e-4, atol=0)


def test_fair_and_odd_rows_in_one_batch() -> None:
    scored = Scored(question())
    rows = torch.from_numpy(rows_of(question()))
    odd = rows.clone()
    odd[2] *= 2.0**70
    torch.testing.assert_close(scored.score(odd), scored.score(rows), rtol=0, atol=0)


def test_a_reference_that_the_network_cannot_hold() -> None:
    long = np.full(5, 1e160)
    asked = make_question(picture(1), embedding=long, encoder=cnn(), distance="euclidean")
    with pytest.raises(InvalidInput, match="too long for the numbers of this network") as caught:
        Scored(asked).run(Scored(asked).pixels)
    assert caught.value.code == "reference_range"
    near = make_question(picture(1), embedding=np.full(5, 1.0), encoder=cnn())
    far = make_question(picture(1), embedding=long, encoder=cnn())
    torch.testing.assert_close(*(run(Scored(case).slopes(Scored(case).pixels)) for case in (near, far)))


# Maps


def test_flat_maps_are_blank() -> None:
    flat = np.full((3, 4), 0.3) + np.random.default_rng(0).uniform(-1e-8, 1e-8, (3, 4))
    assert is_blank(flat)
    assert not blank_if_flat(flat).any()
    small = np.random.default_rng(0).uniform(-1e-20, 1e-20, (3, 4))
    assert not is_blank(small)  # small is not flat: products of maps are
    assert blank_if_flat(small).dtype == np.float32
    np.testing.assert_allclose(blank_if_flat(small), small, rtol=1e-6)
    assert is_blank(np.zeros((2, 2)))


def test_maps_are_spread_over_the_picture() -> None:
    scored = Scored(question())
    small = torch.arange(4.0).view(2, 2)
    found = scored.spread(small)
    assert found.shape == (SIDE, SIDE)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0, [0, -1]], [0, 1])
    np.testing.assert_allclose(found[-1, [0, -1]], [2, 3])
    assert scored.spread(small, "bicubic").max() > 3
    assert not scored.spread(torch.ones(2, 2)).any()
    np.testing.assert_allclose(scored.resized(torch.ones(2, 2)), 1)


def test_points_of_the_right_riemann_sum() -> None:
    found = steps_between(torch.zeros(2, 3), torch.full((2, 3), 4.0), 4)
    assert found.shape == (4, 2, 3)
    np.testing.assert_allclose(found[:, 0, 0], [1, 2, 3, 4])
