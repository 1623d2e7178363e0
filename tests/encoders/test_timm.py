"""timm encoders, on timm's own tiny architectures with random weights made here; no hub is ever reached."""

from __future__ import annotations

import argparse
import functools
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from explorer.attributions.gae import Gae
from explorer.attributions.grad_cam import GradCam
from explorer.attributions.question import make_class_question, make_question
from explorer.benchmark.cells import read_cells
from explorer.cli.main import main
from explorer.core.embedder import Card
from explorer.core.errors import InvalidInput, WeightsMissing
from explorer.core.steps import run
from explorer.encoders import cards, timm_models
from explorer.encoders.cards import encoders, find_card, load_encoder
from explorer.encoders.gradients import as_tensor
from explorer.encoders.layers import HOW
from tests.encoders.hubs import Bomb, FakeHub, empty_hub, put_in_cache, serve_hub, spoil

RESNET, VIT, CONVNEXT = "test_resnet.r160_in1k", "test_vit.r160_in1k", "test_convnext.r160_in1k"
NETWORKS = (RESNET, VIT, CONVNEXT)
SIZES = [(160, 160), (120, 203), (301, 77)]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with random weights of each network, as .safetensors and .pt."""
    folder = tmp_path_factory.mktemp("timm")
    for name in NETWORKS:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = timm.create_model(name)
            for part in network.modules():
                if isinstance(part, (torch.nn.Conv2d, torch.nn.Linear)):  # so that all classes are not equal
                    part.weight.data.normal_(0, part.weight[0].numel() ** -0.5)
        save_file(network.state_dict(), folder / f"{name}.safetensors")
        torch.save(network.state_dict(), folder / f"{name}.pt")
    return folder


@pytest.fixture(autouse=True)
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, a Hub that refuses connections, and no encoder loaded by an earlier test."""
    monkeypatch.setattr(cards, "_loaded", {})
    return empty_hub(tmp_path / "hub", monkeypatch)


@pytest.fixture
def fake_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[FakeHub]]:
    """A Hub on this machine that holds nothing yet."""
    yield from serve_hub(monkeypatch)


def card(name: str) -> Card:
    return find_card(f"timm:{name}")


@functools.cache
def load(files: Path, name: str) -> timm_models.TimmEncoder:
    return timm_models.load(card(name), precision="float32", weights=files / f"{name}.safetensors")


def picture(height: int, width: int) -> np.ndarray:
    """Noise over a ramp from left to right."""
    noise = np.random.default_rng(7).integers(-20, 20, (height, width, 3))
    return np.clip(np.linspace(20, 235, width)[None, :, None] + noise, 0, 255).astype(np.uint8)


# Pictures


def scores_of_timm(files: Path, name: str, size: tuple[int, int]) -> torch.Tensor:
    """What timm's own pipeline says of a picture."""
    network = timm.create_model(name).eval()
    network.load_state_dict(torch.load(files / f"{name}.pt", weights_only=True))
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network))
    with torch.inference_mode():
        return network(transform(Image.fromarray(picture(*size)))[None])


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("size", SIZES)
def test_embeds_as_the_library_does(files: Path, name: str, size: tuple[int, int]) -> None:
    expected = scores_of_timm(files, name, size)
    encoder = load(files, name)
    rows = encoder.embed_images(picture(*size)[None])
    assert (rows.dtype, rows.shape) == (np.float32, (1, 1000))
    np.testing.assert_allclose(rows, expected.softmax(1).numpy(), rtol=1e-3, atol=1e-6)
    scores = encoder.classifier()
    np.testing.assert_allclose(scores.embed_images(picture(*size)[None]), expected.numpy(), atol=1e-4)
    assert scores.fingerprint == f"{encoder.fingerprint}-scores"
    assert scores.classifier() is scores


