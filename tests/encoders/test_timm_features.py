"""timm's networks as embeddings: pooled features, with classes and without, made here with random weights."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

import explorer
from explorer.attributions.method import offered
from explorer.core.errors import InvalidInput, WeightsMissing
from explorer.encoders import cards
from explorer.encoders.cards import find_card, load_encoder
from tests.encoders.hubs import empty_hub

RESNET, VIT = "test_resnet.r160_in1k", "test_vit.r160_in1k"
CLIP, MIM = "vit_xsmall_patch16_clip_224.tinyclip_yfcc15m", "eva02_tiny_patch14_224.mim_in22k"
PICTURE, OTHER = np.random.default_rng(0).integers(0, 256, (2, 120, 203, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, a Hub that refuses connections, and no encoder loaded by an earlier test."""
    monkeypatch.setattr(cards, "_loaded", {})
    return empty_hub(tmp_path / "hub", monkeypatch)


@functools.cache
def made(name: str, **given: Any) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = timm.create_model(name.partition(".")[0], **given).eval()
        for part in network.modules():
            if isinstance(part, torch.nn.Conv2d | torch.nn.Linear):
                part.weight.data.normal_(0, part.weight[0].numel() ** -0.5)
    return network


def saved(network: Any, path: Path) -> Path:
    save_file(network.state_dict(), path)
    return path


def pooled(network: Any, name: str) -> np.ndarray:
    """What timm itself pools of the picture."""
    steps = timm.data.create_transform(
        **timm.data.resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(name).to_dict())
    )
    with torch.no_grad():
        planes = steps(Image.fromarray(PICTURE))[None]
        return network.forward_head(network.forward_features(planes), pre_logits=True).numpy()


@pytest.mark.parametrize("name", [RESNET, VIT, CLIP, MIM])
def test_embeds_the_features_that_timm_pools(name: str, tmp_path: Path) -> None:
    network = made(name, num_classes=timm.get_pretrained_cfg(name).num_classes)
    encoder = load_encoder(f"timm-features:{name}", weights=saved(network, tmp_path / "w.safetensors"))
    rows = encoder.embed_images(PICTURE[None])
    np.testing.assert_allclose(rows, pooled(network, name), rtol=1e-3, atol=1e-4)
    assert encoder.card.key == f"timm-features:{name}"
    assert encoder.card.embedding == f"{rows.shape[1]} pooled features"
    assert not encoder.card.nonnegative
    assert encoder.input_size == timm.get_pretrained_cfg(name).input_size[1:]
    assert encoder.describe(rows) is None


@pytest.mark.parametrize("name", [CLIP, MIM])
def test_networks_without_classes_are_embeddings_by_themselves(name: str, tmp_path: Path) -> None:
    network = made(name, num_classes=timm.get_pretrained_cfg(name).num_classes)
    path = saved(network, tmp_path / "w.safetensors")
    encoder, same = load_encoder(f"timm:{name}", weights=path), load_encoder(f"timm-features:{name}", weights=path)
    assert (encoder.card, encoder.fingerprint) == (same.card, same.fingerprint)
    np.testing.assert_array_equal(encoder.embed_images(PICTURE[None]), same.embed_images(PICTURE[None]))
    with pytest.raises(InvalidInput, match="has no classes"):
        encoder.classifier()
    masking = explorer.MaskSettings(n_masks=10, feature_res=4)
    found = explorer.explain(PICTURE, reference=OTHER, encoder=encoder, masking=masking)
    assert found.attribution.any()
    assert "attention" in encoder.gives()
    assert {"gae", "dix3"} <= set(offered(encoder))
    assert "grad-cam" not in offered(encoder)


@pytest.mark.parametrize("classes", [0, 7, 1000])
def test_a_file_may_have_any_classifier_or_none(classes: int, tmp_path: Path) -> None:
    network = made(RESNET, num_classes=classes)
    encoder = load_encoder("timm-features:test_resnet", weights=saved(network, tmp_path / "w.safetensors"))
    np.testing.assert_allclose(encoder.embed_images(PICTURE[None]), pooled(network, RESNET), rtol=1e-3, atol=1e-4)


