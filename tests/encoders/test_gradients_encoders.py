"""What the encoders of the cards give to methods that look inside: the same embeddings, from the same pixels."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
import torch

import explorer
from explorer.attributions.dix import Dix1
from explorer.attributions.grad_cam import GradCam
from explorer.attributions.question import make_class_question, make_question
from explorer.core.errors import InvalidInput
from explorer.core.steps import run
from explorer.encoders.base import Encoder
from explorer.encoders.cards import find_card
from explorer.encoders.gradients import as_tensor
from explorer.encoders.openclip import OpenClipEncoder
from tests.attributions.networks import picture
from tests.attributions.vits import vit_encoder

PIXELS = np.kron(np.random.default_rng(8).uniform(0, 255, (7, 7, 3)), np.ones((32, 32, 1))).astype(np.float32)
VISION = {"image_size": 64, "layers": 2, "width": 32, "head_width": 16, "patch_size": 16}
TEXT = {"context_length": 8, "vocab_size": 50, "width": 16, "heads": 2, "layers": 1}


def clip(**vision: Any) -> OpenClipEncoder:
    from open_clip.model import CLIP

    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = CLIP(16, {**VISION, **vision}, TEXT).eval()
    return OpenClipEncoder(find_card("clip-vit-b32"), network, None, "tiny")


def rows_of(encoder: Encoder, pixels: np.ndarray) -> np.ndarray:
    looked = encoder.differentiable(pixels)
    with torch.no_grad():
        return np.asarray(looked.module(as_tensor(looked.module, pixels[None])).cpu().numpy())


@pytest.mark.parametrize("key", ["efficientnet-lite0", "conse-lite0"])
def test_lite(key: str) -> None:
    encoder = explorer.load_encoder(key)
    assert encoder.gives() == encoder.card.gives == ("gradients", "layers")
    encoder.differentiable(PIXELS)  # the torch network is made when first wanted
    state = torch.get_rng_state()
    np.testing.assert_allclose(rows_of(encoder, PIXELS), encoder.embed_pixels(PIXELS[None].copy()), atol=2e-5)
    assert torch.equal(torch.get_rng_state(), state)  # nobody draws from the global generator


def test_scores_of_lite_are_what_its_probabilities_are_made_of() -> None:
    encoder = explorer.load_encoder("efficientnet-lite0")
    scores = encoder.classifier()
    rows = scores.embed_pixels(PIXELS[None].copy())
    np.testing.assert_allclose(rows_of(scores, PIXELS), rows, atol=1e-3)
    exact = np.exp(rows - rows.max())
    np.testing.assert_allclose(exact / exact.sum(), encoder.embed_pixels(PIXELS[None].copy()), atol=2e-5)
    assert explorer.load_encoder("conse-lite0").classifier().embed_pixels(PIXELS[None].copy()) == pytest.approx(rows)
    assert scores.fingerprint != encoder.fingerprint


@pytest.mark.parametrize(
    ("vision", "gives"),
    [
        ({}, ("gradients", "attention")),
        ({"layers": (1, 1, 1, 1), "width": 8, "patch_size": None}, ("gradients", "layers")),
    ],
)
def test_open_clip(vision: dict[str, Any], gives: tuple[str, ...]) -> None:
    encoder = clip(**vision)
    assert encoder.gives() == gives
    pixels = PIXELS[:64, :64]
    np.testing.assert_allclose(rows_of(encoder, pixels), encoder.embed_pixels(pixels[None]), atol=1e-5)
    looked = encoder.differentiable(pixels)
    if "attention" in gives:
        assert (looked.prefix, looked.grid, looked.reads, len(looked.attentions)) == (1, (4, 4), (1.0, 0.0), 2)
    else:
        assert looked.stages == ("visual.layer4", "visual.layer3", "visual.layer2")
    with pytest.raises(InvalidInput, match="has no classes"):
        encoder.classifier()


def test_coca() -> None:
    """Its embeddings are of length 1, which other distances than the cosine see."""
    from open_clip.coca_model import CoCa, MultimodalCfg

    with torch.random.fork_rng():
        torch.manual_seed(3)
        pooled = {"attentional_pool": True, "attn_pooler_heads": 2, "output_tokens": True}
        network = CoCa(16, MultimodalCfg(**TEXT), TEXT, {**VISION, **pooled}).eval()
    encoder = OpenClipEncoder(find_card("clip-vit-b32"), network, None, "tiny")
    pixels = PIXELS[:64, :64]
    rows = encoder.embed_pixels(pixels[None])
    assert np.linalg.norm(rows) == pytest.approx(1)
    np.testing.assert_allclose(rows_of(encoder, pixels), rows, atol=1e-5)


def test_a_function_gives_nothing() -> None:
    encoder = explorer.from_function(lambda batch: batch[:, 0, 0])
    assert encoder.gives() == ()
    with pytest.raises(InvalidInput, match="gives no gradients"):
        encoder.differentiable(PIXELS)


def test_threads_that_embed_meanwhile_are_not_disturbed() -> None:
    encoder = vit_encoder()
    question = make_question(picture(1), reference=picture(2), encoder=encoder)
    rows = encoder.embed_pixels(picture(1)[None])
    seen: list[np.ndarray] = []
    stop = threading.Event()

    def embed() -> None:
        while not stop.is_set():
            seen.append(encoder.embed_pixels(picture(1)[None]))

    thread = threading.Thread(target=embed)
    thread.start()
    try:
        maps = [run(Dix1()(question)) for _ in range(3)]
    finally:
        stop.set()
        thread.join()
    assert len(seen) > 3
    for found in seen:
        np.testing.assert_array_equal(found, rows)
    for found in maps[1:]:
        np.testing.assert_array_equal(found, maps[0])


def test_a_class_of_lite_has_a_map() -> None:
    question = make_class_question(PIXELS.astype(np.uint8), class_index=3, encoder="efficientnet-lite0")
    found = run(GradCam()(question))
    assert found.shape == (224, 224)
    assert found.min() < 0 < found.max()
