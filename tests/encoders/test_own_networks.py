"""Networks and functions of one's own: given as they are, drawn for, in half precision, channels first, by classes."""

from __future__ import annotations

import json
import pickle
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image

import explorer
from explorer import InvalidInput, MaskSettings
from explorer.attributions.question import make_class_question
from explorer.encoders.gradients import as_tensor
from explorer.encoders.own_drawing import _of_transformers
from explorer.pictures.images import resize

MASKING = MaskSettings(n_masks=24, feature_res=4)
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
PICTURE, OTHER = np.random.default_rng(0).integers(0, 256, (2, 60, 90, 3), dtype=np.uint8)


def network() -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        parts = torch.nn.Conv2d(3, 8, 5, stride=3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(2), torch.nn.Flatten()
        return torch.nn.Sequential(*parts).eval()


def means(batch: np.ndarray) -> np.ndarray:
    return batch.reshape(len(batch), -1, 3).mean(1) + 1e-3


def planes_means(batch: np.ndarray) -> np.ndarray:
    assert batch.shape[1] == 3
    assert batch.flags["C_CONTIGUOUS"]
    return batch.mean((2, 3)) + 1e-3


# What may be given for an encoder


@pytest.mark.parametrize("own", [network(), means, lambda batch: means(batch)], ids=["network", "function", "lambda"])
def test_a_network_or_function_is_an_encoder(own: Any) -> None:
    """In every verb, as from_torch and from_function would take it."""
    encoder = explorer.from_torch(own) if isinstance(own, torch.nn.Module) else explorer.from_function(own)
    image, other = PICTURE / 255, OTHER / 255
    expected = explorer.explain(image, reference=other, encoder=encoder, masking=MASKING)
    found = explorer.explain(image, reference=other, encoder=own, masking=MASKING)
    np.testing.assert_array_equal(found.attribution, expected.attribution)
    assert found.probe.encoder.fingerprint == encoder.fingerprint
    probe = explorer.probe(image, encoder=own, masking=MASKING)
    np.testing.assert_array_equal(probe.embeddings, expected.probe.embeddings)
    assert len([*explorer.stream(image, encoder=own, masking=MASKING)][-1]) == MASKING.n_masks
    by_rise = explorer.explain(image, reference=other, encoder=own, masking=MASKING, method="rise")
    assert by_rise.attribution.any()


@pytest.mark.parametrize("odd", [object(), {"a": 1}, 5, None, torch.nn.Linear, np.zeros(3), b"lite"])
def test_anything_else_names_what_makes_encoders(odd: Any) -> None:
    with pytest.raises(InvalidInput, match=r"encoder must be .*from_torch and from_function"):
        explorer.probe(PICTURE, encoder=odd)


def test_a_network_in_training_mode_is_refused_here_too() -> None:
    with pytest.raises(InvalidInput, match="training mode"):
        explorer.explain(PICTURE, reference=OTHER, encoder=network().train())


def test_a_keras_network_is_a_function(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where Keras runs on torch, and its networks are torch modules that take channels last."""

    class Layer(torch.nn.Module):
        def forward(self, batch: Any) -> Any:
            return torch.as_tensor(batch).mean((1, 2)).requires_grad_()

    monkeypatch.setitem(sys.modules, "keras", SimpleNamespace(Layer=Layer))
    probe = explorer.probe(PICTURE / 255, encoder=Layer(), masking=MASKING)
    np.testing.assert_allclose(probe.unmasked(), PICTURE.mean((0, 1)) / 255)


# Pictures drawn for them


def by_hand(picture: np.ndarray, size: tuple[int, int]) -> torch.Tensor:
    planes = torch.from_numpy(resize(picture, size)).permute(2, 0, 1)[None] / 255
    return (planes - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


def test_pictures_are_drawn_as_the_network_wants_them(tmp_path: Path) -> None:
    own = network()
    encoder = explorer.from_torch(own, size=(32, 48), mean=MEAN, std=STD)
    with torch.no_grad():
        expected = own(by_hand(PICTURE, (32, 48))).numpy()
    path = tmp_path / "picture.png"
    Image.fromarray(PICTURE).save(path)
    for given in (path, str(path), Image.open(path), PICTURE, PICTURE / 255):
        seen = encoder.read(given)
        assert seen.pixels.shape == (32, 48, 3)
        np.testing.assert_allclose(encoder.embed_pixels(seen.pixels[None]), expected, atol=1e-5)
    np.testing.assert_allclose(encoder.embed_images(PICTURE[None]), expected, atol=1e-5)
    assert encoder.input_size == (32, 48)
    np.testing.assert_allclose(encoder.zero_colour, np.array(MEAN) * 255, rtol=1e-6)
    found = explorer.explain(path, reference=Image.fromarray(OTHER), encoder=encoder, masking=MASKING)
    assert found.attribution.shape == (32, 48)
    assert found.probe.origin.name == "picture.png"


def test_masked_copies_and_gradients_see_the_same_colours() -> None:
    encoder = explorer.from_torch(network(), size=32, mean=MEAN, std=STD)
    pixels = encoder.read(PICTURE).pixels
    looked = encoder.differentiable(pixels)
    with torch.no_grad():
        rows = looked.module(as_tensor(looked.module, pixels[None])).numpy()
    np.testing.assert_allclose(rows, encoder.embed_pixels(pixels[None]), atol=1e-5)
    probe = explorer.probe(PICTURE, encoder=encoder, masking=MASKING)
    copies = probe.masks.render(0, 24)[..., None] * (pixels - encoder.zero_colour) + encoder.zero_colour
    slow = np.concatenate([encoder.embed_pixels(copies[i : i + 8]) for i in (0, 8, 16)])
    np.testing.assert_allclose(probe.embeddings, slow, atol=1e-4)
    with torch.no_grad():
        hidden = network()(torch.zeros(1, 3, 32, 32)).numpy()  # zero for the network is what hidden pixels become
    np.testing.assert_allclose(
        encoder.embed_pixels(np.broadcast_to(encoder.zero_colour, (1, 32, 32, 3))), hidden, atol=1e-5
    )
    assert explorer.explain(PICTURE, reference=OTHER, encoder=encoder, method="grad-cam").attribution.shape == (32, 32)
    other = encoder.randomised(encoder.layers())
    assert other.input_size == (32, 32)
    assert explorer.probe(PICTURE, encoder=other, masking=MASKING).embeddings.std() > 0


def test_a_function_has_pictures_drawn_too() -> None:
    encoder = explorer.from_function(planes_means, channels="first", size=16, mean=0.5, std=0.5)
    expected = (resize(PICTURE, (16, 16)).mean((0, 1)) / 255 - 0.5) / 0.5
    np.testing.assert_allclose(encoder.embed_images(PICTURE[None])[0], expected + 1e-3, atol=1e-5)


def test_without_a_size_arrays_go_through_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    Image.fromarray(PICTURE).save(path)
    with pytest.raises(InvalidInput, match=r"from_torch\(network, size=224"):
        explorer.probe(path, encoder=network())
    np.testing.assert_array_equal(explorer.from_torch(network()).read(PICTURE).pixels, PICTURE)


def test_what_is_drawn_is_in_the_fingerprint() -> None:
    """Long work remembers embeddings by it."""
    makers = [
        {},
        {"size": 32},
        {"size": 33},
        {"size": 32, "mean": 0.5},
        {"size": 32, "std": 0.5},
        {"dtype": "bfloat16"},
    ]
    assert len({explorer.from_torch(network(), **given).fingerprint for given in makers}) == len(makers)
    plain = explorer.from_function(means).fingerprint
    assert plain == "function:means"
    assert plain != explorer.from_function(means, channels="first").fingerprint


@pytest.mark.parametrize("make", [explorer.from_torch, explorer.from_function])
@pytest.mark.parametrize(
    ("code", "given"),
    [
        *(("size_range", {"size": size}) for size in (0, -3, 2.5, True, (224,), (1, 2, 3), (32, 0), [True, 3], 10**6)),
        *(("size_missing", given) for given in ({"mean": 0.5}, {"std": 0.5})),
        *(("mean_range", {"size": 32, "mean": mean}) for mean in (123.7, -0.1, (1, 2), "red", np.nan, [[0.5]], {1})),
        *(("std_range", {"size": 32, "std": std}) for std in (0, (0.5, 0, 0.5), 58.4, -1, np.inf, "x")),
    ],
)  # fmt: skip
def test_odd_sizes_and_colours_are_refused(make: Any, code: str, given: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as refused:
        make(network(), **given)
    assert refused.value.code == code


def test_a_size_that_is_a_word() -> None:
    for size, code in (("small", "size_range"), ("auto", "size_unknown")):
        with pytest.raises(InvalidInput) as refused:
            explorer.from_torch(network(), size=size)
        assert refused.value.code == code


def test_timms_own_size_and_colours() -> None:
    own = timm.create_model("test_resnet", num_classes=0).eval()
    encoder = explorer.from_torch(own, size="auto")
    assert encoder.input_size == (160, 160)
    np.testing.assert_allclose(encoder.zero_colour, np.array(own.pretrained_cfg["mean"]) * 255)


def test_pickled_with_what_is_drawn() -> None:
    encoder = explorer.from_torch(network(), size=24, mean=MEAN, dtype="bfloat16")
    again = pickle.loads(pickle.dumps(encoder))  # noqa: S301 - made here
    np.testing.assert_array_equal(again.embed_images(PICTURE[None]), encoder.embed_images(PICTURE[None]))


# Channels


def test_channels_first() -> None:
    first = explorer.from_function(planes_means, channels="first")
    asked: dict[str, Any] = {"reference": OTHER / 255, "masking": MASKING}
    found = explorer.explain(PICTURE / 255, encoder=first, **asked)
    expected = explorer.explain(PICTURE / 255, encoder=explorer.from_function(means), **asked)
    np.testing.assert_allclose(found.attribution, expected.attribution, atol=1e-6)
    assert found.attribution.shape == (60, 90)


@pytest.mark.parametrize("odd", ["middle", "", None, 1, "FIRST", ("first",), {0: "batch", 1: "channels"}])
def test_other_channels_are_refused(odd: Any) -> None:
    with pytest.raises(InvalidInput, match=r'channels must be "last".*or "first"'):
        explorer.from_function(means, channels=odd)


# Where and in what numbers


@pytest.mark.parametrize(
    ("name", "dtype"), [("test_resnet", "bfloat16"), ("test_vit", "float16"), ("test_convnext", torch.bfloat16)]
)
def test_half_precision_tells_the_same(name: str, dtype: Any) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        smaller = {"img_size": 64} if name == "test_vit" else {}
        own = timm.create_model(name, num_classes=0, **smaller).eval()
    whole, half = (explorer.from_torch(own, size=64, dtype=kind) for kind in (None, dtype))
    found, expected = (
        explorer.explain(PICTURE, reference=OTHER, encoder=encoder, masking=MaskSettings(n_masks=40))
        for encoder in (half, whole)
    )
    assert np.corrcoef(found.distances, expected.distances)[0, 1] >= 0.99
    assert np.corrcoef(found.attribution.ravel(), expected.attribution.ravel())[0, 1] >= 0.99
    assert found.probe.embeddings.dtype == np.float32
    assert (found.distances != expected.distances).any()
    assert next(own.parameters()).dtype == torch.float32
    rows = half.differentiable(half.read(PICTURE).pixels).module(torch.from_numpy(half.read(PICTURE).pixels[None]))
    np.testing.assert_allclose(rows.numpy(), whole.embed_images(PICTURE[None]), atol=1e-4)  # gradients are float32


def test_dtypes_and_devices_that_are_none() -> None:
    for dtype in ("float8", "int8", torch.int32, 16, "", float):
        with pytest.raises(InvalidInput, match="dtype must be one of float32, bfloat16, float16"):
            explorer.from_torch(network(), dtype=dtype)
    for device in ("gpu", "tpu", 0, True, "", "meta", object()):
        with pytest.raises(InvalidInput, match="device must be one of cpu, cuda, mps"):
            explorer.from_torch(network(), device=device)
    with pytest.raises(InvalidInput, match=r'There is no cuda:7.*device="cpu"'):
        explorer.from_torch(network(), device="cuda:7")
    encoder = explorer.from_torch(network(), device="cpu", dtype="float32")
    assert encoder.fingerprint == explorer.from_torch(network()).fingerprint
    wide = explorer.from_torch(network().double(), dtype="float32")
    assert wide.embed_pixels(PICTURE[None] / 255).dtype == np.float32


# Classes


def scores(batch: np.ndarray) -> np.ndarray:
    return np.stack([batch[:, :30].mean((1, 2, 3)), batch[:, 30:].mean((1, 2, 3))], axis=1)


@pytest.mark.parametrize("method", ["distance-explainer", "rise"])
def test_several_classes_in_one_call(method: str) -> None:
    """The top speaks for the first class, the bottom for the second; the copies are embedded once."""
    rows = []

    def counted(batch: np.ndarray) -> np.ndarray:
        rows.extend(batch)
        return scores(batch)

    masking = MaskSettings(n_masks=200, feature_res=4)
    found = explorer.explain_classes(PICTURE / 255, [0, 1], encoder=counted, masking=masking, method=method)
    tops = [one.attribution[:30].mean() - one.attribution[30:].mean() for one in found]
    assert tops[0] > 0 > tops[1]
    if method == "distance-explainer":
        assert len(rows) < 210
        assert found[0].probe is found[1].probe


def test_the_classes_of_a_function_and_of_an_encoder() -> None:
    question = make_class_question(PICTURE / 255, encoder=scores)
    assert question.target.embedding.tolist() in ([1, 0], [0, 1])
    (found,) = explorer.explain_classes(PICTURE, (3,), encoder="efficientnet-lite0", masking=MASKING)
    assert found.probe.embeddings.shape == (24, 1000)
    assert found.reference.label == "class 3"


@pytest.mark.parametrize("odd", [[], 3, "ab", [2], [-1], [0.5], ["cat"], None, {0}])
def test_classes_that_are_none(odd: Any) -> None:
    with pytest.raises(InvalidInput, match="class"):
        explorer.explain_classes(PICTURE / 255, odd, encoder=scores, masking=MASKING)


def test_many_pictures_by_a_network_of_ones_own() -> None:
    rows = [*explorer.explain_many([PICTURE / 255], [OTHER / 255], encoder=network(), masking=MASKING)]
    expected = explorer.explain(PICTURE / 255, reference=OTHER / 255, encoder=network(), masking=MASKING)
    ((_, found),) = rows
    np.testing.assert_array_equal(found.attribution, expected.attribution)


def test_saved_and_brought_along(tmp_path: Path) -> None:
    """What was made with a network of one's own is opened with that network, as it is."""
    encoder = explorer.from_torch(network())
    found = explorer.explain(PICTURE / 255, reference=OTHER / 255, encoder=encoder, masking=MASKING)
    found.save(tmp_path / "result")
    again = explorer.load(tmp_path / "result", encoder=network())
    np.testing.assert_array_equal(again.attribution, found.attribution)
    found.probe.save(tmp_path / "probe.npz")
    probe = explorer.load(tmp_path / "probe.npz", encoder=network())
    np.testing.assert_array_equal(explorer.rank(probe, reference=OTHER / 255).attribution, found.attribution)


# What a network says of its pictures, and what is said instead


def beside(tmp_path: Path, **said: Any) -> SimpleNamespace:
    facts = {"size": {"shortest_edge": 40}, "crop_size": 32, "do_center_crop": True, "image_mean": MEAN}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({**facts, "image_std": STD, **said}))
    return SimpleNamespace(image_size=32, _name_or_path=str(tmp_path))


def test_colours_that_are_given_replace_those_that_are_said(tmp_path: Path) -> None:
    config = beside(tmp_path)
    own = _of_transformers(config, None, None)
    assert own is not None
    for mean in (0.0, np.zeros(3)):
        drawn = _of_transformers(config, mean, None)
        assert drawn is not None
        assert (drawn.name, drawn.mean) == (replace(own, mean=(0.0, 0.0, 0.0)).name, (0.0, 0.0, 0.0))
        np.testing.assert_array_equal(drawn.view(PICTURE)[0], own.view(PICTURE)[0])  # cut as it says all the same


def test_a_processor_that_divides_by_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="described in a way that is not known"):
        _of_transformers(beside(tmp_path, rescale_factor=0), None, None)


def test_other_weights_do_not_change_whether_a_network_is_padded() -> None:
    encoder = explorer.from_torch(network(), size=24)
    encoder.pads = not encoder.pads
    assert encoder.randomised(encoder.layers()[:1]).pads == encoder.pads
