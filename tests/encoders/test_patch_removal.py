"""The fill ``drop``: patches that leave a transformer's sequence, against hiding them from every attention."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import open_clip
import pytest
import timm
import torch
from PIL import Image

import explorer
from explorer.cli.main import main
from explorer.core.errors import InvalidInput
from explorer.core.explanation import Explanation
from explorer.core.masks import MaskSettings, sample_masks
from explorer.core.probe import Probe, enlarge, first, grow, prepare
from explorer.core.selections import SelectionSettings
from explorer.encoders import cards
from explorer.encoders.base import Encoder
from explorer.encoders.cards import find_card
from explorer.encoders.functions import from_function
from explorer.encoders.openclip import OpenClipEncoder
from explorer.encoders.patch_removal import find_transformer
from explorer.encoders.timm_models import TimmEncoder
from explorer.pictures.images import as_picture
from explorer.results.folders import resume_probe, save_probe
from explorer.results.links import from_query, to_query
from explorer.results.recipe import Recipe
from explorer.ui import probe_cache, zero_gpu
from explorer.ui.session import RunRequest, Session
from explorer.ui.tabs.evidence.deletion import DeletionEvidence
from tests.attributions import vits

CONFIG = {
    "embed_dim": 5,
    "vision_cfg": {"image_size": 32, "layers": 3, "width": 64, "head_width": 32, "patch_size": 8},
    "text_cfg": {"context_length": 8, "vocab_size": 64, "width": 16, "heads": 2, "layers": 1},
}


def seeded(network: Any) -> Any:
    """In evaluation mode, with weights large enough to matter."""
    random = torch.Generator().manual_seed(0)
    for array in network.parameters():
        array.data.normal_(0, 0.25, generator=random)
    return network.eval()


def of_open_clip() -> Encoder:
    """4 x 4 patches."""
    network = open_clip.CLIP(**CONFIG)  # type: ignore[arg-type]
    network.visual.preprocess_cfg = {"size": 32, "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4)}
    return OpenClipEncoder(find_card("clip-vit-b32"), seeded(network), None, "tiny")


def of_timm(**settings: Any) -> Encoder:
    """5 x 5 patches, and registers beside the class token."""
    network = timm.create_model("test_vit", img_size=80, pretrained_cfg_overlay={"input_size": (3, 80, 80)}, **settings)
    return TimmEncoder(find_card("timm:test_vit.r160_in1k"), seeded(network), "tiny", softmax=False)


MAKERS: dict[str, Callable[[], Encoder]] = {
    "open_clip": of_open_clip,
    "timm": of_timm,
    "registers": lambda: of_timm(reg_tokens=2, no_embed_class=True),
}


@pytest.fixture(scope="module", params=MAKERS)
def encoder(request: pytest.FixtureRequest) -> Encoder:
    return MAKERS[request.param]()


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)


def pixels_of(encoder: Encoder, picture: np.ndarray) -> np.ndarray:
    return encoder.read(picture).pixels


def hiding(encoder: Any, pixels: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """The oracle: every patch stays in the sequence, and no attention looks at those that are hidden."""
    planes = torch.from_numpy(pixels)[None].permute(0, 3, 1, 2) / 255
    if isinstance(encoder, OpenClipEncoder):
        visual = encoder._access.module.visual
        seen = np.concatenate([[True], kept.ravel()])
        added = torch.zeros(len(seen)).masked_fill(torch.from_numpy(~seen), -math.inf)
        heads = visual.transformer.resblocks[0].attn.num_heads
        with torch.no_grad():
            tokens = visual._embeds((planes - encoder._mean) / encoder._std)
            tokens = visual.transformer(tokens, attn_mask=added.expand(heads, len(seen), len(seen)))
            return (visual._pool(tokens)[0] @ visual.proj)[0].numpy()
    module = encoder._module
    seen = np.concatenate([[True] * module.network.num_prefix_tokens, kept.ravel()])
    with torch.no_grad():
        features = module.network.forward_features(
            (planes - module.mean) / module.std, attn_mask=torch.from_numpy(seen)[None, None, None]
        )
        return module.network.forward_head(features)[0].numpy()  # type: ignore[no-any-return]


def some_kept(encoder: Encoder, n: int = 12) -> np.ndarray:
    """Masks of patches that keep some, none, and all."""
    kept = np.random.default_rng(1).random((n, *encoder.patches())) < 0.5
    kept[1], kept[4] = False, True
    return kept


def test_left_out_is_hidden_from_every_attention(encoder: Encoder, picture: np.ndarray) -> None:
    pixels, kept = pixels_of(encoder, picture), some_kept(encoder)
    found = encoder.embed_kept(pixels, kept)
    wanted = np.stack([hiding(encoder, pixels, one) for one in kept])
    assert np.ptp(found, axis=0).max() > 0.01
    np.testing.assert_allclose(found, wanted, atol=1e-5 * np.abs(wanted).max())


def test_nothing_hidden_is_the_whole_picture(encoder: Encoder, picture: np.ndarray) -> None:
    pixels = pixels_of(encoder, picture)
    every = np.ones((1, *encoder.patches()), bool)
    np.testing.assert_allclose(encoder.embed_kept(pixels, every), encoder.embed_pixels(pixels[None]), atol=1e-5)


def test_everything_hidden_leaves_the_class_token_alone(encoder: Encoder, picture: np.ndarray) -> None:
    """Whatever the picture is then, the answer is one."""
    nothing = np.zeros((1, *encoder.patches()), bool)
    one, other = (encoder.embed_kept(pixels_of(encoder, shown), nothing) for shown in (picture, 255 - picture))
    np.testing.assert_array_equal(one, other)
    assert np.isfinite(one).all()


def test_company_changes_nothing_but_rounding(encoder: Encoder, picture: np.ndarray) -> None:
    pixels, kept = pixels_of(encoder, picture), some_kept(encoder)
    together = encoder.embed_kept(pixels, kept)
    alone = np.concatenate([encoder.embed_kept(pixels, one[None]) for one in kept])
    np.testing.assert_allclose(together, alone, atol=1e-6 * np.abs(together).max())


# In a probe


def settings(encoder: Encoder, **more: Any) -> MaskSettings:
    return MaskSettings(**{"n_masks": 150, "feature_res": encoder.patches()[0], "fill": "drop", **more})


@pytest.mark.parametrize("p_keep", [0.05, 0.5, 0.9])
@pytest.mark.parametrize("scheme", ["philox", "dianna", "orthogonal"])
def test_each_copy_is_that_of_its_mask(encoder: Encoder, picture: np.ndarray, scheme: str, p_keep: float) -> None:
    if scheme == "orthogonal" and p_keep != 0.5:
        pytest.skip("balanced masks are drawn for one share only")
    masking = settings(encoder, n_masks=20, p_keep=p_keep, scheme=scheme)
    probe = explorer.probe(picture, encoder=encoder, masking=masking)
    (rows, columns), (h, w) = encoder.patches(), probe.masks.size
    places = np.arange(rows) * h // rows, np.arange(columns) * w // columns
    kept = probe.masks.render(0, 20)[:, places[0]][:, :, places[1]] > 0.5
    wanted = np.stack([hiding(encoder, probe.pixels, one) for one in kept])
    np.testing.assert_allclose(probe.embeddings, wanted, atol=1e-5 * np.abs(wanted).max())


def stopped(probe: Probe, at: int) -> Probe:
    """What a run had reached when it was stopped, at the first piece after so many masks."""
    return next(grown for grown in grow(probe) if len(grown) >= at)


def test_the_same_bits_whatever_the_batch_and_the_stops(encoder: Encoder, picture: np.ndarray) -> None:
    masking = settings(encoder)
    whole = explorer.probe(picture, encoder=encoder, masking=masking).embeddings
    for size in (1, 3, 64):
        other = object.__new__(type(encoder))
        vars(other).update(vars(encoder), batch_size=size)
        found = explorer.probe(picture, encoder=other, masking=masking).embeddings
        np.testing.assert_array_equal(found, whole)
    fresh = prepare(picture, encoder=encoder, masking=masking)
    for done in (1, 31, 64, 149):  # as of a file: cut anywhere
        resumed = replace(fresh, embeddings=whole[:done])
        *_, reached = grow(resumed)
        np.testing.assert_array_equal(reached.embeddings, whole)
    few = explorer.probe(picture, encoder=encoder, masking=replace(masking, n_masks=70))
    np.testing.assert_array_equal(few.embeddings, whole[:70])
    *_, more = grow(enlarge(few, 150))
    np.testing.assert_array_equal(more.embeddings, whole)
    *_, cut = grow(first(more, 70))
    np.testing.assert_array_equal(cut.embeddings, few.embeddings)


def test_a_divisor_of_the_patches_side(picture: np.ndarray) -> None:
    encoder = of_open_clip()
    probe = explorer.probe(picture, encoder=encoder, masking=settings(encoder, feature_res=2, n_masks=10))
    kept = probe.masks.grids().repeat(2, 1).repeat(2, 2)  # type: ignore[attr-defined]
    wanted = np.stack([hiding(encoder, probe.pixels, one) for one in kept])
    np.testing.assert_allclose(probe.embeddings, wanted, atol=1e-5 * np.abs(wanted).max())


def test_a_map_of_patches(encoder: Encoder, picture: np.ndarray) -> None:
    found = explorer.explain(picture, reference=255 - picture, encoder=encoder, masking=settings(encoder))
    assert isinstance(found, Explanation)
    (rows, columns), (h, w) = encoder.patches(), found.attribution.shape
    blocks = found.attribution.reshape(rows, h // rows, columns, w // columns)
    assert np.ptp(blocks, axis=(1, 3)).max() < 1e-9  # one value for each patch
    assert np.ptp(blocks) > 0.01


# Who can, and which masks


def test_sides_that_do_not_fit(picture: np.ndarray) -> None:
    with pytest.raises(InvalidInput, match=r"as 4 x 4 patches.*feature_res must be 1 or 2 or 4, got 8"):
        explorer.probe(picture, encoder=of_open_clip(), masking=MaskSettings(fill="drop"))


def test_encoders_that_cannot(picture: np.ndarray) -> None:
    function = from_function(lambda batch: batch.mean((1, 2)))
    averaging = of_timm(global_pool="avg")
    attending = of_timm(global_pool="map", class_token=False)
    for encoder in (function, averaging, attending, explorer.load_encoder("efficientnet-lite0")):
        with pytest.raises(InvalidInput, match=r"cannot leave parts of a picture out.*clip-vit-b32.*timm:") as caught:
            explorer.probe(picture, encoder=encoder, masking=MaskSettings(fill="drop"))
        assert caught.value.code == "no_patches"


@pytest.mark.parametrize(
    ("make", "size"),
    [
        (lambda: vits.of_timm(class_token=False, global_pool="avg"), (32, 32)),
        (lambda: vits.of_open_clip(pool_type="avg"), (32, 32)),
        (lambda: timm.create_model("test_convnext"), (32, 32)),
        (lambda: torch.nn.Sequential(vits.of_timm(), vits.of_timm()), (32, 32)),
        (lambda: vits.of_timm(size=(36, 32)), (36, 32)),  # four rows of pixels that no patch sees
        (lambda: vits.of_timm(size=(64, 64), dynamic_img_size=True), (32, 32)),
        (vits.of_timm, None),
    ],
)
def test_networks_that_need_every_patch(make: Callable[[], Any], size: tuple[int, int] | None) -> None:
    assert find_transformer(make(), size) is None
    assert find_transformer(vits.of_timm(), (32, 32)) is not None


def test_masks_of_ones_own(picture: np.ndarray) -> None:
    encoder = of_open_clip()
    masking = settings(encoder, n_masks=10)
    with pytest.raises(InvalidInput, match="fade in and out"):
        explorer.probe(picture, encoder=encoder, masking=masking, masks=np.random.default_rng(0).random((10, 32, 32)))
    drawn = sample_masks(masking, (32, 32))
    with pytest.raises(InvalidInput, match="go with the fill drop"):
        explorer.probe(picture, encoder=encoder, masking=replace(masking, fill="zero"), masks=drawn)
    given = explorer.probe(picture, encoder=encoder, masking=masking, masks=drawn)
    own = explorer.probe(picture, encoder=encoder, masking=masking)
    np.testing.assert_array_equal(given.embeddings, own.embeddings)


def test_a_network_with_other_weights_drops_too(encoder: Encoder, picture: np.ndarray) -> None:
    other = encoder.randomised(encoder.layers()[-1:])
    pixels, kept = pixels_of(encoder, picture), some_kept(encoder)
    found = other.embed_kept(pixels, kept)
    wanted = np.stack([hiding(other, pixels, one) for one in kept])
    np.testing.assert_allclose(found, wanted, atol=1e-5 * np.abs(wanted).max())
    assert np.abs(found - encoder.embed_kept(pixels, kept)).max() > 0.01


# From the command line and in the app


def test_the_command_line_leaves_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, picture: np.ndarray) -> None:
    encoder, paths = of_open_clip(), [tmp_path / "a.png", tmp_path / "b.png"]
    monkeypatch.setattr(cards, "load_encoder", lambda *_, **__: encoder)
    for path, shown in zip(paths, (picture, 255 - picture), strict=True):
        Image.fromarray(shown).save(path)
    asked = ["explain", str(paths[0]), "--reference", str(paths[1]), "--n-masks", "10", "--quiet", "--fill", "drop"]
    assert main([*asked, "--feature-res", "4", "--out", str(tmp_path / "out")]) == 0
    facts = json.loads((tmp_path / "out/manifest.json").read_text())
    assert facts["masking"]["fill"] == "drop"
    assert main([*asked, "--out", str(tmp_path / "other")]) == 2  # 8 cells a side on 4 patches


def test_links_carry_it() -> None:
    masking = MaskSettings(fill="drop", feature_res=7)
    recipe = Recipe(picture_sha256="0" * 64, reference_sha256="1" * 64, encoder="clip-vit-b32", masking=masking)
    link = from_query(dict(parse_qsl(to_query(recipe))))
    assert link is not None
    assert link.recipe.masking == masking


def test_a_saved_probe_goes_on(tmp_path: Path, picture: np.ndarray) -> None:
    encoder = of_open_clip()
    masking = settings(encoder, n_masks=100)
    whole = explorer.probe(picture, encoder=encoder, masking=masking)
    save_probe(first(whole, 70), tmp_path)
    resumed = resume_probe(tmp_path / "probe.npz", prepare(picture, encoder=encoder, masking=masking))
    *_, reached = grow(resumed)
    np.testing.assert_array_equal(reached.embeddings, whole.embeddings)
    other = prepare(picture, encoder=encoder, masking=replace(masking, fill="zero"))
    with pytest.raises(InvalidInput, match="fill changed drop -> zero"):
        resume_probe(tmp_path / "probe.npz", other)


def test_patches_have_no_way_to_a_gpu_that_is_lent(picture: np.ndarray) -> None:
    encoder = of_open_clip()
    lent = zero_gpu._borrowing(encoder, "clip-vit-b32", "float32")
    with pytest.raises(InvalidInput, match="cannot leave parts of a picture out"):
        prepare(picture, encoder=lent, masking=settings(encoder))


def test_deletion_takes_out_pixels_by_the_encoders_own_fill() -> None:
    values = [value for option in DeletionEvidence.options for value, _ in option.choices]
    assert "drop" not in values
    assert "blur" in values


def test_what_it_takes_is_no_price_of_filled_copies(picture: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass costs what is kept, so other runs, evidence and sweeps are not foretold by it."""
    encoder, probes = of_open_clip(), probe_cache.ProbeCache()
    monkeypatch.setattr(probe_cache, "load_encoder", lambda *_, **__: encoder)
    one, other = as_picture(picture), as_picture(255 - picture)
    for fill, known in (("drop", False), ("zero", True)):
        masking = settings(encoder, n_masks=20, fill=fill)
        request = RunRequest(one, other, None, "clip-vit-b32", "float32", masking)
        steps = [*probes.run(request, Session(), SelectionSettings())]
        assert steps[-1].done == 20
        assert (probes.seconds("clip-vit-b32", "float32", 100) is not None) == known
