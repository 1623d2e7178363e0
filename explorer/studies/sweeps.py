"""What the paper's figures 10 to 16 vary, as small multiples around the current settings.

The values are the paper's, read from the code that drew its figures (dianna-ai/explainable_embedding), and the
current setting joins them. At the paper's own settings a sweep is therefore exactly its figure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TypeVar

from explorer.core.errors import InvalidInput
from explorer.core.fills import FILLS
from explorer.core.limits import FEATURE_RES, N_MASKS, P_KEEP, THRESHOLD, Range
from explorer.core.masks import SCHEMES, MaskSettings
from explorer.core.registry import Registry
from explorer.core.selections import MODES, SelectionSettings
from explorer.core.terms import SETTINGS


@dataclass(frozen=True)
class Tile:
    """One map of a sweep.

    Attributes:
        title: What sets it apart from the others.
        masking: Its costly settings.
        selection: Its free settings.
        row: Heading of the row it stands in; tiles of one row follow each other. Empty where any layout will do.
    """

    title: str
    masking: MaskSettings
    selection: SelectionSettings
    row: str = ""


Tiles = tuple[Tile, ...]
Vary = Callable[..., Tiles]
MOST_MAPS = 12
"""Of a sweep over values of one's own, which have to be looked at side by side."""


@dataclass(frozen=True)
class Sweep:
    """One thing to vary.

    Attributes:
        title: One line for a list.
        about: One or two sentences: what varies, and where the paper does it.
        tiles: Current settings -> the tiles, one of which has exactly these settings.
        free: Whether all tiles share one probe, so that nothing more is embedded.
        own: What values of one's own are; None where it varies no number.
    """

    title: str
    about: str
    tiles: Vary
    free: bool
    own: Range | None = None

    @property
    def most(self) -> int:
        """How many values of one's own it takes."""
        if self.own is None:
            return 0
        return MOST_MAPS // len(self.tiles(MaskSettings(), SelectionSettings(), [self.own.default_number]))

    def over(self, values: object, masking: MaskSettings, selection: SelectionSettings, *, app: bool = False) -> Tiles:
        """The tiles of other values than the paper's, ascending; of its own where there are none (None).

        Args:
            values: Numbers; whatever else is refused.
            masking: As for ``tiles``.
            selection: As for ``tiles``.
            app: Whether the app's lower caps hold.

        Raises:
            InvalidInput: It varies no number, or they are too many, or one is outside its range.
        """
        if values is None:
            return self.tiles(masking, selection)
        if self.own is None or not isinstance(values, list | tuple) or not 1 <= len(values) <= self.most:
            raise InvalidInput(
                f"“{self.title}” takes 1 to {self.most} values of your own." if self.own else
                f"“{self.title}” takes no values of your own.",
                code="sweep_values",
            )  # fmt: skip
        return self.tiles(masking, selection, sorted({self.own.check(value, app=app) for value in values}))


Number = TypeVar("Number", int, float)

SWEEPS: Registry[Sweep] = Registry("sweep", "explorer.studies.sweeps")


def plan(tiles: Iterable[Tile]) -> tuple[MaskSettings, ...]:
    """The probes that tiles need: one for all that differ in ``n_masks`` alone, at the largest.

    The others are cut from it (``explorer.core.probe.first``). Masks of the dianna scheme depend on how many
    there are, so there every number needs a probe of its own.
    """
    largest: dict[MaskSettings, int] = {}
    for masking in (tile.masking for tile in tiles):
        probe = replace(masking, n_masks=int(N_MASKS.low)) if SCHEMES[masking.scheme].grows else masking
        largest[probe] = max(masking.n_masks, largest.get(probe, 0))
    return tuple(replace(probe, n_masks=n) for probe, n in largest.items())


def passes(tiles: Iterable[Tile], known: Callable[[MaskSettings], int] = lambda _: 0) -> int:
    """How many masked copies have to be embedded for the tiles.

    Args:
        tiles: Of one sweep or several.
        known: How many masks of such a probe are embedded already, whatever its ``n_masks``.
    """
    return sum(max(0, masking.n_masks - known(masking)) for masking in plan(tiles))


def within(tiles: Iterable[Tile], side: int, *, app: bool = False) -> Tiles:
    """The tiles that can be run.

    Args:
        tiles: Of a sweep.
        side: Shorter side, in pixels, of what is masked; ``feature_res`` must not be above it.
        app: Whether the app's lower caps hold.
    """
    cells = min(side, FEATURE_RES.app_high if app else FEATURE_RES.high)
    masks = N_MASKS.app_high if app else N_MASKS.high
    return tuple(t for t in tiles if t.masking.feature_res <= cells and t.masking.n_masks <= masks)


def columns(tiles: Iterable[Tile]) -> int:
    """How many columns lay the tiles out row by row: the length of the longest row, 0 without tiles."""
    return max((len(list(row)) for _, row in groupby(tiles, key=lambda tile: tile.row)), default=0)


Values = Sequence[float] | None


def _sweep(key: str, title: str, about: str, *, free: bool = False, own: Range | None = None) -> Callable[[Vary], Vary]:
    """Register what makes the tiles of a sweep; of values of one's own where it takes any."""

    def add(tiles: Vary) -> Vary:
        SWEEPS.add(key, Sweep(title, about, tiles, free, own))
        return tiles

    return add


def _among(current: Number, values: Iterable[Number]) -> list[Number]:
    """The values and the current one, ascending; a slider's rounding makes no value of its own."""
    among = [value for value in values if not math.isclose(value, current)]
    among.append(current)
    return sorted(among)


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"


