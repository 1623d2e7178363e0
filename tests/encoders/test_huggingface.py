"""Vision networks of transformers, tiny and with random weights made here; no hub is ever reached."""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file, save_file

import explorer
from explorer.attributions.method import offered
from explorer.core.errors import InvalidInput, WeightsMissing
from explorer.encoders import cards
from explorer.encoders.cards import find_card, load_encoder
from explorer.encoders.own_drawing import of_processor
from tests.encoders.hubs import FakeHub, empty_hub, serve_hub

TOKENS = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32, "patch_size": 8}
WORDS = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 50}
CONFIGS: dict[str, Callable[[], Any]] = {
    "dinov2": lambda: transformers.Dinov2Config(**TOKENS),
    "vit": lambda: transformers.ViTConfig(**TOKENS, intermediate_size=64),
    "convnext": lambda: transformers.ConvNextConfig(
        hidden_sizes=[8, 16, 32], depths=[1, 1, 1], image_size=32, num_stages=3
    ),
    "clip": lambda: transformers.CLIPConfig(
        vision_config={**TOKENS, "intermediate_size": 64}, text_config=WORDS, projection_dim=16
    ),
}
PROCESSORS: dict[str, dict[str, Any]] = {
    "squashed": {"do_resize": True, "size": {"height": 32, "width": 32}, "resample": 2, "do_normalize": True,
                 "image_mean": [0.5, 0.4, 0.3], "image_std": [0.5, 0.25, 0.2],
                 "image_processor_type": "ViTImageProcessor"},
    "cropped": {"do_resize": True, "size": {"shortest_edge": 40}, "resample": 3, "do_center_crop": True,
                "crop_size": {"height": 32, "width": 32}, "do_normalize": True, "do_rescale": True,
                "rescale_factor": 0.00392156862745098, "image_mean": [0.485, 0.456, 0.406],
                "image_std": [0.229, 0.224, 0.225], "image_processor_type": "BitImageProcessor"},
}  # fmt: skip
PICTURE, OTHER = np.random.default_rng(0).integers(0, 256, (2, 60, 90, 3), dtype=np.uint8)
PICTURE = np.array(Image.fromarray(PICTURE).resize((9, 6)).resize((90, 60)))  # smooth, as resampling rounds


@pytest.fixture(autouse=True)
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, a Hub that refuses connections, and no encoder loaded by an earlier test."""
    monkeypatch.setattr(cards, "_loaded", {})
    return empty_hub(tmp_path / "hub", monkeypatch)


@pytest.fixture
def fake_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[FakeHub]]:
    yield from serve_hub(monkeypatch)


@functools.cache
def made(kind: str) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = transformers.AutoModel.from_config(CONFIGS[kind]()).eval()
        for part in network.modules():
            if isinstance(part, torch.nn.Conv2d | torch.nn.Linear):
                part.weight.data.normal_(0, part.weight[0].numel() ** -0.5)
    return network


def folder_of(kind: str, folder: Path, processor: str = "cropped", **changes: Any) -> Path:
    """The network as transformers itself saves it, with an image processor."""
    made(kind).save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    (folder / "preprocessor_config.json").write_text(json.dumps(PROCESSORS[processor]))
    return folder


def expected(kind: str, folder: Path) -> np.ndarray:
    """By transformers' own processor and network."""
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    planes = processor(Image.fromarray(PICTURE), return_tensors="pt")["pixel_values"]
    network = made(kind)
    with torch.no_grad():
        if kind == "clip":
            answer = network.get_image_features(pixel_values=planes)
            return np.asarray(getattr(answer, "pooler_output", answer))
        return network(pixel_values=planes).pooler_output.flatten(1).numpy()


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize("processor", PROCESSORS)
def test_embeds_as_the_library_does(kind: str, processor: str, tmp_path: Path) -> None:
    folder = folder_of(kind, tmp_path / "net", processor)
    encoder = load_encoder(f"hf:local-dir:{folder}")
    rows, wanted = encoder.embed_images(PICTURE[None]), expected(kind, folder)
    assert rows.shape == wanted.shape
    np.testing.assert_allclose(rows, wanted, atol=0.03 * np.abs(wanted).max())  # its resampling is not PIL's own
    assert encoder.card.embedding == f"{rows.shape[1]} pooled features"
    assert encoder.input_size == (32, 32)
    np.testing.assert_allclose(encoder.zero_colour, np.array(PROCESSORS[processor]["image_mean"]) * 255, rtol=1e-6)
    found = explorer.explain(PICTURE, reference=OTHER, encoder=encoder, masking=explorer.MaskSettings(n_masks=12))
    assert found.attribution.any()
    with pytest.raises(InvalidInput, match="has no classes"):
        encoder.classifier()


