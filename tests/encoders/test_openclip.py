"""open_clip encoders, on a tiny architecture with random weights made here; no hub is ever reached."""

from __future__ import annotations

import functools
import json
import pickle
import shutil
import socket
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import numpy as np
import open_clip
import open_clip.pretrained
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import explorer
from explorer.core.embedder import Card
from explorer.core.errors import InvalidInput, WeightsMissing
from explorer.encoders import hub as hub_files
from explorer.encoders import openclip
from explorer.encoders.cards import find_card, load_encoder
from explorer.encoders.layers import HOW
from tests.encoders.hubs import REVISION, Bomb, FakeHub, empty_hub, point_hub_to, put_in_cache, serve_hub, spoil

TINY = "explorer-tiny"
CONFIG: dict[str, Any] = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
OFFLINE = (
    "CLIP ViT-B/32 is not on this computer and there is no network; "
    "run `explorer models fetch clip-vit-b32` where there is one."
)
TAGS = {
    "openai": {"resize_mode": "shortest", "interpolation": "bicubic", "quick_gelu": True},
    "squash": {"resize_mode": "squash", "interpolation": "bilinear", "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4)},
    "longest": {"resize_mode": "longest", "interpolation": "bicubic"},
    "own_file": {"hf_hub": "nobody/tiny/weights.bin"},
}


def add_architecture(folder: Path, name: str, **text: Any) -> None:
    """Let open_clip know a tiny architecture."""
    config = {**CONFIG, "text_cfg": {**CONFIG["text_cfg"], **text}}
    path = folder / f"{name}.json"
    path.write_text(json.dumps(config))
    open_clip.add_model_config(path)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the same random weights as tiny.safetensors and tiny.pt."""
    folder = tmp_path_factory.mktemp("tiny")
    add_architecture(folder, TINY)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = open_clip.create_model(TINY).state_dict()
    save_file(state, folder / "tiny.safetensors")
    torch.save(state, folder / "tiny.pt")
    return folder


@pytest.fixture(autouse=True)
def tags(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretrained tags of the tiny architecture, one for each way of seeing a picture."""
    table = {tag: open_clip.pretrained._pcfg(**{"hf_hub": "nobody/tiny/", **more}) for tag, more in TAGS.items()}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, TINY, table)


@pytest.fixture(autouse=True)
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return empty_hub(tmp_path / "hub", monkeypatch)


def card(address: str = f"{TINY}:openai", **changes: Any) -> Card:
    return replace(find_card("clip-vit-b32"), weights=address, **{"revision": None, **changes})


@functools.cache
def load(files: Path, tag: str = "openai") -> openclip.OpenClipEncoder:
    return openclip.load(card(f"{TINY}:{tag}"), precision="float32", weights=files / "tiny.safetensors")


def picture(height: int, width: int) -> np.ndarray:
    """Noise over a ramp from left to right."""
    noise = np.random.default_rng(7).integers(-20, 20, (height, width, 3))
    return np.clip(np.linspace(20, 235, width)[None, :, None] + noise, 0, 255).astype(np.uint8)


# Pictures


@pytest.mark.parametrize("tag", ["openai", "squash", "longest"])
@pytest.mark.parametrize("size", [(64, 64), (50, 133), (171, 90), (301, 77)])
def test_embeds_as_the_library_does(files: Path, tag: str, size: tuple[int, int]) -> None:
    settings = {key: TAGS[tag].get(key) for key in ("mean", "std", "resize_mode", "interpolation")}
    model, _, preprocess = open_clip.create_model_and_transforms(
        TINY,
        str(files / "tiny.safetensors"),
        force_quick_gelu=tag == "openai",
        **{f"image_{key}": value for key, value in settings.items()},
    )
    with torch.inference_mode():
        expected = model.eval().encode_image(preprocess(Image.fromarray(picture(*size)))[None]).numpy()
    encoder = load(files, tag)
    pixels, _ = encoder.view(picture(*size))
    assert pixels.dtype == np.float32
    assert pixels.shape == (64, 64, 3)
    answer = encoder.embed_pixels(pixels[None])
    assert answer.dtype == np.float32
    np.testing.assert_allclose(answer, expected, atol=1e-5)
    np.testing.assert_array_equal(encoder.embed_images(picture(*size)[None]), answer)


