"""Results as JSON: they rank as what was packed, bad ones are refused, and the presets' own are what a run gives."""

from __future__ import annotations

import base64
import dataclasses
import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import explorer
from explorer import InvalidInput, MaskSettings, SelectionSettings, UnusableEmbedding
from explorer.core.distances import DISTANCES, measure
from explorer.core.embedder import Box
from explorer.core.fills import FILLS
from explorer.core.masks import sample_masks
from explorer.core.probe import Probe, grow, prepare
from explorer.core.rank import IDENTICAL, rank_against
from explorer.core.references import Reference, embed_reference
from explorer.core.selections import MODES
from explorer.encoders.base import Encoder
from explorer.pictures.examples import asset_path, replay_folder, shipped_presets
from explorer.pictures.images import as_picture
from explorer.results.wire import load_replay, pack, plane, record, replay_of, rows, unpack

PRESETS = {preset.key: preset for preset in shipped_presets()}


@pytest.fixture(scope="module")
def small() -> tuple[Probe, Reference]:
    """200 masks on a real network."""
    encoder = explorer.load_encoder("efficientnet-lite0")
    probe = explorer.probe(asset_path("cat_and_espresso.jpg"), encoder=encoder, masking=MaskSettings(n_masks=200))
    return probe, embed_reference(encoder, reference=asset_path("espresso.jpg"))


@pytest.fixture(scope="module")
def wire(small: tuple[Probe, Reference]) -> dict[str, Any]:
    """The small result after a trip through JSON."""
    return sent(*small)


def sent(probe: Probe, target: Reference, **more: Any) -> dict[str, Any]:
    """A result packed, written and read."""
    return json.loads(json.dumps(pack(probe, target, **more), allow_nan=False))


def tiny(encoder: Encoder, picture: Any, *, n: int = 40, reference: Any = None, **masking: Any) -> Any:
    """A small probe and a reference by an encoder that costs nothing."""
    # A wire is read back with the card of its encoder, so a test's encoder borrows one.
    encoder.card = dataclasses.replace(encoder.card, key="efficientnet-lite0")
    probe = explorer.probe(picture, encoder=encoder, masking=MaskSettings(n_masks=n, feature_res=4, **masking))
    return probe, embed_reference(encoder, reference=picture[::-1] if reference is None else reference)


# The plane


@pytest.mark.parametrize("distance", DISTANCES)
def test_the_plane_keeps_every_distance(distance: str) -> None:
    random = np.random.default_rng(3)
    embeddings, reference = random.normal(size=(700, 40)), random.normal(size=40)
    embeddings[0], embeddings[1] = reference, -2 * reference
    points = plane(embeddings, reference)
    assert points.shape == (700, 2)
    measured = measure(distance, points, np.array([np.linalg.norm(reference), 0.0]))
    wanted = measure(distance, embeddings, reference)
    np.testing.assert_allclose(measured, wanted, rtol=1e-12, atol=1e-7 if distance == "angular" else 1e-14)


def test_equal_embeddings_are_equal_points() -> None:
    """Rows that tie must tie in the plane, wherever they stand."""
    random = np.random.default_rng(4)
    row, reference = random.normal(size=1001).astype(np.float32), random.normal(size=1001).astype(np.float32)
    points = plane(np.repeat(row[None], 1500, axis=0), reference)
    assert (points == points[0]).all()


def test_a_reference_without_length_leaves_everything_to_the_rest() -> None:
    np.testing.assert_array_equal(plane(np.array([[3.0, 4.0]]), np.zeros(2)), [[0.0, 5.0]])


def test_a_reference_of_another_length_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"must have shape \(3,\)"):
        plane(np.ones((2, 3)), np.ones(4))


# There and back


@pytest.mark.parametrize(("mode", "distance"), [*itertools.product(MODES, DISTANCES)])
def test_a_result_ranks_as_what_was_packed(small, wire, mode: str, distance: str) -> None:
    selection = SelectionSettings(mode=mode, distance=distance)
    before, after = rank_against(*small, selection), rank_against(*unpack(wire), selection)
    np.testing.assert_array_equal(after.weights, before.weights)
    np.testing.assert_allclose(after.attribution, before.attribution, rtol=0, atol=1e-6)
    np.testing.assert_allclose(after.relative, before.relative, rtol=0, atol=1e-6)
    np.testing.assert_allclose(after.distances, before.distances, rtol=1e-12, atol=1e-14)
    assert after.unmasked_distance == pytest.approx(before.unmasked_distance, rel=1e-12)
    assert (after.no_signal, after.notices) == (before.no_signal, before.notices)