def test_the_box_is_the_crop(tmp_path: Path) -> None:
    encoder = load_encoder(f"hf:local-dir:{folder_of('vit', tmp_path / 'net')}")
    _, box = encoder.view(PICTURE)
    assert (box.left, box.top, box.right, box.bottom) == pytest.approx((14 / 60, 0.1, 46 / 60, 0.9))


@pytest.mark.parametrize(
    ("kind", "inside", "method"),
    [("dinov2", "attention", "gae"), ("clip", "attention", "dix1"), ("convnext", "layers", "grad-cam")],
)
def test_what_lies_inside(kind: str, inside: str, method: str, tmp_path: Path) -> None:
    """Also that every layer it shows makes a difference: a text tower has none."""
    encoder = load_encoder(f"hf:local-dir:{folder_of(kind, tmp_path / 'net')}")
    assert inside in encoder.gives()
    assert method in offered(encoder)
    assert ("grad-cam" in offered(encoder)) == (inside == "layers")
    assert explorer.explain(PICTURE, reference=OTHER, encoder=encoder, method=method).attribution.any()
    assert not any("text" in layer or "logit" in layer for layer in encoder.layers())
    changed = encoder.randomised(encoder.layers()[:3])
    assert (changed.embed_images(PICTURE[None]) != encoder.embed_images(PICTURE[None])).any()
    assert changed.card == encoder.card
    assert type(changed) is type(encoder)


def test_an_object_is_an_encoder(tmp_path: Path) -> None:
    """As any torch network; drawn as it says itself where its processor lies beside it."""
    network = made("dinov2")
    assert explorer.probe(
        PICTURE[:32, :32] / 255, encoder=network, masking=explorer.MaskSettings(n_masks=10)
    ).embeddings.shape == (10, 32)
    with pytest.raises(InvalidInput, match="give mean and std"):
        explorer.from_torch(network, size="auto")
    assert explorer.from_torch(network, size="auto", mean=0.5, std=0.5).input_size == (32, 32)
    folder = folder_of("dinov2", tmp_path / "net")
    again = transformers.AutoModel.from_pretrained(folder)
    rows = explorer.from_torch(again, size="auto").embed_images(PICTURE[None])
    np.testing.assert_allclose(rows, load_encoder(f"hf:local-dir:{folder}").embed_images(PICTURE[None]), atol=1e-5)


def test_scores_of_an_objects_classes_are_its_embedding() -> None:
    network = transformers.ViTForImageClassification(CONFIGS["vit"]()).eval()
    with torch.no_grad():
        network.classifier.weight.normal_()
    found = explorer.explain_classes(
        PICTURE, [0, 1], encoder=explorer.from_torch(network, size=32), masking=explorer.MaskSettings(n_masks=10)
    )
    assert found[0].probe.embeddings.shape == (10, 2)


def test_a_checkpoint_with_a_classifier_and_without_a_pooler(tmp_path: Path) -> None:
    """The class token is read then, and no pooler of random numbers; as in google/vit-base-patch16-224."""
    folder = folder_of("vit", tmp_path / "net")
    state = {f"vit.{name}": array for name, array in load_file(folder / "model.safetensors").items()}
    state = {name: array for name, array in state.items() if "pooler" not in name}
    save_file(
        {**state, "classifier.weight": torch.zeros(7, 32), "classifier.bias": torch.zeros(7)},
        folder / "model.safetensors",
    )
    encoder = load_encoder(f"hf:local-dir:{folder}")
    planes = torch.from_numpy(encoder._drawing.numbers(encoder.read(PICTURE).pixels)).permute(2, 0, 1)[None]
    with torch.no_grad():
        token = made("vit")(pixel_values=planes).last_hidden_state[:, 0].numpy()
    np.testing.assert_allclose(encoder.embed_images(PICTURE[None]), token, atol=1e-4)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision(precision: str, tmp_path: Path) -> None:
    key = f"hf:local-dir:{folder_of('dinov2', tmp_path / 'net')}"
    asked: dict[str, Any] = {"reference": OTHER, "masking": explorer.MaskSettings(n_masks=40)}
    found, whole = (
        explorer.explain(PICTURE, encoder=load_encoder(key, precision=p), **asked) for p in (precision, "float32")
    )
    assert np.corrcoef(found.distances, whole.distances)[0, 1] >= 0.99
    assert found.probe.encoder.fingerprint.endswith(precision)


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"model_type": "somebodys_own"}, "model_config", "is not run"),
        ({"model_type": None}, "model_config", "describes no network"),
        ({"model_type": "bert"}, "model_config", "no vision network"),
        ({"hidden_size": "wide"}, "model_config", "not one that transformers can read"),
        ({"hidden_size": 64}, "weights_file", "does not hold the weights"),
        ({"num_hidden_layers": 3}, "weights_file", "does not hold the weights"),
        ({"quantization_config": {"quant_method": "gptq"}}, "network_quantised", "before quantisation"),
    ],
)
def test_folders_that_are_no_network(changes: dict[str, Any], code: str, said: str, tmp_path: Path) -> None:
    folder = folder_of("vit", tmp_path / "net", **changes)
    with pytest.raises(InvalidInput, match=said) as refused:
        load_encoder(f"hf:local-dir:{folder}")
    assert refused.value.code == code
    assert str(tmp_path) not in str(refused.value)