@pytest.mark.parametrize(
    ("tag", "size", "box"),
    [
        ("openai", (100, 200), (0.25, 0, 0.75, 1)),
        ("openai", (256, 64), (0, 0.375, 1, 0.625)),
        ("openai", (80, 80), (0, 0, 1, 1)),
        ("squash", (100, 200), (0, 0, 1, 1)),
        ("longest", (100, 200), (0, -0.5, 1, 1.5)),
        ("longest", (256, 64), (-1.5, 0, 2.5, 1)),
    ],
)
def test_says_what_part_of_the_picture_it_sees(
    files: Path, tag: str, size: tuple[int, int], box: tuple[float, float, float, float]
) -> None:
    seen = load(files, tag).view(picture(*size))[1]
    assert (seen.left, seen.top, seen.right, seen.bottom) == pytest.approx(box)


@pytest.mark.parametrize("tag", ["openai", "squash", "longest"])
@pytest.mark.parametrize("size", [(90, 200), (101, 67), (333, 60)])
def test_box_maps_pixels_back_to_the_picture(files: Path, tag: str, size: tuple[int, int]) -> None:
    height, width = size
    x, y = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    places = np.stack([x, y, np.ones_like(x)], axis=-1) * 255
    pixels, box = load(files, tag).view(places.round().astype(np.uint8))
    centres = (np.arange(64) + 0.5) / 64
    columns, rows = np.meshgrid(box.left + centres * (box.right - box.left), box.top + centres * (box.bottom - box.top))
    inside = (np.abs(columns - 0.5) < 0.48) & (np.abs(rows - 0.5) < 0.48)
    tolerance = 255 / min(size) + 2
    np.testing.assert_allclose(pixels[..., 0][inside], columns[inside] * 255, atol=tolerance)
    np.testing.assert_allclose(pixels[..., 1][inside], rows[inside] * 255, atol=tolerance)
    outside = (np.abs(columns - 0.5) > 0.52) | (np.abs(rows - 0.5) > 0.52)
    assert not pixels[outside].any()
    assert outside.any() == (tag == "longest")


@pytest.mark.parametrize("tag", ["openai", "squash"])
def test_zero_colour_is_zero_for_the_network(files: Path, tag: str) -> None:
    encoder = load(files, tag)
    assert encoder.zero_colour.shape == (3,)
    with torch.inference_mode():
        expected = encoder._network.encode_image(torch.zeros(1, 3, 64, 64)).numpy()
    pixels = np.broadcast_to(encoder.zero_colour, (1, 64, 64, 3))
    np.testing.assert_allclose(encoder.embed_pixels(pixels), expected, atol=1e-5)


def test_many_threads_get_the_same_answers(files: Path) -> None:
    encoder = load(files)
    pixels = [encoder.view(picture(64 + i, 80))[0][None] for i in range(4)] * 4
    texts = [f"a picture of {'many ' * i}bees" for i in range(4)] * 4
    alone = [encoder.embed_pixels(p) for p in pixels], [encoder.embed_texts([t]) for t in texts]
    with ThreadPoolExecutor(8) as pool:
        rows = [pool.submit(encoder.embed_pixels, p) for p in pixels]
        captions = [pool.submit(encoder.embed_texts, [t]) for t in texts]
    np.testing.assert_array_equal([r.result() for r in rows], alone[0])
    np.testing.assert_array_equal([c.result() for c in captions], alone[1])


# Captions


