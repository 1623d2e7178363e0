"""ONNX files as encoders: written here with onnx.helper, or exported from torch."""

from __future__ import annotations

import json
import os
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

import explorer
from explorer import InvalidInput, MaskSettings, UnusableEmbedding
from explorer.attributions.method import offered
from explorer.encoders import cards
from explorer.encoders.cards import find_card, load_encoder
from explorer.pictures.images import resize

MASKING = MaskSettings(n_masks=21, feature_res=4)
PICTURE, OTHER = np.random.default_rng(0).integers(0, 256, (2, 60, 90, 3), dtype=np.uint8)
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
WEIGHTS = np.random.default_rng(1).normal(size=(3, 5)).astype(np.float32)


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards, "_loaded", {})


def written(
    path: Path,
    shape: tuple[Any, ...] = ("n", 3, 32, 48),
    kind: int = TensorProto.FLOAT,
    *,
    outputs: tuple[str, ...] = ("embedding",),
    extra: tuple[str, ...] = (),
    last: bool = False,
    keep: bool = False,
    weights: Any = None,
    domain: str = "",
) -> Path:
    """The mean of each colour times WEIGHTS (3, 5)."""
    axes = [1, 2] if last else [2, 3]
    nodes = [
        helper.make_node("Cast", ["pixels"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["numbers"], ["means"], axes=axes, keepdims=int(keep)),
    ]
    if keep:
        nodes.append(helper.make_node("Identity", ["means"], ["embedding"], domain=domain))
    else:
        nodes.append(helper.make_node("MatMul", ["means", "weights"], ["embedding"], domain=domain))
    shapes: dict[str, Any] = {"embedding": ("n", 3, 1, 1) if keep else ("n", 5), "numbers": shape, "means": ("n", 3)}
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("pixels", kind, shape)]
        + [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in extra],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes[name]) for name in outputs],
        [] if keep else [numpy_helper.from_array(WEIGHTS, "weights") if weights is None else weights],
    )
    opsets = [helper.make_opsetid("", 13)] + [helper.make_opsetid(domain, 1)] * bool(domain)
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def drawn(picture: np.ndarray, size: tuple[int, int] = (32, 48), mean: Any = 0.0, std: Any = 1.0) -> np.ndarray:
    return ((resize(picture, size).astype(np.float32) / 255 - mean) / std).mean((0, 1)) @ WEIGHTS


def test_an_exported_network_embeds_as_it_does_in_torch(tmp_path: Path) -> None:
    parts = torch.nn.Conv2d(3, 8, 5, stride=3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    network = torch.nn.Sequential(*parts).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, torch.randn(1, 3, 32, 48), tmp_path / "net.onnx", dynamo=False, input_names=["x"],
                          dynamic_axes={"x": {0: "n"}})  # fmt: skip
    theirs = explorer.from_torch(network, size=(32, 48), mean=MEAN, std=STD, batch_size=8)
    ours = explorer.from_onnx(tmp_path / "net.onnx", mean=MEAN, std=STD)
    assert ours.input_size == (32, 48)
    np.testing.assert_allclose(ours.zero_colour, theirs.zero_colour)
    found, expected = (
        explorer.explain(PICTURE, reference=OTHER, encoder=encoder, masking=MASKING) for encoder in (ours, theirs)
    )
    np.testing.assert_allclose(found.probe.embeddings, expected.probe.embeddings, rtol=1e-3, atol=1e-5)
    assert np.corrcoef(found.attribution.ravel(), expected.attribution.ravel())[0, 1] > 0.999
    longer = explorer.extend(found.probe, n_masks=30)
    again = explorer.probe(PICTURE, encoder=ours, masking=MaskSettings(n_masks=30, feature_res=4))
    np.testing.assert_array_equal(longer.embeddings, again.embeddings)


