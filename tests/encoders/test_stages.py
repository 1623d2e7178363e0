"""Which modules end a network's stages: maps that all of the embedding comes through, with a read-out behind them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import explorer
from explorer.attributions.method import METHODS
from explorer.core.errors import InvalidInput
from explorer.encoders.torch_layers import from_torch

SIDE = 64
SCENE = np.random.default_rng(4).normal(size=(SIDE, SIDE, 3)).astype(np.float32)


def conv(into: int, out: int, stride: int = 1) -> Any:
    return torch.nn.Sequential(torch.nn.Conv2d(into, out, 3, stride, 1), torch.nn.ReLU())


class Net(torch.nn.Module):
    """A stem, two stages, and what a test makes of them."""

    def __init__(self, then: Callable[[Any, Any], Any], inner: Any = None) -> None:
        super().__init__()
        self.stem, self.one, self.two = conv(3, 8, 4), conv(8, 16, 2), conv(16, 16, 2)
        self.inner, self.then = inner or torch.nn.Identity(), then

    def forward(self, planes: Any) -> Any:
        return self.then(self, self.stem(planes))


def plain(net: Any, x: Any) -> Any:
    return net.two(net.one(x)).mean((2, 3))


def by_shortcut(net: Any, x: Any) -> Any:
    """What ``two`` returns is added to something of the same picture."""
    x = net.one(x)
    return (net.two(x) + torch.nn.functional.avg_pool2d(x, 2)).mean((2, 3))


def two_branches(net: Any, x: Any) -> Any:
    x = net.one(x)
    return torch.cat([net.two(x).mean((2, 3)), x.amax((2, 3))], 1)


def every_stage_answers(net: Any, x: Any) -> Any:
    one = net.one(x)
    return one.mean((2, 3)) + net.two(one).mean((2, 3)) + net.inner(x.mean((2, 3)))


def tokens_of(x: Any) -> Any:
    return x.flatten(2).transpose(1, 2)


def then_tokens(net: Any, x: Any) -> Any:
    return net.inner(tokens_of(net.one(x))).mean(1)


def then_tokens_by_hand(net: Any, x: Any) -> Any:
    """No module returns what a block does; their sum is only seen in the graph."""
    x = tokens_of(net.one(x))
    for _ in range(2):
        x = x + (x @ x.transpose(1, 2)).softmax(2) @ x
    return x.mean(1)


def then_channels_last(net: Any, x: Any) -> Any:
    x = net.one(x).permute(0, 2, 3, 1)
    return (x + net.inner(x.flatten(1, 2))[0].unflatten(1, x.shape[1:3])).mean((1, 2))


def read_by_attention(net: Any, x: Any) -> Any:
    """As CLIP's ResNets: one more token looks at all cells, and what becomes of those is not read."""
    x = tokens_of(net.two(net.one(x)))
    keys, values = net.inner(torch.cat([x.mean(1, keepdim=True), x], 1)).chunk(2, 2)
    return ((keys @ keys.transpose(1, 2)).softmax(2) @ values)[:, 0]


def read_in_parts(net: Any, x: Any) -> Any:
    return net.inner(net.two(net.one(x))).flatten(1)


class Mixing(torch.nn.Module):
    """A block of an attention of its own."""

    def forward(self, x: Any) -> Any:
        return x + (x @ x.transpose(1, 2)).softmax(2) @ x


def last(*outputs: str) -> tuple[str, ...]:
    return tuple(f"network.{path}" for path in outputs)


NETS = {
    "plain": (Net(plain), last("two", "one", "stem")),
    "a shortcut": (Net(by_shortcut), ()),
    "two branches": (Net(two_branches), ()),
    "a reading of every stage": (Net(every_stage_answers, torch.nn.Linear(8, 16)), ()),
    "tokens": (Net(then_tokens, torch.nn.Sequential(Mixing(), Mixing())), ()),
    "tokens by hand": (Net(then_tokens_by_hand), ()),
    "channels last": (Net(then_channels_last, torch.nn.LSTM(16, 16, batch_first=True)), ()),
    "read by attention": (Net(read_by_attention, torch.nn.Linear(16, 32)), last("two", "one", "stem")),
    "read in parts": (Net(read_in_parts, torch.nn.AdaptiveAvgPool2d(2)), last("two", "one", "stem")),
    "read beyond its size": (Net(read_in_parts, torch.nn.AdaptiveAvgPool2d(7)), last("two", "one", "stem")),
}