def test_embeds_captions_as_the_library_does(files: Path) -> None:
    encoder = load(files)
    texts = ["a bee", "two cheetahs & a lion, in the sun"]
    with torch.inference_mode():
        expected = encoder._network.encode_text(open_clip.get_tokenizer(TINY)(texts)).numpy()
    np.testing.assert_allclose(encoder.embed_texts(texts), expected, atol=1e-5)
    np.testing.assert_array_equal(encoder.embed_texts(texts)[1:], encoder.embed_texts(texts[1:]))


@pytest.mark.parametrize(("words", "kept"), [(1, 1), (74, 74), (75, 75), (76, 75), (200, 75)])
def test_cuts_a_caption_at_75_tokens(files: Path, words: int, kept: int) -> None:
    text = " ".join(["bee"] * words)
    assert load(files).fit_text(text) == (" ".join(["bee"] * kept), " ".join(["bee"] * (words - kept)))


def test_cuts_between_words(files: Path) -> None:
    encoder = load(files)
    long = "antidisestablishmentarianism"  # several tokens, so that it does not fit into the last one
    assert encoder.fit_text("bee " * 74 + long + " ant") == (("bee " * 74).strip(), long + " ant")
    kept, dropped = encoder.fit_text("b" * 400)
    assert kept + dropped == "b" * 400
    assert kept
    assert encoder.fit_text("") == ("", "")


@pytest.mark.parametrize("mark", ["<end_of_text>", "<START_of_text>", "&lt;end_of_text&gt;"])
def test_marks_of_the_model_are_text_in_a_caption(files: Path, mark: str) -> None:
    """They are read like their letters; the mark of the end would end the caption without a word."""
    encoder = load(files)
    spaced = mark.replace("<", "< ").replace("&lt;", "< ").replace("&gt;", ">")
    marked, letters, cut = encoder.embed_texts([f"a bee {mark} on a flower", f"a bee {spaced} on a flower", "a bee"])
    np.testing.assert_array_equal(marked, letters)
    assert (marked != cut).any()


def test_reads_nothing_of_what_was_cut(files: Path) -> None:
    encoder = load(files)
    text = "bee " * 74 + "antidisestablishmentarianism"
    np.testing.assert_array_equal(encoder.embed_texts([text]), encoder.embed_texts(["bee " * 74]))


def test_tokenizers_from_hugging_face(files: Path, tmp_path: Path) -> None:
    """A text side whose tokenizer is made by transformers, here from files."""
    tokenizers = pytest.importorskip("tokenizers")
    from transformers import PreTrainedTokenizerFast

    words = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({w: i for i, w in enumerate(["[PAD]", "[UNK]", "</s>", "bee"])}, unk_token="[UNK]")
    )
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    words.post_processor = tokenizers.processors.TemplateProcessing("$A </s>", special_tokens=[("</s>", 2)])
    fast = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]", eos_token="</s>")
    fast.save_pretrained(tmp_path / "words")
    add_architecture(tmp_path, "explorer-words", hf_tokenizer_name=str(tmp_path / "words"), vocab_size=4)
    save_file(open_clip.create_model("explorer-words").state_dict(), tmp_path / "w.safetensors")
    encoder = openclip.load(card("explorer-words"), precision="float32", weights=tmp_path / "w.safetensors")
    assert encoder.fit_text("bee " * 76) == ("bee " * 76, "")
    assert encoder.fit_text("bee " * 78) == (("bee " * 76).strip(), "bee bee")
    assert encoder.embed_texts(["bee bee"]).shape == (1, 16)
    assert int((encoder._tokenizer(["bee </s> bee"]) == 2).sum()) == 1  # its own, at the end


# Weights files