def test_what_transformers_tells_is_put_back(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """No progress bar and no report of arrays while it loads; the user's own switches stay as they were."""
    folder = folder_of("vit", tmp_path / "net")
    level, bars = logging.getLogger("transformers").level, transformers.utils.logging.is_progress_bar_enabled()
    capfd.readouterr()
    load_encoder(f"hf:local-dir:{folder}")
    assert capfd.readouterr().err == ""
    assert logging.getLogger("transformers").level == level
    assert transformers.utils.logging.is_progress_bar_enabled() == bars


def test_code_in_a_configuration_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net/evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    folder = folder_of("vit", tmp_path / "net", auto_map={"AutoModel": "evil.Evil", "AutoConfig": "evil.Evil"},
                       attn_implementation="nobody/kernels", trust_remote_code=True)  # fmt: skip
    assert load_encoder(f"hf:local-dir:{folder}").embed_images(PICTURE[None]).shape == (1, 32)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("lacking", ["config.json", "preprocessor_config.json", "model.safetensors"])
def test_files_that_a_folder_lacks(lacking: str, tmp_path: Path) -> None:
    folder = folder_of("vit", tmp_path / "net")
    (folder / lacking).unlink()
    assert cards._own_card(f"hf:local-dir:{folder}").missing == "weights not downloaded"
    with pytest.raises(InvalidInput, match=f"there is no {lacking}"):
        load_encoder(f"hf:local-dir:{folder}")


@pytest.mark.parametrize(
    "said",
    [
        {"do_flip_channel_order": True, "size": 32}, {"rescale_offset": True}, {"size": {"longest_edge": 32}},
        {"size": "big"}, {"size": [1, 2, 3]}, {"image_mean": "red"}, {"image_mean": [1, 2]},
        {"image_mean": [0.5], "image_std": [0]},
        {"resample": "lanczos"}, {"size": {"shortest_edge": 0}}, {"image_processor": 3},
    ],
)  # fmt: skip
def test_processors_that_are_not_known(said: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        of_processor(said)


def test_colours_that_are_not_scaled() -> None:
    """Of a processor that leaves pixels at 0 to 255, and of one that scales them to 0 to 2."""
    plain = of_processor({"size": 32, "do_rescale": False, "image_mean": [127.5] * 3, "image_std": [51] * 3})
    assert (plain.mean, plain.std) == ((0.5,) * 3, (0.2,) * 3)
    double = of_processor({"size": 32, "rescale_factor": 2 / 255, "image_mean": [1] * 3, "image_std": [1] * 3})
    assert double.mean == (0.5,) * 3


def test_a_network_of_the_hub(tmp_path: Path, fake_hub: type[FakeHub]) -> None:
    folder = folder_of("vit", tmp_path / "net")
    names = ("config.json", "preprocessor_config.json", "model.safetensors")
    fake_hub.held = {f"/nobody/tiny/resolve/v1/{name}": (folder / name).read_bytes() for name in names}
    encoder = load_encoder("hf:nobody/tiny@v1")
    here = load_encoder(f"hf:local-dir:{folder}")
    np.testing.assert_array_equal(encoder.embed_images(PICTURE[None]), here.embed_images(PICTURE[None]))


def test_offline_says_which_command_to_run() -> None:
    with pytest.raises(WeightsMissing, match=r"no network; run `explorer models fetch hf:facebook/dinov2-small`"):
        load_encoder("hf:facebook/dinov2-small")


def test_nothing_a_visitor_sends_names_a_repository_or_a_folder() -> None:
    for key in ("hf:facebook/dinov2-small", "hf:local-dir:/etc", "hf:", "hf:HF_HUB:a/b"):
        with pytest.raises(InvalidInput, match="Unknown encoder"):
            find_card(key)
    for name in ("", "a b", "../x", "a/b/c", "local-dir:", "/etc"):
        with pytest.raises(InvalidInput, match="hf-hub:OWNER/NAME or local-dir:FOLDER"):
            load_encoder(f"hf:{name}")