@pytest.mark.parametrize("mode", ["center", "squash", "border"])
@pytest.mark.parametrize("size", [(90, 200), (301, 77)])
def test_box_maps_pixels_back_to_the_picture(files: Path, mode: str, size: tuple[int, int]) -> None:
    """In every way of cropping that timm has."""
    network = timm.create_model(RESNET, pretrained_cfg_overlay={"crop_mode": mode, "crop_pct": 0.8}).eval()
    encoder = timm_models.TimmEncoder(card(RESNET), network, "tiny")
    height, width = size
    x, y = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    places = np.stack([x, y, np.ones_like(x)], axis=-1) * 255
    pixels, box = encoder.view(places.round().astype(np.uint8))
    assert pixels.dtype == np.float32
    assert pixels.shape == (160, 160, 3) == (*encoder.input_size, 3)
    centres = (np.arange(160) + 0.5) / 160
    columns, rows = np.meshgrid(box.left + centres * (box.right - box.left), box.top + centres * (box.bottom - box.top))
    inside = (np.abs(columns - 0.5) < 0.48) & (np.abs(rows - 0.5) < 0.48)
    tolerance = 255 / min(size) + 2
    np.testing.assert_allclose(pixels[..., 0][inside], columns[inside] * 255, atol=tolerance)
    np.testing.assert_allclose(pixels[..., 1][inside], rows[inside] * 255, atol=tolerance)
    assert inside.all() == (mode != "border")


def test_says_what_part_of_the_picture_it_sees(files: Path) -> None:
    """The middle 160 of 168 pixels of the shorter side."""
    box = load(files, RESNET).view(picture(100, 200))[1]
    assert (box.top, box.bottom) == pytest.approx((4 / 168, 164 / 168))
    assert (box.left, box.right) == pytest.approx((88 / 336, 248 / 336))


@pytest.mark.parametrize("name", NETWORKS)
def test_zero_colour_is_zero_for_the_network(files: Path, name: str) -> None:
    encoder = load(files, name)
    with torch.inference_mode():
        expected = encoder._module.network(torch.zeros(1, 3, 160, 160)).softmax(1).numpy()
    pixels = np.broadcast_to(encoder.zero_colour, (1, 160, 160, 3))
    np.testing.assert_allclose(encoder.embed_pixels(pixels), expected, rtol=1e-3, atol=1e-6)


# What lies inside


