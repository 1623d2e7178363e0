"""Links that bring a result back: a ``Recipe`` and what a teacher wants shown <-> the query of an address.

A link is readable and can be written by hand; it comes from strangers, so whatever of it is ours is checked, and
what is not ours (``__theme``, ``utm_source``) is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import urlencode

from explorer.core.errors import InvalidInput
from explorer.core.limits import FEATURE_RES, N_MASKS, P_KEEP, SEED, THRESHOLD, Range
from explorer.core.masks import MaskSettings
from explorer.core.selections import SelectionSettings
from explorer.encoders.cards import CARDS, DEFAULT_ENCODER
from explorer.pictures.examples import FIRST_PRESET, Preset, preset_named
from explorer.results.recipe import Recipe, check_app, example_sha256

TABS = {
    "compare": "Compare",
    "match": "Match",
    "sweeps": "Sweeps",
    "evidence": "Evidence",
    "words": "Words",
    "share": "Share",
}
"""The app's tabs beside the first, and what they are called."""
CONTROLS = (
    *("preset", "picture", "kind", "reference", "caption", "encoder", "n_masks", "p_keep", "feature_res", "seed"),
    *("fill", "scheme", "precision", "mode", "threshold", "distance", "opacity", "scrubber", "run"),
    *(tab for tab in TABS if tab != "share"),
    *("tour", "share"),
)
"""What a link can hide or lock."""

STEP = Range("step", 1, 6, 1, 1, app_high=6)

_PICTURE, _AGAINST = ("picture", "picture_sha256"), ("reference", "reference_sha256", "caption")
_MASKING = tuple(field.name for field in fields(MaskSettings))
_SELECTION = tuple(field.name for field in fields(SelectionSettings))
OURS = ("preset", *_PICTURE, *_AGAINST, "encoder", "precision", *_MASKING, *_SELECTION)
"""What a link can say about a result."""
VIEW = ("hide", "lock", "step", "projector")
"""And about how a page is shown."""
_SLICES = ("closest", "farthest")
_RANGES = {cap.name: cap for cap in (N_MASKS, FEATURE_RES, P_KEEP, SEED, THRESHOLD, STEP)}
_NUMBER = r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"


@dataclass(frozen=True)
class View:
    """How a page is shown, for a teacher or for one who looks.

    Attributes:
        hide: Names in ``CONTROLS`` that are not shown, in its order.
        lock: Names in ``CONTROLS`` that are shown but cannot be moved.
        step: A step of the tour, 1 to 6.
        projector: Large text.

    Raises:
        InvalidInput: No such control or step.
    """

    hide: tuple[str, ...] = ()
    lock: tuple[str, ...] = ()
    step: int | None = None
    projector: bool = False

    def __post_init__(self) -> None:
        for name in ("hide", "lock"):
            given = getattr(self, name)
            if not set(given) <= set(CONTROLS):
                raise InvalidInput(
                    f"Unknown name in {name}; choose from: {', '.join(CONTROLS)}.", code="unknown_control"
                )
            object.__setattr__(self, name, tuple(control for control in CONTROLS if control in given))
        if self.step is not None:
            STEP.check(self.step)


PLAIN = View()


@dataclass(frozen=True)
class Link:
    """What a link asks for.

    Attributes:
        recipe: The result; None when the link says nothing about one. Its ``own`` names the pictures that whoever
            follows the link has to bring.
        view: How to show it.
        replay: The preset that was named, where nothing of its result is changed but the selection: what was embedded
            earlier will do. None where a pair is named, whose masks are embedded, so that a run gives what a run gave.
    """

    recipe: Recipe | None
    view: View = PLAIN
    replay: str | None = None


def to_query(recipe: Recipe, view: View = PLAIN, *, replay: str | None = None) -> str:
    """The query of a link, without a question mark: the pair, the encoder, and what differs from the defaults.

    Args:
        recipe: The result.
        view: How to show it.
        replay: The preset whose result, embedded earlier, it is; then that is named.

    Raises:
        InvalidInput: The app would not run it.
    """
    check_app(recipe)
    if replay is not None:
        return urlencode({"preset": replay} | _unusual(recipe.selection) | _unusual(view), safe=",")
    picture = "picture" if recipe.picture is not None else "picture_sha256"
    against = next(name for name in _AGAINST if getattr(recipe, name) is not None)
    query = {name: getattr(recipe, name) for name in (picture, against, "encoder")} | _unusual(recipe.masking)
    if recipe.precision != Recipe.precision:
        query["precision"] = recipe.precision
    return urlencode(query | _unusual(recipe.selection) | _unusual(view), safe=",")


