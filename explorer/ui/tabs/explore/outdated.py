"""What the page says, at its maps and beside Run, while they show something else than what is asked for."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from explorer.results.recipe import Recipe
from explorer.ui.session import Awaited, Session

SIDES = {"picture": "the picture to explain", "reference": "the picture to compare with"}
CHANGED = "Changed since the last run, which the maps still show."
CHANGED_EXAMPLE = "Changed since this example, which the maps still show."
UNMARKED = {"of": "", "text": ""}
"""Of no result; None would not be sent."""
OF_RUN = "Of the last run; what you chose since has not run."
OF_EXAMPLE = "Of the example; what you chose since has not run."


def changed(session: Session) -> str:
    """For the status line, where the controls were moved."""
    return CHANGED if session.replay is None else CHANGED_EXAMPLE


def mark(session: Session, text: str = "") -> dict[str, Any]:
    """What stands at the maps for as long as they are those of the result that the session knows now."""
    old = OF_RUN if session.replay is None else OF_EXAMPLE
    return {"of": session.shown(), "text": text or old, "stamp": time.monotonic()}


def awaited_of(recipe: Recipe, what: str, own: Mapping[str, str], remedy: str = "") -> Awaited:
    """What is opened but cannot be shown yet, by the ``Picture.sha256`` of the pictures that the page has."""
    absent = tuple(side for side in recipe.own if getattr(recipe, f"{side}_sha256") not in own)
    return Awaited(recipe, what, absent, remedy)


def words(awaited: Awaited, there: Mapping[str, str | None], *, example: bool) -> tuple[str, str]:
    """For the status line and for the maps, while something opened waits.

    ``there`` is the ``Picture.sha256`` in the pictures' controls, by side, or None; ``example`` says whether the maps
    show one meanwhile.
    """
    what = awaited.what
    meanwhile = f"This is an example, not what the {what} shows" if example else f"This is not what the {what} shows"
    if not awaited.absent:
        return f"{awaited.remedy} Until then the maps show something else.", f"{meanwhile}."
    wanted = {side: getattr(awaited.recipe, f"{side}_sha256") for side in awaited.absent}
    other = [side for side, sha256 in wanted.items() if there[side] not in (None, sha256)]
    missing = [side for side in wanted if there[side] is None]
    about = f"The {what} is about {_files(awaited)}"
    if other:
        sides = _and(other)
        text = f"{_begun(sides)} that you added is not the one that the {what} is about: Run will show another result."
        return text, f"{meanwhile}: {sides} that you added is another one."
    if missing:
        text = f"{about}. No {what} brings it along: add {_and(missing)}, then press Run."
        return text, f"{meanwhile}. {about}: add {_and(missing)}, then press Run."
    right = f"{_begun(_and(list(wanted)))} is what the {what} is about."
    return f"{right} Press Run to see its result.", f"{meanwhile} yet: press Run."


def _files(awaited: Awaited) -> str:
    recipe = awaited.recipe
    if len(awaited.absent) > 1:
        return "two pictures that its sender has"
    other = recipe.reference if awaited.absent == ("picture",) else recipe.picture
    beside = "a caption" if recipe.caption is not None else PurePath(other).stem.replace("_", " ") if other else ""
    return "a picture that its sender has" + (f" (the other: {beside})" if beside else "")


def _and(sides: list[str]) -> str:
    return " and ".join(SIDES[side] for side in sides)


def _begun(text: str) -> str:
    return text[:1].upper() + text[1:]