@pytest.mark.parametrize("name", NETS)
def test_stages(name: str) -> None:
    network, expected = NETS[name]
    assert from_torch(network.eval()).differentiable(SCENE).stages == expected


FOUR = (1, 1, 1, 1)
SMALL = {
    "levit_128s": {"depth": FOUR[:3], "embed_dim": (16, 16, 16), "num_heads": FOUR[:3], "key_dim": 8},
    "coat_lite_tiny": {"embed_dims": (8, 8, 8, 8), "serial_depths": FOUR, "num_heads": 8},
    "coat_tiny": {"embed_dims": (8, 8, 8, 8), "serial_depths": FOUR, "num_heads": 8, "parallel_depth": 1},
    "crossvit_9_240": {"embed_dim": (8, 8), "num_heads": (1, 1), "depth": ((1, 1, 0),) * 2, "mlp_ratio": FOUR[:3]},
    "crossvit_9_dagger_240": {"embed_dim": (8, 8), "num_heads": (1, 1), "depth": ((1, 1, 0),), "mlp_ratio": FOUR[:3]},
    "sequencer2d_s": {"layers": FOUR, "embed_dims": (8, 8, 8, 8), "hidden_sizes": (4, 4, 4, 4)},
    "xcit_nano_12_p16_224": {"embed_dim": 16, "depth": 2, "num_heads": 2},
    "mambaout_femto": {"dims": (8, 8, 8, 8), "depths": FOUR},
    "efficientvim_m1": {"embed_dim": (8, 8, 8), "depths": FOUR[:3]},
    "convnext_atto": {"dims": (8, 8, 8, 8), "depths": FOUR},
    "repvgg_a0": {},
    "mobilenetv3_small_050": {},
}
CONVOLUTIONS = {
    "convnext_atto": ("norm_pre", "stages.2", "stages.1"),
    "repvgg_a0": ("final_conv", "stages.2", "stages.1"),
    "mobilenetv3_small_050": ("blocks", "blocks.3", "blocks.1"),
}
"""The others end in tokens, or in maps whose channels come last; or everything is read in several places."""


@pytest.mark.parametrize("name", SMALL)
def test_stages_of_timms_families(name: str) -> None:
    """Each of the others had a stem, a shortcut or a down-sampling for its last stage."""
    timm = pytest.importorskip("timm")
    size = {"img_size": SIDE} if name.startswith(("levit", "coat", "sequencer", "xcit")) else {}
    network = timm.create_model(name, pretrained=False, num_classes=3, **size, **SMALL[name]).eval()
    encoder = from_torch(network)
    assert encoder.differentiable(SCENE).stages == last(*CONVOLUTIONS.get(name, ()))
    if name == "levit_128s":
        for method in (key for key, kind in METHODS.items() if kind.needs == ("layers",) and key != "full-grad"):
            with pytest.raises(InvalidInput, match="shows no map of its last stage") as caught:
                explorer.explain(SCENE, embedding=np.ones(3), encoder=encoder, method=method)
            assert caught.value.code == "no_stages"


def test_stages_of_mvit() -> None:
    """Its blocks return the size of the map besides; those with a class token end in it alone."""
    mvitv2 = pytest.importorskip("timm.models.mvitv2")
    for settings in ({"use_cls_token": False}, {"use_cls_token": True}):
        shape = mvitv2.MultiScaleVitCfg(depths=FOUR, embed_dim=8, **settings)
        network = mvitv2.MultiScaleVit(shape, img_size=SIDE, num_classes=3).eval()
        assert from_torch(network).differentiable(SCENE).stages == ()


def test_a_named_stage_must_be_a_map() -> None:
    encoder = from_torch(Net(then_tokens, Mixing()).eval(), stages=("inner",))
    with pytest.raises(InvalidInput, match=r"gives \(1, 64, 16\), which is no map \(1, channels, rows, columns\)"):
        encoder.differentiable(SCENE)


def test_a_named_map_must_have_its_channels_in_front() -> None:
    class Last(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return x.permute(0, 2, 3, 1)

    network = Net(lambda net, x: net.inner(net.one(x)).mean((1, 2)), Last()).eval()
    with pytest.raises(InvalidInput, match=r"gives \(1, 8, 8, 16\), which is no map"):
        from_torch(network, stages=("inner",)).differentiable(SCENE)
    assert from_torch(network, stages=("one",)).differentiable(SCENE).stages == ("network.one",)