def test_weights_files_of_both_kinds(files: Path) -> None:
    first = load_encoder(f"open_clip:{TINY}", weights=files / "tiny.safetensors")
    second = load_encoder(f"open_clip:{TINY}", weights=files / "tiny.pt")
    images = picture(64, 64)[None]
    np.testing.assert_array_equal(first.embed_images(images), second.embed_images(images))
    assert first.fingerprint != second.fingerprint
    assert first.fingerprint.startswith(f"open_clip:{TINY}:")
    assert load_encoder(f"open_clip:{TINY}", weights=files / "tiny.pt") is second


@pytest.mark.parametrize(("tag", "activation"), [("openai", "QuickGELU"), ("squash", "GELU")])
def test_activation_is_the_one_the_tag_was_trained_with(files: Path, tag: str, activation: str) -> None:
    names = {type(module).__name__ for module in load(files, tag)._network.modules()}
    assert names & {"QuickGELU", "GELU"} == {activation}


def test_openai_weights_want_quick_gelu() -> None:
    assert open_clip.get_pretrained_cfg("ViT-B-32", "openai")["quick_gelu"]
    assert not open_clip.get_model_config("ViT-B-32").get("quick_gelu", False)  # so that the tag has to say it


class Lure:
    """A TypeError in torch's safe mode and nothing in any other, so that a reader who tries again goes on."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...], tuple[None, dict[str, Any]]]:
        return OrderedDict, (), (None, {})


@pytest.mark.parametrize("lure", [None, Lure()])
@pytest.mark.parametrize("name", ["w.pt", "w.bin", "w.pth", "w.safetensors", "w"])
def test_pickles_are_not_run(
    files: Path, tmp_path: Path, name: str, lure: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    state = {"lure": lure, "visual.proj": Bomb(tmp_path / "hole")}
    torch.save(state, tmp_path / name)
    with pytest.raises(InvalidInput, match="does not hold the weights"):
        load_encoder(f"open_clip:{TINY}", weights=tmp_path / name)
    (tmp_path / name).write_bytes(pickle.dumps(state, protocol=2))
    with pytest.raises(InvalidInput, match="does not hold the weights"):
        load_encoder(f"open_clip:{TINY}", weights=tmp_path / name)
    assert not (tmp_path / "hole").exists()


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("kind", ["text", "empty file", "cut short", "no tensors", "other network"])
def test_files_that_are_no_weights(files: Path, tmp_path: Path, kind: str, suffix: str) -> None:
    spoil(kind, files / f"tiny{suffix}", tmp_path / f"w{suffix}")
    with pytest.raises(InvalidInput, match=f"does not hold the weights of {TINY}") as info:
        load_encoder(f"open_clip:{TINY}", weights=tmp_path / f"w{suffix}")
    assert info.value.code == "weights_file"
    assert str(tmp_path) not in str(info.value)


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning", "ignore:.*TorchScript archive:UserWarning")
@pytest.mark.parametrize("kind", ["a list", "TorchScript"])
def test_torch_files_that_are_no_state_dict(files: Path, tmp_path: Path, kind: str) -> None:
    spoil(kind, files / "tiny.pt", tmp_path / "w.pt")
    with pytest.raises(InvalidInput, match="does not hold the weights"):
        load_encoder(f"open_clip:{TINY}", weights=tmp_path / "w.pt")


@pytest.mark.parametrize(
    ("address", "near", "code"),
    [
        ("ViT-B32:openai", "'ViT-B-32'", "unknown_model"),
        ("ViT-B-32:openia", "'openai'", "unknown_tag"),
        ("VIT-B-32:openai", "'ViT-B-32'", "unknown_model"),
        ("ViT-B/32:openai", "'ViT-B-32'", "unknown_model"),
        (" ViT-B-32:openai", "'ViT-B-32'", "unknown_model"),
        ("ViT-B-32:OPENAI", "'openai'", "unknown_tag"),
        ("hf-hub:nobody/some/model", "hf-hub:OWNER/NAME", "unknown_model"),
        ("local-dir:", "local-dir:FOLDER", "unknown_model"),
        (TINY, "open_clip.list_pretrained", "unknown_tag"),
        ("", "open_clip", "unknown_model"),
    ],
)
def test_unknown_names(address: str, near: str, code: str) -> None:
    for ask in (openclip.missing, lambda c: openclip.load(c, precision="float32", weights=None)):
        with pytest.raises(InvalidInput, match=near) as info:
            ask(card(address))
        assert info.value.code == code
        assert "nobody" not in str(info.value)


# Models that open_clip does not list


def put_in_folder(files: Path, folder: Path, weights: str = "tiny.safetensors", **text: Any) -> Path:
    """A model as open_clip's ``save_for_hf`` leaves it, seeing pictures as "squash" does."""
    folder.mkdir(parents=True)
    model = {**CONFIG, "text_cfg": {**CONFIG["text_cfg"], **text}}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": model, "preprocess_cfg": TAGS["squash"]}))
    name = "open_clip_model.safetensors" if weights.endswith("s") else "open_clip_pytorch_model.bin"
    shutil.copy(files / weights, folder / name)
    return folder


