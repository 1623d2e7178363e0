"""The two encoders that need no network, against the same networks run plainly, and the cache they are kept in."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

import explorer
from explorer.encoders import conse, efficientnet_lite, openvino_runtime
from explorer.encoders.openvino_runtime import Network, bfloat16_here, cached_array
from explorer.images import as_picture

ASSETS = Path(__file__).parents[2] / "assets"


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    names = ("cat.jpg", "espresso.jpg", "lion.jpg")
    encoder = explorer.load_encoder("efficientnet-lite0")
    return np.stack([encoder.view(as_picture(ASSETS / name).pixels)[0] for name in names])


@pytest.fixture(scope="module")
def probabilities(pictures: np.ndarray) -> np.ndarray:
    """(3, 1000) from torch, plainly."""
    import torch

    with torch.inference_mode():
        return efficientnet_lite._module(efficientnet_lite.weights_path())(torch.from_numpy(pictures)).numpy()


def test_probabilities_are_those_of_torch(pictures, probabilities):
    rows = explorer.load_encoder("efficientnet-lite0").embed_pixels(pictures)
    np.testing.assert_allclose(rows, probabilities, atol=2e-5)
    np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-4)


def test_it_knows_the_example_pictures(probabilities):
    from open_clip import IMAGENET_CLASSNAMES

    best = [IMAGENET_CLASSNAMES[i] for i in probabilities.argmax(axis=1)]
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
        encoder.embed_texts(captions), model.encode(captions, normalize_embeddings=True), atol=1e-4
    )


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


def test_weights_files(tmp_path: Path):
    import torch

    torch.save({"a": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(explorer.InvalidInput, match="not an EfficientNet-Lite0"):
        explorer.load_encoder("efficientnet-lite0", weights=tmp_path / "other.pth")
    with pytest.raises(explorer.InvalidInput, match="No such weights file"):
        explorer.load_encoder("efficientnet-lite0", weights=tmp_path / "gone.pth")
    with pytest.raises(explorer.InvalidInput, match="takes no weights file"):
        explorer.load_encoder("conse-lite0", weights=tmp_path / "other.pth")


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
    rows = explorer.load_encoder("efficientnet-lite0", precision="bfloat16").embed_pixels(pictures)
    assert (rows.argmax(axis=1) == probabilities.argmax(axis=1)).all()


def double() -> tuple[object, object]:
    """A network that doubles, and an example of its input."""
    import torch

    class Double(torch.nn.Module):
        def forward(self, x: object) -> object:
            return x * 2  # type: ignore[operator]

    return Double(), torch.zeros(1, 3)


def test_networks_are_converted_once(own_cache: Path):
    builds = []

    def build() -> tuple[object, object]:
        builds.append(1)
        return double()

    ones = np.ones((1, 3), np.float32)
    for _ in range(2):
        assert (Network("double", build, "float32")(ones) == 2).all()
    assert len(builds) == 1


@pytest.mark.parametrize("suffix", [".xml", ".bin", ".xml.sha256"])
def test_a_spoilt_cache_is_made_again(own_cache: Path, caplog, suffix: str):
    ones = np.ones((1, 3), np.float32)
    Network("double", double, "float32")
    spoilt = next(path for path in (own_cache / "networks").iterdir() if path.name.endswith(suffix))
    spoilt.write_bytes(spoilt.read_bytes()[:-1] + b"?")
    with caplog.at_level(logging.WARNING):
        assert (Network("double", double, "float32")(ones) == 2).all()
    assert "made again" in caplog.text


def test_a_cache_that_cannot_be_written_is_done_without(own_cache: Path, caplog):
    (own_cache / "networks").write_text("a file in the way")
    (own_cache / "arrays").write_text("a file in the way")
    with caplog.at_level(logging.WARNING):
        assert (Network("double", double, "float32")(np.ones((1, 3), np.float32)) == 2).all()
        np.testing.assert_array_equal(cached_array("three", lambda: np.arange(3)), np.arange(3))
    assert caplog.text.count("Nothing can be kept") == 2


def test_arrays_are_built_once(own_cache: Path):
    builds = []

    def build() -> np.ndarray:
        builds.append(1)
        return np.arange(5.0)

    for _ in range(2):
        np.testing.assert_array_equal(cached_array("five", build), np.arange(5.0))
    assert len(builds) == 1
    assert openvino_runtime.cache_folder() == own_cache
