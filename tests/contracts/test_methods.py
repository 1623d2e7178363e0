"""Every attribution method keeps its contract with every tiny encoder that supports it, and with EfficientNet-Lite0.

A new method is tested here with no further edit; a new encoder needs a line in ``tests/attributions/networks.py``.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from dataclasses import fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import explorer
from explorer import Encoder, MaskSettings
from explorer.attributions.method import METHODS, fits, is_signed, offered
from explorer.attributions.question import Question, make_class_question, make_question
from explorer.attributions.scored import is_blank
from explorer.core.embedder import WHOLE
from explorer.core.steps import run
from explorer.encoders.cards import CARDS
from explorer.evaluation.localization import Planted, localize, plant
from explorer.results.summary import peaks
from tests.attributions.networks import ENCODERS, SIDE, picture
from tests.oracles.colours import strongest_regions

MASKING = MaskSettings(n_masks=40, feature_res=4, seed=3)
QUICK: dict[str, dict[str, Any]] = {
    "distance-explainer": {"masking": MASKING},
    "rise": {"masking": MASKING},
    "integrated-gradients": {"steps": 8},
    "guided-ig": {"steps": 6},
    "blur-ig": {"steps": 9},
}
"""Settings that cost less."""

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")

PAIRS = [(name, key) for name, make in ENCODERS.items() for key in offered(make())]
SIGNED = [(name, key) for name, key in PAIRS if is_signed(METHODS[key])]


def case_of(name: str, question: str, sign: int = 1) -> Question:
    """A distance, or a class where the encoder has classes.

    Args:
        name: Of the encoder.
        question: ``"distance"`` or ``"class"``.
        sign: -1 for the opposite reference, or for minus the score of the class.
    """
    encoder = ENCODERS[name]()
    if question == "distance":
        case = make_question(picture(1), reference=picture(2), encoder=encoder)
    else:
        case = make_class_question(picture(1), encoder=encoder)
    target = replace(case.target, embedding=sign * case.target.embedding)
    return replace(case, refer=lambda _: target)


def method_of(key: str) -> Any:
    return METHODS[key](**QUICK.get(key, {}))


# What it is


@pytest.mark.parametrize("key", METHODS)
def test_it_says_what_it_is(key: str) -> None:
    kind = METHODS[key]
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*(\+\+)?", key)
    assert 3 <= len(kind.title) <= 60
    assert 3 <= len(kind.about) <= 90
    assert not kind.about.endswith(".")
    assert re.search(r"\d{4}", kind.source)
    assert set(kind.needs) <= {"gradients", "layers", "attention"}
    assert inspect.getdoc(kind)
    assert is_dataclass(kind)
    assert kind.__dataclass_params__.frozen
    assert kind() == kind()  # every setting has a default
    assert len({field.name for field in fields(kind)}) == len(fields(kind))


def test_titles_differ() -> None:
    titles = [kind.title for _, kind in METHODS.items()]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("key", CARDS)
def test_only_what_works_together_is_offered(key: str) -> None:
    card = CARDS[key]
    found = offered(card)
    assert {"distance-explainer", "rise"} <= set(found)
    for method, kind in METHODS.items():
        assert (method in found) == fits(kind, card.gives)


def test_every_method_is_tried_with_some_encoder() -> None:
    assert {key for _, key in PAIRS} == set(METHODS)


# What it answers


@pytest.mark.parametrize("question", ["distance", "class"])
@pytest.mark.parametrize(("name", "key"), PAIRS)
def test_maps_keep_the_contract(name: str, key: str, question: str) -> None:
    case, method = case_of(name, question), method_of(key)
    told: list[int] = []
    found = run(method(case), told.append)
    assert isinstance(found, np.ndarray)
    assert found.shape == (SIDE, SIDE)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert not is_blank(found)
    assert told[-1] == method.passes(case)
    assert told == sorted(set(told))
    np.testing.assert_array_equal(found, run(method_of(key)(case_of(name, question))))
    for said, regions in zip(peaks(found, WHOLE), strongest_regions(found), strict=True):
        assert said in regions or not said


@pytest.mark.parametrize("question", ["distance", "class"])
@pytest.mark.parametrize(("name", "key"), SIGNED)
def test_the_opposite_question_has_the_opposite_answer(name: str, key: str, question: str) -> None:
    """Parity check 10, and so both signs occur: what brings a pair closer drives apart one of the opposite."""
    found, other = (run(method_of(key)(case_of(name, question, sign))) for sign in (1, -1))
    np.testing.assert_allclose(other, -found, rtol=0, atol=1e-4 * np.abs(found).max())


@pytest.mark.parametrize(("name", "key"), sorted(set(PAIRS) - set(SIGNED)))
def test_maps_without_a_sign_are_not_negative(name: str, key: str) -> None:
    found = run(method_of(key)(case_of(name, "distance")))
    assert found.min() >= -0.01 * found.max()  # bicubic resizing overshoots


@pytest.mark.parametrize(("name", "key"), PAIRS)
def test_the_encoder_is_left_as_it_was(name: str, key: str) -> None:
    case = case_of(name, "distance")
    module = case.encoder._access.module
    pixels = case.pixels.copy()
    before = case.encoder.embed_pixels(pixels[None]).copy()
    asked = [array.requires_grad for array in module.parameters()]
    kinds = [type(part) for part in module.modules()]
    run(method_of(key)(case))
    np.testing.assert_array_equal(case.pixels, pixels)
    np.testing.assert_array_equal(case.encoder.embed_pixels(pixels[None]), before)
    assert [array.requires_grad for array in module.parameters()] == asked
    assert [type(part) for part in module.modules()] == kinds
    assert all(array.grad is None for array in module.parameters())
    for part in module.modules():
        assert not part.training
        assert not any(getattr(part, hooks) for hooks in HOOKS)


# With a trained network

CORNERS = {
    "lower right": (0.5, 0.5, 1.0, 1.0),
    "lower left": (0.0, 0.5, 0.5, 1.0),
    "upper left": (0.0, 0.0, 0.5, 0.5),
    "upper right": (0.5, 0.0, 1.0, 0.5),
}
HUNDRED = {"masking": MaskSettings(n_masks=100)}

CHANNELS = "one weight for a channel of an earlier stage, which stands for edges and colours wherever they are"
FEW = "so few steps leave single pixels that stand out; with 9 and 20 it misses, with 50 and 100 it does not"
MISSED: list[tuple[str, dict[str, Any], str, str]] = [
    ("grad-cam", {"stage": 3}, "lower right", CHANNELS),
    ("grad-cam", {"stage": 3}, "upper left", CHANNELS),
    ("grad-cam", {"stage": 3}, "upper right", CHANNELS),
    ("grad-cam++", {"stage": 2}, "upper left", CHANNELS),
    ("x-grad-cam", {"stage": 2}, "lower right", CHANNELS),
    ("x-grad-cam", {"stage": 2}, "upper left", CHANNELS),
    ("x-grad-cam", {"stage": 2}, "upper right", CHANNELS),
    ("blur-ig", {"steps": 9}, "upper right", FEW),
]
"""Settings, corners and reasons of the maps that were seen to miss the patch. All methods were tried in all four
corners: with no more than the settings of QUICK each found it in each, but for the last line; stages 2 and 3 were tried
for the methods that have one weight for each channel; those of LayerCAM, which weights each place, found it."""


@cache
def planted(corner: str) -> Planted:
    """An espresso in the corner of a picture of a rocket."""
    return plant("efficientnet-lite0", box=CORNERS[corner])


def finds_it(key: str, settings: dict[str, Any], corner: str) -> bool:
    question = planted(corner)
    found = run(METHODS[key](**settings)(question.question))
    assert found.shape == question.region.shape
    assert np.isfinite(found).all()
    number = localize(found, question.region)
    return number.pointing and number.energy > number.chance


needs_lite = pytest.mark.skipif(not CARDS["efficientnet-lite0"].here, reason="EfficientNet-Lite0 is not here")


@needs_lite
@pytest.mark.parametrize("key", offered(CARDS["efficientnet-lite0"]))
def test_the_peak_lies_in_the_planted_patch(key: str) -> None:
    """For every method, with its own settings where those cost little."""
    quick = QUICK | {"distance-explainer": HUNDRED, "rise": HUNDRED}
    assert finds_it(key, quick.get(key, {}), "lower right")


@needs_lite
@pytest.mark.parametrize(
    ("key", "settings", "corner"),
    [pytest.param(*missed, marks=pytest.mark.xfail(strict=True, reason=reason)) for *missed, reason in MISSED],
)
def test_what_is_known_to_miss_it(key: str, settings: dict[str, Any], corner: str) -> None:
    assert finds_it(key, settings, corner)


# Adding one

NEW = '''
"""The brightness of the picture, as if it brought the pair closer."""

from dataclasses import dataclass
from typing import ClassVar

from explorer.attributions.method import METHODS


@METHODS.register("brightness")
@dataclass(frozen=True)
class Brightness:
    """The mean of the channels."""

    title: ClassVar[str] = "Brightness"
    about: ClassVar[str] = "how bright each pixel is"
    source: ClassVar[str] = "nobody, 2026"
    needs: ClassVar[tuple[str, ...]] = ()

    def passes(self, case):
        return 0

    def __call__(self, case):
        yield 0
        return case.pixels.mean(2).astype("float32")
'''


def test_a_new_method_is_one_file_and_one_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoder: Encoder
) -> None:
    METHODS.check("rise")  # so that the registry is full
    monkeypatch.setattr(METHODS, "_entries", dict(METHODS._entries))
    (tmp_path / "brightness.py").write_text(NEW)
    monkeypatch.syspath_prepend(tmp_path)
    try:
        importlib.import_module("brightness")
    finally:
        sys.modules.pop("brightness", None)
    kind = offered(encoder)["brightness"]
    case = make_question(np.random.default_rng(0).random((16, 16, 3)), embedding=np.ones(12), encoder=encoder)
    assert run(kind()(case)).shape == (16, 16)
    with pytest.raises(explorer.InvalidInput, match="did you mean 'brightness'"):
        METHODS.check("brightnes")