@pytest.mark.parametrize(
    ("name", "gives", "stages"),
    [
        (RESNET, ("gradients", "layers"), ("network.layer4", "network.layer3", "network.layer2")),
        (CONVNEXT, ("gradients", "layers"), ("network.norm_pre", "network.stages.2", "network.stages.1")),
        (VIT, ("gradients", "attention"), ()),
    ],
)
def test_what_it_gives(files: Path, name: str, gives: tuple[str, ...], stages: tuple[str, ...]) -> None:
    encoder = load(files, name)
    pixels = encoder.view(picture(160, 200))[0]
    looked = encoder.differentiable(pixels)
    assert encoder.gives() == gives
    assert looked.stages == stages
    assert (len(looked.attentions), looked.prefix, looked.grid) == ((6, 1, (10, 10)) if name == VIT else (0, 0, (0, 0)))
    with torch.no_grad():
        rows = looked.module(as_tensor(looked.module, pixels[None])).numpy()
    np.testing.assert_allclose(rows, encoder.embed_pixels(pixels[None]), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(("name", "method"), [(RESNET, GradCam()), (CONVNEXT, GradCam()), (VIT, Gae())])
def test_methods_that_look_inside(files: Path, name: str, method: GradCam | Gae) -> None:
    encoder = load(files, name)
    for question in (
        make_class_question(picture(160, 200), encoder=encoder),
        make_question(picture(160, 200), reference=picture(120, 90)[::-1], encoder=encoder),
    ):
        found = run(method(question))
        assert (found.shape, found.dtype) == ((160, 160), np.float32)
        assert np.isfinite(found).all()
        assert found.std() > 0


@pytest.mark.parametrize(
    ("name", "first", "last", "blocks"),
    [
        (RESNET, "conv1.0", "fc", ["stem", "layer1.0", "layer2.0", "layer3.0", "layer4.0", "head"]),
        (VIT, "patch_embed.proj", "head", ["stem", *(f"blocks.{i}" for i in range(6)), "head"]),
        (CONVNEXT, "stem.0", "head.fc", ["stem", "stages.0", "stages.1", "stages.2", "stages.3", "head"]),
    ],
)
def test_layers(files: Path, name: str, first: str, last: str, blocks: list[str]) -> None:
    encoder = load(files, name)
    names = encoder.layers()
    assert (names[0], names[-1]) == (first, last)
    assert list(encoder.blocks()) == blocks
    assert [layer for inner in encoder.blocks().values() for layer in inner] == list(names)
    count = sum(array.size for layer in names for array in encoder.weights(layer).values())
    state = encoder._module.network.state_dict().values()
    assert count == sum(array.numel() for array in state if array.is_floating_point())


def test_blocks_of_a_network_that_numbers_none() -> None:
    network = timm.create_model("densenet121.tv_in1k").eval()
    blocks = timm_models.TimmEncoder(card("densenet121.tv_in1k"), network, "random").blocks()
    assert list(blocks)[1:4] == ["features.norm0", "features.denseblock1", "features.transition1"]
    assert list(blocks)[-2:] == ["features.norm5", "classifier"]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("name", NETWORKS)
def test_layers_can_be_randomised(files: Path, name: str, how: str) -> None:
    encoder = load(files, name)
    pixels = encoder.view(picture(160, 160))[0][None]
    row = encoder.embed_pixels(pixels)
    changed = encoder.randomised((encoder.layers()[-1],), how, seed=1)
    assert np.abs(changed.embed_pixels(pixels) - row).max() > 1e-6
    assert changed.fingerprint.startswith(f"{encoder.fingerprint}+{how}")
    assert changed.classifier().fingerprint == f"{changed.fingerprint}-scores"
    np.testing.assert_array_equal(encoder.embed_pixels(pixels), row)


# Weights files


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_files_of_both_kinds(files: Path, name: str) -> None:
    first = load_encoder(f"timm:{name}", weights=files / f"{name}.safetensors")
    second = load_encoder(f"timm:{name}", weights=files / f"{name}.pt")
    images = picture(160, 160)[None]
    np.testing.assert_array_equal(first.embed_images(images), second.embed_images(images))
    assert first.fingerprint != second.fingerprint
    assert first.fingerprint.startswith(f"timm:{name}:")
    assert "state_dict" not in first._module.network.pretrained_cfg  # type: ignore[attr-defined]


WRAPPED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "with its epoch": lambda state: {"state_dict": state, "epoch": 3},
    "a training loop's": lambda state: {"epoch": 3, "model": state, "optimizer": {"state": {0: {"m": torch.ones(2)}}}},
    "model_state_dict": lambda state: {"model_state_dict": state, "loss": 0.5, "best": torch.tensor(1)},
    "DataParallel": lambda state: {f"module.{name}": array for name, array in state.items()},
    "compiled": lambda state: {f"_orig_mod.{name}": array for name, array in state.items()},
    "compiled and parallel": lambda state: {f"module._orig_mod.{name}": array for name, array in state.items()},
    "Lightning": lambda state: {
        "state_dict": {f"model.{name}": array for name, array in state.items()},
        "callbacks": {},
    },
    "AveragedModel": lambda state: {"n_averaged": torch.tensor(9)} | {f"module.{k}": v for k, v in state.items()},
    "averaged beside the last": lambda state: {
        "state_dict": {name: array * 0 for name, array in state.items()},
        "state_dict_ema": state,
        "args": argparse.Namespace(lr=0.1),
    },
    "one inside another": lambda state: {"checkpoint": {"network": state}},
    "another name": lambda state: {"generator": state, "step": 5},
    "half": lambda state: {"state_dict": {k: v.half() if v.is_floating_point() else v for k, v in state.items()}},
}


