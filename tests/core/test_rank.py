"""The free stage: maps with a signal, maps without one, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import explorer
from explorer import Encoder, Explanation, InvalidInput, MaskSettings, SelectionSettings, UnusableEmbedding
from explorer.core import rank
from explorer.core.distances import DISTANCES, measure
from explorer.core.fills import FILLS
from explorer.core.masks import GridMasks
from explorer.core.probe import prepare
from explorer.core.rank import IDENTICAL
from explorer.core.selections import MODES
from explorer.pictures.images import as_picture
from tests.oracles import slow

FEW = MaskSettings(n_masks=40)


def assert_flat(explanation: Explanation, why: str) -> None:
    """A zero map that says so: never a structured one."""
    assert not explanation.attribution.any()
    assert not explanation.weights.any()
    assert why in explanation.no_signal
    assert np.isfinite(explanation.distances).all()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("distance", DISTANCES)
def test_against_loops(picture: np.ndarray, encoder: Encoder, mode: str, distance: str) -> None:
    selection = SelectionSettings(mode=mode, distance=distance, threshold=0.2)
    reference = np.random.default_rng(0).random(12)
    found = explorer.explain(picture, embedding=reference, encoder=encoder, masking=FEW, selection=selection)
    distances = [slow.DISTANCES[distance](row, reference) for row in found.probe.embeddings]
    np.testing.assert_allclose(found.distances, distances, atol=1e-9)
    near = (0.0, 0.2) if mode in ("closest", "mirror") else (0.0, 0.0)
    far = (0.8, 1.0) if mode in ("farthest", "mirror") else (0.0, 0.0)
    weights = slow.rank_weights(distances) if mode == "rank_weighted" else slow.slice_weights(distances, near, far)
    np.testing.assert_allclose(found.weights, weights, atol=1e-9)
    expected = slow.weighted_sum(weights, found.probe.masks.render(0, 40).astype(float))
    np.testing.assert_allclose(found.attribution, expected, atol=1e-5)
    assert found.attribution.shape == (24, 40)
    assert found.attribution.dtype == np.float32
    assert found.distances.dtype == found.weights.dtype == np.float64
    assert found.selection == selection
    assert found.no_signal == ""
    assert found.reference.label == "an embedding"


ONE_SIDED = [
    (50, {"mode": "mirror", "threshold": 0.01}, "closest"),
    (19, {"mode": "mirror", "threshold": 0.05}, "closest"),
    (40, {"closest": (0.0, 0.5), "farthest": (0.99, 0.999)}, "farthest"),
    (40, {"closest": (0.5, 0.51), "farthest": (0.5, 1.0)}, "closest"),
    (100, {"mode": "mirror", "threshold": 0.01}, ""),
    (50, {"mode": "farthest", "threshold": 0.01}, ""),
    (50, {"mode": "rank_weighted"}, ""),
    (50, {"closest": (0.0, 0.5)}, ""),
    (50, {"closest": (0.0, 0.5), "farthest": (0.7, 0.7)}, ""),
]


@pytest.mark.parametrize(("n", "selection", "empty"), ONE_SIDED)
def test_a_side_without_a_mask_is_told(
    picture: np.ndarray, encoder: Encoder, n: int, selection: dict, empty: str
) -> None:
    """The slices stay those of the reference implementation; that one is empty is no longer silent."""
    masking = MaskSettings(n_masks=n)
    found = explorer.explain(picture, embedding=np.arange(12.0), encoder=encoder, masking=masking,
                             selection=SelectionSettings(**selection))  # fmt: skip
    assert found.notices == ((rank.ONE_SIDED[empty],) if empty else ())
    sides = {"closest": (found.weights > 0).any(), "farthest": (found.weights < 0).any()}
    assert not empty or sides == {"closest": empty != "closest", "farthest": empty != "farthest"}


def test_defaults_are_the_papers() -> None:
    assert SelectionSettings() == SelectionSettings(mode="mirror", threshold=0.1, distance="cosine")


def test_mirror_is_closest_plus_farthest(picture: np.ndarray, encoder: Encoder) -> None:
    probe = explorer.probe(picture, encoder=encoder, masking=MaskSettings(n_masks=100))
    closest, farthest, mirror = (
        explorer.rank(probe, reference=picture[::-1], selection=SelectionSettings(mode=mode)).attribution
        for mode in ("closest", "farthest", "mirror")
    )
    np.testing.assert_allclose(mirror, closest + farthest, atol=1e-6)
    assert closest.min() >= 0
    assert farthest.max() <= 0


def test_explain_is_probe_and_rank(picture: np.ndarray, encoder: Encoder) -> None:
    selection = SelectionSettings(mode="rank_weighted")
    calls: list[tuple[int, int]] = []
    whole = explorer.explain(
        picture,
        reference=picture[::-1],
        encoder=encoder,
        masking=FEW,
        selection=selection,
        on_progress=lambda done, total: calls.append((done, total)),
    )
    probe = explorer.probe(picture, encoder=encoder, masking=FEW)
    parts = explorer.rank(probe, reference=picture[::-1], selection=selection)
    np.testing.assert_array_equal(whole.attribution, parts.attribution)
    np.testing.assert_array_equal(whole.distances, parts.distances)
    assert calls[-1] == (40, 40)


def test_a_probe_that_is_still_growing_can_be_ranked(picture: np.ndarray, encoder: Encoder) -> None:
    whole = explorer.probe(picture, encoder=encoder, masking=FEW)
    for probe in explorer.stream(picture, encoder=encoder, masking=FEW):
        found = explorer.rank(probe, reference=picture[::-1], selection=SelectionSettings(threshold=0.5))
        assert len(found.distances) == len(found.weights) == len(probe)
        np.testing.assert_array_equal(
            found.distances, explorer.rank(whole, reference=picture[::-1]).distances[: len(probe)]
        )
        assert found.attribution.any()


def test_a_probe_without_masks_cannot(picture: np.ndarray, encoder: Encoder) -> None:
    with pytest.raises(InvalidInput, match="no masks yet; let it embed at least one batch") as caught:
        explorer.rank(prepare(picture, encoder=encoder, masking=FEW), embedding=np.ones(12))
    assert caught.value.code == "probe_empty"


# What it costs


def test_rank_embeds_no_masked_copy_and_renders_no_mask(picture: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def function(batch: np.ndarray) -> np.ndarray:
        seen.append(len(batch))
        return batch.mean(axis=(1, 2))

    probe = explorer.probe(picture, encoder=explorer.from_function(function), masking=FEW)
    seen.clear()
    monkeypatch.setattr(GridMasks, "render", lambda *_: pytest.fail("a mask was rendered"))
    for mode in MODES:
        explorer.rank(probe, embedding=[10.0, 50.0, 20.0], selection=SelectionSettings(mode=mode))
    assert seen == []
    found = explorer.rank(probe, reference=picture[::-1])
    assert seen == [1]  # the reference alone
    assert found.unmasked_distance == found.unmasked_distance
    explorer.rank(probe, embedding=[1.0, 5.0, 2.0]).unmasked_distance  # noqa: B018
    assert seen == [1, 1]  # the whole picture, once for all rankings


@pytest.mark.parametrize("distance", DISTANCES)
def test_unmasked_distance(picture: np.ndarray, encoder: Encoder, distance: str) -> None:
    reference = np.random.default_rng(1).random(12)
    selection = SelectionSettings(distance=distance)
    found = explorer.explain(picture, embedding=reference, encoder=encoder, masking=FEW, selection=selection)
    assert isinstance(found.unmasked_distance, float)
    expected = slow.DISTANCES[distance](encoder.embed_images(picture[None])[0], reference)
    assert found.unmasked_distance == pytest.approx(expected, abs=1e-9)


def test_nothing_given_is_changed(picture: np.ndarray, encoder: Encoder) -> None:
    reference = np.arange(12.0)
    probe = explorer.probe(picture, encoder=encoder, masking=FEW)
    before = probe.embeddings.copy()
    explorer.rank(probe, embedding=reference, selection=SelectionSettings(distance="euclidean"))
    np.testing.assert_array_equal(probe.embeddings, before)
    np.testing.assert_array_equal(reference, np.arange(12.0))


# No signal


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("distance", DISTANCES)
def test_a_dead_model(picture: np.ndarray, mode: str, distance: str) -> None:
    dead = explorer.from_function(lambda batch: np.full((len(batch), 5), 0.3, np.float32))
    selection = SelectionSettings(mode=mode, distance=distance)
    found = explorer.explain(picture, embedding=np.arange(1.0, 6), encoder=dead, masking=FEW, selection=selection)
    assert_flat(found, "all masked copies lie equally far from the reference")


@pytest.mark.parametrize("distance", DISTANCES)
def test_a_dead_model_that_rounds(picture: np.ndarray, distance: str) -> None:
    """Float32 answers that differ by their last bit are no signal either."""

    def dead(batch: np.ndarray) -> np.ndarray:
        rows = np.full((len(batch), 5), 0.3, np.float32)
        return np.where(batch[:, :5, 0, 0] > 60, np.nextafter(rows, np.float32(1)), rows)

    selection = SelectionSettings(distance=distance)
    encoder = explorer.from_function(dead)
    found = explorer.explain(picture, embedding=np.arange(1.0, 6), encoder=encoder, masking=FEW, selection=selection)
    assert np.ptp(found.probe.embeddings) > 0
    assert_flat(found, "all masked copies lie equally far from the reference")


@pytest.mark.parametrize("fill", [key for key, fill in FILLS.items() if not fill.drops])
@pytest.mark.parametrize("colour", [0, 100, 255])
def test_a_uniform_picture(picture_encoder: Encoder, fill: str, colour: int) -> None:
    """Whatever is put in its place: where a grey picture was masked says nothing about the picture."""
    uniform = np.full((48, 64, 3), colour, np.uint8)
    masking = replace(FEW, fill=fill)
    found = explorer.explain(uniform, embedding=np.ones(17), encoder=picture_encoder, masking=masking)
    assert_flat(found, "the image is uniform")


def test_a_transparent_picture(picture_encoder: Encoder) -> None:
    from PIL import Image

    clear = Image.fromarray(np.zeros((48, 64, 4), np.uint8))
    found = explorer.explain(clear, embedding=np.ones(17), encoder=picture_encoder, masking=FEW)
    assert_flat(found, "the image is uniform")
    assert found.notices == ("Image is fully transparent; it is drawn on grey, so there is nothing to explain.",)


@pytest.mark.parametrize(
    "selection",
    [
        SelectionSettings(mode="closest", threshold=0.01),
        SelectionSettings(closest=(0.5, 0.5)),
        SelectionSettings(closest=(0.2, 0.21)),
    ],
)
def test_nothing_selected(picture: np.ndarray, encoder: Encoder, selection: SelectionSettings) -> None:
    found = explorer.explain(picture, reference=picture[::-1], encoder=encoder, masking=FEW, selection=selection)
    assert_flat(found, "No mask is selected")


def test_a_weak_signal_is_a_signal(picture: np.ndarray) -> None:
    """Distances in high dimensions differ by less than 1e-4 (paper, section 2.2.2)."""

    def weak(batch: np.ndarray) -> np.ndarray:
        return np.concatenate([np.full((len(batch), 1), 1e6), batch.mean(axis=(1, 2))], axis=1)

    found = explorer.explain(
        picture.astype(float), embedding=[1e6, 0.0, 0.0, 300.0], encoder=explorer.from_function(weak), masking=FEW
    )
    assert np.ptp(found.distances) < 1e-7
    assert found.attribution.any()
    assert found.no_signal == ""


# Embeddings that are none


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("mode", MODES)
def test_non_finite_embeddings_are_counted(picture: np.ndarray, encoder: Encoder, value: float, mode: str) -> None:
    probe = explorer.probe(picture, encoder=encoder, masking=FEW)
    broken = probe.embeddings.copy()
    broken[[3, 4, 30], 0] = value
    with pytest.raises(UnusableEmbedding, match="non-finite values for 3 of 40 masked copies"):
        explorer.rank(replace(probe, embeddings=broken), embedding=np.ones(12), selection=SelectionSettings(mode=mode))


def test_zero_length_embeddings_are_counted(picture: np.ndarray, encoder: Encoder) -> None:
    probe = explorer.probe(picture, encoder=encoder, masking=FEW)
    broken = probe.embeddings.copy()
    broken[[3, 4]] = 0
    broken_probe = replace(probe, embeddings=broken)
    with pytest.raises(UnusableEmbedding, match="zero-length embedding for 2 of 40 masked copies: the angle to it is"):
        explorer.rank(broken_probe, embedding=np.ones(12))
    assert explorer.rank(
        broken_probe, embedding=np.ones(12), selection=SelectionSettings(distance="euclidean")
    ).weights.any()


def test_a_reference_that_is_none(picture: np.ndarray, encoder: Encoder) -> None:
    probe = explorer.probe(picture, encoder=encoder, masking=FEW)
    with pytest.raises(UnusableEmbedding, match="The embedding to compare with has zero length"):
        explorer.rank(probe, embedding=np.zeros(12))
    with pytest.raises(
        UnusableEmbedding, match="compare with holds non-finite values; put numbers in their place if it is your own"
    ):
        explorer.rank(probe, embedding=np.full(12, np.nan))


@pytest.mark.parametrize(
    "embedding",
    [
        np.ones((1, 12)),
        np.ones((12, 1)),
        [],
        "vector",
        None,
        3.0,
        np.full(12, "x"),
        np.full(12, None),
        np.ones(12) * 1j,
    ],
    ids=["(1, d)", "(d, 1)", "empty", "text", "none", "a number", "texts", "objects", "complex"],
)
def test_an_embedding_is_a_vector_of_numbers(picture: np.ndarray, encoder: Encoder, embedding: Any) -> None:
    probe = explorer.probe(picture, encoder=encoder, masking=FEW)
    with pytest.raises(InvalidInput, match=r"embedding must be a vector of numbers|Give exactly one"):
        explorer.rank(probe, embedding=embedding)


@pytest.mark.parametrize("make", [list, tuple, np.array, np.float32, lambda v: np.array(v, int)])
def test_an_embedding_may_be_any_list_of_numbers(
    picture: np.ndarray, encoder: Encoder, make: Callable[[list[float]], Any]
) -> None:
    probe = explorer.probe(picture, encoder=encoder, masking=FEW)
    values = [float(k) for k in range(12)]
    np.testing.assert_allclose(
        explorer.rank(probe, embedding=make(values)).distances,
        measure("cosine", probe.embeddings, np.array(values)),
    )


def test_an_embedding_of_another_length(picture: np.ndarray, encoder: Encoder) -> None:
    probe = explorer.probe(picture, encoder=encoder, masking=FEW)
    with pytest.raises(InvalidInput, match=r"must have shape \(12,\) like the picture's, got \(13,\)"):
        explorer.rank(probe, embedding=np.ones(13))


# References


@pytest.mark.parametrize(
    ("given", "count"),
    [
        ({}, "none"),
        ({"embedding": np.ones(12), "caption": "a bee"}, "2"),
        ({"reference": np.ones((24, 40, 3)), "embedding": np.ones(12)}, "2"),
        ({"reference": np.ones((24, 40, 3)), "embedding": np.ones(12), "caption": ""}, "3"),
    ],
)
def test_exactly_one_reference(picture: np.ndarray, encoder: Encoder, given: dict[str, Any], count: str) -> None:
    with pytest.raises(
        InvalidInput, match=f"Give exactly one of reference, caption and embedding; {count} given"
    ) as caught:
        explorer.explain(picture, encoder=encoder, masking=FEW, **given)
    assert caught.value.code == "reference_count"


def test_a_bad_reference_is_told_before_any_work(picture: np.ndarray, picture_encoder: Encoder) -> None:
    with pytest.raises(InvalidInput, match=r"No such file: nowhere\.jpg"):
        explorer.explain(picture, reference="nowhere.jpg", encoder=picture_encoder)
    assert picture_encoder.rows == 0  # type: ignore[attr-defined]


def large_pictures(folder: Path) -> tuple[Path, Path]:
    """Two of 12 megapixels that differ in one pixel, which no small copy shows."""
    pixels = np.linspace(0, 255, 4000, dtype=np.uint8)[None, :, None].repeat(3000, 0).repeat(3, 2)
    paths = folder / "one.png", folder / "other.png"
    Image.fromarray(pixels).save(paths[0], compress_level=1)
    pixels[1500, 2000, 0] ^= 1
    Image.fromarray(pixels).save(paths[1], compress_level=1)
    return paths


def held(result: object) -> int:
    """The bytes of its arrays, and of what they are views of."""
    arrays = [value for value in vars(result).values() if isinstance(value, np.ndarray)]
    return sum(max(a.nbytes, a.base.nbytes if isinstance(a.base, np.ndarray) else 0) for a in arrays)


def test_results_keep_a_picture_for_the_screen_only(picture_encoder: Encoder, tmp_path: Path) -> None:
    one, other = large_pictures(tmp_path)
    probe = explorer.probe(one, encoder=picture_encoder, masking=FEW)
    found = explorer.rank(probe, reference=other)
    assert held(found.reference) < 5_000_000  # 36 MB before
    assert held(probe) < 5_000_000
    assert probe.picture is not None
    assert found.reference.picture is not None
    assert probe.picture.shape == found.reference.picture.shape == (768, 1024, 3)
    # The encoder was shown the whole picture all the same, and names go by all its pixels.
    np.testing.assert_array_equal(probe.pixels, picture_encoder.view(as_picture(one).pixels)[0])
    seen = picture_encoder.view(as_picture(other).pixels)[0]
    np.testing.assert_array_equal(found.reference.embedding, picture_encoder.embed_pixels(seen[None])[0])
    assert found.notices == ()
    assert explorer.rank(probe, reference=one).notices == (IDENTICAL,)


def test_identical_inputs_are_noticed(picture: np.ndarray, picture_encoder: Encoder) -> None:
    found = explorer.explain(picture, reference=picture.copy(), encoder=picture_encoder, masking=FEW)
    assert found.notices == (IDENTICAL,) == ("Identical inputs: the distance before masking is 0.",)
    assert found.unmasked_distance == pytest.approx(0, abs=1e-7)
    assert found.attribution.any()  # still worth a map: which regions make it what it is
    other = explorer.explain(picture, reference=picture[::-1].copy(), encoder=picture_encoder, masking=FEW)
    assert other.notices == ()
    assert other.unmasked_distance > 1e-3


def test_notices_of_both_pictures_are_kept(picture: np.ndarray, picture_encoder: Encoder) -> None:
    from PIL import Image

    half = np.dstack([picture, np.full(picture.shape[:2], 128, np.uint8)])
    found = explorer.explain(
        Image.fromarray(half), reference=Image.fromarray(half[::-1]), encoder=picture_encoder, masking=FEW
    )
    assert found.notices == ("Transparent parts are drawn on mid-grey.",) * 2


def test_labels(picture: np.ndarray, picture_encoder: Encoder, encoder: Encoder) -> None:
    assert (
        explorer.explain(picture, reference=picture[::-1], encoder=encoder, masking=FEW).reference.label == "an array"
    )
    found = explorer.explain(picture, reference=picture[::-1].copy(), encoder=picture_encoder, masking=FEW)
    assert found.reference.label == "a picture"
    assert found.reference.embedding.shape == (17,)


# Functions with bad manners


def test_a_function_may_change_what_it_is_shown(picture: np.ndarray) -> None:
    """As Keras' preprocess_input does with float arrays: neither the caller's arrays nor the probe may notice."""

    def scaling(batch: np.ndarray) -> np.ndarray:
        batch /= 127.5
        batch -= 1
        return batch.mean(axis=(1, 2))

    image, reference = picture.astype(np.float32), picture[::-1].astype(np.float32)
    encoder = explorer.from_function(scaling)
    found = explorer.explain(image, reference=reference, encoder=encoder, masking=FEW)
    expected = explorer.from_function(lambda batch: (batch / 127.5 - 1).mean(axis=(1, 2))).embed_images(image[None])[0]
    for _ in range(2):  # the first time embeds the whole picture
        assert found.unmasked_distance == pytest.approx(measure("cosine", expected[None], found.reference.embedding)[0])
    np.testing.assert_array_equal(image, picture)
    np.testing.assert_array_equal(reference, picture[::-1])
    longer = explorer.extend(found.probe, n_masks=60)
    np.testing.assert_array_equal(
        longer.embeddings, explorer.probe(image, encoder=encoder, masking=MaskSettings(n_masks=60)).embeddings
    )


def test_a_function_may_use_one_array_for_all_its_answers(picture: np.ndarray) -> None:
    answers = np.zeros((10, 3))

    def frugal(batch: np.ndarray) -> np.ndarray:
        answers[: len(batch)] = batch.mean(axis=(1, 2))
        return answers[: len(batch)]

    other = picture[::-1] // 2
    found, expected = (
        explorer.explain(picture, reference=other, encoder=explorer.from_function(function), masking=FEW)
        for function in (frugal, lambda batch: batch.mean(axis=(1, 2)))
    )
    np.testing.assert_array_equal(found.distances, expected.distances)
    assert found.unmasked_distance == expected.unmasked_distance
    again, fresh = (explorer.rank(e.probe, reference=other // 3) for e in (found, expected))
    assert again.unmasked_distance == fresh.unmasked_distance


@pytest.mark.parametrize(
    "reference", ["bee.jpg", 3.0, np.ones((24, 40)), np.ones((1, 24, 40, 3)), np.full((24, 40, 3), "x")]
)
def test_a_functions_reference_is_an_array_like_its_picture(
    picture: np.ndarray, encoder: Encoder, reference: Any
) -> None:
    with pytest.raises(InvalidInput, match=r"height x width x channels|reference must be a path"):
        explorer.explain(picture, reference=reference, encoder=encoder, masking=FEW)


def test_non_finite_pixels_of_a_functions_reference(picture: np.ndarray, encoder: Encoder) -> None:
    reference = picture.astype(float)
    reference[0, 0, 0] = np.nan
    with pytest.raises(InvalidInput, match="1 non-finite value"):
        explorer.explain(picture, reference=reference, encoder=encoder, masking=FEW)


def test_masks_that_cancel_or_are_all_the_same(picture: np.ndarray, encoder: Encoder) -> None:
    probe = explorer.probe(picture, encoder=encoder, masking=FEW)
    all_of_them = SelectionSettings(closest=(0, 1), farthest=(0, 1))
    assert_flat(
        explorer.rank(probe, embedding=np.ones(12), selection=all_of_them),
        "The closest and the farthest masks chosen are the same ones",
    )
    none = SelectionSettings(closest=(0.5, 0.51), farthest=(0, 0))
    assert "less than one mask" in explorer.rank(probe, embedding=np.ones(12), selection=none).no_signal
    alike = explorer.probe(picture, encoder=encoder, masking=MaskSettings(n_masks=10, feature_res=1, p_keep=0.99))
    assert alike.masks.weighted_sum(np.ones(10)).min() == 10  # all of them keep all
    assert explorer.rank(alike, embedding=np.ones(12)).no_signal.startswith("All masks are the same")