def test_only_methods_that_embed_are_offered(tmp_path: Path) -> None:
    encoder = explorer.from_onnx(written(tmp_path / "net.onnx"))
    assert encoder.gives() == ()
    assert set(offered(encoder)) == {"distance-explainer", "rise"}
    assert encoder.layers() == ()


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("rows", ["n", 1, 4])
def test_batches_and_channels_as_the_file_has_them(last: bool, rows: Any, tmp_path: Path) -> None:
    shape = (rows, 32, 48, 3) if last else (rows, 3, 32, 48)
    encoder = explorer.from_onnx(written(tmp_path / "net.onnx", shape, last=last), size=(32, 48), mean=MEAN, std=STD)
    assert encoder.batch_size == (8 if rows == "n" else rows)
    images = np.stack([PICTURE, OTHER, PICTURE[::-1]])
    expected = [drawn(image, mean=np.array(MEAN), std=np.array(STD)) for image in images]
    np.testing.assert_allclose(encoder.embed_images(images), expected, rtol=1e-4, atol=1e-4)
    path = tmp_path / "picture.png"
    Image.fromarray(PICTURE).save(path)
    found = explorer.explain(path, reference=Image.fromarray(OTHER), encoder=encoder, masking=MASKING)
    assert found.attribution.any()


@pytest.mark.parametrize("shape", [("n", 3, "h", "w"), ("n", 3, 60, 90), (1, 3, None, None)])
def test_arrays_go_through_as_they_are(shape: tuple[Any, ...], tmp_path: Path) -> None:
    path = written(tmp_path / "net.onnx", shape)
    found = explorer.explain(PICTURE / 255, reference=OTHER / 255, encoder=path, masking=MASKING)
    np.testing.assert_allclose(found.probe.unmasked(), (PICTURE / 255).mean((0, 1)) @ WEIGHTS, rtol=1e-4)
    with pytest.raises(InvalidInput, match="shown arrays, not files"):
        explorer.probe("picture.png", encoder=path)


def test_open_sizes_take_the_size_that_is_said(tmp_path: Path) -> None:
    encoder = explorer.from_onnx(written(tmp_path / "net.onnx", ("n", 3, "h", "w")), size=16)
    np.testing.assert_allclose(encoder.embed_images(PICTURE[None])[0], drawn(PICTURE, (16, 16)), rtol=1e-4)


def test_whole_numbers(tmp_path: Path) -> None:
    path = written(tmp_path / "net.onnx", ("n", 3, 32, 48), TensorProto.UINT8)
    encoder = explorer.from_onnx(path, size=(32, 48))
    expected = resize(PICTURE, (32, 48)).mean((0, 1)) @ WEIGHTS
    np.testing.assert_allclose(encoder.embed_images(PICTURE[None])[0], expected, rtol=1e-4)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.DOUBLE])
def test_other_floats(kind: int, tmp_path: Path) -> None:
    encoder = explorer.from_onnx(written(tmp_path / "net.onnx", kind=kind), size=(32, 48))
    np.testing.assert_allclose(encoder.embed_images(PICTURE[None])[0], drawn(PICTURE), rtol=0.01, atol=1e-3)


def test_a_map_of_one_cell_is_a_vector(tmp_path: Path) -> None:
    encoder = explorer.from_onnx(written(tmp_path / "net.onnx", keep=True), size=(32, 48))
    assert encoder.embed_images(PICTURE[None]).shape == (1, 3)


def test_one_of_several_outputs(tmp_path: Path) -> None:
    path = written(tmp_path / "net.onnx", outputs=("means", "embedding", "numbers"))
    with pytest.raises(InvalidInput, match=r"gives 3 outputs; name one with output=, of: means, embedding, numbers"):
        explorer.from_onnx(path)
    encoder = explorer.from_onnx(path, output="embedding", size=(32, 48))
    np.testing.assert_allclose(encoder.embed_images(PICTURE[None])[0], drawn(PICTURE), rtol=1e-4)
    for name, said in (
        ("numbers", "one vector for each picture"),
        ("pooled", "no output 'pooled'"),
        (3, "no output 3"),
    ):
        with pytest.raises(InvalidInput, match=said):
            explorer.from_onnx(path, output=name)