@pytest.mark.parametrize("how", WRAPPED)
def test_weights_as_training_leaves_them(files: Path, tmp_path: Path, how: str) -> None:
    state = torch.load(files / f"{RESNET}.pt", weights_only=True)
    torch.save(WRAPPED[how](state), tmp_path / "w.pt")
    found = timm_models.load(card(RESNET), precision="float32", weights=tmp_path / "w.pt")
    pixels = load(files, RESNET).view(picture(160, 160))[0][None]
    tolerance = 1e-3 if how == "half" else 0
    np.testing.assert_allclose(found.embed_pixels(pixels), load(files, RESNET).embed_pixels(pixels), atol=tolerance)


def test_wrapped_names_in_safetensors(files: Path, tmp_path: Path) -> None:
    state = torch.load(files / f"{VIT}.pt", weights_only=True)
    save_file({f"module.{name}": array for name, array in state.items()}, tmp_path / "w.safetensors")
    found = timm_models.load(card(VIT), precision="float32", weights=tmp_path / "w.safetensors")
    pixels = found.view(picture(160, 160))[0][None]
    np.testing.assert_array_equal(found.embed_pixels(pixels), load(files, VIT).embed_pixels(pixels))


def test_two_networks_in_one_file(files: Path, tmp_path: Path) -> None:
    state = torch.load(files / f"{RESNET}.pt", weights_only=True)
    torch.save({"teacher": state, "student": state}, tmp_path / "w.pt")
    with pytest.raises(InvalidInput, match="more than one network"):
        load_encoder(f"timm:{RESNET}", weights=tmp_path / "w.pt")


@contextmanager
def odd_settings(how: str) -> Iterator[None]:
    """Settings of torch's that a user may have."""
    if how == "autocast":
        with torch.autocast("cpu", torch.bfloat16):
            yield
        return
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    try:
        yield
        assert torch.get_default_dtype() == torch.float64
        assert torch.get_default_device() == torch.device("meta")
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)


@pytest.mark.parametrize("how", ["autocast", "double on meta"])
@pytest.mark.parametrize("name", [RESNET, VIT])
def test_the_users_settings_change_nothing(files: Path, name: str, how: str) -> None:
    pixels = load(files, name).view(picture(160, 160))[0][None]
    expected = load(files, name).embed_pixels(pixels)
    drawn = torch.get_rng_state()
    with odd_settings(how):
        encoder = timm_models.load(card(name), precision="float32", weights=files / f"{name}.safetensors")
        np.testing.assert_array_equal(encoder.embed_pixels(pixels), expected)
        np.testing.assert_array_equal(load(files, name).embed_pixels(pixels), expected)
        rows = encoder.differentiable(pixels[0]).module(torch.from_numpy(pixels))
    np.testing.assert_allclose(rows.detach().numpy(), expected, rtol=1e-3, atol=1e-6)
    assert torch.equal(torch.get_rng_state(), drawn)


def put_in_folder(files: Path, folder: Path, name: str = RESNET, **changes: Any) -> Path:
    """A network as timm's ``save_for_hf`` leaves it."""
    folder.mkdir(parents=True)
    facts = timm.get_pretrained_cfg(name).to_dict(remove_source=True)
    config = {"architecture": name.partition(".")[0], "num_classes": 1000, "pretrained_cfg": facts, **changes}
    (folder / "config.json").write_text(json.dumps(config))
    shutil.copy(files / f"{name}.safetensors", folder / "model.safetensors")
    return folder


