"""Masked copies made by OpenVINO, against those made in numpy; and the same bits whatever else goes on."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import explorer
from explorer import Encoder, MaskSettings, Probe
from explorer.core.embedder import Embedder
from explorer.core.fills import FILLS
from explorer.core.probe import grow, prepare
from explorer.encoders import openvino_masks
from explorer.encoders.cards import load_encoder
from explorer.encoders.openvino_masks import MaskedCopies, MaskedNetwork
from explorer.encoders.openvino_runtime import bfloat16_here
from explorer.pictures.examples import shipped_presets
from explorer.studies.reached import Reached

ASSETS = Path(__file__).parents[2] / "assets"
KEYS = ("efficientnet-lite0-features", "efficientnet-lite0", "conse-lite0")
SETTINGS = {
    "coarsest": MaskSettings(n_masks=10, feature_res=1),
    "app's finest": MaskSettings(n_masks=10, feature_res=64, p_keep=0.3),
    "finest": MaskSettings(n_masks=10, feature_res=128),
    "much hidden": MaskSettings(n_masks=10, feature_res=7, p_keep=0.01),
    "balanced": MaskSettings(n_masks=10, scheme="orthogonal"),
    "dianna": MaskSettings(n_masks=10, scheme="dianna", seed=3),
}


def rows(encoder: Encoder, probe: Probe, start: int = 0, stop: int | None = None, own: bool = True) -> np.ndarray:
    """Embeddings of masked copies, in the encoder's own way or with the copies made in numpy."""
    embed = encoder.embed_masked if own else lambda *what: Embedder.embed_masked(encoder, *what)
    return np.concatenate(list(embed(probe.pixels, probe.background, probe.masks, start, stop or probe.wanted)))


def lion(key: str = KEYS[0], **settings: Any) -> Probe:
    return prepare(ASSETS / "lion.jpg", encoder=load_encoder(key), masking=MaskSettings(**settings))


def assert_near(probe: Probe) -> None:
    encoder = probe.encoder
    np.testing.assert_allclose(rows(encoder, probe), rows(encoder, probe, own=False), rtol=0, atol=1e-5)


@pytest.mark.parametrize("preset", shipped_presets(), ids=lambda preset: preset.key)
def test_as_if_made_in_numpy_on_every_preset(preset: Any) -> None:
    image = preset.image if isinstance(preset.image, Path) else ASSETS / preset.image
    assert_near(prepare(image, encoder=load_encoder(preset.encoder), masking=MaskSettings(n_masks=10)))


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("fill", [key for key, fill in FILLS.items() if not fill.drops])
def test_as_if_made_in_numpy_with_every_fill(key: str, fill: str) -> None:
    assert_near(lion(key, n_masks=10, fill=fill))


@pytest.mark.parametrize("masking", SETTINGS.values(), ids=SETTINGS)
def test_as_if_made_in_numpy_with_all_masks(masking: MaskSettings) -> None:
    assert_near(prepare(ASSETS / "lion.jpg", encoder=load_encoder(KEYS[0]), masking=masking))


def test_the_copies_are_those_of_numpy() -> None:
    """Seen by themselves, without a network that might not look at what is wrong with them."""
    encoder, probe = load_encoder(KEYS[0]), lion(n_masks=16, feature_res=7, fill="blur")
    network = MaskedNetwork(encoder._run._network)
    copies = MaskedCopies(network, probe.pixels, probe.background, probe.masks)
    for start in (0, 8):
        copies.ask(start, start + 8)
    copies.end()
    seen = np.concatenate([request.get_input_tensor().data for _, part in copies._busy for request in part])
    masks = probe.masks.render(0, 16)[..., None]
    np.testing.assert_allclose(seen, probe.background + masks * (probe.pixels - probe.background), atol=1e-4)


# The same bits


@pytest.mark.parametrize("key", KEYS)
def test_a_mask_keeps_its_bits_wherever_a_run_stopped(key: str) -> None:
    probe = lion(key, n_masks=29)
    whole = rows(probe.encoder, probe)
    for start, stop in ((0, 1), (3, 5), (7, 29), (8, 16), (28, 29)):
        np.testing.assert_array_equal(rows(probe.encoder, probe, start, stop), whole[start:stop])


def test_pieces_end_where_those_of_every_encoder_do() -> None:
    done = [len(step) for step in grow(lion(n_masks=29))]
    assert done == [8, 16, 24, 29]


@pytest.mark.parametrize("pieces", [1, 5])
def test_the_same_bits_however_many_pieces_are_under_way(monkeypatch: pytest.MonkeyPatch, pieces: int) -> None:
    probe = lion(n_masks=40)
    whole = rows(probe.encoder, probe)
    monkeypatch.setattr(probe.encoder._behind_masks(), "pieces", pieces)
    np.testing.assert_array_equal(rows(probe.encoder, probe), whole)