@_sweep(
    "p_keep",
    SETTINGS["p_keep"].title,
    "From little kept to much: does another share tell another story? The paper's figure 11.",
    own=P_KEEP,
)
def _p_keep(masking: MaskSettings, selection: SelectionSettings, values: Values = None) -> Tiles:
    values = values or _among(masking.p_keep, (0.1, 0.3, 0.5, 0.7, 0.9))
    return tuple(Tile(f"p_keep {p:g}", replace(masking, p_keep=p), selection) for p in values)


@_sweep(
    "feature_res",
    SETTINGS["feature_res"].title,
    "Coarse cells miss details, fine ones need more masks. The paper's figure 12.",
    own=FEATURE_RES,
)
def _feature_res(masking: MaskSettings, selection: SelectionSettings, values: Sequence[int] | None = None) -> Tiles:
    now = masking.feature_res
    usual = [2, 4, 6, 8, 12, 16, 24, 32, 64, 128]
    if FILLS[masking.fill].drops:  # where so many cells are whole patches, so are as many as divide them
        usual = [f for f in range(2, now) if now % f == 0]
    values = values or _among(now, usual)
    return tuple(Tile(f"feature_res {f}", replace(masking, feature_res=f), selection) for f in values)


@_sweep(
    "n_masks",
    f"{SETTINGS['n_masks'].title} and seeds",
    "Down: more masks. Across: other random masks; what changes from one to the next is chance. The paper's figure 10.",
    own=N_MASKS,
)
def _n_masks(masking: MaskSettings, selection: SelectionSettings, values: Sequence[int] | None = None) -> Tiles:
    others = [seed for seed in (1, 2, 3) if seed != masking.seed]
    return tuple(
        Tile(f"{n} masks, seed {seed}", replace(masking, n_masks=n, seed=seed), selection, f"{n} masks")
        for n in values or _among(masking.n_masks, (100, 500, 2000))
        for seed in sorted((masking.seed, *others[:2]))
    )


@_sweep(
    "detail",
    "Feature resolution and number of masks",
    "How many masks finer cells need until the noise is gone. The paper's figure 13.",
)
def _detail(masking: MaskSettings, selection: SelectionSettings) -> Tiles:
    """Figure 13: 2000, 4000 and 8000 masks at 16 cells, 2000, 8000 and 32000 at 32."""
    return tuple(
        Tile(f"feature_res {f}, {n} masks", replace(masking, n_masks=n, feature_res=f), selection, f"feature_res {f}")
        for f in _among(masking.feature_res, () if FILLS[masking.fill].drops else (16, 32))
        for n in (masking.n_masks * (4 if f >= 32 else 2) ** step for step in range(3))
        if n <= N_MASKS.high
    )


@_sweep("sides", "Selection modes", "What each side of the ranking says alone, and both together.", free=True)
def _sides(masking: MaskSettings, selection: SelectionSettings) -> Tiles:
    tiles = (Tile(mode.label, masking, _mode(selection, key)) for key, mode in MODES.items())
    return _with_current(tiles, masking, selection)


@_sweep(
    "one_sided",
    "One side of the ranking",
    "Only the farthest or only the closest masks, few or many. The paper's figure 14.",
    free=True,
    own=THRESHOLD,
)
def _one_sided(masking: MaskSettings, selection: SelectionSettings, values: Values = None) -> Tiles:
    tiles = tuple(
        Tile(f"{MODES[mode].label} {_percent(t)}", masking, _mode(selection, mode, t), MODES[mode].label)
        for mode in ("farthest", "closest")
        for t in values or _among(selection.threshold, (0.1, 0.2, 0.3, 0.4, 0.5))
    )
    return tiles if values else _with_current(tiles, masking, selection)


@_sweep(
    "thresholds",
    SETTINGS["threshold"].title,
    "How many masks are taken at each chosen end of the ranking. The paper's figure 15.",
    free=True,
    own=THRESHOLD,
)
def _thresholds(masking: MaskSettings, selection: SelectionSettings, values: Values = None) -> Tiles:
    mode = selection.mode if MODES[selection.mode].has_threshold else "mirror"
    tiles = tuple(
        Tile(f"{MODES[mode].label} {_percent(t)}", masking, _mode(selection, mode, t))
        for t in values or _among(selection.threshold, (0.05, 0.1, 0.15, 0.2, 0.4))
    )
    return tiles if values else _with_current(tiles, masking, selection)


@_sweep(
    "slices",
    "Masks that are not selected",
    "Slices of the ranking, counted in from both ends: how much the middle still says. The paper's figure 16.",
    free=True,
)
def _slices(masking: MaskSettings, selection: SelectionSettings) -> Tiles:
    """Figure 16: from the middle of the ranking outwards; the last is ``mirror`` at 10 %."""
    discarded = tuple(
        Tile(
            f"{10 * low} to {10 * low + 10} %",
            masking,
            replace(selection, closest=(low / 10, (low + 1) / 10), farthest=((9 - low) / 10, (10 - low) / 10)),
        )
        for low in (4, 3, 2, 1)
    )
    included = Tile("0 to 10 %: mirror", masking, _mode(selection, "mirror", 0.1))
    return _with_current((*discarded, included), masking, selection)


def _mode(selection: SelectionSettings, mode: str, threshold: float | None = None) -> SelectionSettings:
    threshold = selection.threshold if threshold is None else threshold
    return selection.but(mode=mode, threshold=threshold, closest=None, farthest=None)


def _with_current(tiles: Iterable[Tile], masking: MaskSettings, selection: SelectionSettings) -> Tiles:
    tiles = tuple(tiles)
    here = any(tile.selection == selection for tile in tiles)
    return tiles if here else (*tiles, Tile("as set", masking, selection, "as set"))