def test_slices_too(small, wire) -> None:
    selection = SelectionSettings(closest=(0.2, 0.5), farthest=(0.7, 0.9))
    before, after = rank_against(*small, selection), rank_against(*unpack(wire), selection)
    np.testing.assert_array_equal(after.weights, before.weights)


def test_the_facts_survive(small, wire) -> None:
    probe, target = small
    copy, reference = unpack(wire, picture=asset_path("cat_and_espresso.jpg"))
    np.testing.assert_array_equal(copy.masks.packed, probe.masks.packed)
    np.testing.assert_array_equal(copy.masks.shifts, probe.masks.shifts)
    np.testing.assert_array_equal(copy.pixels, probe.pixels)
    np.testing.assert_array_equal(copy.picture, probe.picture)
    np.testing.assert_array_equal(copy.background, probe.background)
    assert (copy.masking, copy.box, copy.masks.size) == (probe.masking, probe.box, probe.masks.size)
    assert copy.encoder.card == probe.encoder.card
    assert copy.encoder.fingerprint == probe.encoder.fingerprint
    assert reference.label == target.label
    assert wire["precision"] == "float32"
    assert wire["eps"] == np.finfo(np.float32).eps
    assert not copy.embeddings.flags.writeable


def test_the_small_picture_inside_will_do(small, wire) -> None:
    probe, _ = small
    copy, reference = unpack(wire)
    assert max(copy.picture.shape) == 448
    assert copy.pixels.shape == probe.pixels.shape
    assert np.abs(copy.pixels - probe.pixels).mean() < 4
    assert max(reference.picture.shape) == 448
    np.testing.assert_allclose(copy.pixels, probe.pixels, atol=90)


def test_a_result_can_be_saved_with_no_encoder(wire, tmp_path: Path) -> None:
    e = rank_against(*unpack(wire), SelectionSettings())
    e.save(tmp_path)
    facts = json.loads((tmp_path / "manifest.json").read_text())
    assert facts["encoder"]["fingerprint"] == wire["encoder"]["fingerprint"]
    assert facts["masks_done"] == 200


def test_a_replay_embeds_nothing(wire, picture) -> None:
    probe, _ = unpack(wire)
    for attempt in (
        lambda: explorer.extend(probe, n_masks=300),
        lambda: explorer.rank(probe, reference=picture),
        lambda: explorer.rank(probe, caption="a cat"),
        lambda: explorer.probe(picture, encoder=probe.encoder),
        lambda: probe.encoder.embed_images(picture[None]),
        lambda: probe.encoder.embed_pixels(probe.pixels[None].repeat(20, axis=0)),
    ):
        with pytest.raises(InvalidInput, match="This is a replay: its masks were embedded earlier"):
            attempt()


@pytest.mark.parametrize("fill", [key for key, fill in FILLS.items() if not fill.drops])
def test_every_fill_is_shown(picture_encoder, picture, fill: str) -> None:
    probe, target = tiny(picture_encoder, picture, fill=fill)
    wire = sent(probe, target)
    assert wire["background"].startswith("data:" if fill in ("blur", "noise") else "#")
    copy, _ = unpack(wire)
    shown, meant = (np.broadcast_to(p.background, probe.pixels.shape) for p in (copy, probe))
    if fill == "noise":  # its colours are what JPEG is worst at, and nobody can tell
        assert np.corrcoef(shown.mean(axis=2).ravel(), meant.mean(axis=2).ravel())[0, 1] > 0.8
    else:
        np.testing.assert_allclose(shown, meant, atol=0.501 if wire["background"][0] == "#" else 30)
    assert copy.masking.fill == fill


def test_the_box_is_where_the_encoder_looked(picture_encoder, picture) -> None:
    probe, target = tiny(picture_encoder, picture)
    wire = sent(probe, target)
    centre = unpack(wire | {"box": [0.25, 0.0, 0.75, 1.0]}, picture=picture)[0]
    middle = picture_encoder.view(picture)[0][:, 8:24]
    np.testing.assert_allclose(centre.pixels[:, ::2].mean(axis=0), middle.mean(axis=0), atol=60)
    padded = unpack(wire | {"box": [0.0, -1.0, 1.0, 2.0]}, picture=picture)[0]
    assert padded.box == Box(0.0, -1.0, 1.0, 2.0)
    assert (padded.pixels[:10] == padded.pixels[0]).all()  # the edge goes on
    assert (padded.pixels[10:21] != padded.pixels[0]).any()