def test_the_same_bits_beside_other_work() -> None:
    """Other probes of the same network, and single pictures, which give the memory of theirs back in between."""
    encoder = load_encoder(KEYS[0])
    probes = [lion(n_masks=24, fill=fill) for fill in ("blur", "black", "mean")]
    alone = [rows(encoder, probe) for probe in probes]
    single = encoder.embed_pixels(probes[0].pixels[None])
    together: list[np.ndarray] = [np.empty(0)] * len(probes)

    def run(number: int) -> None:
        together[number] = rows(encoder, probes[number])

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(probes))]
    for thread in threads:
        thread.start()
    np.testing.assert_array_equal(encoder.embed_pixels(probes[0].pixels[None]), single)
    for thread in threads:
        thread.join()
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_same_bits_in_another_process(tmp_path: Path) -> None:
    probe = lion(n_masks=20)
    script = (
        "import sys, numpy, explorer; from explorer import MaskSettings; "
        "probe = explorer.probe(sys.argv[1], encoder=sys.argv[2], masking=MaskSettings(n_masks=20)); "
        "numpy.save(sys.argv[3], probe.embeddings)"
    )
    kept = tmp_path / "rows.npy"
    subprocess.run([sys.executable, "-c", script, str(ASSETS / "lion.jpg"), KEYS[0], str(kept)], check=True)
    np.testing.assert_array_equal(np.load(kept), rows(probe.encoder, probe))


# Stopping, failing, remembering


def test_a_run_that_is_stopped_leaves_nothing_behind() -> None:
    probe = lion(n_masks=200)
    whole = rows(probe.encoder, probe, 0, 16)
    for _ in range(3):
        steps = grow(probe)
        *_, early = islice(steps, 2)
        steps.close()
        np.testing.assert_array_equal(early.embeddings, whole)
    np.testing.assert_array_equal(rows(probe.encoder, probe, 0, 16), whole)


def test_masks_given_as_an_array_are_shown_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, masks = load_encoder(KEYS[0]), np.random.default_rng(0).random((3, 224, 224), dtype=np.float32)
    monkeypatch.setattr(encoder, "_masked", None)  # not asked
    given = explorer.probe(ASSETS / "lion.jpg", encoder=encoder, masks=masks)
    np.testing.assert_array_equal(given.embeddings, rows(encoder, given, own=False))


def test_what_long_work_has_had_is_not_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    probe, found = lion(n_masks=40), []

    def work() -> Iterator[int]:
        before = 0
        for step in grow(probe):
            yield len(step) - before
            before = len(step)
        found.append(step.embeddings)

    first = Reached(tmp_path)
    steps = first.going_on(work())
    assert sum(islice(steps, 3)) == 24
    first.save()
    asked = []
    plain = MaskedCopies.ask
    monkeypatch.setattr(MaskedCopies, "ask", lambda self, start, stop: asked.append(start) or plain(self, start, stop))
    assert sum(Reached(tmp_path).going_on(work())) == 16
    assert asked == [24, 32]
    np.testing.assert_array_equal(found[0], rows(probe.encoder, probe))


def test_other_pictures_masks_and_places_have_other_names() -> None:
    network = load_encoder(KEYS[0])._behind_masks()
    names = set()
    for settings in ({}, {"fill": "blur"}, {"seed": 1}, {"feature_res": 7}):
        probe = lion(n_masks=24, **settings)
        copies = MaskedCopies(network, probe.pixels, probe.background, probe.masks)
        for start, stop in ((0, 8), (8, 16), (3, 8)):
            names.add(probe.encoder.name_of(start % 8, *copies.named(start, stop)))
    assert len(names) == 12


# bfloat16


def test_masks_are_float32_whatever_the_network_computes_in() -> None:
    network = load_encoder(KEYS[0], precision="bfloat16" if bfloat16_here() else "float32")._behind_masks()
    ops = network.masking(8).get_runtime_model().get_ordered_ops()
    kinds = {str(op.get_rt_info()["outputPrecisions"].value).split(",")[0] for op in ops}
    assert kinds <= {"f32", "i32"}
    assert str(network.masking(8).get_property("INFERENCE_PRECISION_HINT")) == "<Type: 'float32'>"


@pytest.mark.parametrize("key", KEYS)
def test_maps_in_bfloat16_are_those_in_float32(key: str) -> None:
    if not bfloat16_here():
        pytest.skip("this processor has no bfloat16 arithmetic")
    fine, coarse = (load_encoder(key, precision=precision) for precision in ("float32", "bfloat16"))
    image, reference = ASSETS / "lion.jpg", ASSETS / "cat.jpg"
    maps = [explorer.explain(image, reference=reference, encoder=one).attribution for one in (fine, coarse)]
    assert np.corrcoef(maps[0].ravel(), maps[1].ravel())[0, 1] >= 0.99


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_batches_fill_pieces(precision: str) -> None:
    """Else a mask's place in its batch would depend on where a run began."""
    assert load_encoder(KEYS[0]).batch_size % openvino_masks.rows_at_once(precision) == 0