def assert_same(found: Any, wanted: openclip.OpenClipEncoder) -> None:
    images = picture(70, 120)[None]
    np.testing.assert_array_equal(found.embed_images(images), wanted.embed_images(images))
    np.testing.assert_array_equal(found.embed_texts(["a bee"]), wanted.embed_texts(["a bee"]))


@pytest.mark.parametrize("weights", ["tiny.safetensors", "tiny.pt"])
def test_a_model_in_a_folder(files: Path, tmp_path: Path, weights: str) -> None:
    folder = put_in_folder(files, tmp_path / "my model", weights)
    encoder = load_encoder(f"open_clip:local-dir:{folder}")
    assert_same(encoder, load(files, "squash"))
    assert (encoder.card.title, encoder.card.missing) == ("open_clip my model", "")
    assert encoder.fingerprint.startswith("open_clip:local-dir:")
    assert str(tmp_path) not in encoder.fingerprint
    own, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    with torch.inference_mode():
        expected = own.eval().encode_image(preprocess(Image.fromarray(picture(70, 120)))[None]).numpy()
    np.testing.assert_allclose(encoder.embed_images(picture(70, 120)[None]), expected, atol=1e-5)


def test_a_model_of_the_hub(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = put_in_folder(files, tmp_path / "model")
    for fake_hub in serve_hub(monkeypatch):
        with pytest.raises(WeightsMissing, match=r"has no open_clip_config\.json there"):
            load_encoder("open_clip:hf-hub:somebody/clip")
        for file in ("open_clip_config.json", "open_clip_model.safetensors"):
            fake_hub.held[f"/somebody/clip/resolve/main/{file}"] = (folder / file).read_bytes()
        encoder = load_encoder("open_clip:hf-hub:somebody/clip")
    assert_same(encoder, load(files, "squash"))
    assert encoder.card.missing == ""
    assert encoder.fingerprint.startswith("open_clip:hf-hub:somebody/clip:")


@pytest.mark.parametrize(
    "text",
    [
        {"tokenizer_kwargs": {"trust_remote_code": True}},
        {"tokenizer_kwargs": 3},
        {"hf_model_name": "hf-hub:somebody/code"},
    ],
)
def test_a_configuration_gives_no_orders(files: Path, tmp_path: Path, text: dict[str, Any]) -> None:
    folder = put_in_folder(files, tmp_path / "model", **text)
    with pytest.raises(InvalidInput, match="not followed") as info:
        load_encoder(f"open_clip:local-dir:{folder}")
    assert info.value.code == "model_config"


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "describes no open_clip model"),
        ({"model_cfg": {"vision_cfg": {}, "text_cfg": 1}}, "describes no open_clip model"),
        ({"model_cfg": {"embed_dim": 16, "vision_cfg": {}, "text_cfg": {}}}, "does not hold the weights"),
        ({"model_cfg": {"vision_cfg": {}, "text_cfg": {}}}, "does not hold the weights"),
        ({"model_cfg": {**CONFIG, "no_such": 1}}, "does not hold the weights"),
        ({"model_cfg": CONFIG, "preprocess_cfg": {"mode": "CMYK"}}, "does not fit"),
        ({"model_cfg": CONFIG, "preprocess_cfg": {"mean": "red"}}, "does not fit"),
    ],
)
def test_folders_that_are_no_model(files: Path, tmp_path: Path, config: dict[str, Any], said: str) -> None:
    folder = put_in_folder(files, tmp_path / "model")
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(InvalidInput, match=said):
        load_encoder(f"open_clip:local-dir:{folder}")


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"epoch": 3, "model": {f"module.{name}": array for name, array in state.items()}},
        lambda state: {f"_orig_mod.{name}": array for name, array in state.items()},
        lambda state: {"state_dict": {name: array * 0 for name, array in state.items()}, "state_dict_ema": state},
    ],
)
def test_weights_as_training_leaves_them(files: Path, tmp_path: Path, wrap: Callable[[Any], Any]) -> None:
    torch.save(wrap(torch.load(files / "tiny.pt", weights_only=True)), tmp_path / "w.pt")
    assert_same(openclip.load(card(), precision="float32", weights=tmp_path / "w.pt"), load(files))


