"""The two encoders that need no network, against the same networks run plainly, and the cache they are kept in."""

from __future__ import annotations

import io
import json
import logging
import os
import pickle
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import explorer
from explorer.encoders import conse, efficientnet_lite, efficientnet_lite_onnx, openvino_runtime
from explorer.encoders.cards import find_card
from explorer.encoders.labels import imagenet_classes
from explorer.encoders.onnx_graphs import Graph
from explorer.encoders.openvino_runtime import Network, bfloat16_here, cached_array
from explorer.pictures.images import as_picture
from tests.oracles import packaged

ASSETS = Path(__file__).parents[2] / "assets"


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    names = ("cat.jpg", "espresso.jpg", "lion.jpg")
    encoder = explorer.load_encoder("efficientnet-lite0")
    return np.stack([encoder.view(as_picture(ASSETS / name).pixels)[0] for name in names])


@pytest.fixture(scope="module")
def probabilities(pictures: np.ndarray) -> np.ndarray:
    """(3, 1000) from torch, plainly."""
    return packaged.outputs(pictures)["probabilities"]


def test_probabilities_are_those_of_torch(pictures, probabilities):
    rows = explorer.load_encoder("efficientnet-lite0").embed_pixels(pictures)
    np.testing.assert_allclose(rows, probabilities, atol=5e-6)
    np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-5)
    exact = packaged.outputs(pictures, packaged.efficientnet().double())["probabilities"]
    np.testing.assert_allclose(rows, exact, atol=1e-6)  # as near as torch's own float32
    features = explorer.load_encoder("efficientnet-lite0-features").embed_pixels(pictures)
    expected = packaged.outputs(pictures)["features"]
    assert (np.linalg.norm(features - expected, axis=1) <= 1e-5 * np.linalg.norm(expected, axis=1)).all()


def test_the_outputs_share_a_file(own_cache: Path, pictures, monkeypatch):
    builds = []
    build = efficientnet_lite_onnx.build
    monkeypatch.setattr(efficientnet_lite, "build", lambda state: (builds.append(1), build(state))[1])
    for key in ("efficientnet-lite0", "efficientnet-lite0-features"):
        rows = efficientnet_lite.load(find_card(key), precision="float32", weights=None).embed_pixels(pictures)
        np.testing.assert_array_equal(rows, explorer.load_encoder(key).embed_pixels(pictures))  # to the last bit
    assert len(builds) == 1
    assert len(list((own_cache / "networks").glob("*.xml"))) == 1


def test_the_network_just_built_and_the_one_kept_give_the_same_bits(own_cache: Path, pictures):
    card = explorer.encoders()[0]
    built, kept = (efficientnet_lite.load(card, precision="float32", weights=None) for _ in range(2))
    np.testing.assert_array_equal(built.embed_pixels(pictures), kept.embed_pixels(pictures))


def test_features_are_what_the_classifier_reads(pictures, probabilities):
    """Its scores are a linear map of them, and its layers are those that they depend on."""
    encoder, other = explorer.load_encoder("efficientnet-lite0-features"), explorer.load_encoder("efficientnet-lite0")
    rows, classifier = encoder.embed_pixels(pictures), other.weights("classifier")
    assert rows.shape == (3, 1280)
    scores = rows @ classifier["weight"].T + classifier["bias"]
    np.testing.assert_allclose(encoder.classifier().embed_pixels(pictures), scores, atol=1e-4)
    np.testing.assert_allclose(np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True), probabilities, atol=2e-5)
    assert encoder.layers() == other.layers()[:-1]
    assert encoder.fingerprint != other.fingerprint
    assert not np.allclose(encoder.randomised(encoder.layers()[-1:]).embed_pixels(pictures), rows)


def test_it_knows_the_example_pictures(probabilities):
    best = [imagenet_classes()[i] for i in probabilities.argmax(axis=1)]
    assert best[0] in ("Egyptian Mau", "tabby cat", "tiger cat")
    assert best[1] == "espresso"
    assert best[2] == "lion"


def test_zero_colour_is_zero_in_the_input_space():
    assert ((efficientnet_lite.EfficientNetLite.zero_colour - 127) / 128 == 0).all()


def test_conse_is_the_weighted_mean_of_class_sentences(pictures, probabilities):
    from open_clip import IMAGENET_CLASSNAMES
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(conse._model_folder()), device="cpu", local_files_only=True)
    classes = model.encode([f"a photo of a {name}" for name in IMAGENET_CLASSNAMES], normalize_embeddings=True)
    encoder = explorer.load_encoder("conse-lite0")
    np.testing.assert_allclose(encoder.embed_pixels(pictures), probabilities @ classes, atol=1e-4)
    captions = ["a cat", "two birds on a wire", "ein Hund", "猫"]
    np.testing.assert_allclose(
        encoder.embed_texts(captions), model.encode(captions, normalize_embeddings=True), atol=1e-6
    )


