"""Every entry of every registry keeps the contracts of its kind, and finds a planted patch.

A new fill, distance, mode or card is tested here with no further edit.
"""

from __future__ import annotations

import inspect
import re
import socket
from functools import cache

import numpy as np
import pytest

import explorer
from explorer import Encoder, Explanation, MaskSettings, Probe, SelectionSettings, WeightsMissing
from explorer.core.distances import DISTANCES, measure
from explorer.core.embedder import Card
from explorer.core.fills import FILLS, apply_masks, make_background
from explorer.core.registry import Registry
from explorer.core.selections import MODES, select
from explorer.encoders.cards import CARDS

REGISTRIES: dict[str, Registry] = {"fills": FILLS, "distances": DISTANCES, "modes": MODES, "cards": CARDS}
ENTRIES = [(name, key) for name, registry in REGISTRIES.items() for key in registry]


# All registries


@pytest.mark.parametrize(("name", "key"), ENTRIES)
def test_keys_are_what_one_can_type(name: str, key: str) -> None:
    assert re.fullmatch(r"[a-z0-9]+([-_][a-z0-9]+)*", key)
    assert REGISTRIES[name][key] is dict(REGISTRIES[name].items())[key]


@pytest.mark.parametrize(("name", "key"), ENTRIES)
def test_labels_are_for_people(name: str, key: str) -> None:
    entry = REGISTRIES[name][key]
    label = entry.title if name == "cards" else entry.label
    assert 3 <= len(label) <= 60
    assert label == label.strip()
    assert not label.endswith(".")


@pytest.mark.parametrize("name", REGISTRIES)
def test_labels_differ(name: str) -> None:
    entries = [entry for _, entry in REGISTRIES[name].items()]
    labels = [entry.title if name == "cards" else entry.label for entry in entries]
    assert len(set(labels)) == len(labels) == len(REGISTRIES[name]) > 1


@pytest.mark.parametrize(("name", "key"), [(name, key) for name, key in ENTRIES if name in ("fills", "distances")])
def test_strategies_say_what_they_are(name: str, key: str) -> None:
    """The first line of a strategy's docstring is a sentence, with its paper where it has one."""
    entry = REGISTRIES[name][key]
    documented = inspect.getdoc(entry.background if name == "fills" else entry.measure)
    if key in ("auto", "dot", "mean"):  # resolved elsewhere, or too plain for a paper
        return
    assert documented
    assert documented.splitlines()[0].endswith(".")


# Fills


@pytest.mark.parametrize("fill", [key for key, fill in FILLS.items() if not fill.drops])
@pytest.mark.parametrize("size", [(16, 16), (24, 40), (224, 224)], ids=str)
def test_fills_give_a_background(fill: str, size: tuple[int, int], picture_encoder: Encoder) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.float32)
    before = pixels.copy()
    background = make_background(fill, pixels, picture_encoder, seed=5)
    assert np.broadcast_shapes(background.shape, pixels.shape) == pixels.shape
    assert np.isfinite(background).all()
    assert background.min() >= 0
    assert background.max() <= 255
    np.testing.assert_array_equal(background, make_background(fill, pixels, picture_encoder, seed=5))
    np.testing.assert_array_equal(pixels, before)
    copies = apply_masks(pixels, background, np.ones((2, *size), np.float32))
    assert copies.dtype == np.float32
    assert copies.shape == (2, *size, 3)
    np.testing.assert_allclose(copies[1], pixels, atol=1e-3)  # where all is kept, nothing is filled


# Distances


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_distances_have_shape_dtype_range_and_direction(distance: str, dtype: type) -> None:
    generator = np.random.default_rng(1)
    rows, vector = generator.normal(size=(30, 9)).astype(dtype), generator.normal(size=9).astype(dtype)
    found = measure(distance, rows, vector)
    entry = DISTANCES[distance]
    assert found.shape == (30,)
    assert found.dtype == np.float64
    assert np.isfinite(found).all()
    assert entry.low < entry.high
    assert found.min() >= entry.low
    assert found.max() <= entry.high
    # Small is close: moving towards the reference lowers every distance.
    assert (measure(distance, (rows + 9 * vector) / 10, vector) < found).all()
    # Each row on its own: no distance depends on the others.
    np.testing.assert_allclose(
        np.concatenate([measure(distance, row[None], vector) for row in rows]), found, rtol=1e-12
    )