# Growing


def test_a_growing_result_keeps_its_name(picture_encoder, picture) -> None:
    _, target = tiny(picture_encoder, picture)
    start = prepare(picture, encoder=picture_encoder, masking=MaskSettings(n_masks=40, feature_res=4))
    steps = [start, *grow(start)]
    wires = [pack(step, target) for step in steps]
    assert {wire["id"] for wire in wires} == {rows(step, target)["id"] for step in steps}
    assert len({wire["id"] for wire in wires}) == 1
    for step, wire in zip(steps, wires, strict=True):
        few = rows(step, target)
        assert set(few) == {"id", "plane"}
        assert few["plane"] == wire["plane"]
        assert len(base64.b64decode(few["plane"])) == 16 * len(step)
        assert wire["wanted"] == 40
        assert set(wire) == set(wires[0])
    half, reference = unpack(wires[2] | rows(steps[3], target))
    assert len(half) == len(steps[3]) < half.wanted
    e = rank_against(half, reference, SelectionSettings())
    np.testing.assert_array_equal(e.weights, rank_against(steps[3], target, SelectionSettings()).weights)


def test_the_name_tells_results_apart(picture_encoder, picture) -> None:
    probe, target = tiny(picture_encoder, picture)
    other = Reference(target.embedding + 1, target.label)
    names = [
        rows(probe, target)["id"],
        rows(probe, other)["id"],
        rows(dataclasses.replace(probe, pixels=probe.pixels + 1), target)["id"],
        rows(dataclasses.replace(probe, masking=dataclasses.replace(probe.masking, seed=9)), target)["id"],
        rows(dataclasses.replace(probe, box=Box(0.1)), target)["id"],
    ]
    picture_encoder.fingerprint = "tiny:2"
    names.append(rows(probe, target)["id"])
    assert len(set(names)) == len(names)
    assert all(len(name) == 16 for name in names)


# Flat and odd results


def test_a_uniform_picture_stays_uniform(picture_encoder, picture) -> None:
    probe, target = tiny(picture_encoder, np.full_like(picture, 200), reference=picture)
    wire = sent(probe, target)
    assert wire["uniform"]
    assert "uniform" in rank_against(*unpack(wire), SelectionSettings()).no_signal


def test_identical_pictures_are_said_to_be(picture_encoder, picture) -> None:
    probe, target = tiny(picture_encoder, picture, reference=picture)
    wire = sent(probe, target)
    assert wire["identical"]
    assert wire["reference"]["picture"] == wire["picture"]
    for given in (None, picture):
        e = rank_against(*unpack(wire, picture=given), SelectionSettings())
        assert IDENTICAL in e.notices
        assert e.unmasked_distance == pytest.approx(0, abs=1e-12)
    assert wire["notices"] == []  # the flag says it; the words are added where it is ranked


@pytest.mark.parametrize("distance", DISTANCES)
def test_rounding_is_no_signal_here_either(picture_encoder, picture, distance: str) -> None:
    probe, target = tiny(picture_encoder, picture)
    flat = np.full((40, 17), 0.7, np.float32)
    flat[::2, 0] = np.nextafter(flat[0, 0], np.float32(1))
    selection = SelectionSettings(distance=distance)
    for embeddings, is_flat in ((flat, True), (flat + 1e-4 * probe.embeddings.astype(np.float32), False)):
        noisy = dataclasses.replace(probe, embeddings=embeddings)
        before = rank_against(noisy, target, selection)
        after = rank_against(*unpack(sent(noisy, target)), selection)
        assert bool(before.no_signal) == is_flat
        assert after.no_signal == before.no_signal


def test_notices_are_kept(picture_encoder, picture) -> None:
    probe, target = tiny(picture_encoder, picture)
    probe = dataclasses.replace(probe, notices=("One.",))
    wire = sent(probe, dataclasses.replace(target, notices=("Two.",)))
    assert rank_against(*unpack(wire), SelectionSettings()).notices == ("One.", "Two.")


def test_what_cannot_be_replayed(encoder, picture_encoder, picture) -> None:
    of_array = explorer.probe(picture, encoder=encoder, masking=MaskSettings(n_masks=10, feature_res=4))
    probe, target = tiny(picture_encoder, picture)
    given = dataclasses.replace(probe, masks=explorer.masks_from_array(probe.masks.render(0, 40)))
    for odd in (of_array, given):
        with pytest.raises(InvalidInput, match="Only probes of pictures with drawn masks"):
            pack(odd, target)
    with pytest.raises(InvalidInput, match="reference embedding"):
        pack(probe, Reference(np.ones(3), "an embedding"))


