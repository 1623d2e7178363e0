"""What was saved comes back as it was; what cannot is said in a sentence, and nothing is ever unpickled."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import explorer
from explorer import Encoder, Explanation, InvalidInput, MaskSettings, Probe, SelectionSettings
from explorer.core.errors import CannotWrite
from explorer.core.explanation import MethodExplanation
from explorer.core.sentences import WordsExplanation
from explorer.encoders.base import Encoder as Base
from explorer.encoders.saved import PASSED_ON, SavedEncoder, encoder_facts
from explorer.results.folders import PROBE_FILE, RESULT_FILES, load_probe
from explorer.results.listing import listed
from explorer.results.probe_files import PROBE_VERSION
from tests.conftest import TinyNetwork

FEW = MaskSettings(n_masks=40, seed=3)
VECTOR = np.random.default_rng(1).normal(size=17)
LEGACY = Path(__file__).parents[1] / "legacy"


@pytest.fixture(autouse=True)
def quick_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty figure, since nobody looks."""
    monkeypatch.setattr("explorer.results.plots.figure", lambda _: Figure(figsize=(1, 1)))


@pytest.fixture
def probe(picture: np.ndarray, picture_encoder: Encoder, tmp_path: Path) -> Probe:
    file = tmp_path / "bee.png"
    Image.fromarray(picture).save(file)
    return explorer.probe(file, encoder=picture_encoder, masking=FEW)


def loaded(path: Path, **brought: Any) -> Any:
    return explorer.load(path, **brought)


def alike(one: Probe, other: Probe) -> None:
    for name in ("embeddings", "pixels"):
        a, b = getattr(one, name), getattr(other, name)
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype
    n = len(one.masks)
    np.testing.assert_array_equal(one.masks.render(0, n), other.masks.render(0, n))
    np.testing.assert_array_equal(one.background, other.background)
    for name in ("masking", "box", "notices", "picture_sha256", "precision", "origin", "wanted", "complete"):
        assert getattr(one, name) == getattr(other, name), name


# Probes


def test_a_probe_comes_back_whole(probe: Probe, picture_encoder: TinyNetwork, tmp_path: Path) -> None:
    file = probe.save(tmp_path / "kept.probe")
    assert file == tmp_path / "kept.probe"
    back = loaded(file, encoder=picture_encoder)
    alike(probe, back)
    np.testing.assert_array_equal(back.picture, probe.picture)
    assert back.origin.name == "bee.png"
    rows = picture_encoder.rows
    one, other = (explorer.rank(p, embedding=VECTOR) for p in (probe, back))
    np.testing.assert_array_equal(one.attribution, other.attribution)
    assert one.unmasked_distance == other.unmasked_distance
    assert picture_encoder.rows == rows  # the whole picture's embedding is in the file
    more = explorer.extend(back, n_masks=60)
    np.testing.assert_array_equal(more.embeddings, explorer.extend(probe, n_masks=60).embeddings)