# Modes


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("n", [10, 57, 1000])
@pytest.mark.parametrize("threshold", [0.1, 0.33, 0.5])
def test_modes_give_signed_weights(mode: str, n: int, threshold: float) -> None:
    distances = np.random.default_rng(n).random(n)
    before = distances.copy()
    weights = select(distances, SelectionSettings(mode=mode, threshold=threshold))
    np.testing.assert_array_equal(distances, before)
    assert weights.shape == (n,)
    assert weights.dtype == np.float64
    assert weights.any()
    for part, sign in ((weights[weights > 0], 1.0), (weights[weights < 0], -1.0)):
        assert not len(part) or part.sum() == pytest.approx(sign)
    order = np.argsort(distances)
    assert (np.diff(weights[order]) <= 1e-15).all()  # the closer, the more positive
    if not MODES[mode].has_threshold:
        assert (weights != 0).sum() >= n - 1
    for low, high in MODES[mode].slices(threshold):
        assert 0 <= low <= high <= 1
    assert MODES[mode].about.endswith(".")


@pytest.mark.parametrize("key", DISTANCES)
def test_closeness_ranks_as_the_distance(key: str) -> None:
    """What is differentiated and what is ranked are one thing, written twice."""
    distance, stream = DISTANCES[key], np.random.default_rng(0)
    rows, reference = stream.normal(size=(50, 7)), stream.normal(size=7)
    asked = reference / np.linalg.norm(reference) if distance.needs_length else reference
    lengths = np.linalg.norm(rows, axis=1)
    closeness = distance.closeness(np, rows, lengths, asked)
    np.testing.assert_array_equal(np.argsort(-closeness), np.argsort(measure(key, rows, reference)))
    if distance.at_reference is not None:
        there = reference[None] * (1 + 1e-9)
        here = distance.closeness(np, there, np.linalg.norm(there, axis=1), asked)
        assert distance.at_reference(np, here, float(np.linalg.norm(reference))).all()
        assert not distance.at_reference(np, closeness, float(np.linalg.norm(reference))).any()


# The sign convention, on a picture whose answer is known

H, W = 40, 56
PATCH = np.s_[12:22, 30:42]
FILLS_TO_FIND = [key for key, fill in FILLS.items() if not fill.drops]


def planted(batch: np.ndarray) -> np.ndarray:
    """(b, h, w, c) -> (b, 2): turns from (0, 1) to (1, 0) as the patch grows brighter, and looks at nothing else."""
    brightness = batch[(slice(None), *PATCH)].mean(axis=(1, 2, 3), dtype=np.float64)
    return np.stack([brightness, 1 - brightness], axis=1)


@cache
def planted_probe(fill: str) -> Probe:
    image = np.random.default_rng(0).random((H, W, 3)) * 0.4
    image[PATCH] += 0.6
    return explorer.probe(
        image, encoder=explorer.from_function(planted), masking=MaskSettings(n_masks=600, fill=fill, seed=1)
    )


def finds_the_patch(attribution: np.ndarray, sign: int = 1) -> bool:
    """Whether the map peaks inside the patch and is higher there, on the whole, than almost anywhere else."""
    signed = sign * attribution
    inside = np.zeros((H, W), bool)
    inside[PATCH] = True
    peak = np.unravel_index(signed.argmax(), signed.shape)
    return bool(
        inside[peak] and signed[inside].mean() > np.quantile(signed[~inside], 0.95) and signed[inside].min() > 0
    )


def explained(fill: str, mode: str, distance: str, embedding: tuple[float, float]) -> Explanation:
    selection = SelectionSettings(mode=mode, distance=distance)
    return explorer.rank(planted_probe(fill), embedding=np.array(embedding), selection=selection)


@pytest.mark.parametrize("fill", FILLS_TO_FIND)
@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("mode", MODES)
def test_the_map_peaks_where_keeping_brings_closer(mode: str, distance: str, fill: str) -> None:
    found = explained(fill, mode, distance, (1.0, 0.0))
    assert found.no_signal == ""
    # One side alone rides on the mean of all masks: closest on plus, farthest on minus p_keep.
    offset = {"closest": 0.5, "farthest": -0.5}.get(mode, 0.0)
    assert finds_the_patch(found.attribution - offset)


@pytest.mark.parametrize("fill", FILLS_TO_FIND)
@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("mode", MODES)
def test_the_map_dips_where_keeping_drives_apart(mode: str, distance: str, fill: str) -> None:
    found = explained(fill, mode, distance, (0.0, 1.0))
    offset = {"closest": 0.5, "farthest": -0.5}.get(mode, 0.0)
    assert finds_the_patch(found.attribution - offset, sign=-1)
    assert not finds_the_patch(found.attribution - offset)


@pytest.mark.parametrize("fill", FILLS_TO_FIND)
@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("mode", MODES)
def test_a_shuffled_map_fails_the_same_check(mode: str, distance: str, fill: str) -> None:
    attribution = explained(fill, mode, distance, (1.0, 0.0)).attribution
    offset = {"closest": 0.5, "farthest": -0.5}.get(mode, 0.0)
    for seed in range(5):
        shuffled = np.random.default_rng(seed).permutation(attribution.ravel()).reshape(H, W)
        assert not finds_the_patch(shuffled - offset)


