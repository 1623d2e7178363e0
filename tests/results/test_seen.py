"""What the browser is told of what the encoder sees: of the pair and of every copy, described once."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import explorer
from explorer import MaskSettings
from explorer.core.probe import grow, prepare
from explorer.core.references import embed_reference
from explorer.pictures.examples import asset_path
from explorer.results.seen import MOST, Seen

KEY = "efficientnet-lite0"


def read(wire: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """(2 + n, k) names and scores."""
    wire = json.loads(json.dumps(wire))
    ids = np.frombuffer(base64.b64decode(wire["ids"]), "<u2").reshape(-1, wire["most"])
    scores = np.frombuffer(base64.b64decode(wire["scores"]), np.uint8).reshape(-1, wire["most"])
    return np.vectorize(lambda i: wire["names"][str(i)])(ids), scores / 255


def test_each_copy_is_described_once_and_as_the_encoder_does(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = explorer.load_encoder(KEY)
    target = embed_reference(encoder, reference=asset_path("espresso.jpg"))
    seen, plain, asked = Seen(), encoder.describe, []

    def counting(rows: np.ndarray, k: int = 3) -> Any:
        asked.append(len(rows))
        return plain(rows, k)

    monkeypatch.setattr(encoder, "describe", counting)
    start = prepare(asset_path("cat_and_espresso.jpg"), encoder=encoder, masking=MaskSettings(n_masks=24))
    wires = [seen.wire(probe, target) for probe in (start, *grow(start))]
    *_, probe = grow(start)
    assert sum(asked) == 24 + 2 * len(wires)  # the pair is described each time
    names, scores = read(wires[-1])
    assert names.shape == (26, MOST)
    rows = np.concatenate([probe.unmasked()[None], target.embedding[None], probe.embeddings])
    labels = plain(rows, MOST)
    assert names.tolist() == [[name for name, _ in row] for row in labels.named()]
    np.testing.assert_allclose(scores, labels.scores, atol=0.5 / 255 + 1e-6)
    fewer = replace(probe, embeddings=probe.embeddings[:5])
    assert read(seen.wire(fewer, target))[0].tolist() == names[:7].tolist()
    assert len(read(wires[0])[0]) == 2  # before the first copy


def test_an_encoder_without_words_has_none(encoder: Any) -> None:
    picture = np.random.default_rng(0).random((32, 32, 3)).astype(np.float32)
    probe = explorer.probe(picture, encoder=encoder, masking=MaskSettings(n_masks=10, feature_res=4))
    assert Seen().wire(probe, embed_reference(encoder, reference=picture[::-1])) is None


def test_an_encoder_without_words_can_be_told_by_captions(encoder: Any) -> None:
    picture = np.random.default_rng(0).random((32, 32, 3)).astype(np.float32)
    probe = explorer.probe(picture, encoder=encoder, masking=MaskSettings(n_masks=10, feature_res=4))
    target = embed_reference(encoder, reference=picture[::-1])
    seen = Seen(("the picture", "the other"), np.stack([probe.unmasked(), target.embedding]))
    names, scores = read(seen.wire(probe, target))
    assert names.shape == (12, 2)
    assert names[:2, 0].tolist() == ["the picture", "the other"]
    np.testing.assert_allclose(scores[:2, 0], 1, atol=0.01)
