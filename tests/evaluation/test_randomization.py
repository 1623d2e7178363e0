"""The randomisation test, against Quantus on a small torch CNN, and what Quantus does to Keras networks."""

from __future__ import annotations

import copy
import os
from typing import Any

import numpy as np
import pytest
import torch

from explorer.attributions.question import DistanceExplainer
from explorer.core.errors import InvalidInput
from explorer.core.masks import MaskSettings
from explorer.core.steps import run
from explorer.encoders.functions import from_function
from explorer.encoders.torch_layers import TorchLayers, from_torch
from explorer.evaluation import randomization as module
from explorer.evaluation.randomization import ORDERS, Randomization, follow, pose, randomization, randomization_passes
from tests.conftest import quarters
from tests.evaluation.networks import EXPLAINER, explain_for_quantus, fresh_as_quantus, plain_cnn, question

FEW = DistanceExplainer(MaskSettings(n_masks=10, feature_res=4))


def quantus_scores(case: Any, order: str, method: Any = EXPLAINER, **choices: Any) -> dict[str, float]:
    """Layer -> Spearman, from Quantus."""
    quantus = pytest.importorskip("quantus")
    scores = quantus.MPRT(layer_order=order, seed=42, normalise=False, disable_warnings=True, **choices)(
        model=plain_cnn(),
        x_batch=case.pixels.transpose(2, 0, 1)[None],
        y_batch=np.array([0]),
        explain_func=explain_for_quantus(case, method),
        channel_first=True,
    )
    return {layer: values[0] for layer, values in scores.items()}


@pytest.mark.filterwarnings("ignore")  # Quantus' own
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("absolute", [False, True])
def test_agrees_with_quantus(monkeypatch: pytest.MonkeyPatch, order: str, absolute: bool) -> None:
    monkeypatch.setattr(TorchLayers, "fresh", fresh_as_quantus)
    case = question()
    theirs = quantus_scores(case, order, abs=absolute)
    ours = run(randomization(case, EXPLAINER, order=order, how="reinitialise"))
    assert list(theirs) == ["original", *ours.layers]
    values = ours.similarity_absolute if absolute else ours.similarity
    np.testing.assert_allclose(values, list(theirs.values()), atol=1e-6)
    assert values[1:].min() < 0.9  # so that the comparison means something


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("order", ORDERS)
def test_agrees_with_quantus_on_its_own_networks(order: str) -> None:
    pytest.importorskip("quantus")
    from quantus.helpers.model.pytorch_model import PyTorchModel

    case = question()
    made = PyTorchModel(plain_cnn(), channel_first=True).get_random_layer_generator(order=order, seed=42)
    states = [(name, from_torch(copy.deepcopy(network))) for name, network in made]
    names = [name for name, _ in states]
    ours = run(follow(case, EXPLAINER, states, layers=names, order=order, how="reinitialise"))
    theirs = quantus_scores(case, order, abs=False)
    assert list(theirs) == ["original", *names]
    np.testing.assert_allclose(ours.similarity, list(theirs.values()), atol=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_quantus_cascades_begin_with_a_network_that_is_random_everywhere() -> None:
    """Why the paper's first bottom-up and first independent maps differ, and why rows of kernels keep a map."""
    pytest.importorskip("quantus")
    pytest.importorskip("tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    from quantus.helpers.model.tf_model import TensorFlowModel

    keras.utils.set_random_seed(1)
    layers = keras.layers
    network = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, name="first"),
            layers.Conv2D(4, 1, name="pointwise"),
            layers.Flatten(),
            layers.Dense(5, name="last"),
        ]
    )
    kernels = {name: network.get_layer(name).get_weights()[0] for name in ("first", "pointwise", "last")}
    states = TensorFlowModel(network, channel_first=False, softmax=False)

    def kernels_of(order: str) -> list[dict[str, np.ndarray]]:
        return [
            {name: state.get_layer(name).get_weights()[0] for name in kernels}
            for _, state in states.get_random_layer_generator(order=order, seed=42)
        ]

    for order in ("top_down", "bottom_up"):
        one = kernels_of(order)[0]  # only one layer is randomised yet, but none has its trained weights
        assert all(not np.isin(one[name], kernels[name]).any() for name in kernels)
    first, pointwise, last = kernels_of("independent")
    np.testing.assert_array_equal(first["first"], kernels["first"][[1, 2, 0]])  # the rows of the kernel, no more
    np.testing.assert_array_equal(pointwise["pointwise"], kernels["pointwise"])  # nothing at all
    assert (last["last"] != kernels["last"]).any()
    np.testing.assert_array_equal(first["last"], kernels["last"])


# What is randomised


def changed_layers(encoder: Any, other: Any) -> set[str]:
    return {
        layer
        for layer in encoder.layers()
        if any(
            (a != b).any() for a, b in zip(encoder.weights(layer).values(), other.weights(layer).values(), strict=True)
        )
    }


@pytest.mark.parametrize("how", ["shuffle", "reinitialise"])
def test_each_order_randomises_what_it_says(how: str) -> None:
    encoder = question().encoder
    names = encoder.layers()
    wanted = {
        "top_down": [set(names[-i:]) for i in range(1, 6)],
        "bottom_up": [set(names[:i]) for i in range(1, 6)],
        "independent": [{name} for name in names],
    }
    assert len(names) == 5
    for order, sets in wanted.items():
        made = list(module._states(encoder, module.names_of(encoder, None, order), order, how, 0))
        assert [name for name, _ in made] == list(names[::-1] if order == "top_down" else names)
        assert [changed_layers(encoder, state) for _, state in made] == sets