def test_the_users_settings_change_nothing(files: Path) -> None:
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    try:
        encoder = openclip.load(card(), precision="float32", weights=files / "tiny.safetensors")
        rows = encoder.embed_images(picture(70, 120)[None]), encoder.embed_texts(["a bee"])
        with torch.autocast("cpu", torch.bfloat16):
            again = encoder.embed_images(picture(70, 120)[None]), encoder.embed_texts(["a bee"])
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)
    for found in (rows, again):  # torch's attention takes another path where a default device is set
        np.testing.assert_allclose(found[0], load(files).embed_images(picture(70, 120)[None]), atol=1e-6)
        np.testing.assert_allclose(found[1], load(files).embed_texts(["a bee"]), atol=1e-6)


# The Hub


def test_where_the_cards_weights_lie() -> None:
    for address, place in openclip.REPOSITORIES.items():
        assert open_clip.get_pretrained_cfg(*address.split(":"))["hf_hub"] == place


def test_every_tag_of_open_clip_has_a_place_on_the_hub() -> None:
    for model, tag in open_clip.list_pretrained():
        source = openclip._weights_source(card(f"{model}:{tag}"))
        assert source.repository.count("/") == 1
        assert all(source.files)


@pytest.mark.parametrize("address", ["ViT-B-32:openai", f"{TINY}:openai", "ViT-B-16-SigLIP:webli"])
def test_offline_says_which_command_to_run(address: str) -> None:
    assert openclip.missing(card(address)) == "weights not downloaded"
    with pytest.raises(WeightsMissing) as info:
        openclip.load(card(address), precision="float32", weights=None)
    assert str(info.value) == OFFLINE
    assert info.value.code == "weights_offline"


def test_offline_mode_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsMissing) as info:
        load_encoder("clip-vit-b32")
    assert str(info.value) == OFFLINE