def from_query(params: Mapping[str, str]) -> Link | None:
    """What a link asks for; None when nothing in its query is ours.

    Besides what ``to_query`` writes, ``preset=KEY`` stands for that pair and its encoder; what else is named
    replaces its part of it. Settings without a pair belong to the first preset.

    Raises:
        InvalidInput: Something of ours that cannot be, or that the app would not run.
        WeightsMissing: It names a picture of the paper's that has not been fetched.
    """
    asked = {name: params[name] for name in OURS if name in params}
    shown = {name: _read(name, params[name]) for name in VIEW if name in params}
    if not asked and not shown:
        return None
    recipe = _config(asked) if asked else None
    return Link(recipe, View(**shown), _replayed(asked, recipe))


def _replayed(asked: Mapping[str, str], recipe: Recipe | None) -> str | None:
    if recipe is None or any(name in asked for name in (*_PICTURE, *_AGAINST)):
        return None
    key = asked.get("preset", FIRST_PRESET)
    return key if replace(recipe, selection=SelectionSettings()) == preset_recipe(key) else None


def _unusual(settings: MaskSettings | SelectionSettings | View) -> dict[str, str]:
    values = {field.name: (getattr(settings, field.name), field.default) for field in fields(settings)}
    return {name: _write(name, value) for name, (value, usual) in values.items() if value != usual}


def _write(name: str, value: Any) -> str:
    if name in _SLICES:
        return "-".join(str(abs(share)) for share in value)  # a zero can have a sign
    if isinstance(value, tuple):
        return ",".join(value)
    return str(int(value) if isinstance(value, bool) else value)


def _read(name: str, text: str) -> Any:
    """The value of one of ours; text that is no value is left for the settings to refuse."""
    if name in _RANGES:
        cap = _RANGES[name]
        number: int | float | str = text
        if re.fullmatch(r"-?\d{1,99}" if cap.whole else f"-?{_NUMBER}", text, re.ASCII):
            number = int(text) if cap.whole else float(text)
        return cap.check(number, app=True)
    if name in _SLICES:
        shares = re.fullmatch(f"({_NUMBER})-({_NUMBER})", text, re.ASCII)
        if not shares:
            raise InvalidInput(f"{name} must be two shares of the ranking, as in {name}=0.2-0.5.", code="slice")
        return float(shares[1]), float(shares[2])
    if name in ("hide", "lock"):
        return tuple(part.strip() for part in text.split(","))
    if name == "projector":
        if text not in ("0", "1"):
            raise InvalidInput("projector must be 0 or 1.", code="projector")
        return text == "1"
    return text


def preset_recipe(key: str) -> Recipe:
    """What names a preset's result.

    Raises:
        InvalidInput: No such preset.
        WeightsMissing: Its pictures have not been fetched.
    """
    return _config({"preset": key})


def _config(asked: Mapping[str, str]) -> Recipe:
    values = {name: _read(name, text) for name, text in asked.items() if name != "preset"}
    masking = MaskSettings(**{name: values.pop(name) for name in _MASKING if name in values})
    selection = SelectionSettings(**{name: values.pop(name) for name in _SELECTION if name in values})
    return check_app(Recipe(**_completed(values, asked.get("preset")), masking=masking, selection=selection))


def _completed(values: dict[str, Any], key: str | None) -> dict[str, Any]:
    """The pair a link names, what it leaves to a preset filled in, and with the hashes of examples."""
    picture, against = ([name for name in names if name in values] for names in (_PICTURE, _AGAINST))
    if len(picture) > 1 or len(against) > 1:
        raise InvalidInput(
            f"The link names too much; keep one of {', '.join(_PICTURE)} and one of {', '.join(_AGAINST)}.",
            code="link_pair",
        )
    preset = None
    if key is not None or not (picture or against):
        preset = preset_named(FIRST_PRESET if key is None else key)
    elif not (picture and against):
        raise InvalidInput(
            "The link names half of a pair; it needs a picture, and a reference or a caption.", code="link_pair"
        )
    complete = dict(values)
    if preset and not picture:
        complete["picture"] = preset.image
    if preset and not against:
        complete |= {"reference": preset.reference} if preset.caption is None else {"caption": preset.caption}
    for side in ("picture", "reference"):
        if side in complete:
            complete[f"{side}_sha256"] = example_sha256(complete[side])
    complete.setdefault("encoder", _usual_encoder(preset, "caption" in complete))
    return complete


def _usual_encoder(preset: Preset | None, by_caption: bool) -> str:
    keys: list[str] = [*([preset.encoder] if preset else []), DEFAULT_ENCODER, *CARDS]
    return next(key for key in keys if CARDS[key].captions or not by_caption)