def test_non_finite_embeddings_are_told(picture_encoder, picture) -> None:
    probe, target = tiny(picture_encoder, picture)
    broken = probe.embeddings.copy()
    broken[3] = np.nan
    for odd in (
        (dataclasses.replace(probe, embeddings=broken), target),
        (probe, Reference(target.embedding * np.inf, target.label)),
        (dataclasses.replace(probe, unmasked=lambda: broken[3]), target),
    ):
        with pytest.raises(UnusableEmbedding, match="non-finite values"):
            pack(*odd)


# Damaged results


BAD = {
    "version": [0, 2, None, "1"],
    "size": [None, [224], [224, 0], [224, 1e9], [224.5, 224], [True, 224], [4, 4], "ab", [float("nan"), 224]],
    "feature_res": [None, 0, 7, 129, 10**30, True, "8", 8.5],
    "wanted": [None, 0, 199, 201, 10**12, -1, True, 200.0],
    "packed": [None, "", "AAAA", 5, "!" * 2136, "é" * 2136],
    "shifts": [None, "", base64.b64encode(b"\xff" * 800).decode()],
    "plane": [None, "AAAA", "A", "=" * 4, 7, base64.b64encode(b"\0" * 16 * 201).decode(),
              base64.b64encode(np.full(400, np.nan).tobytes()).decode(),
              base64.b64encode(np.full(400, 1e308).tobytes()).decode()],
    "reference_length": [None, -1.0, "1", [1], float("nan"), float("inf"), 10**400],
    "whole": [None, [], [1], [1, "2"], [1, 2, 3], [1, float("nan")]],
    "eps": [None, 0, -1, 1, "x", float("nan")],
    "box": [None, [], [0, 0, 1], [0, 0, 0, 1], [1, 0, 0, 1], [0, 0, 1, 1e30], [0, -1e9, 1, 1], [0, 0, 1e-9, 1],
            [0, 0, 1 / 60, 1 / 60], [0, 0, 1, None]],
    "picture": [None, "", "http://127.0.0.1/x.jpg", "data:image/jpeg;base64,AAAA", "data:image/jpeg;base64,~~",
                "data:image/jpeg;base64," + "A" * 20_000_000],
    "background": [None, "", "red", "#12345", "#1234567", "url(x)", "data:image/jpeg;base64,AAAA"],
    "reference": [None, [], {}, {"label": 3, "picture": None}, {"label": "x", "picture": "y"}],
    "encoder": [None, {}, {"key": "../../etc", "fingerprint": ""}, {"key": [], "fingerprint": ""},
                {"key": "conse-lite0", "fingerprint": None}],
    "masking": [None, [], {"n_masks": -1}, {"nonsense": 1}, {"fill": []}, {"scheme": {}}, {"p_keep": "x"}],
    "uniform": [None, 1, "yes"],
    "identical": [None, 0],
    "notices": [None, "text", {}],
}  # fmt: skip


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values],
                         ids=lambda value: repr(value)[:24])  # fmt: skip