@pytest.mark.parametrize("mode", MODES)
def test_shuffled_masks_fail_the_same_check(mode: str) -> None:
    """Smooth maps without a signal: the distances dealt out to the wrong masks."""
    probe = planted_probe("auto")
    weights = select(np.random.default_rng(2).permutation(explained("auto", mode, "cosine", (1.0, 0.0)).distances),
                     SelectionSettings(mode=mode))  # fmt: skip
    offset = {"closest": 0.5, "farthest": -0.5}.get(mode, 0.0)
    assert not finds_the_patch(probe.masks.weighted_sum(weights) - offset)


# Cards


@pytest.mark.parametrize("key", CARDS)
def test_cards_are_filled_in(key: str) -> None:
    card: Card = CARDS[key]
    assert card.key == key
    assert card.compares
    assert set(card.compares) <= {"image-image", "image-caption"}
    assert card.captions == ("image-caption" in card.compares)
    for field in ("embedding", "family", "size", "licence", "source"):
        assert getattr(card, field).strip(), field
    assert card.packages
    assert card.fill in set(FILLS) - {"auto"}
    assert card.precisions[0] == "float32"
    assert set(card.precisions) <= {"float32", "bfloat16", "float16"}
    assert re.search(r"\d MB", card.size)
    if not card.offline:
        assert card.weights


@pytest.mark.parametrize("key", CARDS)
def test_cards_say_whether_they_are_here(key: str) -> None:
    card = CARDS[key]
    assert card in explorer.encoders()
    assert card.here == (card.missing == "")
    if card.offline and not card.missing.startswith("not installed"):
        assert card.here


def cut_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine without one, so that no test downloads hundreds of megabytes."""

    def unreachable(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", unreachable)
    monkeypatch.setattr(socket.socket, "connect", unreachable)


@pytest.mark.parametrize("key", CARDS)
def test_encoders_keep_the_contract(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those whose weights are here; the others say at once which command brings them."""
    cut_the_network(monkeypatch)
    card = CARDS[key]
    if not card.here:
        with pytest.raises(WeightsMissing, match=rf"explorer models fetch {key}|pip install"):
            explorer.load_encoder(key)
        return
    encoder = explorer.load_encoder(key)
    assert explorer.load_encoder(key) is encoder
    assert encoder.card is card
    assert encoder.fingerprint
    assert encoder.batch_size >= 1
    pictures = np.random.default_rng(0).integers(0, 256, (3, 50, 70, 3), dtype=np.uint8)
    rows = encoder.embed_images(pictures)
    assert rows.ndim == 2
    assert len(rows) == 3
    assert rows.dtype in (np.float32, np.float64)
    assert np.isfinite(rows).all()
    assert (rows.std(axis=1) > 0).all()
    np.testing.assert_array_equal(rows, encoder.embed_images(pictures))
    np.testing.assert_array_equal(rows, encoder.embed_images(pictures / 255))  # floats in [0, 1] are the same pictures
    np.testing.assert_array_equal(rows[1:2], encoder.embed_images(pictures[1:2]))  # whatever else is in the batch
    pixels, box = encoder.view(pictures[0])
    assert pixels.dtype == np.float32
    assert pixels.shape == (*encoder.input_size, 3)
    assert pixels.min() >= 0
    assert pixels.max() <= 255
    assert box.left < box.right
    assert box.top < box.bottom
    np.testing.assert_array_equal(rows[0], encoder.embed_pixels(pixels[None], place=encoder.batch_size - 1)[0])
    if card.captions:
        texts = encoder.embed_texts(["a bee", "a fly"])
        assert texts.shape == (2, rows.shape[1])
        assert np.isfinite(texts).all()
        np.testing.assert_array_equal(texts[1:], encoder.embed_texts(["a fly"]))
    else:
        with pytest.raises(explorer.InvalidInput, match="cannot read captions"):
            encoder.embed_texts(["a bee"])


@pytest.mark.parametrize("key", [key for key, card in CARDS.items() if card.here])
def test_cards_say_whether_an_embedding_can_be_negative(key: str) -> None:
    """What the axis of distances promises: with no number below 0, none is beyond ``high_nonnegative``."""
    encoder = explorer.load_encoder(key)
    noise = np.random.default_rng(4).integers(0, 256, (encoder.batch_size, 64, 64, 3), dtype=np.uint8)
    noise[1:4] = np.array([0, 128, 255], np.uint8)[:, None, None, None]
    rows = encoder.embed_images(noise)
    assert CARDS[key].nonnegative == (rows.min() >= 0)
    for name, distance in DISTANCES.items():
        most = distance.high_nonnegative if CARDS[key].nonnegative else distance.high
        assert measure(name, rows, rows[0]).max() <= most + 1e-9