@pytest.mark.parametrize("count", [2, 7, 256])
def test_sentences_are_those_of_transformers(count: int):
    """Padded ones too, which nobody asks for yet."""
    ids = np.random.default_rng(count).integers(1000, 30000, (2, count))
    mask = np.ones((2, count), np.int64)
    mask[1, count // 2 + 1 :] = 0
    rows = conse.Sentences()._network(ids, mask)
    np.testing.assert_allclose(rows, packaged.sentences(ids, mask), atol=1e-6)


def test_many_sentences_are_those_that_are_embedded_alone():
    sentences = conse.Sentences()
    texts = [*conse._class_prompts()[::25], "猫", "a dog " * 200]
    np.testing.assert_allclose(sentences.embed_all(texts), sentences.embed(texts), atol=1e-6)


def test_a_long_caption_is_cut_visibly():
    encoder = explorer.load_encoder("conse-lite0")
    assert encoder.fit_text("a dog") == ("a dog", "")
    text = "a dog " + "! " * 240 + "harbour !"
    assert encoder.fit_text(text) == (text, "")
    text = "a dog " + "!" * 300 + " harbour"
    kept, dropped = encoder.fit_text(text)
    assert text.startswith(kept)
    assert dropped.endswith("! harbour")
    assert len(kept) + len(dropped) == len(text)
    np.testing.assert_array_equal(encoder.embed_texts([text]), encoder.embed_texts([kept]))
    picture = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    e = explorer.explain(picture, caption=text, encoder=encoder, masking=explorer.MaskSettings(n_masks=10))
    assert any("ignored from “!" in notice for notice in e.notices)


def torch_network(path: Path | None = None) -> Any:
    """What the encoder's layers are taken from."""
    state = efficientnet_lite._state(path or efficientnet_lite.weights_path())
    return efficientnet_lite._from_pixels(efficientnet_lite._network(state), "probabilities")


def test_the_users_settings_of_torch_change_nothing(pictures, probabilities):
    import torch

    drawn = torch.get_rng_state()
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    try:
        module = torch_network()
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            rows = module(torch.from_numpy(pictures)).numpy()
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)
    np.testing.assert_allclose(rows, probabilities, atol=1e-6)
    assert torch.equal(torch.get_rng_state(), drawn)