def test_a_damaged_result_is_refused_in_words(wire, name: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        unpack(wire | {name: value})
    assert "etc" not in str(caught.value)


def test_absent_parts_and_other_things_are_refused(wire) -> None:
    used = {*BAD, "id"}
    for name in used - {"id"}:
        with pytest.raises(InvalidInput):
            unpack({key: value for key, value in wire.items() if key != name})
    for odd in (None, [], "wire", 3):
        with pytest.raises(InvalidInput):
            unpack(odd)  # type: ignore[arg-type]


def of_patches(picture_encoder, picture) -> Any:
    """A probe as an encoder makes it that leaves patches out, and a reference."""
    probe, target = tiny(picture_encoder, picture)
    masking = replace(probe.masking, fill="drop")
    masks = sample_masks(masking, probe.masks.size)
    return replace(probe, masking=masking, masks=masks, background=picture_encoder.zero_colour), target


def test_patches_that_were_left_out(picture_encoder, picture) -> None:
    probe, target = of_patches(picture_encoder, picture)
    copy, _ = unpack(sent(probe, target))
    np.testing.assert_array_equal(copy.masks.render(0, 40), probe.masks.render(0, 40))
    assert set(np.unique(copy.masks.render(0, 40))) == {0, 1}


def test_patches_are_not_shifted(wire, picture_encoder, picture) -> None:
    left_out = sent(*of_patches(picture_encoder, picture))
    assert left_out["blocks"]
    assert "blocks" not in wire  # results of before have no such part
    shifted = base64.b64encode(np.ones((40, 2), "<u2").tobytes()).decode()
    with pytest.raises(InvalidInput, match="its shifts is not what"):
        unpack(left_out | {"shifts": shifted})


def test_a_background_of_another_size_is_refused(wire) -> None:
    with pytest.raises(InvalidInput, match="background"):
        unpack(wire | {"background": wire["picture"]})


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"3", b"\xff\xfe", b"[" * 200_000, b'{"a": ' + b"9" * 5000 + b"}"]
)
def test_a_file_that_is_no_result(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(InvalidInput):
        load_replay(path)


def test_a_file_too_large_or_absent(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    with path.open("wb") as file:
        file.truncate(64_000_001)
    for odd in (path, tmp_path, tmp_path / "absent.json"):
        with pytest.raises(InvalidInput, match="record it again"):
            load_replay(odd)


# The presets' own


def test_every_shipped_preset_has_its_replay_and_nothing_else_lies_there() -> None:
    files = {f"{key}{part}.json" for key in PRESETS for part in ("", "-match")}
    assert {path.name for path in replay_folder().iterdir()} == files
    assert sum(path.stat().st_size for path in replay_folder().iterdir()) < 2_000_000


@pytest.mark.parametrize("key", ["absent", "", "../MANIFEST", "../replay/two-espresso", "two-espresso.json", "TWO-CAT"])
def test_other_names_have_none(key: str) -> None:
    assert replay_of(key) is None


def shipped(key: str) -> dict[str, Any]:
    path = replay_of(key)
    assert path is not None
    return load_replay(path)


@pytest.mark.parametrize("key", PRESETS)
def test_a_shipped_replay_is_of_its_preset(key: str) -> None:
    wire, preset = shipped(key), PRESETS[key]
    probe, target = unpack(wire, picture=asset_path(preset.image))
    assert probe.masking == MaskSettings()
    masks = sample_masks(MaskSettings(), probe.masks.size)
    np.testing.assert_array_equal(probe.masks.packed, masks.packed)
    np.testing.assert_array_equal(probe.masks.shifts, masks.shifts)
    assert probe.complete
    assert wire["picture_sha256"] == as_picture(asset_path(preset.image)).sha256
    assert (wire["picture_name"], wire["reference_name"]) == (preset.image, preset.reference)
    assert wire["caption"] == preset.caption
    assert target.label == ("a picture" if preset.caption is None else f"“{preset.caption}”")
    assert (target.picture is None) == (preset.reference is None)
    assert wire["encoder"]["key"] == preset.encoder
    assert preset.encoder.split("-")[0] in wire["encoder"]["fingerprint"]
    assert "openvino" in wire["encoder"]["fingerprint"]
    assert wire["precision"] == "float32"


@pytest.mark.parametrize(("key", "mode"), [*itertools.product(PRESETS, MODES)])
def test_every_shipped_preset_has_a_signal(key: str, mode: str) -> None:
    e = rank_against(*unpack(shipped(key)), SelectionSettings(mode=mode))
    assert e.no_signal == ""
    assert np.abs(e.relative).max() > 0.05


@pytest.mark.parametrize("key", ["two-espresso", "two-caption-cat"])
def test_a_run_today_gives_what_is_shipped(key: str, tmp_path: Path) -> None:
    path = record(PRESETS[key], tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [f"{key}.json"] == [path.name]
    fresh, kept = load_replay(path), shipped(key)
    for name in set(fresh) - {"id", "plane", "picture", "reference", "whole", "reference_length", "encoder", "seen"}:
        assert fresh[name] == kept[name], name
    if fresh["seen"] is not None:
        ids, kept_ids = (np.frombuffer(base64.b64decode(wire["seen"]["ids"]), "<u2") for wire in (fresh, kept))
        assert (ids == kept_ids).mean() > 0.99  # neighbours may change places by rounding
    for mode in MODES:
        new, old = (rank_against(*unpack(wire), SelectionSettings(mode=mode)) for wire in (fresh, kept))
        assert np.corrcoef(new.relative.ravel(), old.relative.ravel())[0, 1] > 0.999
        np.testing.assert_allclose(new.relative, old.relative, rtol=0, atol=0.02)
        np.testing.assert_allclose(new.distances, old.distances, rtol=0, atol=1e-4)
        assert new.unmasked_distance == pytest.approx(old.unmasked_distance, abs=1e-4)