def test_but_not_another_network(tmp_path: Path) -> None:
    for name, given in (("test_vit", {}), ("test_resnet2", {}), ("test_vit2", {"num_classes": 0})):
        try:
            network = made(name, **given)
        except RuntimeError:  # a timm without it
            continue
        with pytest.raises(InvalidInput, match="does not hold the weights"):
            load_encoder("timm-features:test_resnet", weights=saved(network, tmp_path / f"{name}.safetensors"))


def test_features_of_a_classifier_keep_its_classes(tmp_path: Path) -> None:
    path = saved(made(RESNET), tmp_path / "w.safetensors")
    features, classes = (load_encoder(f"{kind}:{RESNET}", weights=path) for kind in ("timm-features", "timm"))
    rows = [one.classifier().embed_images(PICTURE[None]) for one in (features, classes)]
    np.testing.assert_array_equal(*rows)
    assert features.classifier().classifier().embed_images(PICTURE[None]).shape == (1, 1000)
    assert features.classifier().describe(rows[0]) is not None
    assert len({one.fingerprint for one in (features, classes, features.classifier(), classes.classifier())}) == 4


def test_what_lies_inside(tmp_path: Path) -> None:
    """Layers, gradients and maps of the part of the network that the embedding comes from."""
    network = made(RESNET)
    encoder = load_encoder(f"timm-features:{RESNET}", weights=saved(network, tmp_path / "w.safetensors"))
    assert "fc" not in encoder.layers()
    pixels = encoder.read(PICTURE).pixels
    looked = encoder.differentiable(pixels)
    with torch.no_grad():
        rows = looked.module(torch.from_numpy(pixels[None])).numpy()
    np.testing.assert_allclose(rows, encoder.embed_pixels(pixels[None]), atol=1e-4)
    assert {"grad-cam", "dix3"} <= set(offered(encoder))
    assert explorer.explain(PICTURE, reference=OTHER, encoder=encoder, method="grad-cam").attribution.any()
    changed = encoder.randomised(encoder.layers()[:1])
    assert (changed.embed_images(PICTURE[None]) != encoder.embed_images(PICTURE[None])).any()
    assert changed.card == encoder.card


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision(precision: str, tmp_path: Path) -> None:
    path = saved(made(RESNET), tmp_path / "w.safetensors")
    whole, half = (load_encoder(f"timm-features:{RESNET}", precision=p, weights=path) for p in ("float32", precision))
    masking = explorer.MaskSettings(n_masks=24, feature_res=4)
    found, expected = (
        explorer.explain(PICTURE, reference=OTHER, encoder=encoder, masking=masking).distances
        for encoder in (half, whole)
    )
    assert np.corrcoef(found, expected)[0, 1] >= 0.99
    assert (found != expected).any()
    assert half.fingerprint.endswith(f"{precision}:features")


def test_folders(tmp_path: Path) -> None:
    """With a configuration that tells 37 classes, or none."""
    from timm.models import save_for_hf

    for classes in (37, 0):
        network = made(VIT, num_classes=classes)
        save_for_hf(network, tmp_path / str(classes), safe_serialization=True)
        encoder = load_encoder(f"timm:local-dir:{tmp_path / str(classes)}")
        np.testing.assert_allclose(encoder.embed_images(PICTURE[None]), pooled(network, VIT), rtol=1e-3, atol=1e-4)
        assert encoder.card.key.startswith("timm-features:local-dir:")


def test_a_network_that_pools_nothing(tmp_path: Path) -> None:
    from timm.models import save_for_hf

    network = made(RESNET, num_classes=0, global_pool="")
    save_for_hf(network, tmp_path / "maps", safe_serialization=True, model_args={"global_pool": ""})
    with pytest.raises(InvalidInput, match="does not pool its features into one vector"):
        load_encoder(f"timm-features:local-dir:{tmp_path / 'maps'}")


def test_offline_says_which_command_to_run() -> None:
    key = "timm-features:vit_small_patch14_dinov2.lvd142m"
    assert find_card(key).missing == "weights not downloaded"
    with pytest.raises(WeightsMissing, match=f"explorer models fetch {key}"):
        load_encoder(key)
    with pytest.raises(WeightsMissing, match="there is no network"):
        load_encoder("timm:vit_small_patch14_dinov2.lvd142m")


def test_nothing_a_visitor_sends_names_a_folder() -> None:
    for name in ("local-dir:/etc", "hf-hub:a/b", "HF_HUB:a/b"):
        with pytest.raises(InvalidInput, match="Unknown encoder"):
            find_card(f"timm-features:{name}")