# Files that will not do


@pytest.mark.parametrize("content", ["text", "empty", "cut", "zeros", "a zip", "no graph"])
def test_files_that_are_no_network(content: str, tmp_path: Path) -> None:
    path = written(tmp_path / "net.onnx")
    data, empty = path.read_bytes(), onnx.ModelProto().SerializeToString()
    path.write_bytes({"text": b"hello", "empty": b"", "cut": data[: len(data) // 2], "zeros": bytes(500),
                      "a zip": b"PK\x03\x04" + bytes(200), "no graph": empty}[content])  # fmt: skip
    with pytest.raises(InvalidInput, match="The ONNX file cannot be used") as refused:
        explorer.from_onnx(path)
    assert str(tmp_path) not in str(refused.value)


def test_what_is_no_file(tmp_path: Path) -> None:
    for path in (tmp_path / "none.onnx", tmp_path, "", "a\0b"):
        with pytest.raises(InvalidInput, match="ONNX file"):
            explorer.from_onnx(path)
    for odd in (None, 3, b"net.onnx", [1]):
        with pytest.raises(InvalidInput, match="path must be the path of an ONNX file"):
            explorer.from_onnx(odd)
    if os.getuid():
        path = written(tmp_path / "net.onnx")
        path.chmod(0)
        with pytest.raises(InvalidInput, match="cannot be read"):
            explorer.from_onnx(path)


@pytest.mark.parametrize(
    ("said", "given"),
    [
        ("reads 2 inputs", {"extra": ("mask",)}),
        ("reads no pictures", {"shape": ("n", 3)}),
        ("reads no pictures", {"shape": ("n", 3, 32, 48, 2)}),
        ("reads i64 numbers", {"kind": TensorProto.INT64}),
        ("which axis the channels are", {"shape": ("n", "c", 32, 48)}),
        ("which axis the channels are", {"shape": ("n", 3, 32, 3)}),
        ("which axis the channels are", {"shape": ("n", "c", "h", "w")}),
        ("operators of its own: nobody", {"domain": "nobody"}),
    ],
)
def test_networks_that_will_not_do(said: str, given: dict[str, Any], tmp_path: Path) -> None:
    try:
        path = written(tmp_path / "net.onnx", **given)
    except Exception:  # noqa: BLE001 - whatever onnx finds
        pytest.skip("onnx writes no such network")
    with pytest.raises(InvalidInput, match=said):
        explorer.from_onnx(path)


@pytest.mark.parametrize(
    ("code", "given"),
    [
        ("size_range", {"size": 224}), ("size_range", {"size": "big"}), ("mean_range", {"mean": 123}),
        ("channels", {"channels": "middle"}), ("batch_size_range", {"batch_size": 0}),
        ("precision", {"precision": "int8"}),
        ("size_unknown", {"size": "auto"}),
    ],
)  # fmt: skip
def test_odd_arguments(code: str, given: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as refused:
        explorer.from_onnx(written(tmp_path / "net.onnx"), **given)
    assert refused.value.code == code


def test_arrays_of_another_size_are_told(tmp_path: Path) -> None:
    encoder = explorer.from_onnx(written(tmp_path / "net.onnx"))
    with pytest.raises(InvalidInput, match="reads 32 x 48 with 3 channels, and was given 60 x 90 with 3"):
        explorer.probe(PICTURE, encoder=encoder, masking=MASKING)


# Numbers in other files


def beside(location: str, **facts: str) -> Any:
    tensor = TensorProto(name="weights", data_type=TensorProto.FLOAT, dims=WEIGHTS.shape,
                         data_location=TensorProto.EXTERNAL)  # fmt: skip
    for key, value in {"location": location, **facts}.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


def test_numbers_in_the_same_folder_are_read(tmp_path: Path) -> None:
    (tmp_path / "numbers").mkdir()
    (tmp_path / "numbers/net.bin").write_bytes(bytes(8) + WEIGHTS.tobytes())
    path = written(tmp_path / "net.onnx", weights=beside("numbers/net.bin", offset="8", length="60"))
    encoder = explorer.from_onnx(path, size=(32, 48))
    np.testing.assert_allclose(encoder.embed_images(PICTURE[None])[0], drawn(PICTURE), rtol=1e-4)
    (tmp_path / "numbers/net.bin").write_bytes(bytes(8) + (2 * WEIGHTS).tobytes())
    assert explorer.from_onnx(path, size=(32, 48)).fingerprint != encoder.fingerprint


@pytest.mark.parametrize(
    ("said", "location", "facts"),
    [
        ("outside its folder", "../secret", {}),
        ("outside its folder", "inner/../../secret", {}),
        ("outside its folder", "/etc/passwd", {}),
        ("outside its folder", "link", {}),
        ("outside its folder", "..\\secret", {}),
        ("outside its folder", "C:secret", {}),
        ("is not beside it", "", {}),
        ("is not beside it", "none.bin", {}),
        ("is not beside it", "inner", {}),
        ("cannot read it", "short", {}),
        ("cut short", "short", {"offset": "4", "length": "60"}),
        ("cut short", "short", {"offset": "-4"}),
        ("damaged", "short", {"offset": "four"}),
    ],
)
def test_numbers_elsewhere_are_not_read(said: str, location: str, facts: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "net"
    (folder / "inner").mkdir(parents=True)
    (tmp_path / "secret").write_bytes(WEIGHTS.tobytes())
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "short").write_bytes(WEIGHTS.tobytes()[:20])
    path = written(folder / "net.onnx", weights=beside(location, **facts))
    with pytest.raises(InvalidInput, match=said) as refused:
        explorer.from_onnx(path)
    assert str(tmp_path) not in str(refused.value)


def test_numbers_elsewhere_are_found_in_nodes_too(tmp_path: Path) -> None:
    path = written(tmp_path / "net.onnx")
    model = onnx.load(path)
    constant = helper.make_node("Constant", [], ["unused"])
    constant.attribute.add(name="value", type=onnx.AttributeProto.TENSOR).t.CopyFrom(beside("../secret"))
    model.graph.node.insert(0, constant)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InvalidInput, match="outside its folder"):
        explorer.from_onnx(path)


# Keys, and pickles


def test_a_key_needs_to_be_told_how_pictures_are_drawn(tmp_path: Path) -> None:
    path = written(tmp_path / "net.onnx", ("n", 3, 32, 32))
    with pytest.raises(InvalidInput, match=r"No preprocessor_config.json lies beside.*explorer.from_onnx"):
        load_encoder(f"onnx:{path}")
    said = {"size": {"height": 32, "width": 32}, "image_mean": MEAN, "image_std": STD, "do_normalize": True}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(said))
    encoder = load_encoder(f"onnx:{path}")
    planes = Image.fromarray(PICTURE).resize((32, 32), Image.Resampling.BILINEAR)
    expected = ((np.asarray(planes) / 255 - MEAN) / STD).mean((0, 1)) @ WEIGHTS
    np.testing.assert_allclose(encoder.embed_images(PICTURE[None])[0], expected, rtol=1e-4)
    assert (encoder.card.key, encoder.card.title, encoder.card.embedding) == (
        f"onnx:{path}",
        "ONNX net.onnx",
        "5 numbers",
    )
    assert str(tmp_path) not in encoder.fingerprint
    (tmp_path / "preprocessor_config.json").write_text("no JSON")
    with pytest.raises(InvalidInput, match="damaged, or no JSON"):
        explorer.from_onnx(path, size="auto")


