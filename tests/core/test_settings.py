"""Every number and name a caller can get wrong, in the library's form (reliability notes, section F, 28 to 36)."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from explorer import InvalidInput, MaskSettings, SelectionSettings
from explorer.core.embedder import Box
from explorer.core.errors import CannotWrite, ExplorerError, UnusableEmbedding, WeightsMissing
from explorer.core.limits import FEATURE_RES, N_MASKS, P_KEEP, SEED, THRESHOLD, Range
from explorer.core.masks import sample_masks
from explorer.core.registry import Registry

HUGE = 10**400
"""JSON has no largest integer; a float does."""

NO_NUMBERS = [float("nan"), float("inf"), float("-inf"), True, False, "1000", "0.5", "", None, [1000], (0.5,), {},
              1 + 2j, b"5", np.array([1000, 2000]), np.array([0.5]), np.bool_(True), object()]  # fmt: skip
WHOLE = {"n_masks": N_MASKS, "feature_res": FEATURE_RES, "seed": SEED}


def named(value: object) -> str:
    """A test's name, the same in every process."""
    return repr(value).partition(" at 0x")[0]


def refusal(**values: Any) -> InvalidInput:
    """The error that settings with these values raise."""
    cls = SelectionSettings if set(values) <= {"mode", "threshold", "distance", "closest", "farthest"} else MaskSettings
    with pytest.raises(InvalidInput) as caught:
        cls(**values)
    return caught.value


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("value", [*NO_NUMBERS, 1000.5, 1e308, np.float64(20.5)], ids=named)
def test_no_whole_number(name: str, value: Any) -> None:
    cap, error = WHOLE[name], refusal(**{name: value})
    assert str(error) == f"{name} must be a whole number from {cap.low} to {cap.high}."
    assert error.code == f"{name}_type"


@pytest.mark.parametrize("name", ["p_keep", "threshold"])
@pytest.mark.parametrize("value", NO_NUMBERS, ids=named)
def test_no_number(name: str, value: Any) -> None:
    error = refusal(**{name: value})
    assert str(error).startswith(f"{name} must be ")
    assert "0.01 to " in str(error)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("n_masks", 10**9, "n_masks must be 10 to 100000, got 1000000000."),
        ("n_masks", -1, "n_masks must be 10 to 100000, got -1."),
        ("n_masks", 0, "n_masks must be 10 to 100000, got 0."),
        ("n_masks", 7, "n_masks must be 10 to 100000, got 7."),
        ("n_masks", 100_001, "n_masks must be 10 to 100000, got 100001."),
        ("feature_res", 0, "feature_res must be 1 to 128, got 0."),
        ("feature_res", 500, "feature_res must be 1 to 128, got 500."),
        ("seed", -1, "seed must be 0 to 4294967295, got -1."),
        ("seed", 2**32, "seed must be 0 to 4294967295, got 4294967296."),
        ("p_keep", 0, "p_keep must be 0.01 to 0.99, got 0 (0 hides all, 1 hides nothing)."),
        ("p_keep", 1, "p_keep must be 0.01 to 0.99, got 1 (0 hides all, 1 hides nothing)."),
        ("p_keep", -0.5, "p_keep must be 0.01 to 0.99, got -0.5 (0 hides all, 1 hides nothing)."),
        ("p_keep", 1e308, "p_keep must be 0.01 to 0.99, got 1e+308 (0 hides all, 1 hides nothing)."),
        ("threshold", 0, "threshold must be 0.01 to 0.5, got 0."),
        ("threshold", 0.51, "threshold must be 0.01 to 0.5, got 0.51."),
    ],
)
def test_out_of_range(name: str, value: float, message: str) -> None:
    error = refusal(**{name: value})
    assert str(error) == message
    assert error.code == f"{name}_range"


@pytest.mark.parametrize("name", ["n_masks", "feature_res", "seed", "p_keep", "threshold"])
@pytest.mark.parametrize("value", [2**64, HUGE, -HUGE], ids=["2**64", "10**400", "-10**400"])
def test_integers_larger_than_any_float(name: str, value: int) -> None:
    error = refusal(**{name: value})
    assert str(error).startswith(f"{name} must be ")
    assert len(str(error)) < 200


@pytest.mark.parametrize("make", [int, np.int16, np.int64, np.uint32, np.array], ids=lambda make: make.__name__)
def test_whole_numbers_of_any_kind(make: Any) -> None:
    masking = MaskSettings(n_masks=make(50), feature_res=make(4), seed=make(7))
    assert masking == MaskSettings(n_masks=50, feature_res=4, seed=7)
    assert {type(value) for value in (masking.n_masks, masking.feature_res, masking.seed)} == {int}


@pytest.mark.parametrize("make", [float, np.float32, np.float64, np.float16, np.array], ids=lambda make: make.__name__)
def test_numbers_of_any_kind(make: Any) -> None:
    masking, selection = MaskSettings(p_keep=make(0.25)), SelectionSettings(threshold=make(0.25))
    assert masking.p_keep == selection.threshold == 0.25
    assert {type(masking.p_keep), type(selection.threshold)} == {float}


@pytest.mark.parametrize("cap", [N_MASKS, FEATURE_RES, P_KEEP, SEED, THRESHOLD], ids=lambda cap: cap.name)
def test_both_ends_are_included_and_the_app_has_its_own(cap: Range) -> None:
    for value in (cap.low, cap.high, cap.default):
        assert cap.check(value) == value
    assert cap.check(cap.app_high, app=True) == cap.app_high
    assert cap.low <= cap.default <= cap.app_high <= cap.high
    with pytest.raises(InvalidInput, match=f"{cap.name} must be"):
        cap.check(cap.app_high + cap.step, app=True)


