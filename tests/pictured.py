"""A tiny network as the app's encoders are: it takes pictures and resizes them, and shows its layers and gradients."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from explorer.core.masks import MaskSettings
from explorer.core.selections import SelectionSettings
from explorer.encoders.base import Encoder
from explorer.encoders.cards import CARDS
from explorer.pictures.images import as_picture
from explorer.ui import probe_cache
from explorer.ui.components import Look
from explorer.ui.session import RunRequest, Session
from explorer.ui.tabs.evidence import evidence as base
from explorer.ui.tabs.evidence.evidence import Subject, subject_of
from tests.attributions.networks import cnn


class Pictured(Encoder):
    """Wraps the tests' tiny convolutional network."""

    card = replace(CARDS["efficientnet-lite0"], title="Tiny")
    input_size = (32, 32)
    zero_colour = np.zeros(3, np.float32)
    fingerprint = "tiny"

    def __init__(self, inner: Encoder | None = None) -> None:
        super().__init__()
        self._inner = cnn(batch_size=8) if inner is None else inner

    def _forward(self, pixels):
        return self._inner.embed_pixels(pixels)

    def differentiable(self, pixels):
        return self._inner.differentiable(pixels)

    def layers(self):
        return self._inner.layers()

    def randomised(self, names, how="shuffle", seed=0):
        return Pictured(self._inner.randomised(names, how, seed))

    def blocks(self):
        return self._inner.blocks()


def pictured_subject(monkeypatch: pytest.MonkeyPatch) -> Subject:
    """A page that has run 40 masks with that network in place of the app's encoders."""
    encoder, assets = Pictured(), Path(__file__).parents[1] / "assets"
    for module in (probe_cache, base):
        monkeypatch.setattr(module, "load_encoder", lambda key, **options: encoder)
    picture, reference = (as_picture(assets / name) for name in ("cat_and_espresso.jpg", "espresso.jpg"))
    question = RunRequest(picture, reference, None, "efficientnet-lite0", "float32", MaskSettings(n_masks=40, seed=3))
    page = Session()
    for _ in probe_cache.ProbeCache().run(question, page, SelectionSettings()):
        pass
    return subject_of(page, Look(SelectionSettings(), None, page.shown(), 40))