@pytest.mark.parametrize("source", ["local-dir", "LOCAL-DIR", "local_dir"])
def test_a_network_in_a_folder(files: Path, tmp_path: Path, source: str) -> None:
    key = f"timm:{source}:{put_in_folder(files, tmp_path / 'my model')}"
    encoder = load_encoder(key)
    images = picture(160, 200)[None]
    np.testing.assert_array_equal(encoder.embed_images(images), load(files, RESNET).embed_images(images))
    assert (encoder.card.title, encoder.card.missing) == ("timm my model", "")
    assert encoder.fingerprint.startswith("timm:local-dir:")
    assert str(tmp_path) not in encoder.fingerprint


@pytest.mark.parametrize("source", ["hf-hub", "hf_hub"])
def test_a_network_of_the_hub(files: Path, tmp_path: Path, fake_hub: type[FakeHub], source: str) -> None:
    folder = put_in_folder(files, tmp_path / "model")
    for file in ("config.json", "model.safetensors"):
        fake_hub.held[f"/somebody/net/resolve/v1/{file}"] = (folder / file).read_bytes()
    images = picture(160, 200)[None]
    encoder = load_encoder(f"timm:{source}:somebody/net@v1")
    np.testing.assert_array_equal(encoder.embed_images(images), load(files, RESNET).embed_images(images))


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"architecture": "test_resnet50"}, "unknown_network", "did you mean"),
        ({"architecture": None}, "model_config", "describes no timm network"),
        ({"architecture": "test_vit"}, "weights_file", "does not hold the weights"),
        ({"pretrained_cfg": 3}, "weights_file", "does not hold"),
        ({"pretrained_cfg": {"mean": "red"}}, "model_config", "does not fit"),
        ({"model_args": {"no_such": 1}}, "weights_file", "does not hold"),
    ],
)
def test_folders_that_are_no_network(
    files: Path, tmp_path: Path, changes: dict[str, Any], code: str, said: str
) -> None:
    folder = put_in_folder(files, tmp_path / "model", **changes)
    with pytest.raises(InvalidInput, match=said) as info:
        load_encoder(f"timm:local-dir:{folder}")
    assert info.value.code == code


@pytest.mark.parametrize("text", ["[]", "{", "\xff", '{"architecture": ' * 3])
def test_a_folder_with_a_damaged_configuration(files: Path, tmp_path: Path, text: str) -> None:
    folder = put_in_folder(files, tmp_path / "model")
    (folder / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InvalidInput, match=r"config\.json of timm model is damaged"):
        load_encoder(f"timm:local-dir:{folder}")


def test_files_that_a_folder_lacks(files: Path, tmp_path: Path) -> None:
    folder = put_in_folder(files, tmp_path / "model")
    (folder / "model.safetensors").unlink()
    places = [(folder, "no model.safetensors or pytorch_model.bin in it"), (folder / "config.json", "no such folder")]
    places += [(tmp_path / name, "no such folder") for name in ("no", "x" * 5000, "\0")]
    for place, said in places:
        with pytest.raises(InvalidInput, match=said) as info:
            load_encoder(f"timm:local-dir:{place}")
        assert str(tmp_path) not in str(info.value)


@pytest.mark.parametrize(
    "name",
    ["RESNET50.a1_in1k", " resnet50.a1_in1k", "resnet50.A1_IN1K", "resnet50.no_such", "resnet50.a1_in1k ", "resnet50",
     "timm/resnet50", "hf-hub:", "hf-hub:a/b/c", "hf-hub:--", "hf-hub:a b", "hf-hub:@v1", "local-dir:", "x:y", "."],
)  # fmt: skip
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(InvalidInput):
        load_encoder(f"timm:{name}")
    with pytest.raises(InvalidInput):
        card(name).missing  # noqa: B018


def test_nothing_a_visitor_sends_names_a_folder_or_an_address(files: Path, tmp_path: Path) -> None:
    folder = put_in_folder(files, tmp_path / "model")
    for where in (f"local-dir:{folder}", "local-dir:.", "LOCAL_DIR:/x", "hf-hub:a/b", "HF_HUB:a/b@v1"):
        for family in ("timm", "open_clip"):
            with pytest.raises(InvalidInput, match="Unknown encoder"):
                find_card(f"{family}:{where}")