def test_a_probe_is_saved_into_a_folder_that_is_there(probe: Probe, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    assert probe.save(str(tmp_path / "kept")) == tmp_path / "kept" / PROBE_FILE
    alike(probe, loaded(tmp_path / "kept"))


def test_a_file_is_not_replaced_unasked(probe: Probe, tmp_path: Path) -> None:
    file = probe.save(tmp_path / "kept")
    before = file.read_bytes()
    with pytest.raises(InvalidInput, match="is there already"):
        replace(probe, embeddings=probe.embeddings[:8]).save(file)
    assert file.read_bytes() == before
    replace(probe, embeddings=probe.embeddings[:8]).save(file, overwrite=True)
    assert len(loaded(file)) == 8


@pytest.mark.parametrize("path", ["", 3, None, "a\0b"])
def test_what_is_no_path_is_told(probe: Probe, path: Any) -> None:
    with pytest.raises(InvalidInput, match="path must be"):
        probe.save(path)
    with pytest.raises(InvalidInput, match="path must be"):
        explorer.load(path)


def test_what_cannot_be_written_leaves_nothing(probe: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(CannotWrite, match="nothing was kept"):
        probe.save(tmp_path / "new" / "kept")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("done", [0, 8])
def test_a_stopped_probe_comes_back_as_far_as_it_was(
    probe: Probe, picture_encoder: Encoder, tmp_path: Path, done: int
) -> None:
    back = loaded(replace(probe, embeddings=probe.embeddings[:done]).save(tmp_path / "kept"), encoder=picture_encoder)
    assert (len(back), back.wanted) == (done, 40)
    np.testing.assert_array_equal(explorer.extend(back, n_masks=40).embeddings, probe.embeddings)


@pytest.mark.parametrize("given", ["shades", "black and white"])
def test_networks_and_masks_of_ones_own(encoder: Encoder, picture: np.ndarray, tmp_path: Path, given: str) -> None:
    image, shades = picture / 255 - 0.5, np.random.default_rng(0).random((20, 24, 40))
    masks = explorer.masks_from_array(shades if given == "shades" else shades > 0.5)
    probe = explorer.probe(image, encoder=encoder, masks=masks)
    back = loaded(probe.save(tmp_path / "kept"))
    alike(probe, back)
    one, other = (explorer.rank(p, embedding=np.ones(12)) for p in (probe, back))
    np.testing.assert_array_equal(one.attribution, other.attribution)
    with pytest.raises(InvalidInput, match=r"bring it along: explorer.load\(path, encoder=...\)"):
        explorer.rank(back, reference=image[::-1])
    with pytest.raises(InvalidInput, match="Masks you gave cannot be extended"):
        explorer.extend(back, n_masks=60)
    with_it = loaded(tmp_path / "kept", encoder=encoder)
    np.testing.assert_array_equal(
        explorer.rank(with_it, reference=image[::-1]).attribution,
        explorer.rank(probe, reference=image[::-1]).attribution,
    )


def test_what_cannot_be_named_is_asked_for_when_it_is_needed(probe: Probe, tmp_path: Path) -> None:
    back = loaded(probe.save(tmp_path / "kept"))
    assert back.encoder.fingerprint == "tiny:1"
    assert back.encoder.card.title == "A tiny network"
    with pytest.raises(InvalidInput, match="tiny:1") as caught:
        explorer.extend(back, n_masks=60)
    assert caught.value.code == "encoder_wanted"
    assert caught.value.probe is not None


def test_encoders_that_are_made_anew_in_other_ways_are_brought_along(probe: Probe, tmp_path: Path) -> None:
    """As networks in files, which are found by their path on this machine alone."""
    probe.encoder.source = (TinyNetwork, ())  # of any number of arguments
    back = loaded(probe.save(tmp_path / "kept"))
    with pytest.raises(InvalidInput, match="bring it along"):
        explorer.extend(back, n_masks=60)


def test_another_encoder_is_refused(probe: Probe, tmp_path: Path) -> None:
    other = TinyNetwork()
    other.fingerprint = "tiny:2"
    with pytest.raises(InvalidInput, match="made with the encoder tiny:1; the one given is tiny:2") as caught:
        loaded(probe.save(tmp_path / "kept"), encoder=other)
    assert caught.value.code == "another_encoder"


def test_the_saved_encoder_leaves_everything_to_the_one_it_stands_for() -> None:
    """Else a new question of an encoder would be answered by a stand-in that knows nothing."""
    asked = {name for name in dir(Base) if not name.startswith("_") and callable(getattr(Base, name))}
    own = {name for name in vars(SavedEncoder) if not name.startswith("_")} - set(PASSED_ON)
    assert asked - {"name_of", "own"} == set(PASSED_ON) | (own & asked)


def test_an_encoder_of_the_list_is_loaded_when_it_is_asked(tmp_path: Path, picture: np.ndarray) -> None:
    probe = explorer.probe(picture, encoder="efficientnet-lite0", masking=MaskSettings(n_masks=10))
    file = probe.save(tmp_path / "kept")
    code = (
        "import sys, explorer, numpy; p = explorer.load(sys.argv[1])\n"
        "explorer.rank(p, embedding=numpy.arange(1000.0)).unmasked_distance\n"
        "assert 'openvino' not in sys.modules\n"
        "print(len(explorer.extend(p, n_masks=12)), 'openvino' in sys.modules)"
    )
    root = Path(__file__).parents[2]
    run = subprocess.run([sys.executable, "-c", code, file], capture_output=True, text=True, cwd=root, check=False)
    assert run.stdout.split() == ["12", "True"], run.stderr
    assert json.dumps(encoder_facts(loaded(file).encoder)) == json.dumps(encoder_facts(probe.encoder))


@pytest.mark.parametrize("fill", ["blur", "noise", "black"])
def test_backgrounds_come_back(picture: np.ndarray, picture_encoder: Encoder, tmp_path: Path, fill: str) -> None:
    probe = explorer.probe(picture, encoder=picture_encoder, masking=replace(FEW, fill=fill))
    alike(probe, loaded(probe.save(tmp_path / "kept")))


# Results


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("mode", ["mirror", "closest"])
def test_an_explanation_comes_back(
    probe: Probe, picture: np.ndarray, picture_encoder: TinyNetwork, tmp_path: Path, keep: bool, mode: str
) -> None:
    file = tmp_path / "fly.png"
    Image.fromarray(picture[::-1]).save(file)
    e = explorer.rank(probe, reference=file, selection=SelectionSettings(mode=mode, threshold=0.2))
    folder = e.save(tmp_path / "out", keep=keep)
    assert {path.name for path in folder.iterdir()} == {*RESULT_FILES, *([PROBE_FILE] if keep else [])}
    rows = picture_encoder.rows
    back = loaded(folder)
    assert isinstance(back, Explanation)
    for name in ("attribution", "distances", "weights", "relative"):
        np.testing.assert_array_equal(getattr(back, name), getattr(e, name))
        assert getattr(back, name).dtype == getattr(e, name).dtype
    assert (back.selection, back.no_signal, back.notices) == (e.selection, e.no_signal, e.notices)
    assert (back.unmasked_distance, back.meaning) == (e.unmasked_distance, e.meaning)
    np.testing.assert_array_equal(back.reference.embedding, e.reference.embedding)
    assert back.reference.origin == e.reference.origin
    assert (back.reference.origin.name, back.probe.origin.name) == ("fly.png", "bee.png")
    assert back.probe.picture_sha256 == probe.picture_sha256
    assert explorer.truth(e).spearman == explorer.truth(back).spearman
    assert picture_encoder.rows == rows
    if keep:
        alike(probe, back.probe)
    again = back.save(tmp_path / "again", keep=keep)
    for name in ("attribution.npy", "distances.csv"):
        assert (again / name).read_bytes() == (folder / name).read_bytes()


def test_a_result_without_its_probe_says_so(probe: Probe, picture_encoder: Encoder, tmp_path: Path) -> None:
    folder = explorer.rank(probe, embedding=VECTOR).save(tmp_path / "out")
    back = loaded(folder, encoder=picture_encoder)
    assert "was not kept" in back.probe.notices[0]
    with pytest.raises(InvalidInput, match=r"explorer.load\(path, image=...\)"):
        explorer.extend(back.probe, n_masks=60)
    with_it = loaded(folder, encoder=picture_encoder, image=tmp_path / "bee.png")
    np.testing.assert_array_equal(with_it.probe.picture, probe.picture)
    np.testing.assert_array_equal(explorer.extend(with_it.probe, n_masks=40).embeddings, probe.embeddings)
    with pytest.raises(InvalidInput, match="not the one that was explained"):
        loaded(folder, encoder=picture_encoder, image=np.zeros((24, 40, 3), np.uint8))


def test_a_probe_of_a_later_run_is_not_taken_for_that_of_the_result(probe: Probe, tmp_path: Path) -> None:
    folder = explorer.rank(probe, embedding=VECTOR).save(tmp_path / "out", keep=True)
    replace(probe, embeddings=probe.embeddings[:8]).save(folder, overwrite=True)
    assert len(loaded(folder).probe) == 0


def test_words_come_back(tmp_path: Path) -> None:
    e = explorer.explain_words("a cat on a mat", caption="a dog")
    for keep in (False, True):
        folder = e.save(tmp_path / f"words-{keep}", keep=keep)
        back = loaded(folder)
        assert isinstance(back, WordsExplanation)
        assert (back.words, back.sentence, back.copies) == (e.words, e.sentence, e.copies)
        np.testing.assert_array_equal(back.attribution, e.attribution)
        np.testing.assert_array_equal(back.distances, e.distances)
        assert (back.ranked.reference.caption, back.unmasked_distance) == ("a dog", e.unmasked_distance)
    np.testing.assert_array_equal(back.ranked.probe.embeddings, e.ranked.probe.embeddings)


def test_maps_of_other_methods_come_back(picture: np.ndarray, picture_encoder: Encoder, tmp_path: Path) -> None:
    e = explorer.explain(picture, method="rise", embedding=VECTOR, encoder=picture_encoder, masking=FEW)
    back = loaded(e.save(tmp_path / "out"))
    assert isinstance(back, MethodExplanation)
    np.testing.assert_array_equal(back.attribution, e.attribution)
    assert (back.method, back.settings, back.distance, back.signed) == (e.method, e.settings, e.distance, e.signed)
    assert back.unmasked_distance == e.unmasked_distance
    np.testing.assert_array_equal(back.reference.embedding, e.reference.embedding)


def test_what_is_explained_is_always_named(encoder: Encoder, picture: np.ndarray, tmp_path: Path) -> None:
    """An array has no name, but what it holds tells it from others; so do masks and embeddings of one's own."""
    masks = explorer.masks_from_array(np.random.default_rng(0).random((20, 24, 40)))
    said = []
    for i, image in enumerate((picture / 255, picture / 255 * 0.5)):
        folder = explorer.explain(image, reference=picture[::-1] / 255, encoder=encoder, masks=masks).save(
            tmp_path / str(i)
        )
        said.append(json.loads((folder / "manifest.json").read_text(encoding="utf-8")))
    hashes = [facts["picture"]["sha256"] for facts in said]
    assert len(set(hashes)) == 2
    assert [facts["picture"]["height"] for facts in said] == [24, 24]
    assert said[0]["compared_with"]["sha256"] == said[1]["compared_with"]["sha256"] not in hashes
    assert said[0]["masks_sha256"] == said[1]["masks_sha256"]


# Of before


@pytest.mark.parametrize(("name", "kind"), [("result", Explanation), ("words", WordsExplanation), ("probe", Probe)])
def test_what_was_saved_before_opens(name: str, kind: type) -> None:
    assert isinstance(loaded(LEGACY / name), kind)


def test_a_probe_of_before_is_ranked() -> None:
    back = loaded(LEGACY / "probe")
    assert (len(back), back.wanted, back.masks.size) == (16, 40, (224, 224))
    found = explorer.rank(back, embedding=np.arange(1000.0))
    assert found.attribution.shape == (224, 224)
    with pytest.raises(InvalidInput, match="image="):
        explorer.extend(back, n_masks=40)


def test_what_is_saved_today_opens_tomorrow() -> None:
    """The file in tests/legacy was written when the format was made; it must be read by every later version."""
    back = loaded(LEGACY / "probe-2" / PROBE_FILE)
    assert (len(back), back.origin.name, back.encoder.fingerprint) == (12, "bee.png", "tiny:1")
    np.testing.assert_array_equal(
        explorer.rank(back, embedding=VECTOR).distances,
        np.load(LEGACY / "probe-2" / "distances.npy", allow_pickle=False),
    )


# Damage, and what is not ours


def rewritten(file: Path, **changes: Any) -> Path:
    with np.load(file, allow_pickle=False) as stored:
        arrays = dict(stored)
    facts = json.loads(str(arrays["facts"]))
    for name, value in changes.items():
        if name in facts:
            facts[name] = value
        elif value is None:
            del arrays[name]
        else:
            arrays[name] = value
    arrays["facts"] = np.array(json.dumps(facts))
    with file.open("wb") as out:
        np.savez(out, **arrays)
    return file


@pytest.mark.parametrize(
    "change",
    [
        {"embeddings": np.zeros((60, 17), np.float32)},
        {"embeddings": np.zeros(17, np.float32)},
        {"embeddings": np.array(["a"])},
        {"pixels": "object"},
        {"pixels": "nonsense"},
        {"packed": np.zeros((40, 3), np.uint8)},
        {"packed": None},
        {"shifts": np.full((40, 2), 99, np.int32)},
        {"shifts": np.full((40, 2), -1, np.int32)},
        {"unmasked": np.zeros(3)},
        {"picture": np.frombuffer(b"GIF89a nothing", np.uint8)},
        {"masking": {"n_masks": -3}},
        {"masking": []},
        {"masks": {"kind": "grids", "feature_res": 0, "size": [32, 32], "blocks": False}},
        {"masks": {"kind": "bits", "shape": [10**6, 10**6, 10**6]}},
        {"box": {"left": 1}},
        {"origin": None},
        {"notices": 3},
        {"by": {}},
        {"schema_version": 0},
        {"schema_version": "2"},
    ],
    ids=lambda change: str(*change),
)
def test_a_file_that_says_what_cannot_be_is_refused(probe: Probe, tmp_path: Path, change: dict[str, Any]) -> None:
    file = rewritten(probe.save(tmp_path / "kept"), **change)
    with pytest.raises(InvalidInput, match=r"kept|image") as caught:
        explorer.rank(loaded(file), embedding=VECTOR)
    assert "damaged" in str(caught.value) or "image" in str(caught.value)


def test_a_newer_file_is_told(probe: Probe, tmp_path: Path) -> None:
    file = rewritten(probe.save(tmp_path / "kept"), schema_version=PROBE_VERSION + 1)
    with pytest.raises(InvalidInput, match=r"newer version \(format 3; this one reads up to 2\)"):
        loaded(file)
    folder = explorer.rank(probe, embedding=VECTOR).save(tmp_path / "out")
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"schema_version": 1', '"schema_version": 2'))
    with pytest.raises(InvalidInput, match="newer version"):
        loaded(folder)


class Trap:
    """Unpickling it fails the test."""

    def __reduce__(self) -> Any:
        return pytest.fail, ("it was unpickled",)


def test_nothing_is_unpickled(probe: Probe, tmp_path: Path) -> None:
    file = probe.save(tmp_path / "kept")
    plain = tmp_path / "plain.pkl"
    plain.write_bytes(pickle.dumps(Trap()))
    with file.open("wb") as out:
        np.savez(out, facts=np.array(Trap(), dtype=object), embeddings=np.array([Trap()], dtype=object))
    for path in (file, plain):
        with pytest.raises(InvalidInput, match="is damaged, or no saved"):
            loaded(path)


def test_whatever_byte_is_wrong_it_is_told_or_harmless(probe: Probe, tmp_path: Path) -> None:
    file = probe.save(tmp_path / "kept")
    data = file.read_bytes()
    for place in range(0, len(data), 97):
        flipped = bytearray(data)
        flipped[place] ^= 0x55
        file.write_bytes(flipped)
        try:
            back = loaded(file)
        except InvalidInput as error:
            assert str(tmp_path) in str(error)  # noqa: PT017
        else:
            np.testing.assert_array_equal(back.embeddings, probe.embeddings)
    file.write_bytes(data[: len(data) // 2])
    with pytest.raises(InvalidInput, match="damaged"):
        loaded(file)


@pytest.mark.parametrize("name", ["nothing", "empty", "study", "text.txt", "attribution.npy", "list.json"])
def test_what_is_no_saved_result_is_told(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "empty":
        path.mkdir()
    elif name == "study":
        path = LEGACY / "study" / "table-2"
    elif name == "attribution.npy":
        path = LEGACY / "result" / name
    elif name == "list.json":
        path = tmp_path / "manifest.json"
        path.write_text("[]")
    elif name != "nothing":
        path.write_text("hello")
    with pytest.raises(InvalidInput) as caught:
        explorer.load(path)
    assert str(path if path.name != "table-2" else "table-2") in str(caught.value)


@pytest.mark.parametrize("damage", ["cut", "other map", "no table", "rows", "word", "not json"])
def test_a_damaged_result_is_told(probe: Probe, tmp_path: Path, damage: str) -> None:
    folder = explorer.rank(probe, embedding=VECTOR).save(tmp_path / "out")
    manifest, table = folder / "manifest.json", folder / "distances.csv"
    if damage == "cut":
        manifest.write_bytes(manifest.read_bytes()[:200])
    elif damage == "other map":
        np.save(folder / "attribution.npy", np.zeros((3, 3), np.float32))
    elif damage == "no table":
        table.unlink()
    elif damage == "rows":
        table.write_text("\n".join(table.read_text().splitlines()[:-1]))
    elif damage == "word":
        table.write_text(table.read_text().replace("0.", "x."))
    else:
        manifest.write_text("{")
    with pytest.raises(InvalidInput, match=r"damaged|No such file"):
        loaded(folder)


# What comes back is what was, and says so where it is not


@pytest.fixture
def folder(probe: Probe, tmp_path: Path) -> Path:
    return explorer.rank(probe, embedding=VECTOR).save(tmp_path / "out")


def restated(folder: Path, **facts: Any) -> Path:
    said = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(said | facts))
    return folder


@pytest.mark.parametrize("fill", ["noise", "black"])
def test_a_result_with_its_picture_again_goes_on_as_it_began(
    picture: np.ndarray, picture_encoder: Encoder, tmp_path: Path, fill: str
) -> None:
    probe = explorer.probe(picture, encoder=picture_encoder, masking=replace(FEW, fill=fill))
    explorer.rank(probe, embedding=VECTOR).save(tmp_path / "out")
    back = loaded(tmp_path / "out", image=picture, encoder=picture_encoder).probe
    np.testing.assert_array_equal(explorer.extend(back, n_masks=40).embeddings, probe.embeddings)


def test_a_folder_called_second_is_not_taken_for_the_second_map(folder: Path, probe: Probe) -> None:
    e = explorer.rank(probe, embedding=VECTOR)
    explorer.rank(probe, embedding=-VECTOR).save(folder / "second")
    assert loaded(folder).second is None
    e.save(folder, overwrite=True)
    assert (folder / "second" / "manifest.json").is_file()
    two = replace(e, second=explorer.rank(probe, embedding=-VECTOR))
    fresh = folder.parent / "fresh"
    explorer.rank(probe, embedding=VECTOR).save(fresh / "second")
    with pytest.raises(InvalidInput, match="second holds results already"):
        two.save(fresh)
    assert not (fresh / "manifest.json").exists()
    two.save(folder, overwrite=True)
    np.testing.assert_array_equal(loaded(folder).second.distances, two.second.distances)
    e.save(folder, overwrite=True)
    assert not (folder / "second").exists()


def test_a_second_map_that_is_gone_is_told(folder: Path) -> None:
    assert "The second map" in loaded(restated(folder, second=True)).notices[-1]


def test_what_was_loaded_can_be_saved_and_loaded(folder: Path) -> None:
    again = loaded(loaded(folder).save(folder.parent / "again"))
    np.testing.assert_array_equal(again.distances, loaded(folder).distances)


def test_so_can_what_has_lost_its_masks(picture_encoder: Encoder, picture: np.ndarray, tmp_path: Path) -> None:
    masks = np.random.default_rng(0).random((40, 32, 32))
    e = explorer.explain(picture, encoder=picture_encoder, masks=masks, embedding=VECTOR)
    again = loaded(loaded(e.save(tmp_path / "one")).save(tmp_path / "two"))
    with pytest.raises(InvalidInput, match="were your own"):
        again.probe.masks.render(0, 1)


def test_masks_that_another_version_drew_are_lost(folder: Path, picture: np.ndarray) -> None:
    back = loaded(restated(folder, scheme_version=77), image=picture, encoder=TinyNetwork())
    for one in (back, loaded(back.save(folder.parent / "again"))):
        with pytest.raises(InvalidInput, match="another version of the scheme philox"):
            one.probe.masks.render(0, 1)


def test_a_reference_of_whole_numbers_comes_back(picture: np.ndarray, tmp_path: Path) -> None:
    encoder = explorer.from_function(lambda batch: batch.sum((1, 2)).astype(np.int64))
    e = explorer.explain(picture / 1.0, reference=picture[::-1] / 2, encoder=encoder, masking=FEW)
    back = loaded(e.save(tmp_path / "out"))
    np.testing.assert_array_equal(back.reference.embedding, e.reference.embedding)


@pytest.mark.parametrize("key", ["onnx:{}/net.onnx", "hf:local-dir:{}", "timm:local-dir:{}"])
def test_a_file_opens_no_encoder_of_its_own_choice(tmp_path: Path, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explorer.encoders.cards.load_encoder", lambda *_: pytest.fail("opened"))
    facts = {"schema_version": 1, "encoder": key.format(tmp_path), "fingerprint": "x", "masking": FEW.to_dict()}
    np.savez(tmp_path / "old.npz", facts=np.array(json.dumps(facts)), embeddings=np.zeros((3, 4), np.float32))
    with pytest.raises(InvalidInput, match="Unknown encoder"):
        loaded(tmp_path / "old.npz")


def test_the_fault_of_an_encoder_is_not_that_of_the_file(probe: Probe, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    file = probe.save(tmp_path / "kept")
    with pytest.raises(InvalidInput, match=r"^The network is in training mode"):
        loaded(file, encoder=torch.nn.Linear(3, 3).train())


def test_a_broken_picture_in_a_probe_names_the_file(probe: Probe, tmp_path: Path) -> None:
    file = rewritten(probe.save(tmp_path / "kept.npz"), picture=np.frombuffer(b"no picture", np.uint8))
    with pytest.raises(InvalidInput, match=r"kept\.npz is damaged"):
        loaded(file)


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_probe_that_is_not_there_any_more_is_told(
    probe: Probe, picture: np.ndarray, picture_encoder: Encoder, tmp_path: Path, damage: str
) -> None:
    folder = explorer.rank(probe, embedding=VECTOR).save(tmp_path / "out", keep=True)
    file = folder / PROBE_FILE
    assert [row.kept for row in listed(folder)] == [True]
    file.write_bytes(file.read_bytes()[:-50])
    if damage == "gone":
        file.unlink()
    for brought in ({}, {"image": picture, "encoder": picture_encoder}):
        notice = loaded(folder, **brought).probe.notices[0]
        assert notice.startswith("The probe kept with this result is missing, damaged")
    assert [row.kept for row in listed(folder)] == [False]


def test_a_run_that_is_gone_on_with_keeps_what_is_known_of_it(picture: np.ndarray, tmp_path: Path) -> None:
    encoder = explorer.from_function(lambda batch: batch.mean((1, 2)).astype(np.float16))
    probe = explorer.probe(picture / 1.0, encoder=encoder, masking=FEW)
    file = replace(probe, chosen={"p_keep": "why", "n_masks": "so many"}).save(tmp_path / "kept")
    back = load_probe(file, image=picture / 1.0, encoder=encoder, masking=FEW)
    assert (back.precision, back.chosen) == (probe.precision, {"p_keep": "why", "n_masks": "so many"})
    more = load_probe(file, image=picture / 1.0, encoder=encoder, masking=replace(FEW, n_masks=60))
    assert (more.precision, more.chosen) == (probe.precision, {"p_keep": "why"})
