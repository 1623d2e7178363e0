"""What names a result: checked to the last field, whoever sent it, and told apart in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer import InvalidInput, MaskSettings, SelectionSettings
from explorer.pictures.examples import asset_path, manifest
from explorer.pictures.images import as_picture
from explorer.results.recipe import MAX_JSON_BYTES, Recipe, check_app, example_named, example_sha256
from tests.oracles.differences import differences

SHA = "0123456789abcdef" * 4
PAIR = Recipe(
    picture="cat.jpg",
    picture_sha256=SHA,
    reference="lion.jpg",
    reference_sha256=SHA[::-1],
    encoder="efficientnet-lite0",
    masking=MaskSettings(n_masks=50, feature_res=3, p_keep=0.3, seed=9, fill="blur", scheme="dianna"),
    selection=SelectionSettings(mode="closest", threshold=0.2, distance="dot", closest=(0.2, 0.5)),
)
CAPTIONED = Recipe(picture_sha256=SHA, caption="a cat", encoder="conse-lite0")


def refusal(**changes: Any) -> InvalidInput:
    """Why a config with these fields, some of them deep (``masking__seed``), is refused."""
    values = json.loads(PAIR.to_json())
    for name, value in changes.items():
        place, _, inner = name.partition("__")
        if inner:
            values[place][inner] = value
        else:
            values[place] = value
    with pytest.raises(InvalidInput) as caught:
        Recipe.from_dict(values)
    assert len(str(caught.value)) < 400
    return caught.value


# There and back


@pytest.mark.parametrize("recipe", [PAIR, CAPTIONED], ids=["pair", "caption"])
def test_through_json_and_back(recipe: Recipe) -> None:
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert Recipe.from_json(recipe.to_json().encode()) == recipe
    assert Recipe.from_json(b"\xef\xbb\xbf" + recipe.to_json().encode()) == recipe  # as an editor may save it
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    assert hash(replace(recipe)) == hash(recipe)
    with pytest.raises(FrozenInstanceError):
        recipe.encoder = "x"  # type: ignore[misc]


def test_json_holds_every_field() -> None:
    stored = json.loads(PAIR.to_json())
    assert set(stored) == {"schema_version", *(field.name for field in fields(Recipe))}
    assert set(stored["masking"]) == {field.name for field in fields(MaskSettings)}
    assert set(stored["selection"]) == {field.name for field in fields(SelectionSettings)}


@given(st.text(max_size=510))
def test_a_caption_that_is_taken_stays_as_it_is(text: str) -> None:
    try:
        recipe = replace(CAPTIONED, caption=text)
    except InvalidInput:
        return
    assert Recipe.from_json(recipe.to_json()) == recipe


def test_a_caption_that_grows_when_it_is_composed() -> None:
    """U+0958 becomes two characters, so what was just short enough would not be taken back."""
    with pytest.raises(InvalidInput, match="characters; the limit is 500"):
        replace(CAPTIONED, caption="\u0958" * 500)


def test_whose_files_they_are() -> None:
    assert PAIR.own == ()
    assert CAPTIONED.own == ("picture",)
    assert replace(PAIR, picture=None, reference=None).own == ("picture", "reference")


# What strangers send


@pytest.mark.parametrize(
    "value",
    [None, True, -1, 0.5, 10**400, float("nan"), "", "x" * 100_000, "<script>", [], ["cat.jpg"], {}, {"a": {"b": []}}],
    ids=lambda value: repr(value)[:16],
)
@pytest.mark.parametrize("name", [*PAIR.to_dict(), *(f"masking__{f.name}" for f in fields(MaskSettings)),
                                  *(f"selection__{f.name}" for f in fields(SelectionSettings))])  # fmt: skip
def test_every_field_refuses_what_it_cannot_be(name: str, value: Any) -> None:
    optional = {"picture", "selection__closest", "selection__farthest", "caption", "reference"}
    if (value is None and name in optional) or (value == 0.5 and name in {"masking__p_keep", "selection__threshold"}):
        return
    assert "<script>" not in str(refusal(**{name: value}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema_version": 2}, "schema_version must be 1."),
        ({"schema_version": True}, "schema_version must be 1."),
        ({"picture": "../../etc/passwd"}, "No such example as picture; choose one of: cat.jpg"),
        ({"picture": "MANIFEST.json"}, "No such example"),
        ({"picture_sha256": SHA.upper()}, "picture_sha256 must be 64 digits 0-9 and a-f."),
        ({"picture_sha256": SHA + "\n"}, "picture_sha256 must be"),
        ({"picture_sha256": "٠" * 64}, "picture_sha256 must be"),
        ({"caption": "a cat"}, "either a reference picture or a caption, not both"),
        ({"reference": None, "reference_sha256": None}, "either a reference picture or a caption"),
        ({"reference_sha256": None, "caption": "a cat"}, "either a reference picture or a caption"),
        (
            {"reference": None, "reference_sha256": None, "caption": "a cat"},
            "EfficientNet-Lite0 classes cannot read captions",
        ),
        (
            {"reference": None, "reference_sha256": None, "caption": "\ud800", "encoder": "conse-lite0"},
            "not valid text",
        ),
        ({"encoder": "open_clip:<b>:x"}, "Unknown encoder"),
        (
            {"precision": "float16"},
            "EfficientNet-Lite0 classes has no such precision; choose one of: float32, bfloat16.",
        ),
        ({"extra": 1}, "Unknown field in config; the fields are: picture, picture_sha256,"),
        ({"masking__extra": 1}, "Unknown field in masking; the fields are: n_masks,"),
        ({"selection__closest": [0.5, 0.2]}, "closest must be two shares"),
        ({"masking__n_masks": 9}, "n_masks must be 10 to 100000, got 9."),
        ({"masking": []}, "masking must have the fields n_masks,"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_why_it_is_refused(changes: dict[str, Any], message: str) -> None:
    assert message in str(refusal(**changes))


@pytest.mark.parametrize("name", [field.name for field in fields(Recipe)])
def test_no_field_may_be_left_out(name: str) -> None:
    values = PAIR.to_dict()
    del values[name]
    with pytest.raises(InvalidInput, match=f"config lacks {name}"):
        Recipe.from_dict(values)


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "3", '"x"', "{", "NaN", '{"schema_version": NaN}', "[" * 99_000, '{"a":' * 19_000, "1" * 99_000,
     b"\xff\xfe{}", b"PK\x03\x04" + b"\0" * 100, b"", "{}", "\ufeff{}", '{"schema_version": 1}'],
    ids=lambda text: repr(text)[:20],
)  # fmt: skip
def test_not_a_config_at_all(text: str | bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        Recipe.from_json(text)
    assert len(str(caught.value)) < 300


def test_a_file_too_large_is_not_read() -> None:
    with pytest.raises(InvalidInput, match="larger than 100 kB"):
        Recipe.from_json(" " * MAX_JSON_BYTES + PAIR.to_json())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)


@given(st.dictionaries(st.sampled_from(list(PAIR.to_dict())), JSON), st.booleans())
def test_any_json_is_taken_or_refused(changes: dict[str, Any], keep: bool) -> None:
    values = (PAIR.to_dict() if keep else {"schema_version": 1}) | changes
    try:
        recipe = Recipe.from_json(json.dumps(values))
    except InvalidInput:
        return
    assert Recipe.from_json(recipe.to_json()) == recipe


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: replace(c, masking=MaskSettings(n_masks=20_000)), "n_masks must be 10 to 10000, got 20000."),
        (lambda c: replace(c, masking=MaskSettings(feature_res=65)), "feature_res must be 1 to 64, got 65."),
        (lambda c: replace(c, masking=MaskSettings(scheme="dianna")), "must be able to grow"),
        (lambda c: replace(c, encoder="open_clip:ViT-B-32:openai"), "Unknown encoder; choose one of"),
    ],
)
def test_the_app_has_limits_of_its_own(change: Callable[[Recipe], Recipe], message: str) -> None:
    assert check_app(CAPTIONED) is CAPTIONED
    with pytest.raises(InvalidInput, match=message):
        check_app(change(CAPTIONED))


# Examples


def test_examples_are_known_by_their_pixels(tmp_path: Path) -> None:
    for name in manifest():
        picture = as_picture(asset_path(name))
        assert example_sha256(name) == picture.sha256
        assert example_named(picture.sha256) == name
        assert example_named(as_picture(picture.pixels.copy()).sha256) == name  # saved anew by the browser
    assert example_named(SHA) is None


# In words


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, []),
        ({"n_masks": 500}, ["number of masks 1000 against 500"]),
        ({"seed": 1}, ["seed 0 against 1"]),
        ({"fill": "blur", "p_keep": 0.1}, ["share kept 0.5 against 0.1",
                                           "hidden pixels become as in the paper against blurred picture"]),
        ({"caption": "a cup of coffee"}, ["compared with “a cat” against “a cup of coffee”"]),
        ({"caption": None, "reference": "lion.jpg", "reference_sha256": SHA, "encoder": "efficientnet-lite0"},
         ["compared with “a cat” against lion.jpg", "encoder ConSE-Lite0 against EfficientNet-Lite0 classes"]),
        ({"picture": "cat.jpg"}, []),  # the same pixels
        ({"picture_sha256": SHA[::-1]},
         ["picture a file of your own (01234567) against a file of your own (fedcba98)"]),
        ({"precision": "bfloat16"}, ["arithmetic float32 against bfloat16"]),
        ({"mode": "closest", "threshold": 0.05}, ["selection mirror against closest", "threshold 0.1 against 0.05"]),
        ({"mode": "rank_weighted", "threshold": 0.05}, ["selection mirror against rank weighted"]),
        ({"closest": (0.2, 0.5), "threshold": 0.05},
         ["selection mirror against slices", "closest slice none against 0.2 to 0.5"]),
        ({"distance": "dot"}, ["distance cosine distance / 2 against minus dot product"]),
    ],
    ids=str,
)  # fmt: skip
def test_differences_in_words(change: dict[str, Any], words: list[str]) -> None:
    def part(kind: Any) -> dict[str, Any]:
        return {name: value for name, value in change.items() if name in {field.name for field in fields(kind)}}

    other = replace(CAPTIONED, masking=MaskSettings(**part(MaskSettings)),
                    selection=SelectionSettings(**part(SelectionSettings)), **part(Recipe))  # fmt: skip
    assert differences(CAPTIONED, other) == words
    assert len(differences(other, CAPTIONED)) == len(words)


@pytest.mark.parametrize("name", [field.name for kind in (MaskSettings, SelectionSettings) for field in fields(kind)])
def test_no_setting_is_forgotten(name: str) -> None:
    """A field added to the settings must be told apart too."""
    values = {"n_masks": 99, "feature_res": 9, "p_keep": 0.9, "fill": "mean", "scheme": "dianna", "mode": "farthest",
              "seed": 9, "threshold": 0.3, "distance": "dot", "closest": (0, 1), "farthest": (0, 1)}  # fmt: skip
    kind = "masking" if name in {field.name for field in fields(MaskSettings)} else "selection"
    assert differences(
        CAPTIONED, replace(CAPTIONED, **{kind: replace(getattr(CAPTIONED, kind), **{name: values[name]})})
    )