def test_a_file_of_ones_own_needs_no_tag(files: Path) -> None:
    encoder = load_encoder("timm:test_vit", weights=files / f"{VIT}.pt")
    assert encoder.fingerprint.startswith("timm:test_vit:")


def test_weights_of_another_origin_than_the_hub(tmp_path: Path) -> None:
    """timm's own address of these is an .npz of JAX; on the Hub, and here, they are a state dict."""
    name = "vit_tiny_patch16_224.augreg_in21k_ft_in1k"
    assert timm.get_pretrained_cfg(name).custom_load
    save_file(timm.create_model(name).state_dict(), tmp_path / "w.safetensors")
    assert load_encoder(f"timm:{name}", weights=tmp_path / "w.safetensors").input_size == (224, 224)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("kind", ["text", "empty file", "cut short", "no tensors", "other network"])
def test_files_that_are_no_weights(files: Path, tmp_path: Path, kind: str, suffix: str) -> None:
    spoil(kind, files / f"{RESNET}{suffix}", tmp_path / f"w{suffix}")
    with pytest.raises(InvalidInput, match=f"does not hold the weights of {RESNET}") as info:
        load_encoder(f"timm:{RESNET}", weights=tmp_path / f"w{suffix}")
    assert info.value.code == "weights_file"
    assert str(tmp_path) not in str(info.value)


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning", "ignore:.*TorchScript archive:UserWarning")
@pytest.mark.parametrize("kind", ["a list", "TorchScript"])
def test_torch_files_that_are_no_state_dict(files: Path, tmp_path: Path, kind: str) -> None:
    spoil(kind, files / f"{VIT}.pt", tmp_path / "w.pt")
    with pytest.raises(InvalidInput, match="does not hold the weights"):
        load_encoder(f"timm:{VIT}", weights=tmp_path / "w.pt")


