"""Many references at once: in full batches, with names, without their pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import explorer
from explorer import Encoder, InvalidInput, MaskSettings
from explorer.core.references import Reference, References
from tests.asked import watch
from tests.conftest import TinyNetwork

FEW = MaskSettings(n_masks=40, seed=3)
CAPTIONS = ["a cat", "a dog on a mat", "a rocket"]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Twenty pictures of different sizes, two of one name."""
    random, found = np.random.default_rng(2), []
    for i in range(20):
        file = tmp_path / ("more" if i == 19 else ".") / f"{min(i, 18):02}.png"
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(random.integers(0, 256, (30 + i, 40, 3), dtype=np.uint8)).save(file)
        found.append(file)
    return found


def test_pictures_are_embedded_in_full_batches(
    files: list[Path], picture: np.ndarray, picture_encoder: TinyNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[int] = []
    watch(monkeypatch, picture_encoder, rows.append)
    seen: list[tuple[int, int]] = []
    bank = explorer.embed(files, encoder=picture_encoder, on_progress=lambda done, total: seen.append((done, total)))
    assert rows == [8, 8, 4]
    assert seen == [(8, 20), (16, 20), (20, 20)]
    assert isinstance(bank, References)
    assert bank.embeddings.shape == (20, 17)
    assert bank.labels[:2] == ("00.png", "01.png")
    assert bank.labels[18:] == (str(files[18]), str(files[19]))
    assert (len(bank), bank.encoder) == (20, picture_encoder.fingerprint)
    assert all(one.picture is None for one in bank)
    probe = explorer.probe(picture, encoder=picture_encoder, masking=FEW)
    rows.clear()
    found = explorer.rank(probe, reference=bank)
    assert [e.reference.origin.name for e in found][:2] == ["00.png", "01.png"]
    assert not rows
    for file, e in zip(files, found, strict=True):
        alone = explorer.rank(probe, reference=file)
        np.testing.assert_allclose(e.distances, alone.distances, atol=1e-12)
        assert (e.reference.picture_sha256, e.reference.origin) == (
            alone.reference.picture_sha256,
            alone.reference.origin,
        )


def test_one_is_taken_by_place_or_label(files: list[Path], picture: np.ndarray, picture_encoder: Encoder) -> None:
    bank = explorer.embed(files, encoder=picture_encoder)
    probe = explorer.probe(picture, encoder=picture_encoder, masking=FEW)
    e = explorer.rank(probe, reference=bank["03.png"])
    assert e.reference is bank[3]
    np.testing.assert_array_equal(bank[-1].embedding, bank.embeddings[-1])
    assert bank[2:4].labels == ("02.png", "03.png")
    with pytest.raises(KeyError):
        bank["gone.png"]
    whole = explorer.explain(picture, reference=bank[3], encoder=picture_encoder, masking=FEW)
    np.testing.assert_array_equal(whole.attribution, e.attribution)


def test_captions_are_embedded_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = explorer.load_encoder("conse-lite0")
    calls: list[int] = []
    real = encoder.embed_texts
    monkeypatch.setattr(encoder, "embed_texts", lambda texts: calls.append(len(texts)) or real(texts))
    bank = explorer.embed(CAPTIONS, encoder=encoder)
    assert calls == [3]
    assert bank.labels == tuple(CAPTIONS)
    assert [one.caption for one in bank] == CAPTIONS
    np.testing.assert_allclose(bank.embeddings, real(CAPTIONS), atol=1e-6)
    mixed = explorer.embed([Path(__file__).parents[2] / "assets" / "cat.jpg", "a cat"], encoder=encoder)
    assert mixed.labels == ("cat.jpg", "a cat")
    assert mixed[0].origin.name == "cat.jpg"


def test_functions_may_be_shown_several_shapes(encoder: Encoder) -> None:
    random = np.random.default_rng(0)
    arrays = [random.normal(size=(24, 40, 3))] * 3 + [random.normal(size=(10, 10, 3))]
    bank = explorer.embed(arrays, encoder=encoder)
    np.testing.assert_array_equal(bank.embeddings[0], encoder.embed_images(arrays[0][None])[0])
    np.testing.assert_array_equal(bank.embeddings[3], encoder.embed_images(arrays[3][None])[0])
    assert len(set(bank.labels)) == 4


def test_one_alone_and_names_of_ones_own(files: list[Path], picture: np.ndarray, picture_encoder: Encoder) -> None:
    assert explorer.embed(files[0], encoder=picture_encoder).labels == ("00.png",)
    assert len(explorer.embed(picture, encoder=picture_encoder)) == 1
    assert explorer.embed(iter(files[:2]), encoder=picture_encoder, labels=["a", "b"]).labels == ("a", "b")
    for labels in (["a"], ["a", "a"]):
        with pytest.raises(InvalidInput, match="2 different names"):
            explorer.embed(files[:2], encoder=picture_encoder, labels=labels)


def test_what_is_not_there_is_told_before_the_first_batch(
    files: list[Path], tmp_path: Path, picture_encoder: TinyNetwork
) -> None:
    for gone in (tmp_path / "gone.png", str(tmp_path / "gone.png"), "a caption"):
        with pytest.raises(InvalidInput, match="No such file: "):
            explorer.embed([*files, gone], encoder=picture_encoder)
    for nothing in ([], None, 3):
        with pytest.raises(InvalidInput):
            explorer.embed(nothing, encoder=picture_encoder)
    assert not picture_encoder.rows


def test_references_of_another_encoder_are_refused(files: list[Path], picture: np.ndarray, encoder: Encoder) -> None:
    bank = explorer.embed(files[:2], encoder=TinyNetwork())
    assert isinstance(bank[0], Reference)
    probe = explorer.probe(picture, encoder=encoder, masking=FEW)
    for reference in (bank, bank[0]):
        with pytest.raises(InvalidInput, match="embedded by tiny:1, the picture by function:") as caught:
            explorer.rank(probe, reference=reference)
        assert caught.value.code == "reference_encoder"


def test_one_picture_in_any_form_is_one(picture: np.ndarray, picture_encoder: Encoder) -> None:
    torch = pytest.importorskip("torch")
    alone = explorer.embed(picture, encoder=picture_encoder).embeddings
    for one in (torch.from_numpy(picture), Image.fromarray(picture)):
        np.testing.assert_array_equal(explorer.embed(one, encoder=picture_encoder).embeddings, alone)
    assert len(explorer.embed(torch.from_numpy(np.stack([picture] * 2)), encoder=picture_encoder)) == 2


def test_paths_in_an_array_are_many(files: list[Path], picture_encoder: Encoder) -> None:
    assert len(explorer.embed(np.array(list(map(str, files[:3]))), encoder=picture_encoder)) == 3


def test_labels_that_are_none_are_told(picture: np.ndarray, picture_encoder: Encoder) -> None:
    with pytest.raises(InvalidInput, match="labels must be 1 different names"):
        explorer.embed([picture], encoder=picture_encoder, labels=5)
