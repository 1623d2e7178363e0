"""Results on disk: whole or not at all, telling where they came from and nothing more; probes taken up again."""

from __future__ import annotations

import csv
import errno
import json
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import ExifTags, Image

import explorer
from explorer import CannotWrite, Encoder, Explanation, InvalidInput, MaskSettings, Probe, SelectionSettings
from explorer.core.probe import prepare
from explorer.core.truth import truth
from explorer.pictures.images import as_picture
from explorer.results.folders import PROBE_FILE, RESULT_FILES, load_probe, save_probe

FEW = MaskSettings(n_masks=40, seed=3)


@pytest.fixture
def explanation(picture: np.ndarray, picture_encoder: Encoder) -> Explanation:
    return explorer.explain(picture, reference=picture[::-1].copy(), encoder=picture_encoder, masking=FEW)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


def full_disk(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


# What is saved


def test_what_is_saved(explanation: Explanation, tmp_path: Path) -> None:
    folder = explanation.save(tmp_path / "deep" / "out")
    assert folder == tmp_path / "deep" / "out"
    assert names(folder) == set(RESULT_FILES) == {"attribution.npy", "distances.csv", "overlay.png", "manifest.json"}
    stored = np.load(folder / "attribution.npy", allow_pickle=False)
    assert stored.dtype == np.float32
    np.testing.assert_array_equal(stored, explanation.attribution)
    with Image.open(folder / "overlay.png") as overlay:
        assert overlay.format == "PNG"
        assert min(overlay.size) > 200
        assert np.asarray(overlay.convert("RGB")).std() > 5


def test_distances_csv(explanation: Explanation, tmp_path: Path) -> None:
    text = (explanation.save(tmp_path) / "distances.csv").read_text(encoding="utf-8")
    assert text.startswith("mask,distance,rank,weight\n")
    assert "\r" not in text
    rows = list(csv.DictReader(text.splitlines()))
    assert [int(row["mask"]) for row in rows] == list(range(40))
    np.testing.assert_array_equal([float(row["distance"]) for row in rows], explanation.distances)  # to the last bit
    np.testing.assert_array_equal([float(row["weight"]) for row in rows], explanation.weights)
    assert sorted(int(row["rank"]) for row in rows) == list(range(40))
    by_rank = sorted(rows, key=lambda row: int(row["rank"]))
    assert [float(row["distance"]) for row in by_rank] == sorted(explanation.distances)
    assert all(float(row["weight"]) > 0 for row in by_rank[:4])
    assert all(float(row["weight"]) < 0 for row in by_rank[-4:])


def test_manifest(explanation: Explanation, tmp_path: Path) -> None:
    manifest = json.loads((explanation.save(tmp_path) / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["schema_version"] == 1
    assert manifest["encoder"] == {"key": "tiny", "fingerprint": "tiny:1", "batch_size": 8}
    assert MaskSettings.from_dict(manifest["masking"]) == FEW
    assert SelectionSettings.from_dict(manifest["selection"]) == explanation.selection
    assert manifest["masks"] == "drawn"
    assert manifest["masks_done"] == 40
    assert manifest["selected"] == {"closest": 4, "farthest": 4}
    assert manifest["reference"] == "a picture"
    assert manifest["unmasked_distance"] == explanation.unmasked_distance
    assert manifest["map"]["shape"] == [32, 32]
    assert manifest["map"]["box"] == {"left": 0.0, "top": 0.0, "right": 1.0, "bottom": 1.0}
    assert manifest["map"]["sign"] == "positive = keeping this region brings the pair closer"
    told = truth(explanation)
    assert manifest["truth"] == {"spearman": told.spearman, "r2": told.r2, "n": 40}
    assert manifest["no_signal"] == ""
    assert manifest["notices"] == []
    assert manifest["versions"]["numpy"] == np.__version__
    assert manifest["created"].endswith("+00:00")


def test_the_manifest_is_enough_to_do_it_again(
    explanation: Explanation, picture: np.ndarray, picture_encoder: Encoder, tmp_path: Path
) -> None:
    manifest = json.loads((explanation.save(tmp_path) / "manifest.json").read_text(encoding="utf-8"))
    again = explorer.explain(
        picture,
        reference=picture[::-1].copy(),
        encoder=picture_encoder,
        masking=MaskSettings.from_dict(manifest["masking"]),
        selection=SelectionSettings.from_dict(manifest["selection"]),
    )
    np.testing.assert_array_equal(again.attribution, np.load(tmp_path / "attribution.npy", allow_pickle=False))


def test_a_flat_map_is_saved_with_its_reason(picture_encoder: Encoder, tmp_path: Path) -> None:
    grey = np.full((40, 40, 3), 90, np.uint8)
    explorer.explain(grey, embedding=np.ones(17), encoder=picture_encoder, masking=FEW).save(tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    assert "the image is uniform" in manifest["no_signal"]
    assert manifest["selected"] == {"closest": 0, "farthest": 0}
    assert not np.load(tmp_path / "attribution.npy", allow_pickle=False).any()


@pytest.mark.parametrize("shape", [(24, 40, 1), (24, 40, 3), (24, 40, 4)], ids=str)
def test_a_functions_array_is_saved_too(encoder: Encoder, shape: tuple[int, ...], tmp_path: Path) -> None:
    image = np.random.default_rng(0).normal(size=shape)
    masks = explorer.masks_from_array(np.random.default_rng(1).random((20, 24, 40)))
    explorer.explain(image, reference=image[::-1], encoder=encoder, masks=masks).save(tmp_path)
    assert names(tmp_path) == set(RESULT_FILES)
    assert json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))["masks"] == "given"


def test_nothing_of_the_input_file_leaks(picture: np.ndarray, picture_encoder: Encoder, tmp_path: Path) -> None:
    """Where the photo was taken, who took it and where it lay stay with whoever owns it."""
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "Somebody Secret"
    exif.get_ifd(ExifTags.IFD.GPSInfo).update({ExifTags.GPS.GPSLatitude: (52.0, 5.0, 36.0)})
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = b"SECRET COMMENT"
    source = tmp_path / "private-folder-name" / "photo.jpg"
    source.parent.mkdir()
    Image.fromarray(picture).save(source, exif=exif, comment=b"SECRET COMMENT")
    assert b"Secret" in source.read_bytes()
    folder = explorer.explain(source, reference=source, encoder=picture_encoder, masking=FEW).save(tmp_path / "out")
    for name in RESULT_FILES:
        data = (folder / name).read_bytes()
        for leak in (b"ecret", b"SECRET", b"Exif", b"eXIf", b"GPS", b"private-folder-name", str(tmp_path).encode()):
            assert leak not in data, (name, leak)
    with Image.open(folder / "overlay.png") as overlay:
        assert len(overlay.getexif()) == 0
        assert set(overlay.info) <= {"dpi"}


# All or nothing


@pytest.fixture
def quick_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty figure, where a test saves often and does not look."""
    monkeypatch.setattr("explorer.results.plots.figure", lambda _: Figure(figsize=(1, 1)))


@pytest.mark.usefixtures("quick_figure")
@pytest.mark.parametrize("stage", ["attribution.npy", "distances.csv", "overlay.png", "manifest.json"])
@pytest.mark.parametrize("folder_exists", [False, True])
def test_a_full_disk_keeps_nothing(
    explanation: Explanation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, folder_exists: bool
) -> None:
    folder = tmp_path / "out"
    if folder_exists:
        folder.mkdir()
        (folder / "notes.txt").write_text("mine")
    fail_on(stage, monkeypatch)
    with pytest.raises(CannotWrite) as caught:
        explanation.save(folder)
    assert (
        str(caught.value)
        == "Cannot write to out: no space left on device; nothing was kept. Free some space, or name another folder."
    )
    assert caught.value.code == "write"
    assert caught.value.exit_status == 4
    assert names(tmp_path) == ({"out", "notes.txt"} if folder_exists else set())


def fail_on(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full when this file is written, by whichever way it is written."""
    real_save, real_text, real_bytes = np.save, Path.write_text, Path.write_bytes

    def guard(real: Any) -> Any:
        def write(target: Any, *rest: Any, **named: Any) -> Any:
            return (full_disk if Path(getattr(target, "name", target)).name == stage else real)(target, *rest, **named)

        return write

    monkeypatch.setattr(np, "save", guard(real_save))
    monkeypatch.setattr(Path, "write_text", guard(real_text))
    monkeypatch.setattr(Path, "write_bytes", guard(real_bytes))


@pytest.mark.usefixtures("quick_figure")
@pytest.mark.parametrize("nth", [1, 2, 3, 4])
@pytest.mark.parametrize("before", ["no folder", "other files", "old results"])
def test_a_failure_while_moving_keeps_nothing(
    explanation: Explanation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nth: int, before: str
) -> None:
    """The files are whole by then, but must still arrive together."""
    folder, old = tmp_path / "out", {}
    if before != "no folder":
        folder.mkdir()
        old = {name: f"old {name}" for name in (RESULT_FILES if before == "old results" else ["notes.txt"])}
        for name, text in old.items():
            (folder / name).write_text(text)
    real, calls = os.replace, []

    def replace_until(source: Any, target: Any, **named: Any) -> None:
        calls.append(target)
        if len(calls) == nth:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(source, target, **named)

    monkeypatch.setattr(os, "replace", replace_until)
    with pytest.raises(CannotWrite):
        explanation.save(folder, overwrite=True)
    assert {path.name: path.read_text() for path in folder.glob("*")} == old


def test_a_broken_model_while_saving_leaves_nothing(explanation: Explanation, tmp_path: Path) -> None:
    """Saving asks for the unmasked distance, and so may call the model for the first time."""

    def broken() -> Any:
        raise explorer.UnusableEmbedding("The model broke.", code="broken")

    late = replace(explanation, probe=replace(explanation.probe, unmasked=broken))
    with pytest.raises(explorer.UnusableEmbedding):
        late.save(tmp_path / "out")
    assert names(tmp_path) == set()


def test_results_are_not_overwritten_unasked(explanation: Explanation, tmp_path: Path) -> None:
    folder = explanation.save(tmp_path / "out")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(InvalidInput, match=r"^out holds results already; name another folder, or overwrite") as caught:
        explanation.save(folder)
    assert caught.value.code == "output_exists"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    (folder / "notes.txt").write_text("mine")
    (folder / "attribution.npy").write_bytes(b"old")
    explanation.save(folder, overwrite=True)
    assert names(folder) == {*RESULT_FILES, "notes.txt"}
    np.testing.assert_array_equal(np.load(folder / "attribution.npy", allow_pickle=False), explanation.attribution)


@pytest.mark.parametrize("name", RESULT_FILES)
def test_one_old_file_is_enough_to_refuse(explanation: Explanation, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(InvalidInput, match="holds results already"):
        explanation.save(tmp_path)
    assert names(tmp_path) == {name}
    assert (tmp_path / name).read_text() == "mine"


def test_a_file_in_the_folders_place(explanation: Explanation, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(CannotWrite, match="Cannot write to out: "):
        explanation.save(tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_a_folder_that_no_disk_can_hold(explanation: Explanation, tmp_path: Path) -> None:
    with pytest.raises(CannotWrite, match=r"Cannot write to oooo.*: file name too long; nothing was kept") as caught:
        explanation.save(tmp_path / ("o" * 300))
    assert len(str(caught.value)) < 200
    assert names(tmp_path) == set()


def test_a_folder_that_may_not_be_written(
    explanation: Explanation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(tmp_path))

    monkeypatch.setattr(Path, "mkdir", denied)
    with pytest.raises(CannotWrite) as caught:
        explanation.save(tmp_path / "out")
    assert (
        str(caught.value)
        == "Cannot write to out: permission denied; nothing was kept. Name a folder that can be written to."
    )  # and no path of a server


def test_saved_files_can_be_read_by_others(explanation: Explanation, tmp_path: Path) -> None:
    """They were written in a private scratch folder; its mode must not stick to them."""
    old_mask = os.umask(0o022)
    try:
        folder = explanation.save(tmp_path / "out")
    finally:
        os.umask(old_mask)
    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in RESULT_FILES} == {0o644}


# Probes on disk


@pytest.fixture
def probe(picture: np.ndarray, picture_encoder: Encoder) -> Probe:
    return explorer.probe(picture, encoder=picture_encoder, masking=FEW)


@pytest.mark.parametrize("done", [0, 1, 8, 39, 40])
@pytest.mark.parametrize("n_masks", [40, 60])
def test_a_saved_probe_goes_on(
    probe: Probe, picture: np.ndarray, picture_encoder: Encoder, tmp_path: Path, done: int, n_masks: int
) -> None:
    wanted = replace(FEW, n_masks=n_masks)
    whole = explorer.probe(picture, encoder=picture_encoder, masking=wanted)
    part = (
        replace(probe, embeddings=probe.embeddings[:done])
        if done
        else prepare(picture, encoder=picture_encoder, masking=FEW)
    )
    path = save_probe(part, tmp_path / "out")
    assert path == tmp_path / "out" / PROBE_FILE
    assert names(tmp_path / "out") == {PROBE_FILE}
    taken_up = load_probe(path, image=picture, encoder=picture_encoder, masking=wanted)
    assert len(taken_up) == done
    assert taken_up.wanted == n_masks
    rows = picture_encoder.rows  # type: ignore[attr-defined]
    finished = explorer.extend(taken_up, n_masks=n_masks)
    batches = -(-n_masks // 8) - done // 8 if done < n_masks else 0
    assert picture_encoder.rows - rows == 8 * batches  # type: ignore[attr-defined]
    np.testing.assert_array_equal(finished.embeddings, whole.embeddings)


def test_a_loaded_probe_is_as_good_as_the_first(
    probe: Probe, picture: np.ndarray, picture_encoder: Encoder, tmp_path: Path
) -> None:
    loaded = load_probe(save_probe(probe, tmp_path), image=picture, encoder=picture_encoder, masking=FEW)
    np.testing.assert_array_equal(loaded.embeddings, probe.embeddings)
    assert loaded.embeddings.dtype == probe.embeddings.dtype
    assert not loaded.embeddings.flags.writeable
    assert loaded.masking == probe.masking
    assert loaded.complete
    reference = picture[::-1].copy()
    one, other = (explorer.rank(p, reference=reference) for p in (probe, loaded))
    np.testing.assert_array_equal(one.attribution, other.attribution)
    assert one.unmasked_distance == other.unmasked_distance


def test_fewer_masks_than_saved(probe: Probe, picture: np.ndarray, picture_encoder: Encoder, tmp_path: Path) -> None:
    fewer = replace(FEW, n_masks=20)
    loaded = load_probe(save_probe(probe, tmp_path), image=picture, encoder=picture_encoder, masking=fewer)
    assert len(loaded) == 20
    assert loaded.complete
    np.testing.assert_array_equal(loaded.embeddings, probe.embeddings[:20])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 4}, "seed changed 3 -> 4"),
        ({"p_keep": 0.4}, "p_keep changed 0.5 -> 0.4"),
        ({"feature_res": 7}, "feature_res changed 8 -> 7"),
        ({"fill": "blur"}, "fill changed auto -> blur"),
        ({"scheme": "dianna"}, "scheme changed philox -> dianna"),
        ({"seed": 4, "p_keep": 0.4}, "p_keep changed 0.5 -> 0.4; seed changed 3 -> 4"),
    ],
    ids=str,
)
def test_other_settings_are_refused(
    probe: Probe, picture: np.ndarray, picture_encoder: Encoder, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    path = save_probe(probe, tmp_path)
    with pytest.raises(InvalidInput) as caught:
        load_probe(path, image=picture, encoder=picture_encoder, masking=replace(FEW, **change))
    assert str(caught.value) == f"Cannot resume: {message}."
    assert caught.value.code == "resume_changed"


def test_another_picture_or_encoder_is_refused(
    probe: Probe, picture: np.ndarray, picture_encoder: Encoder, tmp_path: Path
) -> None:
    path = save_probe(probe, tmp_path)
    one_pixel = picture.copy()
    one_pixel[3, 4, 0] ^= 1
    with pytest.raises(InvalidInput, match=r"^Cannot resume: the picture changed\.$"):
        load_probe(path, image=one_pixel, encoder=picture_encoder, masking=FEW)
    with pytest.raises(InvalidInput, match=r"^Cannot resume: the picture changed\.$"):
        load_probe(path, image=picture[:20], encoder=picture_encoder, masking=FEW)
    other = type(picture_encoder)()
    other.fingerprint = "tiny:2"
    with pytest.raises(InvalidInput, match=r"^Cannot resume: encoder changed tiny:1 -> tiny:2\.$"):
        load_probe(path, image=picture, encoder=other, masking=FEW)


def test_a_large_picture_is_told_by_all_its_pixels(picture_encoder: Encoder, tmp_path: Path) -> None:
    large = np.full((1500, 2000, 3), 90, np.uint8)
    large[:, :1000] = 200
    probe = explorer.probe(large, encoder=picture_encoder, masking=FEW)
    path = save_probe(probe, tmp_path)
    assert path.stat().st_size < 20_000  # 9 MB of pixels before
    loaded = load_probe(path, image=large, encoder=picture_encoder, masking=FEW)
    np.testing.assert_array_equal(loaded.embeddings, probe.embeddings)
    large[700, 1500, 1] ^= 1
    with pytest.raises(InvalidInput, match="the picture changed"):
        load_probe(path, image=large, encoder=picture_encoder, masking=FEW)


def test_a_probe_saved_with_all_its_pixels_is_taken_up(
    probe: Probe, picture: np.ndarray, picture_encoder: Encoder, tmp_path: Path
) -> None:
    path = tmp_path / PROBE_FILE
    np.savez(path, facts=np.array(json.dumps(FACTS)), picture=picture, embeddings=probe.embeddings)
    loaded = load_probe(path, image=picture, encoder=picture_encoder, masking=FEW)
    np.testing.assert_array_equal(loaded.embeddings, probe.embeddings)
    with pytest.raises(InvalidInput, match="the picture changed"):
        load_probe(path, image=picture[::-1], encoder=picture_encoder, masking=FEW)


def test_the_same_picture_from_another_file_is_the_same(
    probe: Probe, picture: np.ndarray, picture_encoder: Encoder, tmp_path: Path
) -> None:
    source = tmp_path / "copy.png"
    Image.fromarray(picture).save(source)
    path = save_probe(probe, tmp_path / "out")
    assert len(load_probe(path, image=source, encoder=picture_encoder, masking=FEW)) == 40
    assert len(load_probe(path, image=as_picture(picture), encoder=picture_encoder, masking=FEW)) == 40


def test_dianna_masks_resume_at_their_own_number_only(
    picture: np.ndarray, picture_encoder: Encoder, tmp_path: Path
) -> None:
    masking = replace(FEW, scheme="dianna")
    whole = explorer.probe(picture, encoder=picture_encoder, masking=masking)
    path = save_probe(replace(whole, embeddings=whole.embeddings[:16]), tmp_path)
    loaded = load_probe(path, image=picture, encoder=picture_encoder, masking=masking)
    np.testing.assert_array_equal(explorer.extend(loaded, n_masks=40).embeddings, whole.embeddings)
    with pytest.raises(InvalidInput, match="Cannot resume: n_masks changed 40 -> 60"):
        load_probe(path, image=picture, encoder=picture_encoder, masking=replace(masking, n_masks=60))


def test_a_probe_does_not_go_on_with_masks_that_are_drawn_otherwise_by_now(
    picture: np.ndarray, picture_encoder: Encoder, tmp_path: Path
) -> None:
    """The balanced masks of a seed were others before; their probes had no version, nor have those of other schemes."""
    for scheme, goes_on in (("philox", True), ("orthogonal", False)):
        masking = replace(FEW, scheme=scheme)
        path = save_probe(explorer.probe(picture, encoder=picture_encoder, masking=masking), tmp_path / scheme)
        assert len(load_probe(path, image=picture, encoder=picture_encoder, masking=masking)) == 40
        with np.load(path) as stored:
            facts, embeddings = json.loads(str(stored["facts"])), stored["embeddings"]
        early = ("encoder", "fingerprint", "masking", "picture_sha256")
        facts = {"schema_version": 1, **{name: facts[name] for name in early}}
        np.savez(path, facts=np.array(json.dumps(facts)), embeddings=embeddings)
        if goes_on:
            assert len(load_probe(path, image=picture, encoder=picture_encoder, masking=masking)) == 40
            continue
        with pytest.raises(InvalidInput, match="scheme version changed 1 -> "):
            load_probe(path, image=picture, encoder=picture_encoder, masking=masking)


def test_probes_of_arrays_and_of_masks_of_ones_own_are_taken_up(
    picture: np.ndarray, encoder: Encoder, picture_encoder: Encoder, tmp_path: Path
) -> None:
    of_an_array = explorer.probe(picture, encoder=encoder, masking=FEW)
    path = save_probe(of_an_array, tmp_path / "array")
    assert len(load_probe(path, image=picture, encoder=encoder, masking=FEW)) == 40
    with pytest.raises(InvalidInput, match="the picture changed"):
        load_probe(path, image=picture[::-1], encoder=encoder, masking=FEW)
    masks = explorer.masks_from_array(np.random.default_rng(0).random((40, 32, 32)))
    path = save_probe(explorer.probe(picture, encoder=picture_encoder, masks=masks), tmp_path / "masks")
    with pytest.raises(InvalidInput, match="the masks changed"):
        load_probe(path, image=picture, encoder=picture_encoder, masking=replace(FEW, seed=0))


def test_saving_a_probe_again_replaces_it(
    probe: Probe, picture: np.ndarray, picture_encoder: Encoder, tmp_path: Path
) -> None:
    save_probe(replace(probe, embeddings=probe.embeddings[:8]), tmp_path)
    path = save_probe(probe, tmp_path)
    assert len(load_probe(path, image=picture, encoder=picture_encoder, masking=FEW)) == 40


def test_a_full_disk_keeps_the_probe_saved_before(
    probe: Probe, picture: np.ndarray, picture_encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_probe(replace(probe, embeddings=probe.embeddings[:8]), tmp_path)
    monkeypatch.setattr(np, "savez", full_disk)
    with pytest.raises(CannotWrite, match="no space left on device; nothing was kept"):
        save_probe(probe, tmp_path)
    monkeypatch.undo()
    assert names(tmp_path) == {PROBE_FILE}
    assert len(load_probe(path, image=picture, encoder=picture_encoder, masking=FEW)) == 8


def test_no_probe_there(picture: np.ndarray, picture_encoder: Encoder, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"No probe\.npz to resume from in that folder") as caught:
        load_probe(tmp_path / PROBE_FILE, image=picture, encoder=picture_encoder, masking=FEW)
    assert caught.value.code == "resume_missing"


def archive(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


FACTS = {"schema_version": 1, "encoder": "tiny", "fingerprint": "tiny:1", "masking": FEW.to_dict()}


@pytest.mark.parametrize(
    "damage",
    ["empty", "text", "cut", "flipped", "one array", "no facts", "not json", "json list", "empty facts",
     "facts without masking", "flat embeddings", "texts for embeddings", "pickled", "another schema"],
)  # fmt: skip
def test_a_damaged_probe_is_refused(
    probe: Probe, picture: np.ndarray, picture_encoder: Encoder, tmp_path: Path, damage: str
) -> None:
    path = save_probe(probe, tmp_path)
    data = path.read_bytes()
    arrays = {"picture": picture, "embeddings": probe.embeddings}
    if damage in ("empty", "text", "cut", "flipped"):
        flipped = bytearray(data)
        flipped[len(data) // 2] ^= 0xFF
        path.write_bytes(
            {"empty": b"", "text": b"hello", "cut": data[: len(data) // 2], "flipped": bytes(flipped)}[damage]
        )
    elif damage == "one array":
        with path.open("wb") as file:
            np.save(file, probe.embeddings)
    else:
        facts = {
            "no facts": None,
            "not json": "{",
            "json list": "[]",
            "empty facts": "{}",
            "facts without masking": json.dumps({"fingerprint": "tiny:1"}),
            "another schema": json.dumps(FACTS | {"schema_version": 0}),
        }.get(damage, json.dumps(FACTS))
        if damage == "flat embeddings":
            arrays["embeddings"] = np.ones(40)
        elif damage == "texts for embeddings":
            arrays["embeddings"] = np.full((40, 17), "x")
        elif damage == "pickled":
            arrays["embeddings"] = np.array([{}] * 40)
        archive(path, **arrays, **({} if facts is None else {"facts": np.array(facts)}))
    with pytest.raises(InvalidInput, match="start again") as caught:
        load_probe(path, image=picture, encoder=picture_encoder, masking=FEW)
    assert caught.value.code.startswith("resume_")