@pytest.mark.parametrize("name", ["w.pt", "w.bin", "w.safetensors", "w"])
def test_pickles_are_not_run(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    torch.save({"fc.weight": Bomb(tmp_path / "hole")}, tmp_path / name)
    with pytest.raises(InvalidInput, match="does not hold the weights"):
        load_encoder(f"timm:{RESNET}", weights=tmp_path / name)
    assert not (tmp_path / "hole").exists()


@pytest.mark.parametrize(
    ("name", "near", "code"),
    [
        ("resnet-101.tv_in1k", "'resnet101'", "unknown_network"),
        ("resnet101.tv_in", "'tv_in1k'", "unknown_tag"),
        ("resnet101", "timm.list_models", "unknown_tag"),
        ("", "timm.list_models", "unknown_network"),
        ("gcvit_tiny.in1k", "--weights FILE", "weights_not_on_hub"),
    ],
)
def test_names_that_will_not_do(name: str, near: str, code: str) -> None:
    for ask in (timm_models.missing, lambda c: timm_models.load(c, precision="float32", weights=None)):
        with pytest.raises(InvalidInput, match=near) as info:
            ask(card(name))
        assert info.value.code == code


def test_keys() -> None:
    assert card(VIT).key == f"timm:{VIT}"
    assert not any(known.key.startswith("timm:") for known in encoders())
    for key in ("timm", "timm:" + "x" * 200):
        with pytest.raises(InvalidInput, match="Unknown encoder"):
            find_card(key)
    with pytest.raises(InvalidInput, match="no precision"):
        load_encoder(f"timm:{VIT}", precision="int8")


# The Hub


def test_offline_says_which_command_to_run() -> None:
    assert card(RESNET).missing == "weights not downloaded"
    begin = time.monotonic()
    with pytest.raises(WeightsMissing) as info:
        load_encoder(f"timm:{RESNET}")
    assert time.monotonic() - begin < 5
    assert str(info.value) == (
        f"timm {RESNET} is not on this computer and there is no network; "
        f"run `explorer models fetch timm:{RESNET}` where there is one."
    )
    assert info.value.code == "weights_offline"


def test_cached_weights_need_no_network(files: Path, hub: Path) -> None:
    put_in_cache(hub, files / f"{RESNET}.safetensors", f"timm/{RESNET}", file="model.safetensors")
    assert card(RESNET).here
    encoder = timm_models.load(card(RESNET), precision="float32", weights=None)
    images = picture(160, 160)[None]
    np.testing.assert_array_equal(encoder.embed_images(images), load(files, RESNET).embed_images(images))


def test_damaged_weights_in_the_cache(files: Path, hub: Path, tmp_path: Path) -> None:
    spoil("cut short", files / f"{VIT}.safetensors", tmp_path / "w.safetensors")
    put_in_cache(hub, tmp_path / "w.safetensors", f"timm/{VIT}", file="model.safetensors")
    with pytest.raises(WeightsMissing, match=f"damaged; delete it.*explorer models fetch timm:{VIT}"):
        timm_models.load(card(VIT), precision="float32", weights=None)


@pytest.mark.parametrize("file", timm_models.FILES)
def test_the_command_line_fetches(
    files: Path, fake_hub: type[FakeHub], file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = {"model.safetensors": CONVNEXT, "pytorch_model.bin": VIT}[file]
    content = files / f"{name}{'.safetensors' if file.endswith('.safetensors') else '.pt'}"
    fake_hub.held[f"/timm/{name}/resolve/main/{file}"] = content.read_bytes()
    assert main(["models", "fetch", f"timm:{name}"]) == 0
    assert f"timm:{name}: ready" in capsys.readouterr().out
    assert card(name).here


def save_pictures(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name, size in (("a", (90, 120)), ("b", (120, 90))):
        Image.fromarray(picture(*size)).save(folder / f"{name}.png")


def test_the_benchmark_takes_them(files: Path, hub: Path, tmp_path: Path) -> None:
    put_in_cache(hub, files / f"{RESNET}.safetensors", f"timm/{RESNET}", file="model.safetensors")
    save_pictures(tmp_path / "pairs")
    asked = ["--encoders", f"timm:{RESNET}", "--methods", "grad-cam,gae", "--metrics", "del", "--quiet"]
    where = ["--data", f"pairs:{tmp_path / 'pairs'}", "--out", str(tmp_path / "out")]
    assert main(["benchmark", *where, "--question", "class", *asked]) == 0
    cells = read_cells(tmp_path / "out")
    assert [(cell.encoder, cell.method, cell.dropped) for cell in cells] == [(f"timm:{RESNET}", "grad-cam", "")] * 2


def test_the_command_line_explains(files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_pictures(tmp_path)
    asked = ["explain", str(tmp_path / "a.png"), "--reference", str(tmp_path / "b.png"), "--n-masks", "10", "--quiet"]
    where = ["--weights", str(files / f"{RESNET}.safetensors"), "--out", str(tmp_path / "out")]
    assert main([*asked, "--encoder", f"timm:{RESNET}", *where]) == 0
    assert np.load(tmp_path / "out/attribution.npy", allow_pickle=False).shape == (160, 160)
    assert main([*asked, "--encoder", f"timm:{RESNET}", "--out", str(tmp_path / "other")]) == 3
    assert f"explorer models fetch timm:{RESNET}" in capsys.readouterr().err


def test_torchs_default_type_changes_nothing(files: Path) -> None:
    name = next(iter(NETWORKS))
    batch = np.stack([picture(64, 64)])
    rows = load(files, name).embed_images(batch)
    torch.set_default_dtype(torch.float64)
    try:
        again = load.__wrapped__(files, name).embed_images(batch)
    finally:
        torch.set_default_dtype(torch.float32)
    np.testing.assert_array_equal(again, rows)
