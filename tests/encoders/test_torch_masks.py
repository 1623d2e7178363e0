"""Masked copies made on a torch network's device, against those made in numpy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import explorer
from explorer.core.embedder import RECALL, Embedder, Rows
from explorer.core.fills import FILLS, make_background
from explorer.core.masks import SCHEMES, GridMasks, MaskSettings, sample_masks
from explorer.core.probe import grow, prepare
from explorer.encoders import torch_masks
from explorer.encoders.base import Encoder
from explorer.encoders.torch_masks import Copies, MaskingEncoder
from tests.encoders.test_patch_removal import MAKERS

PIXEL_FILLS = [key for key, fill in FILLS.items() if not fill.drops]


@pytest.fixture(scope="module", params=["open_clip", "timm", "torch"])
def encoder(request: pytest.FixtureRequest) -> Encoder:
    return a_network_of_ones_own() if request.param == "torch" else MAKERS[request.param]()


def a_network_of_ones_own() -> Encoder:
    """Of pictures of any size and range."""
    torch.manual_seed(0)
    parts = torch.nn.Conv2d(3, 8, 5, stride=3), torch.nn.GELU(), torch.nn.AdaptiveAvgPool2d(2), torch.nn.Flatten()
    return explorer.from_torch(torch.nn.Sequential(*parts).eval(), batch_size=8)


@pytest.fixture(scope="module")
def picture(encoder: Encoder) -> np.ndarray:
    """Pixels; or numbers, since copies of whole numbers are cut to whole numbers, in numpy."""
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    return noise if encoder.input_size else noise.astype(np.float32)


def unfolded(encoder: Encoder, picture: np.ndarray, masking: MaskSettings) -> np.ndarray:
    """By way of numpy, as every other encoder does it."""
    fresh = prepare(picture, encoder=encoder, masking=masking)
    parts = Embedder.embed_masked(encoder, fresh.pixels, fresh.background, fresh.masks, 0, fresh.wanted)
    return np.concatenate([*parts])


@pytest.mark.parametrize("fill", PIXEL_FILLS)
@pytest.mark.parametrize(("feature_res", "scheme"), [(1, "philox"), (5, "dianna"), (8, "orthogonal"), (32, "philox")])
def test_embeddings_are_those_of_numpys_copies(
    encoder: Encoder, picture: np.ndarray, fill: str, feature_res: int, scheme: str
) -> None:
    masking = MaskSettings(n_masks=20, feature_res=feature_res, scheme=scheme, fill=fill)
    found = explorer.probe(picture, encoder=encoder, masking=masking).embeddings
    wanted = unfolded(encoder, picture, masking)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("scheme", SCHEMES)
def test_copies(encoder: Encoder, picture: np.ndarray, scheme: str) -> None:
    """On any size and fill; rows of no mask show the background."""
    pixels = np.random.default_rng(1).random((33, 50, 3), dtype=np.float32)
    masks = sample_masks(MaskSettings(n_masks=10, feature_res=7, scheme=scheme), (33, 50))
    background = make_background("blur", pixels, encoder, 0)
    made = Copies(pixels, background, masks, torch.device("cpu")).make(2, 5, place=1, count=6)
    assert made.is_contiguous(memory_format=torch.channels_last)
    found = made.permute(0, 2, 3, 1).numpy()
    wanted = background + masks.render(2, 5)[..., None] * (pixels - background)
    np.testing.assert_allclose(found[1:4], wanted, atol=1e-6)
    np.testing.assert_allclose(found[[0, 4, 5]], background[None].repeat(3, 0), atol=1e-6)


def test_the_same_bits_wherever_a_run_stopped(encoder: Encoder, picture: np.ndarray) -> None:
    masking = MaskSettings(n_masks=45, feature_res=6)
    whole = explorer.probe(picture, encoder=encoder, masking=masking).embeddings
    fresh = prepare(picture, encoder=encoder, masking=masking)
    for done in (1, 7, 8, 30):
        *_, resumed = grow(replace(fresh, embeddings=whole[:done]))
        np.testing.assert_array_equal(resumed.embeddings, whole)
    few = explorer.probe(picture, encoder=encoder, masking=replace(masking, n_masks=13))
    np.testing.assert_array_equal(few.embeddings, whole[:13])


def test_masks_given_as_an_array_go_the_usual_way(encoder: Encoder, picture: np.ndarray) -> None:
    masking = MaskSettings(n_masks=12, feature_res=4)
    fresh = prepare(picture, encoder=encoder, masking=masking)
    given = explorer.masks_from_array(fresh.masks.render(0, 12))
    found = explorer.probe(picture, encoder=encoder, masking=masking, masks=given).embeddings
    np.testing.assert_array_equal(found, unfolded(encoder, picture, masking))


class Remembering:
    """What long work keeps."""

    def __init__(self) -> None:
        self.rows: dict[str, Rows] = {}
        self.asked = 0

    def get(self, name: str) -> Rows | None:
        self.asked += 1
        return self.rows.get(name)

    def keep(self, name: str, rows: Rows) -> None:
        self.rows[name] = rows.copy()


def test_what_was_had_is_not_embedded_again(encoder: Any, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = Remembering()
    token = RECALL.set(memory)
    try:
        masking = MaskSettings(n_masks=20, feature_res=4)
        before = explorer.probe(picture, encoder=encoder, masking=masking).embeddings
        assert len(memory.rows) == 3
        other = explorer.probe(picture, encoder=encoder, masking=replace(masking, fill="mean")).embeddings
        assert len(memory.rows) == 6
        assert np.abs(other - before).max() > 1e-3
        monkeypatch.setattr(encoder, "_embed_planes", lambda planes: pytest.fail("asked the network"))
        again = explorer.probe(picture, encoder=encoder, masking=masking).embeddings
        np.testing.assert_array_equal(again, before)
    finally:
        RECALL.reset(token)


class Elsewhere:
    """A device other than the CPU, as far as its name goes."""

    type = "elsewhere"


def test_a_device_is_given_the_next_batch_before_the_last_is_fetched(
    encoder: Any, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    embed, copies = encoder._embed_planes, Copies
    monkeypatch.setattr(encoder, "_place", Elsewhere)
    monkeypatch.setattr(encoder, "_embed_planes", lambda planes: (asked.append(len(planes)), embed(planes))[1])
    monkeypatch.setattr(torch_masks, "Copies", lambda *given: copies(*given[:3], torch.device("cpu")))
    assert isinstance(encoder, MaskingEncoder)
    fresh = prepare(picture, encoder=encoder, masking=MaskSettings(n_masks=20, feature_res=4))
    assert isinstance(fresh.masks, GridMasks)
    pieces: Iterator[Rows] = encoder.embed_masked(fresh.pixels, fresh.background, fresh.masks, 0, 20)
    lengths = []
    for piece in pieces:
        lengths.append((len(asked), len(piece)))
    assert lengths == [(2, 8), (3, 8), (3, 4)]