def test_the_caps_are_the_designs() -> None:
    assert (N_MASKS.low, N_MASKS.app_high, N_MASKS.high) == (10, 10_000, 100_000)
    assert (FEATURE_RES.low, FEATURE_RES.app_high, FEATURE_RES.high) == (1, 64, 128)
    assert (P_KEEP.low, P_KEEP.high, THRESHOLD.low, THRESHOLD.high) == (0.01, 0.99, 0.01, 0.5)
    assert (SEED.low, SEED.high) == (0, 2**32 - 1)


def test_feature_res_above_the_image_side() -> None:
    with pytest.raises(
        InvalidInput, match="not be above the image's shorter side: 64 cells on 32 pixels; use at most 32"
    ):
        sample_masks(MaskSettings(feature_res=64), (32, 100))


# Names


@pytest.mark.parametrize(
    ("name", "value", "nearest"),
    [
        ("fill", "nois", "noise"),
        ("fill", "Black", "black"),
        ("mode", "miror", "mirror"),
        ("mode", "rank-weighted", "rank_weighted"),
        ("distance", "cosin", "cosine"),
        ("distance", "euclidian", "euclidean"),
    ],
)
def test_unknown_keys_name_the_nearest(name: str, value: str, nearest: str) -> None:
    error = refusal(**{name: value})
    assert str(error).startswith(f"Unknown {name}; choose one of: ")
    assert str(error).endswith(f"did you mean {nearest!r}?")
    assert error.code == f"unknown_{name}"


@pytest.mark.parametrize("name", ["fill", "mode", "distance", "scheme"])
@pytest.mark.parametrize(
    "value",
    [None, 3, ["zero"], {}, "", "../../etc", "<script>alert(1)</script>", "x" * 10**6],
    ids=lambda v: repr(v)[:20],
)
def test_unknown_keys_are_not_echoed(name: str, value: Any) -> None:
    error = refusal(**{name: value})
    assert "choose one of" in str(error)
    assert len(str(error)) < 200
    assert "script" not in str(error)
    assert "etc" not in str(error)


def test_registering_twice_is_an_error() -> None:
    registry: Registry[int] = Registry("thing", "explorer.core.fills")
    registry.add("one", 1)
    with pytest.raises(KeyError, match="thing 'one' is registered twice"):
        registry.add("one", 2)

    @registry.register("two")
    def entry() -> None: ...

    assert registry["two"] is entry
    assert list(registry) == ["one", "two"]
    assert len(registry) == 2
    assert "one" in registry
    assert "three" not in registry


# Slices


@pytest.mark.parametrize("name", ["closest", "farthest"])
@pytest.mark.parametrize(
    "value",
    [(0.5, 0.2), (-0.1, 0.5), (0.5, 1.1), (0.1,), (0.1, 0.2, 0.3), (float("nan"), 1), (0, float("inf")), 0.5, "x", "01",
     ("0.2", "0.5"), (True, True), {0.2: 0.5, 0.5: 0.2}, (None, 0.5), ((0.1, 0.2), 0.3), (0, HUGE)],
    ids=lambda value: repr(value)[:24],
)  # fmt: skip
def test_slices_are_two_ordered_shares(name: str, value: Any) -> None:
    error = refusal(**{name: value})
    assert str(error).startswith(f"{name} must be two shares (low, high) with 0 <= low <= high <= 1")
    assert error.code == "slice"


@pytest.mark.parametrize("value", [(0.2, 0.5), [0.2, 0.5], np.array([0.2, 0.5]), (np.float32(0.25), 1), (0, 0), (0, 1)])
def test_slices_become_plain_pairs(value: Any) -> None:
    selection = SelectionSettings(closest=value)
    assert selection.closest == tuple(float(v) for v in value)
    assert selection.free
    assert {type(v) for v in selection.closest or ()} == {float}


# Plain values in and out


@pytest.mark.parametrize(
    "settings",
    [
        MaskSettings(),
        MaskSettings(n_masks=50, feature_res=3, p_keep=0.3, seed=9, fill="blur", scheme="dianna"),
        SelectionSettings(),
        SelectionSettings(mode="closest", threshold=0.2, distance="dot", closest=(0.2, 0.5), farthest=(0.5, 0.8)),
    ],
)
def test_through_json_and_back(settings: MaskSettings | SelectionSettings) -> None:
    assert type(settings).from_dict(json.loads(json.dumps(settings.to_dict()))) == settings
    assert hash(settings) == hash(dataclasses.replace(settings))


@pytest.mark.parametrize("values", [{"n_mask": 100}, {"n_masks": 100, "<script>": 1}, {"closest": (0, 1)}])
def test_unknown_fields_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        MaskSettings.from_dict(values)
    assert str(caught.value) == (
        "Unknown MaskSettings field; the fields are: feature_res, fill, n_masks, p_keep, scheme, seed."
    )
    with pytest.raises(TypeError):
        MaskSettings(**values)


def test_settings_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        MaskSettings().n_masks = 3  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        Box().left = 3  # type: ignore[misc]


def test_errors_are_builtin_ones_too() -> None:
    """Callers who know nothing of this package still catch what they expect; the command line has its status."""
    for cls, builtin, status in (
        (InvalidInput, ValueError, 2),
        (UnusableEmbedding, ValueError, 2),
        (WeightsMissing, RuntimeError, 3),
        (CannotWrite, OSError, 4),
    ):
        error = cls("Say what to do.", code="slug")
        assert isinstance(error, ExplorerError)
        assert isinstance(error, builtin)
        assert (str(error), error.code, error.exit_status) == ("Say what to do.", "slug", status)