def test_a_silent_network_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert hub_files.TIMEOUT <= 10
    with socket.create_server(("127.0.0.1", 0)) as server:  # takes connections and never answers
        point_hub_to(monkeypatch, f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setattr(hub_files, "TIMEOUT", 0.1)
        with pytest.raises(WeightsMissing) as info:
            openclip.load(card(), precision="float32", weights=None)
    assert str(info.value) == OFFLINE


@pytest.mark.parametrize("revision", [None, REVISION])
def test_cached_weights_need_no_network(files: Path, hub: Path, revision: str | None) -> None:
    put_in_cache(hub, files / "tiny.safetensors")
    assert openclip.missing(card(revision=revision)) == ""
    encoder = openclip.load(card(revision=revision), precision="float32", weights=None)
    np.testing.assert_array_equal(encoder.embed_texts(["a bee"]), load(files).embed_texts(["a bee"]))
    assert openclip.missing(card(revision="b" * 40)) == "weights not downloaded"


def test_listing_the_cards_sees_the_cache(files: Path, hub: Path) -> None:
    clip = find_card("clip-vit-b32")
    assert clip.revision is not None
    assert openclip.missing(clip) == "weights not downloaded"
    put_in_cache(hub, files / "tiny.safetensors", "timm/vit_base_patch32_clip_224.openai", clip.revision)
    assert openclip.missing(clip) == ""


def test_damaged_weights_in_the_cache(files: Path, hub: Path, tmp_path: Path) -> None:
    spoil("cut short", files / "tiny.safetensors", tmp_path / "w.safetensors")
    put_in_cache(hub, tmp_path / "w.safetensors")
    with pytest.raises(WeightsMissing, match=r"damaged; delete it.*explorer models fetch clip-vit-b32"):
        openclip.load(card(), precision="float32", weights=None)


@pytest.fixture
def fake_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[FakeHub]]:
    """A Hub on this machine that holds nothing yet."""
    yield from serve_hub(monkeypatch)


@pytest.mark.parametrize("revision", [None, REVISION])
def test_fetches_safetensors_at_the_pinned_revision(files: Path, fake_hub: type[FakeHub], revision: str | None) -> None:
    place = f"/nobody/tiny/resolve/{revision or 'main'}"
    fake_hub.held[f"{place}/open_clip_model.safetensors"] = (files / "tiny.safetensors").read_bytes()
    fake_hub.held[f"{place}/open_clip_pytorch_model.bin"] = (files / "tiny.pt").read_bytes()
    encoder = openclip.load(card(revision=revision), precision="float32", weights=None)
    np.testing.assert_array_equal(encoder.embed_texts(["a bee"]), load(files).embed_texts(["a bee"]))
    assert fake_hub.asked[-1] == f"GET {place}/open_clip_model.safetensors"
    assert openclip.missing(card(revision=revision)) == ""


@pytest.mark.parametrize(("tag", "name"), [("openai", "open_clip_pytorch_model.bin"), ("own_file", "weights.bin")])
def test_fetches_a_state_dict_where_there_are_no_safetensors(
    files: Path, fake_hub: type[FakeHub], tag: str, name: str
) -> None:
    fake_hub.held[f"/nobody/tiny/resolve/main/{name}"] = (files / "tiny.pt").read_bytes()
    assert openclip.load(card(f"{TINY}:{tag}"), precision="float32", weights=None).embed_texts(["a"]).shape == (1, 16)