def test_nothing_a_visitor_sends_names_a_file(tmp_path: Path) -> None:
    path = written(tmp_path / "net.onnx")
    for key in (f"onnx:{path}", str(path), "onnx:", "net.onnx"):
        with pytest.raises(InvalidInput, match="Unknown encoder"):
            find_card(key)
    with pytest.raises(InvalidInput, match="ONNX file"):
        load_encoder("onnx:none.onnx")


def test_pickled_by_its_file(tmp_path: Path) -> None:
    path = written(tmp_path / "net.onnx")
    encoder = explorer.from_onnx(path, mean=MEAN, std=STD)
    stored = pickle.dumps(encoder)
    again = pickle.loads(stored)  # noqa: S301 - made here
    np.testing.assert_array_equal(again.embed_images(PICTURE[None]), encoder.embed_images(PICTURE[None]))
    fingerprints = {
        explorer.from_onnx(path, channels=c, size=s).fingerprint for c in ("first", None) for s in (None, (32, 48))
    }
    assert len(fingerprints) == 2
    square = written(tmp_path / "square.onnx", ("n", 3, 32, 3), keep=True)
    first, last = (explorer.from_onnx(square, channels=channels).fingerprint for channels in ("first", "last"))
    assert first != last
    written(path, keep=True)
    with pytest.raises(InvalidInput, match="the file here makes"):
        pickle.loads(stored)  # noqa: S301 - made here