def test_weights_as_timm_and_training_leave_them(tmp_path: Path, pictures, probabilities):
    """Under timm's names in another order, inside a checkpoint, before torch 1.6 and since, as safetensors."""
    import argparse

    import torch
    from safetensors.torch import save_file

    network = torch_network().network
    shuffled = dict(reversed(network.state_dict().items()))
    wrapped = {f"module.{name}": array for name, array in network.state_dict().items()}
    checkpoint = {
        "epoch": 3,
        "args": argparse.Namespace(lr=0.1),
        "state_dict": wrapped,
        "optimizer": torch.optim.SGD(network.parameters(), momentum=0.9).state_dict(),
    }
    save_file(shuffled, tmp_path / "w.safetensors")
    torch.save(checkpoint, tmp_path / "w.pt")
    torch.save(shuffled, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    torch.save(network.double().state_dict(), tmp_path / "double.pt")
    for path in tmp_path.iterdir():
        encoder = efficientnet_lite.load(find_card("efficientnet-lite0"), precision="float32", weights=path)
        np.testing.assert_allclose(encoder.embed_pixels(pictures), probabilities, atol=5e-6, err_msg=path.name)


def test_weights_files(tmp_path: Path):
    import torch

    torch.save({"a": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(explorer.InvalidInput, match="not an EfficientNet-Lite0"):
        explorer.load_encoder("efficientnet-lite0", weights=tmp_path / "other.pth")
    with pytest.raises(explorer.InvalidInput, match="No such weights file"):
        explorer.load_encoder("efficientnet-lite0", weights=tmp_path / "gone.pth")
    with pytest.raises(explorer.InvalidInput, match="takes no weights file"):
        explorer.load_encoder("conse-lite0", weights=tmp_path / "other.pth")


def junk() -> dict[str, bytes]:
    """Files that are no weights, by name; two would run a command if they were unpickled."""

    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(Path(tempfile.gettempdir()) / "opened-by-a-pickle"),)

    header = json.dumps({"x": {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}}).encode()
    packed, bomb = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.txt", "hello")
    with zipfile.ZipFile(bomb, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"a": Bomb()}))
        archive.writestr("archive/version", "3")
    whole = efficientnet_lite.weights_path().read_bytes()
    return {
        "text.pth": b"these are no weights\n" * 40,
        "empty.pth": b"",
        "page.pth": b"<!DOCTYPE html><html><body>404</body></html>",
        "pointer.pth": b"version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 1\n",
        "bomb.pth": pickle.dumps({"a": Bomb()}),
        "bomb.zip": bomb.getvalue(),
        "packed.zip": packed.getvalue(),
        "numbers.pth": pickle.dumps({"a": 1}),
        "stack.pth": b"\x80\x02.",
        "memo.pth": b"\x80\x02h\xff.",
        "cut.pth": whole[: len(whole) // 2],
        "cut.safetensors": struct.pack("<Q", len(header)) + header + b"1234",
        "large.safetensors": struct.pack("<Q", 1 << 50) + header,
    }


def test_files_that_are_no_weights_are_refused_in_words(tmp_path: Path, recwarn: pytest.WarningsRecorder):
    for name, content in junk().items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(explorer.InvalidInput, match="not an EfficientNet-Lite0 state dict"):
            explorer.load_encoder("efficientnet-lite0", weights=tmp_path / name)
    for odd in (tmp_path, tmp_path / "a\0b", "/dev/null"):
        with pytest.raises(explorer.InvalidInput, match="No such weights file"):
            explorer.load_encoder("efficientnet-lite0", weights=odd)
    assert not (Path(tempfile.gettempdir()) / "opened-by-a-pickle").exists()
    assert [str(warning.message) for warning in recwarn if "pickle" in str(warning.message).lower()] == []


def test_a_damaged_sentence_model_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    for file in conse.SHA256:
        (tmp_path / file).write_bytes((conse._model_folder() / file).read_bytes())
    monkeypatch.setattr(conse, "_model_folder", lambda: tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(explorer.InvalidInput, match="damaged; reinstall"):
        conse.Sentences()
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(explorer.InvalidInput, match="damaged; reinstall"):
        conse.Sentences()


def test_damaged_package_is_refused(monkeypatch, tmp_path: Path):
    (tmp_path / "weights.pth").write_bytes(b"not the weights")
    monkeypatch.setattr(efficientnet_lite, "weights_path", lambda: tmp_path / "weights.pth")
    with pytest.raises(explorer.InvalidInput, match="damaged; reinstall"):
        efficientnet_lite.load(explorer.encoders()[0], precision="float32", weights=None)


def test_bfloat16_where_the_processor_has_it(pictures, probabilities):
    if not bfloat16_here():
        with pytest.raises(explorer.InvalidInput, match="no bfloat16"):
            explorer.load_encoder("efficientnet-lite0", precision="bfloat16")
        return
    encoder = explorer.load_encoder("efficientnet-lite0", precision="bfloat16")
    assert (encoder.embed_pixels(pictures).argmax(axis=1) == probabilities.argmax(axis=1)).all()
    exact = explorer.load_encoder("efficientnet-lite0").classifier().embed_pixels(pictures)
    np.testing.assert_array_equal(encoder.classifier().embed_pixels(pictures), exact)  # scores are float32 always


def test_scores_are_float32_whatever_the_encoder_computes_in(monkeypatch):
    asked = []

    class Noted:
        version = "noted"

        def __init__(self, key: str, build: object, precision: str, shape: object, output: str) -> None:
            asked.append((precision, output))

    monkeypatch.setattr(efficientnet_lite, "Network", Noted)
    monkeypatch.setattr(efficientnet_lite, "_cuda_here", lambda: False)
    efficientnet_lite.load(find_card("efficientnet-lite0"), precision="bfloat16", weights=None).classifier()
    assert asked == [("bfloat16", "probabilities"), ("float32", "scores")]


def double() -> bytes:
    """A network that doubles."""
    graph = Graph()
    graph.add("Mul", "x", graph.constant(2), name="y")
    return graph.model({"x": (np.float32, (1, 3))}, {"y": (1, 3)})


def test_networks_are_converted_once(own_cache: Path):
    builds = []

    def build() -> bytes:
        builds.append(1)
        return double()

    ones = np.ones((1, 3), np.float32)
    for _ in range(2):
        assert (Network("double", build, "float32")(ones) == 2).all()
    assert len(builds) == 1


SPOILT: dict[str, Callable[[Path], object]] = {
    "a bit": lambda path: path.write_bytes(path.read_bytes()[:-1] + b"?"),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "empty": lambda path: path.write_bytes(b""),
    "binary": lambda path: path.write_bytes(bytes(range(128, 256))),
    "a pointer": lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\nsize 3\n"),
    "gone": Path.unlink,
    "a folder": lambda path: (path.unlink(), path.mkdir(), (path / "x").touch()),
    "a loop": lambda path: (path.unlink(), path.symlink_to(path)),
}


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Grows by one whenever a network is built."""
    found: list[object] = []
    built = openvino_runtime._built
    monkeypatch.setattr(openvino_runtime, "_built", lambda core, build: (found.append(build), built(core, build))[1])
    return found


@pytest.mark.parametrize("how", SPOILT)
@pytest.mark.parametrize("suffix", [".xml", ".bin", ".xml.sha256", ".bin.sha256"])
def test_a_spoilt_cache_is_made_again(own_cache: Path, builds, caplog, suffix: str, how: str):
    ones = np.ones((1, 3), np.float32)
    Network("double", double, "float32")
    spoilt = next(path for path in (own_cache / "networks").iterdir() if path.name.endswith(suffix))
    SPOILT[how](spoilt)
    with caplog.at_level(logging.WARNING):
        assert (Network("double", double, "float32")(ones) == 2).all()
        assert ("made again" in caplog.text) == ((suffix, how) != (".xml", "gone"))  # which nobody calls spoilt
        assert len(builds) == 2
        caplog.clear()
        Network("double", double, "float32")
    assert (len(builds), caplog.text) == (2, "")  # and is whole again


@pytest.mark.parametrize("full", ["a file", "OpenVINO"])
def test_a_full_disk_leaves_no_half_file_and_the_next_start_keeps_it(
    own_cache: Path, builds, monkeypatch, caplog, full: str
):
    import openvino

    def refuse(model: object, path: Path, **_: object) -> None:
        path.write_bytes(b"half of it")
        raise RuntimeError("basic_ios::clear: iostream error") if full == "OpenVINO" else OSError(28, "No space left")

    with monkeypatch.context() as patched, caplog.at_level(logging.WARNING):
        patched.setattr(openvino, "save_model", refuse)
        assert (Network("double", double, "float32")(np.ones((1, 3), np.float32)) == 2).all()
    assert "Nothing can be kept" in caplog.text
    assert list((own_cache / "networks").iterdir()) == []
    Network("double", double, "float32")
    assert len(list((own_cache / "networks").iterdir())) == 4


def test_what_a_killed_process_left_in_the_cache_is_removed(own_cache: Path, builds):
    folder = own_cache / "networks"
    for name, age in ((".unfinished-old", 7200), (".unfinished-new", 60)):
        (folder / name).mkdir(parents=True)
        (folder / name / "half.bin").write_bytes(b"half")
        os.utime(folder / name, (time.time() - age, time.time() - age))
    Network("double", double, "float32")
    assert [path.name for path in folder.glob(".unfinished*")] == [".unfinished-new"]


def test_a_cache_that_cannot_be_written_is_done_without(own_cache: Path, caplog):
    (own_cache / "networks").write_text("a file in the way")
    (own_cache / "arrays").write_text("a file in the way")
    with caplog.at_level(logging.WARNING):
        assert (Network("double", double, "float32")(np.ones((1, 3), np.float32)) == 2).all()
        np.testing.assert_array_equal(cached_array("three", lambda: np.arange(3)), np.arange(3))
    assert caplog.text.count("Nothing can be kept") == 1  # and no more
    assert "EXPLORER_CACHE" in caplog.text


def test_arrays_are_built_once(own_cache: Path):
    builds = []

    def build() -> np.ndarray:
        builds.append(1)
        return np.arange(5.0)

    for _ in range(2):
        np.testing.assert_array_equal(cached_array("five", build), np.arange(5.0))
    assert len(builds) == 1
    assert openvino_runtime.cache_folder() == own_cache


def test_openvino_reports_to_nobody() -> None:
    """Its package ``openvino_telemetry`` would, at each import and conversion, without asking."""
    script = """
import sys
from explorer.encoders.openvino_runtime import import_openvino
import_openvino()
assert "openvino_telemetry" not in sys.modules
assert sys.modules["openvino.tools.ovc.telemetry_utils"].tm.__name__ == "openvino.tools.ovc.telemetry_stub"
import openvino_telemetry  # whoever wants it has it
"""
    subprocess.run([sys.executable, "-c", script], check=True)