@pytest.mark.parametrize(
    ("status", "why"), [(404, "has no open_clip_model.safetensors or"), (403, "answered 403"), (500, "500")]
)
def test_a_hub_that_will_not_give_them(fake_hub: type[FakeHub], status: int, why: str) -> None:
    fake_hub.status = status
    with pytest.raises(WeightsMissing, match=f"{why}.*explorer models fetch clip-vit-b32") as info:
        openclip.load(card(), precision="float32", weights=None)
    assert info.value.code == "weights_refused"
    assert len(fake_hub.asked) <= 2


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_download_that_breaks_off_leaves_nothing_to_load(
    files: Path, fake_hub: type[FakeHub], hub: Path, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # the Hub's client waits before it tries again
    place = "/nobody/tiny/resolve/main/open_clip_model.safetensors"
    fake_hub.held[place] = (files / "tiny.safetensors").read_bytes()
    fake_hub.share = share
    with pytest.raises(WeightsMissing, match=r"broke off.*explorer models fetch clip-vit-b32"):
        openclip.load(card(), precision="float32", weights=None)
    assert openclip.missing(card()) == "weights not downloaded"  # half a file is none
    fake_hub.share = 1.0
    encoder = openclip.load(card(), precision="float32", weights=None)
    np.testing.assert_array_equal(encoder.embed_texts(["a bee"]), load(files).embed_texts(["a bee"]))
    assert not list(hub.rglob("*.incomplete"))


# Layers


def test_layers_are_those_of_the_picture_tower(files: Path) -> None:
    encoder = load(files)
    names = encoder.layers()
    assert names[:4] == ("conv1", "class_embedding", "positional_embedding", "ln_pre")
    assert names[-2:] == ("ln_post", "proj")
    assert {"transformer.resblocks.1.attn.in_proj", "transformer.resblocks.1.attn.out_proj"} < set(names)
    count = sum(array.size for name in names for array in encoder.weights(name).values())
    assert count == sum(p.numel() for p in encoder._network.visual.parameters())
    assert list(encoder.blocks()) == ["stem", "transformer.resblocks.0", "transformer.resblocks.1", "head"]
    assert [name for inner in encoder.blocks().values() for name in inner] == list(names)


@pytest.mark.parametrize("how", HOW)
def test_every_layer_can_be_randomised(files: Path, how: str) -> None:
    encoder = load(files)
    pixels = encoder.view(picture(64, 64))[0][None]
    row, text = encoder.embed_pixels(pixels), encoder.embed_texts(["a bee"])
    for name in encoder.layers() if how == "shuffle" else ("stem", "transformer.resblocks.0", "head"):
        changed = encoder.randomised((name,), how, seed=1)
        moved = {
            layer
            for layer in encoder.layers()
            if any((encoder.weights(layer)[k] != array).any() for k, array in changed.weights(layer).items())
        }
        assert moved <= set(encoder.blocks().get(name, (name,)))
        if moved:  # a normalisation's ones and zeros stay what they are when shuffled
            assert np.abs(changed.embed_pixels(pixels) - row).max() > 1e-4
        np.testing.assert_array_equal(changed.embed_texts(["a bee"]), text)
    np.testing.assert_array_equal(encoder.embed_pixels(pixels), row)
    assert changed.fingerprint.startswith(encoder.fingerprint)
    assert changed._lock is encoder._lock  # they share the tokenizer


def test_a_randomised_tower_shares_all_else(files: Path) -> None:
    encoder = load(files)
    changed = encoder.randomised(("proj",))
    own, other = encoder._access.module, changed._access.module
    assert other.visual.proj is not own.visual.proj
    assert other.visual.conv1.weight is own.visual.conv1.weight
    assert other.text_projection is own.text_projection


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize("vision", [{"patch_size": 16, "layers": 2}, {"patch_size": None, "layers": (1, 1, 1, 1)}])
def test_half_precision_tells_the_same(vision: dict[str, Any], precision: str) -> None:
    """Of pictures alone: captions and what lies inside are float32."""
    from open_clip.model import CLIP

    tower = {"image_size": 64, "width": 32, "head_width": 16, **vision}
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = CLIP(16, tower, {"context_length": 8, "vocab_size": 50, "width": 16, "heads": 2, "layers": 1}).eval()
    whole, half = (
        openclip.OpenClipEncoder(find_card("clip-vit-b32"), network, None, "tiny", kind)
        for kind in ("float32", precision)
    )
    image, other = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    asked: dict[str, Any] = {"reference": other, "masking": explorer.MaskSettings(n_masks=40, feature_res=4)}
    found, expected = (explorer.explain(image, encoder=encoder, **asked).distances for encoder in (half, whole))
    assert np.corrcoef(found, expected)[0, 1] >= 0.99
    assert (found != expected).any()
    assert next(network.visual.parameters()).dtype == torch.float32
    pixels = half.read(image).pixels
    with torch.no_grad():
        rows = half.differentiable(pixels).module(torch.from_numpy(pixels[None])).numpy()
    np.testing.assert_allclose(rows, whole.embed_pixels(pixels[None]), atol=1e-5)