def test_an_answer_of_no_rank_is_told_when_it_comes(tmp_path: Path) -> None:
    path = written(tmp_path / "net.onnx", ("n", 3, "h", "w"))
    model = onnx.load(path)
    model.graph.node[-1].CopyFrom(helper.make_node("Identity", ["numbers"], ["embedding"]))
    model.graph.output[0].type.tensor_type.ClearField("shape")
    path.write_bytes(model.SerializeToString())
    with pytest.raises((InvalidInput, UnusableEmbedding), match=r"vector for each"):
        explorer.probe(PICTURE / 255, encoder=explorer.from_onnx(path), masking=MASKING)


def test_whole_numbers_are_never_moved(tmp_path: Path) -> None:
    """They would wrap around below 0 and above 255."""
    path = written(tmp_path / "net.onnx", ("n", 3, 32, 48), TensorProto.UINT8)
    for given in ({"mean": 0.5, "std": 0.5}, {"mean": 0.5}, {"size": (32, 48), "std": 0.5}):
        with pytest.raises(InvalidInput, match="leave mean and std out"):
            explorer.from_onnx(path, **given)
    said = {"size": {"height": 32, "width": 48}, "image_mean": MEAN, "image_std": STD, "do_normalize": True}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(said))
    found = load_encoder(f"onnx:{path}").embed_images(np.stack([np.full_like(PICTURE, 10), np.full_like(PICTURE, 200)]))
    np.testing.assert_allclose(found, np.array([[10.0], [200.0]]) * WEIGHTS.sum(0), rtol=1e-4)


def test_a_key_means_the_same_file_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"size": {"height": 32, "width": 48}, "image_mean": MEAN, "image_std": STD, "do_normalize": True}
    found = []
    for name, factor in (("a", 1), ("b", -7)):
        (tmp_path / name).mkdir()
        written(tmp_path / name / "net.onnx", weights=numpy_helper.from_array(WEIGHTS * np.float32(factor), "weights"))
        (tmp_path / name / "preprocessor_config.json").write_text(json.dumps(said))
        monkeypatch.chdir(tmp_path / name)
        found.append(load_encoder("onnx:net.onnx"))
        assert found[-1].card.key == f"onnx:{tmp_path / name / 'net.onnx'}"
        assert load_encoder(found[-1].card.key) is found[-1]
    one, other = (encoder.embed_images(PICTURE[None]) for encoder in found)
    np.testing.assert_allclose(other, -7 * one, rtol=1e-4)
    for family in ("hf", "timm", "timm-features", "open_clip"):
        card = cards._own_card(f"{family}:local-dir:net")
        assert (card.key, card.weights) == (f"{family}:local-dir:{tmp_path}/b/net", f"local-dir:{tmp_path}/b/net")
    assert cards._own_card("timm:hf-hub:a/b").key == "timm:hf-hub:a/b"
