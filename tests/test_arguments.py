"""Every argument of every public verb, given something of the wrong kind: our own error, which names the argument."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import explorer
from explorer import Encoder, InvalidInput, MaskSettings, SelectionSettings
from tests.conftest import TinyNetwork

PICTURE = np.random.default_rng(5).integers(0, 256, (24, 40, 3), dtype=np.uint8)
VECTOR = np.ones(17)
WRONG: dict[str, Any] = {
    "dict": {"mode": "closest"},
    "number": 5.5,
    "set": {1, 2},
    "object": object(),
    "function": len,
    "class": MaskSettings,
    "ragged": [[1, 2], [3]],
    "string": "closest",
    "empty": "",
    "bytes": b"closest",
    "array": np.zeros((2, 3)),
}


class Reader(TinyNetwork):
    """Reads captions, too."""

    card = replace(TinyNetwork.card, compares=("image-caption", "image-image"))

    def embed_texts(self, texts: Any) -> Any:
        return np.ones((len(texts), 17))


def probed() -> explorer.Probe:
    return explorer.probe(PICTURE, encoder=TinyNetwork(), masking=MaskSettings(n_masks=10))


def explain(**given: Any) -> Any:
    picture = given.pop("image", PICTURE)
    against = {} if given.keys() & {"reference", "caption", "embedding"} else {"embedding": VECTOR}
    return explorer.explain(picture, **{"encoder": Reader(), "masking": MaskSettings(n_masks=10), **against, **given})


def probe(**given: Any) -> Any:
    return explorer.probe(given.pop("image", PICTURE), **{"encoder": TinyNetwork(), **given})


def words(**given: Any) -> Any:
    against = {} if given.keys() & {"reference", "caption", "embedding"} else {"embedding": VECTOR}
    sentence = given.pop("sentence", "a bee")
    return explorer.explain_words(sentence, **{"encoder": Reader(), **against, **given})


SETTINGS = ("masking", "selection", "on_progress")
REFERENCES = ("reference", "caption", "embedding")
# What is asked, the argument, and which of WRONG are right for it.
CASES: list[tuple[Callable[..., Any], str, tuple[str, ...]]] = [
    *((explain, name, ()) for name in ("image", *REFERENCES, "method", "masks", "masking", "selection")),
    (explain, "encoder", ("function",)),
    (explain, "on_progress", ("function", "class")),
    *((probe, name, ()) for name in ("image", "masking", "masks")),
    (probe, "encoder", ("function",)),
    (probe, "on_progress", ("function", "class")),
    *((words, name, ()) for name in ("sentence", *REFERENCES, "encoder", "masking", "selection", "hide")),
    (words, "on_progress", ("function", "class")),
    (lambda **g: explorer.rank(**{"probe": probed(), "embedding": VECTOR, **g}), "probe", ()),
    (lambda **g: explorer.rank(**{"probe": probed(), "embedding": VECTOR, **g}), "selection", ()),
    (lambda **g: explorer.rank(**{"probe": probed(), **g}), "embedding", ()),
    (lambda **g: explorer.extend(**{"probe": probed(), "n_masks": 20, **g}), "probe", ()),
    (lambda **g: explorer.extend(**{"probe": probed(), "n_masks": 20, **g}), "n_masks", ()),
    (lambda **g: explorer.extend(**{"probe": probed(), "n_masks": 20, **g}), "on_progress", ("function", "class")),
    (lambda array: explorer.masks_from_array(array), "array", ()),
    (lambda function: explorer.from_function(function), "function", ("function", "class")),
    (lambda batch_size: explorer.from_function(len, batch_size=batch_size), "batch_size", ()),
    (lambda key: explorer.load_encoder(key), "key", ()),
    (lambda precision: explorer.load_encoder("conse-lite0", precision=precision), "precision", ()),
    (lambda weights: explorer.load_encoder("conse-lite0", weights=weights), "weights", ()),
    (lambda folder: probed_explanation().save(folder), "folder", ("string",)),
    (lambda values: MaskSettings.from_dict(values), "values", ()),
    (lambda values: SelectionSettings.from_dict(values), "values", ("dict",)),
    (lambda images: TinyNetwork().embed_images(images), "images", ()),
    *((lambda n=name, **g: MaskSettings(**g), name, ()) for name in MaskSettings().to_dict()),
    *((lambda n=name, **g: SelectionSettings(**g), name, ()) for name in SelectionSettings().to_dict()),
]  # fmt: skip
RIGHT = {
    ("caption", "string"), ("sentence", "string"), ("mode", "string"), ("caption", "empty"), ("sentence", "empty"),
}  # fmt: skip
"""What fits an argument, or is refused in words of its own."""
CALLED = {
    "array": ("mask", "array"), "function": ("callable",), "key": ("key", "encoder"), "images": ("batch", "array"),
    "image": ("image", "file", "height x width", "array"),
    "reference": ("reference", "image", "file", "height x width", "array"),
    "masks": ("mask", "array"), "embedding": ("embedding", "array"), "threshold": ("threshold",),
    "n_masks": ("n_masks", "mask"), "weights": ("weights",), "values": ("values", "field"),
}  # fmt: skip
"""What a message may call the argument; its own name, where nothing is said."""


def probed_explanation() -> explorer.Explanation:
    return explorer.rank(probed(), embedding=VECTOR)


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize(("ask", "name", "right"), CASES, ids=lambda part: part if isinstance(part, str) else "")
def test_wrong_kinds_are_named(ask: Callable[..., Any], name: str, right: tuple[str, ...], wrong: str) -> None:
    if wrong in right or (name, wrong) in RIGHT:
        return
    with pytest.raises(InvalidInput) as refused:
        ask(**{name: WRONG[wrong]})
    assert any(word in str(refused.value).lower() for word in CALLED.get(name, (name,))), str(refused.value)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("masking", {"n_masks": 20}, "masking must be MaskSettings, such as MaskSettings(n_masks=500); "
                                     "MaskSettings.from_dict reads a dict; got a dict."),
        ("selection", "closest", 'selection must be SelectionSettings, such as SelectionSettings(mode="closest"); '
                                 "SelectionSettings.from_dict reads a dict; got a str."),
        ("reference", {"file": "bee.jpg"}, "reference must be a path, a PIL image or an array; got a dict."),
        ("on_progress", 3, "on_progress must be a function of two numbers: what is done, and how much there is; "
                           "got an int."),
    ],
)  # fmt: skip
def test_what_is_said(name: str, value: object, message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        explain(**{name: value})
    assert str(refused.value) == message


def test_a_stream_refuses_when_called_and_not_when_read() -> None:
    with pytest.raises(InvalidInput, match="masking must be MaskSettings"):
        explorer.stream(PICTURE, encoder=TinyNetwork(), masking={"n_masks": 20})  # type: ignore[arg-type]


def test_what_is_hidden_in_an_array_is_no_number() -> None:
    with pytest.raises(InvalidInput, match=r"array\.filled"):
        explain(image=np.ma.masked_array(PICTURE, PICTURE > 200))
    assert explain(image=np.ma.masked_array(PICTURE)).attribution.any()


def test_a_closed_picture_is_called_closed() -> None:
    file = io.BytesIO()
    Image.fromarray(PICTURE).save(file, "PNG")
    picture = Image.open(file)
    picture.close()
    with pytest.raises(InvalidInput, match="The PIL image is closed"):
        explain(image=picture)
    with pytest.raises(InvalidInput, match="image must be a path, a PIL image or an array; got a type"):
        explain(image=Image.Image)


def test_one_text_is_not_read_letter_by_letter() -> None:
    with pytest.raises(InvalidInput, match="texts must be a list of captions"):
        explorer.load_encoder("conse-lite0").embed_texts("a bee")


@pytest.mark.parametrize("path", ["bee.jpg", Path("bee.jpg"), b"bytes"])
def test_a_function_is_shown_no_files(encoder: Encoder, path: object) -> None:
    with pytest.raises(
        InvalidInput, match=r"got a \w+\. A network or function of your own is shown arrays, not files: read it first"
    ):
        explorer.probe(path, encoder=encoder)


def test_channels_first_are_told(encoder: Encoder) -> None:
    with pytest.raises(InvalidInput, match=r"use at most 3\. If the channels come first in the array, array.transpose"):
        explorer.probe(np.zeros((3, 24, 40)), encoder=encoder)
    masks = np.random.default_rng(0).random((12, 24, 40))
    with pytest.raises(InvalidInput, match=r"make them that size\. If the channels come first"):
        explorer.probe(np.zeros((3, 24, 40)), encoder=encoder, masks=masks)


@pytest.mark.parametrize("shape", [(24, 40), (24, 40, 2, 1), (0, 40, 3)])
def test_other_shapes_for_a_function(encoder: Encoder, shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInput, match="height x width x channels, got an array of shape"):
        explorer.probe(np.zeros(shape), encoder=encoder)


class Odd:
    """A path of another kind."""

    def __init__(self, path: Any) -> None:
        self.path = path

    def __fspath__(self) -> Any:
        return self.path


def test_paths_of_bytes_are_paths(tmp_path: Path) -> None:
    Image.fromarray(PICTURE).save(tmp_path / "picture.png")
    done = explain(image=Odd(bytes(tmp_path / "picture.png")))
    assert done.save(Odd(bytes(tmp_path / "out"))) == tmp_path / "out"
    with pytest.raises(InvalidInput, match="weights"):
        explorer.load_encoder("efficientnet-lite0", weights=Odd(bytes(tmp_path / "picture.png")))
    for ask in (
        lambda: explain(image=Odd(3)),
        lambda: done.save(Odd(3)),
        lambda: explorer.load_encoder("efficientnet-lite0", weights=Odd(3)),
    ):
        with pytest.raises(InvalidInput, match="its __fspath__ gives neither"):
            ask()


@pytest.mark.parametrize("wrong", [lambda: 1, lambda done: 1, lambda done, total, more: 1, lambda *, done: 1])
def test_a_progress_that_cannot_be_called_costs_nothing(wrong: Any) -> None:
    asked = 0

    def embed(batch: Any) -> Any:
        nonlocal asked
        asked += 1
        return batch.mean((1, 2))

    encoder = explorer.from_function(embed)
    for ask in (
        lambda: explain(encoder=encoder, embedding=np.ones(3), on_progress=wrong),
        lambda: probe(encoder=encoder, on_progress=wrong),
        lambda: explorer.stream(PICTURE, encoder=encoder, on_progress=wrong),
        lambda: explorer.extend(probed(), n_masks=20, on_progress=wrong),
        lambda: words(on_progress=wrong),
    ):
        with pytest.raises(InvalidInput, match=r"on_progress must be a function of two numbers.*it cannot be called"):
            ask()
    assert asked == 0
    calls: list[tuple[int, ...]] = []
    for right in (lambda *given: calls.append(given), lambda done, total=0: calls.append((done, total)), max):
        explain(on_progress=right)
    assert calls == [(8, 10), (10, 10)] * 2
