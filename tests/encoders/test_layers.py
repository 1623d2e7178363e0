"""Layers: what they are, what randomising makes of them, and that the original never changes."""

from __future__ import annotations

import copy
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import explorer
from explorer.core.errors import InvalidInput
from explorer.encoders.layers import HOW, layer_key
from explorer.encoders.torch_layers import TorchLayers, from_torch, numbered_block

PIXELS = np.random.default_rng(3).uniform(0, 255, (2, 224, 224, 3)).astype(np.float32)


class Tokens(torch.nn.Module):
    """Something of everything: bare parameters, an attention, normalisations, a buffer that is no weight."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = torch.nn.Parameter(torch.randn(8, 4))
        self.token = torch.nn.Parameter(torch.randn(8))
        self.conv = torch.nn.Conv2d(3, 8, 4, stride=4)
        self.norm = torch.nn.BatchNorm2d(8)
        self.attn = torch.nn.MultiheadAttention(8, 2, batch_first=True)
        self.scale = torch.nn.LayerNorm(8)
        self.act = torch.nn.Identity()
        self.register_buffer("seen", torch.zeros(3), persistent=False)
        self.register_buffer("steps", torch.zeros(3, dtype=torch.int64))

    def forward(self, x: Any) -> Any:
        tokens = self.norm(self.conv(x)).flatten(2).transpose(1, 2) + self.token
        return self.scale(self.attn(tokens, tokens, tokens)[0]).mean(1) @ self.proj


@pytest.fixture
def network() -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = Tokens().eval()
        made.norm.running_mean.normal_()
        made.norm.running_var.uniform_(0.5, 2)
        return made


@pytest.fixture
def lite() -> Any:
    return explorer.load_encoder("efficientnet-lite0")


SMALL = np.random.default_rng(1).uniform(-1, 1, (3, 8, 8, 3)).astype(np.float32)


def test_every_number_belongs_to_one_layer(network: Any) -> None:
    layers = TorchLayers(network, first=("conv",), last=("proj",))
    assert layers.names == ("conv", "token", "norm", "attn.in_proj", "attn.out_proj", "scale", "proj")
    count = sum(array.size for name in layers.names for array in layers.arrays(name).values())
    running = network.norm.running_mean.numel() + network.norm.running_var.numel()
    assert count == sum(p.numel() for p in network.parameters()) + running
    assert set(layers.arrays("norm")) == {"weight", "bias", "running_mean", "running_var"}
    assert set(layers.arrays("attn.in_proj")) == {"in_proj_weight", "in_proj_bias"}


def test_quantus_leaves_layers_out(network: Any) -> None:
    """Its list is of modules with reset_parameters: no token, no projection, no attention inputs."""
    reset = {name for name, part in network.named_modules() if hasattr(part, "reset_parameters")}
    assert set(TorchLayers(network).names) - reset == {"token", "proj", "attn.in_proj"}


@pytest.mark.parametrize("how", HOW)
def test_the_original_stays_and_the_copy_embeds_otherwise(network: Any, how: str) -> None:
    before = copy.deepcopy(network.state_dict())
    encoder = from_torch(network)
    rows = encoder.embed_pixels(SMALL)
    changed = encoder.randomised(encoder.layers(), how, seed=1)
    assert np.abs(changed.embed_pixels(SMALL) - rows).max() > 0.01
    np.testing.assert_array_equal(encoder.embed_pixels(SMALL), rows)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert changed.fingerprint.startswith(f"{encoder.fingerprint}+{how}:1:")


def test_arrays_have_the_order_in_which_the_network_holds_them() -> None:
    """They are drawn one after another from one stream, so a seed means nothing where their order varies."""
    part, names = torch.nn.Module(), [*"hzcafebdg"]
    for name in names:
        part.register_buffer(name, torch.zeros(2))
    part.register_parameter("weight", torch.nn.Parameter(torch.zeros(2)))
    layers = TorchLayers(torch.nn.Sequential(part))
    assert list(layers.arrays("0")) == ["weight", *names]


def test_a_network_of_the_same_class_with_other_numbers_is_another() -> None:
    """Probes are taken up, and benchmarks gone on with, where the fingerprint is the same."""
    networks = [torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2)).eval() for _ in range(2)]
    first, other = (from_torch(network).fingerprint for network in networks)
    assert first != other
    networks[1].load_state_dict(networks[0].state_dict())
    assert from_torch(networks[1]).fingerprint == first
    networks[1][1].running_mean += 1
    assert from_torch(networks[1]).fingerprint != first


class Unsaved(torch.nn.Module):
    """Holds numbers that torch does not save."""

    def __init__(self, **held: Any) -> None:
        super().__init__()
        self.register_buffer("scale", torch.full((3,), held.pop("scale", 1.0)), persistent=False)
        for name, value in held.items():
            setattr(self, name, value)
        self.eval()

    def forward(self, x: Any) -> Any:
        return x.mean((2, 3)) * self.scale

    def state_dict(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("not to be saved")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (torch.nn.ReLU(), torch.nn.GELU()),
        (torch.nn.LeakyReLU(0.1), torch.nn.LeakyReLU(0.2)),
        (Unsaved(), Unsaved(scale=2.0)),
        (Unsaved(power=1), Unsaved(power=2)),
        (Unsaved(kept=torch.zeros(2)), Unsaved(kept=torch.ones(2))),
        (Unsaved(kept={"a": [np.zeros(2)]}), Unsaved(kept={"a": [np.ones(2)]})),
        (Unsaved(box=SimpleNamespace(w=torch.zeros(2))), Unsaved(box=SimpleNamespace(w=torch.ones(2)))),
        (Unsaved(act=torch.relu), Unsaved(act=torch.tanh)),
        (Unsaved(act=partial(torch.add, 1)), Unsaved(act=partial(torch.add, 2))),
    ],
)
def test_a_network_that_differs_in_what_it_does_not_save_is_another(one: Any, other: Any) -> None:
    first, second, again = (
        from_torch(torch.nn.Sequential(part, torch.nn.Flatten()).eval()).fingerprint for part in (one, other, one)
    )
    assert first == again
    assert first != second


def test_a_fingerprint_is_the_same_in_every_process() -> None:
    """Also where a network holds sets, functions, hooks and objects."""
    code = (
        "import torch, types, explorer\n"
        "net = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.ReLU(), torch.nn.Flatten()).eval()\n"
        "net[0].weight.data.fill_(1); net[0].bias.data.fill_(1)\n"
        "net.register_forward_hook(lambda *_: None)\n"
        "net.names, net.act, net.box = {'a', 'b', 'c', 'd'}, lambda x: x, types.SimpleNamespace(at=object())\n"
        "print(explorer.from_torch(net).fingerprint)"
    )
    found = {subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout for _ in range(2)}
    assert len(found) == 1


def test_shuffling_keeps_the_numbers_of_each_array(network: Any) -> None:
    encoder = from_torch(network)
    changed = encoder.randomised(encoder.layers())
    for layer in encoder.layers():
        for name, array in encoder.weights(layer).items():
            other = changed.weights(layer)[name]
            np.testing.assert_array_equal(np.sort(other, axis=None), np.sort(array, axis=None))
            assert (other != array).any() or np.ptp(array) == 0


def test_shuffling_rows_is_what_numpy_does_to_keras_arrays(network: Any) -> None:
    encoder = from_torch(network)
    changed = encoder.randomised(encoder.layers(), "shuffle_rows", seed=2)
    kernel, other = (e.weights("conv")["weight"] for e in (encoder, changed))
    places = [[np.array_equal(other[:, :, i], kernel[:, :, j]) for j in range(4)] for i in range(4)]
    assert (np.sum(places, axis=0) == 1).all()  # a permutation of the rows
    assert (np.sum(places, axis=1) == 1).all()
    dense, other = (e.weights("attn.out_proj")["weight"] for e in (encoder, changed))
    assert sorted(map(tuple, dense.T)) == sorted(map(tuple, other.T))  # of the inputs, torch's second axis
    keys = encoder.weights("attn.in_proj")["in_proj_weight"].T
    assert sorted(map(tuple, keys)) == sorted(map(tuple, changed.weights("attn.in_proj")["in_proj_weight"].T))
    rows = encoder.weights("proj")["proj"]  # applied from the right, so its inputs come first
    assert sorted(map(tuple, rows)) == sorted(map(tuple, changed.weights("proj")["proj"]))


def test_a_1_x_1_convolution_has_no_rows_to_shuffle() -> None:
    encoder = from_torch(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1, bias=False), torch.nn.Flatten()).eval())
    changed = encoder.randomised(("0",), "shuffle_rows")
    np.testing.assert_array_equal(changed.weights("0")["weight"], encoder.weights("0")["weight"])


def test_reinitialising_is_what_torch_does() -> None:
    """The same laws, whatever the arrays hold now, and torch's own generator left alone."""
    large = torch.nn.ModuleDict(
        {
            "conv": torch.nn.Conv2d(20, 60, 5),
            "dense": torch.nn.Linear(200, 150),
            "table": torch.nn.Embedding(90, 50),
            "depthwise": torch.nn.Conv2d(200, 200, 3, groups=200),
            "norm": torch.nn.BatchNorm2d(7),
            "scale": torch.nn.LayerNorm(7),
            "groups": torch.nn.GroupNorm(2, 8),
            "attn": torch.nn.MultiheadAttention(60, 2),
        }
    ).eval()
    theirs, layers = copy.deepcopy(large), TorchLayers(large)
    with torch.no_grad():
        for tensor in (*large.parameters(), large["norm"].running_var):
            tensor.fill_(7)
    state = torch.get_rng_state()
    for layer in layers.names:
        fresh, expected = layers.fresh(layer, np.random.default_rng(1)), TorchLayers(theirs).arrays(layer)
        assert fresh.keys() == expected.keys()
        for name, array in expected.items():
            assert fresh[name].dtype == np.float32
            if np.ptp(array) == 0:
                np.testing.assert_array_equal(fresh[name], array)
            elif array.size > 1000:
                assert (fresh[name] != array).mean() > 0.99
                assert fresh[name].std() == pytest.approx(array.std(), rel=0.05)
                if layer != "table":  # uniform laws have bounds
                    assert fresh[name].max() == pytest.approx(array.max(), rel=0.02)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_bare_parameter_keeps_its_mean_and_deviation() -> None:
    class Bare(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.places = torch.nn.Parameter(torch.linspace(1, 3, 4000).reshape(40, 100))

    fresh = TorchLayers(Bare()).fresh("places", np.random.default_rng(1))["places"]
    assert fresh.shape == (40, 100)
    assert fresh.mean() == pytest.approx(2, abs=0.05)
    assert fresh.std() == pytest.approx(2 / np.sqrt(12), rel=0.05)


class Own(torch.nn.Module):
    """Layers of one's own, each with a start of its own, trained since."""

    class Scale(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gamma = torch.nn.Parameter(torch.linspace(-1, 1, 3))
            self.register_buffer("seen", torch.linspace(4, 6, 3000))  # which nothing resets

        def reset_parameters(self) -> None:
            torch.nn.init.constant_(self.gamma, 1e-5)

    class Bias(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = torch.nn.Parameter(torch.full((50, 80), 9.0))
            self.drawn = torch.nn.Parameter(torch.full((50, 80), 9.0))

        def reset_parameters(self) -> None:
            torch.nn.init.trunc_normal_(self.table, std=0.02)
            self.drawn.data = 3 + torch.randn(50, 80)

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.bias = self.Scale(), self.Bias()
        self.act, self.bilinear = torch.nn.PReLU(3), torch.nn.Bilinear(9, 9, 40)
        torch.nn.init.normal_(self.act.weight)
        torch.nn.init.constant_(self.bilinear.weight, 7)

    def forward(self, planes: Any) -> Any:
        return planes.mean((2, 3)) * self.scale.gamma


def test_layers_of_ones_own_start_as_they_say() -> None:
    """Constants get their constants, the rest the law of its ``reset_parameters``, with random numbers of ours."""
    network = Own().eval()
    before = copy.deepcopy(network.state_dict())
    encoder, state = from_torch(network), torch.get_rng_state()
    changed = encoder.randomised(encoder.layers(), "reinitialise", seed=3)
    np.testing.assert_array_equal(changed.weights("scale")["gamma"], np.full(3, 1e-5, np.float32))
    seen = changed.weights("scale")["seen"]
    assert seen.mean() == pytest.approx(5, abs=0.05)
    assert not np.array_equal(seen, encoder.weights("scale")["seen"])
    np.testing.assert_array_equal(changed.weights("act")["weight"], np.full(3, 0.25, np.float32))
    table, drawn = (changed.weights("bias")[name] for name in ("table", "drawn"))
    assert table.std() == pytest.approx(0.02, rel=0.05)
    assert (drawn.mean(), drawn.std()) == pytest.approx((3, 1), abs=0.05)
    dense = changed.weights("bilinear")["weight"]
    assert np.abs(dense).max() == pytest.approx(1 / 3, rel=0.02)
    again = encoder.randomised(encoder.layers(), "reinitialise", seed=3)
    other = encoder.randomised(encoder.layers(), "reinitialise", seed=4)
    for name in ("table", "drawn"):
        np.testing.assert_array_equal(again.weights("bias")[name], changed.weights("bias")[name])
        assert not np.array_equal(other.weights("bias")[name], changed.weights("bias")[name])
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(array, before[name]) for name, array in network.state_dict().items())


def test_timms_own_layers_start_anew() -> None:
    layers = pytest.importorskip("timm.layers")
    network = torch.nn.Sequential(layers.LayerScale(24, 1e-3), layers.RelPosBias((8, 8), 30)).eval()
    with torch.no_grad():
        for array in network.parameters():
            array.normal_()
    changed = from_torch(network).randomised(("0", "1"), "reinitialise")
    np.testing.assert_array_equal(changed.weights("0")["gamma"], np.full(24, 1e-3, np.float32))
    table = changed.weights("1")["relative_position_bias_table"]
    assert table.std() == pytest.approx(0.02, rel=0.05)


def test_a_layer_that_cannot_be_started_anew_is_refused() -> None:
    class Broken(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(3))

        def reset_parameters(self, how: str) -> None:
            raise AssertionError("nobody says how")

    encoder = from_torch(torch.nn.Sequential(torch.nn.Flatten(), Broken()).eval())
    with pytest.raises(InvalidInput, match=r"kind Broken cannot be started anew .* \(TypeError\); shuffle it"):
        encoder.randomised(("1",), "reinitialise")
    assert encoder.randomised(("1",)).layers() == ("1",)


def test_a_layer_is_randomised_in_the_same_way_whatever_others_are(network: Any) -> None:
    encoder = from_torch(network)
    for how in HOW:
        alone = encoder.randomised(("scale",), how, seed=4).weights("scale")
        among = encoder.randomised(encoder.layers(), how, seed=4).weights("scale")
        assert all((alone[name] == among[name]).all() for name in alone)
    assert layer_key("a", 1) != layer_key("a", 2) != layer_key("b", 1)


def test_what_cannot_be_used_is_refused(network: Any) -> None:
    for make in (from_torch, explorer.from_function):
        with pytest.raises(InvalidInput, match="at least 1"):
            make(network, batch_size=0)
    encoder = from_torch(network)
    with pytest.raises(InvalidInput, match="no layer 'cellar'"):
        encoder.randomised(("cellar",))
    with pytest.raises(InvalidInput, match="no layer 'cellar'"):
        encoder.weights("cellar")
    with pytest.raises(InvalidInput, match="choose one of: shuffle"):
        encoder.randomised(("conv",), "bake")
    with pytest.raises(InvalidInput, match=r"shape \(3,\)"):
        encoder.replaced({"conv": {"bias": np.zeros(3)}}, "x")
    with pytest.raises(InvalidInput, match="training mode"):
        from_torch(Tokens())
    function = explorer.from_function(lambda batch: batch[:, 0, 0])
    assert function.layers() == ()
    assert function.blocks() == {}
    for ask in (lambda: function.randomised(()), lambda: function.weights("a"), lambda: function.replaced({}, "")):
        with pytest.raises(InvalidInput, match="from_torch"):
            ask()


@pytest.mark.parametrize(
    "ask",
    [
        lambda encoder: encoder.randomised(None),
        lambda encoder: encoder.randomised(3),
        lambda encoder: encoder.randomised([["conv"]]),
        lambda encoder: encoder.randomised(("conv",), None),
        lambda encoder: encoder.randomised(("conv",), ["shuffle"]),
        lambda encoder: encoder.randomised(("conv",), seed="a"),
        lambda encoder: encoder.randomised(("conv",), seed=None),
        lambda encoder: encoder.weights(None),
        lambda encoder: encoder.weights(["conv"]),
        lambda encoder: encoder.replaced(None, ""),
        lambda encoder: encoder.replaced({"conv": 3}, ""),
        lambda encoder: encoder.replaced({3: {}}, ""),
    ],
)
def test_arguments_of_another_kind_are_refused(network: Any, ask: Any) -> None:
    with pytest.raises(InvalidInput, match=r"must be|choose one of"):
        ask(from_torch(network))


def test_numbered_blocks() -> None:
    names = ("conv1", "layer1.0.conv1", "layer1.1.conv1", "stages.0.blocks.1.norm", "pool.q_proj")
    blocks = [numbered_block(name, names) for name in names]
    assert blocks == ["stem", "layer1.0", "layer1.1", "stages.0", "head"]
    assert numbered_block("fc", ("fc",)) == "stem"


# EfficientNet-Lite0 and ConSE


def plainly(encoder: Any) -> np.ndarray:
    """What torch makes of a randomised encoder's network."""
    with torch.inference_mode():
        return encoder._layers().module(torch.from_numpy(PIXELS)).numpy()


@pytest.mark.parametrize(
    ("names", "how"),
    [(("classifier",), "shuffle"), (("stem", "blocks.3.1"), "shuffle"), (("blocks.2.0", "head"), "reinitialise")],
)
def test_copies_of_lite_are_those_of_torch(lite: Any, own_cache: Path, names: tuple[str, ...], how: str) -> None:
    before = lite.embed_pixels(PIXELS)
    changed = lite.randomised(names, how, seed=2)
    rows = changed.embed_pixels(PIXELS)
    np.testing.assert_allclose(rows, plainly(changed), atol=2e-5)
    assert np.abs(rows - before).max() > 1e-3
    np.testing.assert_array_equal(lite.embed_pixels(PIXELS), before)
    assert not list(own_cache.rglob("*"))  # no randomised network is kept


def test_blocks_of_lite(lite: Any) -> None:
    blocks = lite.blocks()
    assert len(lite.layers()) == 99
    assert list(blocks)[:3] == ["stem", "blocks.0.0", "blocks.1.0"]
    assert list(blocks)[-3:] == ["blocks.6.0", "head", "classifier"]
    assert len(blocks) == 19
    assert [layer for inner in blocks.values() for layer in inner] == list(lite.layers())
    names = set(lite.randomised(("stem",))._layers().names)
    assert names == set(lite.layers())


def test_a_copy_of_a_copy(lite: Any) -> None:
    twice = lite.randomised(("stem",), seed=1).randomised(("classifier",), seed=1)
    np.testing.assert_allclose(
        twice.embed_pixels(PIXELS), lite.randomised(("stem", "classifier"), seed=1).embed_pixels(PIXELS), atol=1e-6
    )


def test_conse_shows_the_layers_of_its_classifier(lite: Any) -> None:
    conse = explorer.load_encoder("conse-lite0")
    assert conse.layers() == lite.layers()
    assert conse.blocks() == lite.blocks()
    changed = conse.randomised(("classifier",), seed=2)
    expected = lite.randomised(("classifier",), seed=2).embed_pixels(PIXELS) @ conse._classes
    np.testing.assert_allclose(changed.embed_pixels(PIXELS), expected, atol=1e-6)
    np.testing.assert_array_equal(changed.embed_texts(["a bee"]), conse.embed_texts(["a bee"]))
    assert changed.fingerprint != conse.fingerprint
    assert changed._lock is conse._lock  # they share the sentence model, which only one may use at a time
