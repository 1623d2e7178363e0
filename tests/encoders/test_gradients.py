"""Private copies of networks, and what can be seen in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import explorer
from explorer.core.errors import InvalidInput, UnusableEmbedding
from explorer.encoders.attention import AttentionTaps, find_attention, plain_attention
from explorer.encoders.gradients import Differentiable, Tap, as_tensor, look_into, private_copy
from explorer.encoders.torch_layers import from_torch
from tests.attributions.networks import picture, tiny_cnn
from tests.attributions.vits import BLOCKS, HEADS, NUMBERS, PATCH, SIDE, VITS, vit

STAGES = {
    "resnet18": ("layer4", "layer3", "layer2"),
    "densenet121": ("features", "features.denseblock3", "features.denseblock2"),  # features ends in norm5
    "convnext_tiny": ("features", "features.5", "features.3"),  # and here in 7
    "vgg11": ("features.20", "features.15", "features.10"),  # the last three poolings
}
SCENE = np.kron(np.random.default_rng(4).uniform(-1, 1, (8, 8, 3)), np.ones((12, 12, 1))).astype(np.float32)


def rows_of(module: Any, pixels: np.ndarray) -> torch.Tensor:
    with torch.no_grad():
        return module(as_tensor(module, pixels))


# Stages


@pytest.mark.parametrize("name", STAGES)
def test_stages_of_torchvisions_networks(name: str) -> None:
    models = pytest.importorskip("torchvision").models
    network = getattr(models, name)(weights=None).eval()
    looked = from_torch(network).differentiable(SCENE)
    assert looked.stages == tuple(f"network.{path}" for path in STAGES[name])
    assert looked.attentions == ()
    if name == "densenet121":
        check_in_place_layers(looked, network)


def check_in_place_layers(looked: Differentiable, network: Any) -> None:
    """DenseNet overwrites its last map, and others within its blocks; neither reaches what was recorded."""
    pixels = as_tensor(looked.module, SCENE[None])
    with Tap(looked, looked.stages[0]).recording(leaf=True) as tap:
        rows = looked.module(pixels)
    with torch.no_grad():
        torch.testing.assert_close(rows, network(pixels.permute(0, 3, 1, 2)))
        torch.testing.assert_close(tap.output, network.features(pixels.permute(0, 3, 1, 2)))
    assert (tap.output < 0).any()
    assert torch.autograd.grad(rows.square().sum(), tap.output)[0].abs().sum() > 0
    with Tap(looked, looked.stages[0]).replacing(tap.output.detach()), torch.no_grad():
        torch.testing.assert_close(looked.module(pixels), rows)


def test_stages_of_lite() -> None:
    looked = explorer.load_encoder("efficientnet-lite0").differentiable(SCENE * 100 + 100)
    assert looked.stages == tuple(f"network.{path}" for path in ("bn2", "blocks.4", "blocks.2"))


def test_stages_of_open_clips_resnet() -> None:
    from open_clip.modified_resnet import ModifiedResNet

    network = ModifiedResNet(layers=(1, 1, 1, 1), output_dim=8, heads=2, image_size=64, width=8).eval()
    encoder = from_torch(network)
    assert encoder.gives() == ("gradients", "layers")
    looked = encoder.differentiable(SCENE[:64, :64])
    assert looked.stages == ("network.layer4", "network.layer3", "network.layer2")


def test_maps_in_another_order_are_no_stages() -> None:
    """Swin's maps have their channels last, and its attention sees windows only."""
    models = pytest.importorskip("torchvision").models
    settings = {"patch_size": [4, 4], "embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], "window_size": [4, 4]}
    network = models.swin_transformer.SwinTransformer(**settings, num_classes=3).eval()
    looked = from_torch(network).differentiable(SCENE[:64, :64])
    assert from_torch(network).gives() == ("gradients",)
    assert (looked.stages, looked.attentions) == ((), ())


def test_stages_can_be_named() -> None:
    encoder = from_torch(tiny_cnn(), stages=("1.0", "0"))
    assert encoder.differentiable(picture(1)).stages == ("network.1.0", "network.0")
    assert encoder.randomised(("5",)).differentiable(picture(1)).stages == ("network.1.0", "network.0")
    with pytest.raises(InvalidInput, match=r"no module 'cellar'"):
        from_torch(tiny_cnn(), stages=("cellar",)).differentiable(picture(1))
    named = from_torch(vit(), stages=("patch_embed.proj",))
    assert named.gives() == ("gradients", "layers")
    assert named.differentiable(picture(1)).attentions == ()


class Pooled(torch.nn.Module):
    """As in torch's first lesson: one pooling, used after every convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.Conv2d(4, 4, 3, padding=1)
        self.pool, self.head = torch.nn.MaxPool2d(2), torch.nn.Linear(256, 5)

    def forward(self, planes: Any) -> Any:
        return self.head(self.pool(self.second(self.pool(self.first(planes)).relu()).relu()).flatten(1))


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        (3, "stages must be a list of paths of modules, .* got an int"),
        ("5", "stages must be a list of paths"),
        ([3], "stages must be a list of paths of modules, .* got a list that holds others"),
        ({"5": 1}, "stages must be a list of paths"),
        (["cellar"], "has no module 'cellar'"),
    ],
)
def test_stages_that_name_no_modules_are_refused_at_once(stages: Any, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        explorer.from_torch(tiny_cnn(), stages=stages)


def test_a_named_stage_that_is_no_map_is_refused() -> None:
    encoder = explorer.from_torch(tiny_cnn(), stages=["5"])
    with pytest.raises(InvalidInput, match="which is no map"):
        explorer.explain(picture(1), reference=picture(2), encoder=encoder, method="grad-cam")


def test_a_module_that_is_used_twice_ends_no_stage() -> None:
    encoder = from_torch(Pooled().eval())
    looked = encoder.differentiable(picture(1))
    assert looked.stages == ("network.second", "network.first")
    pixels = as_tensor(looked.module, picture(1)[None])
    for path in looked.stages:
        with Tap(looked, path).recording() as tap, torch.no_grad():
            rows = looked.module(pixels)
        with Tap(looked, path).replacing(tap.output), torch.no_grad():
            torch.testing.assert_close(looked.module(pixels), rows)
    with pytest.raises(InvalidInput, match=r"'network\.pool' gives 2 outputs .* name as a stage one that gives 1"):
        from_torch(Pooled().eval(), stages=("pool",)).differentiable(picture(1))


def test_neither_places_nor_attention_make_a_stage() -> None:
    """XCiT encodes the places of its patches in a map, and its attention between channels is a square.

    Its stem's map is none of its last stage, which is one of tokens.
    """
    from timm.models.xcit import Xcit

    network = Xcit(img_size=64, patch_size=8, num_classes=3, embed_dim=16, depth=2, num_heads=4).eval()
    assert from_torch(network).gives() == ("gradients", "layers")
    assert from_torch(network).differentiable(SCENE[:64, :64]).stages == ()


def test_a_network_that_lets_no_gradients_through() -> None:
    class Cut(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = tiny_cnn()

        @torch.no_grad()
        def forward(self, planes: Any) -> Any:
            return self.network(planes)

    with pytest.raises(InvalidInput, match=r"cuts its embedding off .* choose a method") as info:
        from_torch(Cut().eval()).differentiable(picture(1))
    assert info.value.code == "no_gradients"


def test_a_network_may_write_in_what_it_is_shown() -> None:
    class Writing(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = tiny_cnn()

        def forward(self, planes: Any) -> Any:
            return self.network(planes.sub_(0.5).mul_(2))

    class Plain(Writing):
        def forward(self, planes: Any) -> Any:
            return self.network((planes - 0.5) * 2)

    pixels = picture(1)[None].copy()
    rows = from_torch(Writing().eval()).embed_images(pixels)
    np.testing.assert_array_equal(pixels, picture(1)[None])
    np.testing.assert_array_equal(rows, from_torch(Plain().eval()).embed_images(pixels))
    slopes = []
    for network in (Writing(), Plain()):
        looked = from_torch(network.eval()).differentiable(picture(1))
        leaf = as_tensor(looked.module, pixels).requires_grad_()
        slopes.append(torch.autograd.grad(looked.module(leaf).square().sum(), leaf)[0])
        np.testing.assert_array_equal(leaf.detach().numpy(), pixels)
    torch.testing.assert_close(*slopes)


def test_a_network_that_returns_more_than_a_tensor() -> None:
    class Two(torch.nn.Module):
        def forward(self, planes: Any) -> Any:
            return planes.mean((2, 3)), planes

    with pytest.raises(UnusableEmbedding, match=r"returned a tuple; wrap it .* returns a tensor \(b, d\)"):
        from_torch(Two().eval()).embed_images(picture(1)[None])


def test_a_network_without_numbers() -> None:
    encoder = from_torch(torch.nn.Sequential(torch.nn.AvgPool2d(16), torch.nn.Flatten()).eval())
    rows = encoder.embed_images(picture(1)[None])
    assert rows.shape == (1, 12)
    looked = encoder.differentiable(picture(1))
    torch.testing.assert_close(looked.module(as_tensor(looked.module, picture(1)[None])), torch.from_numpy(rows))


def test_a_network_without_maps() -> None:
    encoder = from_torch(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 2)).eval())
    assert encoder.gives() == ("gradients",)
    assert encoder.differentiable(SCENE[:2, :2]).stages == ()


# The private copy


def state(module: Any) -> list[Any]:
    parts = list(module.modules())
    hooks = [len(part._forward_hooks) + len(part._forward_pre_hooks) + len(part._backward_hooks) for part in parts]
    return [parts, hooks, [array.requires_grad for array in module.parameters()], [part.training for part in parts]]


@pytest.mark.parametrize("name", ["cnn", "timm", "torchvision", "torch", "transformers"])
def test_the_users_network_stays_as_it_is(name: str) -> None:
    network = tiny_cnn() if name == "cnn" else vit(name)
    list(network.modules())[-1].train()  # where the user wants one layer to be in training mode, it stays so
    encoder = from_torch(network)
    before, rows = state(network), encoder.embed_pixels(picture(1)[None])
    looked = encoder.differentiable(picture(1))
    path = looked.attentions[0] if looked.attentions else looked.stages[0]
    with Tap(looked, path).recording(leaf=True):
        looked.module(as_tensor(looked.module, picture(1)[None]))
        np.testing.assert_array_equal(encoder.embed_pixels(picture(1)[None]), rows)
    assert state(network) == before
    assert all(array.grad is None for array in network.parameters())
    np.testing.assert_array_equal(encoder.embed_pixels(picture(1)[None]), rows)


def test_a_copy_shares_all_parameters_and_is_frozen() -> None:
    network = tiny_cnn(normalised=True)
    twin = private_copy(network)
    for mine, theirs in zip(twin.parameters(), network.parameters(), strict=True):
        assert mine.data_ptr() == theirs.data_ptr()
    for mine, theirs in zip(twin.buffers(), network.buffers(), strict=True):  # which it may count on in
        assert mine.data_ptr() != theirs.data_ptr()
        assert torch.equal(mine, theirs)
    assert not any(array.requires_grad for array in twin.parameters())
    assert not {id(part) for part in twin.modules()} & {id(part) for part in network.modules()}


def test_only_a_copy_that_is_looked_into_overwrites_none_of_its_outputs() -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(inplace=True), torch.nn.Flatten()).eval()
    assert network[1].inplace
    assert private_copy(network)[1].inplace
    assert not from_torch(network).differentiable(picture(1)).module.network[1].inplace
    assert network[1].inplace


# Attention (parity check 6)


@pytest.fixture(params=VITS)
def looked(request: pytest.FixtureRequest) -> Differentiable:
    """A transformer in float64, from pixels; what it was made of is ``plain``."""
    network = vit(request.param)
    wide = 2 * SIDE if "oblong" in request.param else SIDE
    assert from_torch(network).gives() == ("gradients", "attention")
    found = from_torch(network).differentiable(SCENE[:SIDE, :wide])
    found.module.double()
    found.module.name, found.module.wide = request.param, wide
    return found


def pixels_of(looked: Differentiable) -> torch.Tensor:
    return torch.from_numpy(SCENE[None, :SIDE, : looked.module.wide]).double()


def test_what_a_transformer_shows(looked: Differentiable) -> None:
    columns = looked.module.wide // PATCH
    assert looked.grid == (SIDE // PATCH, columns)
    assert looked.prefix == {"timm, mean": 0, "timm, layer scale and registers": 3}.get(looked.module.name, 1)
    unread = [0.0] * looked.prefix
    assert looked.reads == ((*unread, 1.0) if "mean" in looked.module.name else (1.0, *unread))
    assert looked.stages == ()
    assert len(looked.attentions) == BLOCKS


def test_tapped_is_untapped_and_what_was_recorded_can_be_put_back(looked: Differentiable) -> None:
    pixels = pixels_of(looked)
    plain = vit(looked.module.name).double()
    taps = AttentionTaps(looked.module, looked.attentions)
    with torch.no_grad():
        rows = plain(pixels.permute(0, 3, 1, 2))
        torch.testing.assert_close(looked.module(pixels), rows, rtol=1e-6, atol=1e-9)
        with taps.recording():
            torch.testing.assert_close(looked.module(pixels), rows, rtol=1e-6, atol=1e-9)
        tokens = looked.prefix + looked.grid[0] * looked.grid[1]
        recorded = list(taps.used)
        for attention in recorded:
            assert attention.shape == (1, HEADS, tokens, tokens)
            torch.testing.assert_close(attention.sum(-1), torch.ones_like(attention[..., 0]))
            assert attention.std() > 1e-3
        for block in range(BLOCKS):
            with taps.recording(block, recorded[block]):
                torch.testing.assert_close(looked.module(pixels), rows, rtol=1e-6, atol=1e-9)
            with taps.recording(block, recorded[block] / 2):
                assert (looked.module(pixels) - rows).abs().max() > 1e-4
            torch.testing.assert_close(taps.used[block], recorded[block] / 2)
    assert not any(part._forward_hooks for part in looked.module.modules())


def test_slopes_are_those_of_finite_differences(looked: Differentiable) -> None:
    pixels = pixels_of(looked)
    taps = AttentionTaps(looked.module, looked.attentions)
    weights = torch.linspace(-1, 2, NUMBERS, dtype=torch.float64)
    with taps.recording():
        slopes = taps.slopes((looked.module(pixels) @ weights).sum())
    recorded, random = list(taps.used), np.random.default_rng(6)
    for block, slope in enumerate(slopes):
        strongest = slope.abs().flatten().argsort(descending=True)[:40]
        for entry in random.choice(strongest.numpy(), 2, replace=False):
            scores = []
            for step in (1e-5, -1e-5):
                changed = recorded[block].clone()
                changed.view(-1)[entry] += step
                with torch.no_grad(), taps.recording(block, changed):
                    scores.append(float((looked.module(pixels) @ weights).sum()))
            assert float(slope.flatten()[entry]) == pytest.approx((scores[0] - scores[1]) / 2e-5, rel=1e-3)


def test_attention_between_channels_is_none_between_patches() -> None:
    """Its square is of channels, of which there may be more than patches."""
    from timm.models.xcit import XCA

    class Channels(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches, self.head = torch.nn.Conv2d(3, 48, PATCH, PATCH), torch.nn.Linear(48, NUMBERS)
            self.blocks = torch.nn.ModuleList(XCA(48, num_heads=1) for _ in range(BLOCKS))

        def forward(self, planes: Any) -> Any:
            tokens = self.patches(planes).flatten(2).transpose(1, 2)
            for block in self.blocks:
                tokens = tokens + block(tokens)
            return self.head(tokens.mean(1))

    network = Channels().eval()
    assert find_attention(network) == tuple(f"blocks.{i}" for i in range(BLOCKS))
    assert from_torch(network).differentiable(SCENE[:SIDE, :SIDE]).attentions == ()


def test_a_batch_is_replaced_row_by_row() -> None:
    looked = look_into(from_torch(vit()).differentiable(picture(1)).module, picture(1))
    taps = AttentionTaps(looked.module, looked.attentions)
    pixels = as_tensor(looked.module, picture(1)[None])
    with torch.no_grad(), taps.recording():
        looked.module(pixels)
    shares = torch.stack([taps.used[1][0] * share for share in (0.0, 0.5, 1.0)])
    with torch.no_grad(), taps.recording(1, shares):
        together = looked.module(pixels.expand(3, -1, -1, -1))
    for row, share in zip(together, shares, strict=True):
        with torch.no_grad(), taps.recording(1, share[None]):
            torch.testing.assert_close(looked.module(pixels)[0], row)


def test_attention_that_is_no_self_attention_is_not_looked_into() -> None:
    assert find_attention(torch.nn.MultiheadAttention(4, 2)) == ("",)
    for settings in ({"kdim": 3}, {"add_bias_kv": True}, {"add_zero_attn": True}):
        assert find_attention(torch.nn.MultiheadAttention(4, 2, **settings)) == ()
    tokens = torch.randn(1, 3, 4, generator=torch.Generator().manual_seed(1))
    plain = plain_attention(torch.nn.MultiheadAttention(4, 2, batch_first=True))
    with pytest.raises(InvalidInput, match="skips tokens"):
        plain(tokens, tokens, tokens, torch.zeros(1, 3, dtype=torch.bool))


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("mask", ["none", "bool", "float"])
def test_plain_attention_is_torchs(batch_first: bool, bias: bool, mask: str) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        attention = torch.nn.MultiheadAttention(6, 3, bias=bias, batch_first=batch_first).eval()
        tokens = torch.randn(4, 4, 6)
    masks = {
        "none": None,
        "bool": torch.ones(4, 4, dtype=torch.bool).triu(1),
        "float": torch.linspace(-2, 2, 16).view(4, 4),
    }
    with torch.no_grad():
        expected = attention(tokens, tokens, tokens, need_weights=False, attn_mask=masks[mask])[0]
        answer = plain_attention(attention)(tokens, tokens, tokens, need_weights=False, attn_mask=masks[mask])[0]
        in_order = plain_attention(attention)(tokens, tokens, tokens, None, False, masks[mask])[0]
    torch.testing.assert_close(answer, expected)
    torch.testing.assert_close(in_order, expected)


def test_tokens_that_only_the_first_looks_at_show_no_attention() -> None:
    """CaiT's last blocks, which alone are one stack of blocks."""
    from timm.models.cait import Cait

    network = Cait(img_size=32, patch_size=8, num_classes=5, embed_dim=16, depth=2, num_heads=2).eval()
    assert find_attention(network)
    assert from_torch(network).differentiable(picture(1)).attentions == ()


def test_a_block_that_is_run_twice_shows_no_attention() -> None:
    """Its attention could not be replaced in one of the runs alone."""
    network = vit()
    network.blocks = torch.nn.Sequential(*[network.blocks[0]] * 2)
    assert from_torch(network).differentiable(picture(1)).attentions == ()


def test_two_towers_or_none_show_no_attention() -> None:
    class Two(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = vit(), vit()

        def forward(self, planes: Any) -> Any:
            return self.left(planes) + self.right(planes)

    encoder = from_torch(Two().eval())
    assert "attention" not in encoder.gives()
    assert encoder.differentiable(picture(1)).attentions == ()