def test_the_first_bottom_up_and_independent_maps_are_one() -> None:
    case = question()
    up, alone = (run(randomization(case, FEW, order=order, seed=5)) for order in ("bottom_up", "independent"))
    np.testing.assert_array_equal(up.maps[:2], alone.maps[:2])
    assert (up.maps[2] != alone.maps[2]).any()
    down = run(randomization(case, FEW, order="top_down", seed=5))
    np.testing.assert_array_equal(down.maps[-1], up.maps[-1])  # all layers, the same way
    np.testing.assert_array_equal(down.maps[1], alone.maps[-1])


def test_the_seed_names_the_randomisation() -> None:
    case = question()
    one, same, other = (run(randomization(case, FEW, layers=["0"], seed=seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.maps, same.maps)
    assert (one.maps[1] != other.maps[1]).any()


# The result


def test_maps_similarities_and_shift() -> None:
    from scipy.stats import spearmanr

    case = question()
    result = run(randomization(case, EXPLAINER, order="independent", layers=("0", "9")))
    encoder = case.encoder.randomised(("9",))
    attribution = run(EXPLAINER(pose(case, encoder)))
    base = run(EXPLAINER(case))
    np.testing.assert_array_equal(result.maps[0], base)
    np.testing.assert_array_equal(result.maps[2], attribution)
    assert result.layers == ("0", "9")
    assert result.similarity[0] == result.similarity_absolute[0] == 1
    assert result.similarity[2] == pytest.approx(spearmanr(base.ravel(), attribution.ravel())[0])
    expected = spearmanr(np.abs(base).ravel(), np.abs(attribution).ravel())[0]
    assert result.similarity_absolute[2] == pytest.approx(expected)
    a, b = (e.embed_pixels(case.pixels[None])[0].astype(np.float64) for e in (case.encoder, encoder))
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    np.testing.assert_allclose(result.shift[[0, 2]], [0, (1 - cosine) / 2], atol=1e-6)


def test_the_reference_stays_unless_asked_otherwise() -> None:
    case = question()
    encoder = case.encoder.randomised(("9",))
    assert pose(case, encoder).target is case.target
    moved = pose(case, encoder, "re-embedded")
    assert (moved.target.embedding != case.target.embedding).any()
    kept, again = (run(randomization(case, EXPLAINER, layers=["9"], reference=r)) for r in ("kept", "re-embedded"))
    np.testing.assert_array_equal(again.maps[1], run(EXPLAINER(moved)))
    assert (kept.maps[1] != again.maps[1]).any()


def test_the_price_is_what_is_embedded_and_parts_are_whole() -> None:
    case = question()
    for layers in (None, ("0", "3")):
        steps = list(randomization(case, FEW, layers=layers))
        paid = sum(step for step in steps if isinstance(step, int))
        assert paid == randomization_passes(case, FEW, layers=layers) == (6 if layers is None else 3) * 11
    parts = [step for step in steps if isinstance(step, Randomization)]
    assert [int(np.isfinite(part.similarity).sum()) for part in parts] == [1, 2, 3]
    assert np.isnan(parts[0].maps[1:]).all()
    assert np.isnan(parts[1].shift[2])


def test_a_network_that_breaks_down_is_reported() -> None:
    case = question()
    broken = case.encoder.replaced({"0": {"bias": np.full(8, np.inf, np.float32)}}, "broken")
    states = [("a", broken), ("b", case.encoder)]
    result = run(follow(case, FEW, states, layers=("a", "b"), order="independent", how="shuffle"))
    assert len(result.notices) == 1
    assert "With a randomised" in result.notices[0]
    assert np.isnan(result.maps[1]).all()
    assert np.isnan(result.similarity[1])
    assert result.similarity[2] == pytest.approx(1)


def test_a_map_that_is_constant_is_like_nothing() -> None:
    case = question()
    silent = case.encoder.replaced({"11": {"weight": np.zeros((10, 20), np.float32)}}, "silent")
    result = run(follow(case, FEW, [("a", silent)], layers=("a",), order="independent", how="shuffle"))
    assert not result.maps[1].any()
    assert result.similarity[1] == 0


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"order": "sideways"}, "top_down, bottom_up, independent"),
        ({"how": "bake"}, "shuffle, shuffle_rows, reinitialise"),
        ({"reference": "lost"}, "kept, re-embedded"),
        ({"layers": ()}, "at least one layer"),
        ({"seed": -1}, "seed must be"),
    ],
)
def test_what_cannot_be_used_is_refused_at_once(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        randomization(question(), EXPLAINER, **choices)


def test_an_unknown_layer_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no layer 'attic'"):
        run(randomization(question(), FEW, layers=("0", "attic")))


def test_functions_show_no_layers() -> None:
    case = question(from_function(quarters))
    assert case.encoder.layers() == ()
    for ask in (randomization, randomization_passes):
        with pytest.raises(InvalidInput, match="from_torch"):
            ask(case, FEW)


def test_the_untouched_network_stays_untouched() -> None:
    network = plain_cnn()
    before = copy.deepcopy(network.state_dict())
    run(randomization(question(from_torch(network)), FEW, how="reinitialise"))
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
