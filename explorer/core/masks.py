"""RISE masks (Petsiuk et al. 2018, arXiv:1806.07421, section 3.2), kept as grids and shifts.

A mask is a small grid of kept and hidden cells, upsampled bilinearly to slightly more than the
picture and cropped at a random shift. Upsampling is linear, so with U the (up, f) matrix that
interpolates one axis and U[s : s + h] its rows at shift s, a mask is

    U_y[s_y : s_y + h] @ grid @ U_x[s_x : s_x + w].T

Two batched products render a chunk of masks, and a weighted sum of masks needs none rendered:
weight times grid is added up per pair of shifts, and the two matrices are applied once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from explorer.core.arguments import described
from explorer.core.arrays import as_numpy
from explorer.core.errors import InvalidInput
from explorer.core.fills import FILLS, FillKey
from explorer.core.limits import FEATURE_RES, N_MASKS, P_KEEP, SEED
from explorer.core.registry import Registry
from explorer.core.settings import Settings

SchemeKey = Literal["philox", "orthogonal", "dianna"]
"""The keys of ``SCHEMES``, for users' type checkers."""
Auto = Literal["auto"]
AUTO: Auto = "auto"
"""In place of a number that a run shall choose by itself."""
CHUNK_CELLS = 4_000_000
"""Grid cells drawn or unpacked at once; bounds the memory of sampling and summing."""


@dataclass(frozen=True)
class MaskSettings(Settings):
    """How the picture is masked: everything the costly stage depends on besides picture and encoder.

    Attributes:
        n_masks: Number of random masks, 10 to 100000 (10000 in the app); or ``"auto"``: until two such runs would agree
            at 0.9, at most 4000 (``explorer.core.settling``).
        feature_res: Cells along each side of a mask's grid, 1 to 128 (64 in the app).
        p_keep: Probability that a cell is kept, 0.01 to 0.99; or ``"auto"``: the one of 0.1 to 0.9 that a pilot of 200
            masks each recommends (``explorer.core.pilot``). A result holds the numbers that were chosen.
        seed: Names the random masks, 0 to 2**32 - 1.
        fill: What a hidden pixel becomes, a key of ``FILLS``.
        scheme: ``"philox"`` (mask i depends only on seed, i, size, feature_res and p_keep), ``"orthogonal"``
            (so too; fewer masks needed; p_keep 0.5 only) or ``"dianna"`` (the stream DIANNA draws, for comparison).

    Raises:
        InvalidInput: A value its range refuses, or a p_keep or ``"auto"`` that the scheme does not go with.
    """

    n_masks: int = int(N_MASKS.default)
    feature_res: int = int(FEATURE_RES.default)
    p_keep: float = P_KEEP.default
    seed: int = int(SEED.default)
    fill: FillKey = "auto"
    scheme: SchemeKey = "philox"

    if TYPE_CHECKING:  # what is left open is settled before anybody computes with it

        def __init__(
            self,
            n_masks: int | Auto = ...,
            feature_res: int = ...,
            p_keep: float | Auto = ...,
            seed: int = ...,
            fill: FillKey = ...,
            scheme: SchemeKey = ...,
        ) -> None: ...

    @property
    def open(self) -> tuple[str, ...]:
        """What is left to the run to choose."""
        values: dict[str, Any] = {"n_masks": self.n_masks, "p_keep": self.p_keep}
        return tuple(name for name, value in values.items() if isinstance(value, str) and value == AUTO)

    def refuse_open(self) -> None:
        """Raise InvalidInput where a number is left open and nobody is there to choose it."""
        if self.open:
            raise InvalidInput(
                f"{' and '.join(self.open)} can be auto where explorer.explain or explorer.probe hide regions of a "
                "picture with masks of their own; give a number here.",
                code="auto_open",
            )

    def __post_init__(self) -> None:
        for cap in (N_MASKS, FEATURE_RES, P_KEEP, SEED):
            if cap.name not in self.open:
                object.__setattr__(self, cap.name, cap.check(getattr(self, cap.name)))
        FILLS.check(self.fill)
        SCHEMES.check(self.scheme)
        scheme, only = SCHEMES[self.scheme], SCHEMES[self.scheme].p_keep
        if only is not None and only != self.p_keep:
            got = AUTO if "p_keep" in self.open else f"{self.p_keep:g}"
            others = ", ".join(f'{key}, "{one.label}"' for key, one in SCHEMES.items() if one.p_keep is None)
            raise InvalidInput(
                f'Masks of the scheme {self.scheme} ("{scheme.label}") are drawn for p_keep {only:g} only, got '
                f"{got}; set p_keep to {only:g}, or take another scheme ({others}).",
                code="scheme_p_keep",
            )
        if self.open and not scheme.grows:
            raise InvalidInput(
                f"Masks of the scheme {self.scheme} depend on how many there are, so {' and '.join(self.open)} cannot "
                "be auto with them; give a number, or take another scheme.",
                code="scheme_auto",
            )


@dataclass(frozen=True)
class Scheme:
    """A way of drawing masks.

    Attributes:
        label: What it is called where a user chooses it.
        grows: Whether a mask depends on its own number alone, so that a run can be continued or cut.
        draw: Settings and (2,) height and width of a cell in pixels -> (n, ceil(f * f / 8)) uint8 bits of the grids,
            1 = kept, and (n, 2) int32 shifts, 0 <= shift < cell.
        for_words: Whether the words of a sentence, too, can be masked by it.
        p_keep: The only one it draws masks for; None draws them for any.
        version: Counted up when other masks are drawn than before, so that no probe goes on with two kinds.
    """

    label: str
    grows: bool
    draw: Callable[[MaskSettings, NDArray[np.int64]], tuple[NDArray[np.uint8], NDArray[np.int32]]]
    for_words: bool = False
    p_keep: float | None = None
    version: int = 1


SCHEMES: Registry[Scheme] = Registry("scheme", "explorer.core.mask_schemes")


class MaskSet(Protocol):
    """Masks that can be rendered and summed."""

    @property
    def size(self) -> tuple[int, int]:
        """(h, w) of a rendered mask."""

    def __len__(self) -> int: ...

    def render(self, start: int, stop: int) -> NDArray[np.float32]:
        """Masks ``start`` to ``stop``, or to the last one, as (b, h, w) float32 in [0, 1]."""

    def weighted_sum(self, weights: NDArray[np.float64]) -> NDArray[np.float32]:
        """Sum of weight times mask over the first ``len(weights)`` masks, (h, w) float32."""

    def sums_kept(self, maps: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sum of each map (k, h, w) over what each mask keeps, (k, n)."""

    def first(self, n: int) -> MaskSet:
        """The first n masks."""


@dataclass(frozen=True, eq=False, repr=False)
class GridMasks:
    """Compact masks: n grids of f x f bits and their shifts.

    Attributes:
        packed: (n, ceil(f * f / 8)) uint8, the grids' bits row by row, 1 = kept.
        shifts: (n, 2) int32, where the crop starts, (y, x), in pixels; 0 <= shift < cell.
        feature_res: f.
        size: (h, w) of a rendered mask.
        blocks: Whether the cells are blocks of pixels with sharp edges, which are not shifted, as patches are that
            leave the sequence of a transformer.
    """

    packed: NDArray[np.uint8]
    shifts: NDArray[np.int32]
    feature_res: int
    size: tuple[int, int]
    blocks: bool = False

    def __repr__(self) -> str:
        cells, (h, w) = self.feature_res, self.size
        return f"<GridMasks: {len(self)} of {cells} x {cells} cells, {h} x {w}>"

    def __len__(self) -> int:
        return len(self.packed)

    def grids(self, start: int = 0, stop: int | None = None) -> NDArray[np.bool_]:
        """Grids ``start`` to ``stop`` as (b, f, f) bool."""
        f = self.feature_res
        bits = np.unpackbits(self.packed[start:stop], axis=1, count=f * f)
        return bits.reshape(-1, f, f).astype(bool)

    def render(self, start: int, stop: int) -> NDArray[np.float32]:
        """Masks ``start`` to ``stop`` as (b, h, w) float32 in [0, 1], 1 = kept.

        By picking rows, not by products of matrices: those of fine grids run on all cores, in threads that keep
        waiting for more and so slow down the network that runs next, by half on two cores.
        """
        _check_range(start, stop, len(self))
        shifts = self.shifts[start:stop]
        masks = np.empty((len(shifts), *self.size), np.float32)
        for mask, grid, shift in zip(masks, self.grids(start, stop).astype(np.float32), shifts, strict=True):
            down, across = map(self._seen, self.size, shift)
            mask[:] = _mixed(_mixed(grid.T, *across).T, *down)
        return masks

    def _seen(self, side: int, shift: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """The cells that the pixels of a side lie between, and the shares (side, 1), at a shift."""
        if self.blocks:
            low, share = _blocks(side, self.feature_res)
        else:
            low, share = _cells_between((self.feature_res + 1) * _cell(side, self.feature_res), self.feature_res)
        return low[shift : shift + side], share[shift : shift + side, None]

    def weighted_sum(self, weights: NDArray[np.float64]) -> NDArray[np.float32]:
        """Sum of weight times mask over the first ``len(weights)`` masks, without rendering any.

        Args:
            weights: (m,) with m <= n; zeros cost nothing.

        Returns:
            (h, w) float32.
        """
        f, weights = self.feature_res, _as_weights(weights, len(self))
        rows, columns = (windows(side, f, self.blocks).astype(np.float64) for side in self.size)
        (cells_y, h, _), (cells_x, w, _) = rows.shape, columns.shape
        sums = np.zeros((cells_y, cells_x, f, f))
        for chosen in chunks(np.flatnonzero(weights), f * f):
            grids = np.unpackbits(self.packed[chosen], axis=1, count=f * f).reshape(-1, f, f)
            shifts = self.shifts[chosen]
            np.add.at(sums, (shifts[:, 0], shifts[:, 1]), weights[chosen, None, None] * grids)
        across = sums.transpose(0, 2, 1, 3).reshape(cells_y * f, cells_x * f) @ columns.transpose(0, 2, 1).reshape(
            -1, w
        )
        return (rows.transpose(1, 0, 2).reshape(h, cells_y * f) @ across).astype(np.float32)

    def begins(self, longer: GridMasks) -> bool:
        """Whether these are the first masks of others, as far as both go."""
        n = min(len(self), len(longer))
        return (
            (self.size, self.feature_res, self.blocks) == (longer.size, longer.feature_res, longer.blocks)
            and np.array_equal(self.packed[:n], longer.packed[:n])
            and np.array_equal(self.shifts[:n], longer.shifts[:n])
        )

    def sums_kept(self, maps: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sum of each map (k, h, w) over what each mask keeps, (k, n), without rendering any.

        What a map has of each cell at each shift does for all masks.
        """
        f = self.feature_res
        rows, columns = (windows(side, f, self.blocks).astype(np.float64) for side in self.size)
        (cells_y, h, _), (cells_x, w, _) = rows.shape, columns.shape
        down, across = rows.transpose(0, 2, 1).reshape(-1, h), columns.transpose(1, 0, 2).reshape(w, -1)
        kept = np.empty((len(maps), len(self)))
        for place, values in enumerate(maps):
            cells = (down @ values @ across).reshape(cells_y, f, cells_x, f)
            for chosen in chunks(np.arange(len(self)), f * f):
                grids = np.unpackbits(self.packed[chosen], axis=1, count=f * f).reshape(-1, f, f)
                own = cells[self.shifts[chosen, 0], :, self.shifts[chosen, 1]]
                kept[place, chosen] = np.einsum("nij,nij->n", own, grids)
        return kept

    def first(self, n: int) -> GridMasks:
        """The first n masks."""
        return replace(self, packed=self.packed[:n], shifts=self.shifts[:n])


@dataclass(frozen=True, eq=False, repr=False)
class ArrayMasks:
    """Masks given as an array (n, h, w) float32."""

    array: NDArray[np.float32]

    def __repr__(self) -> str:
        h, w = self.size
        return f"<ArrayMasks: {len(self)} of {h} x {w}>"

    def __len__(self) -> int:
        return len(self.array)

    @property
    def size(self) -> tuple[int, int]:
        """(h, w) of a mask."""
        _, h, w = self.array.shape
        return h, w

    def render(self, start: int, stop: int) -> NDArray[np.float32]:
        """Masks ``start`` to ``stop`` as (b, h, w) float32."""
        _check_range(start, stop, len(self))
        return self.array[start:stop]

    def weighted_sum(self, weights: NDArray[np.float64]) -> NDArray[np.float32]:
        """Sum of weight times mask over the first ``len(weights)`` masks, (h, w) float32."""
        weights = _as_weights(weights, len(self))
        total = np.zeros(self.size)
        for chosen in chunks(np.flatnonzero(weights), math.prod(self.size)):
            total += np.tensordot(weights[chosen], self.array[chosen].astype(np.float64), axes=1)
        return total.astype(np.float32)

    def sums_kept(self, maps: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sum of each map (k, h, w) over what each mask keeps, (k, n)."""
        kept = np.empty((len(maps), len(self)))
        for chosen in chunks(np.arange(len(self)), math.prod(self.size)):
            kept[:, chosen] = np.tensordot(maps, self.array[chosen].astype(np.float64), axes=([1, 2], [1, 2]))
        return kept

    def first(self, n: int) -> ArrayMasks:
        """The first n masks."""
        return ArrayMasks(self.array[:n])


def _check_range(start: int, stop: int, n: int) -> None:
    """As with slices, what lies past the last mask is left out; nothing else is."""
    if not (all(isinstance(place, int | np.integer) for place in (start, stop)) and 0 <= start <= min(stop, n)):
        raise InvalidInput(
            f"Masks are rendered from start to stop, whole numbers with 0 <= start <= stop, of {n} masks; got "
            f"{start!r:.20} and {stop!r:.20}.",
            code="masks_place",
        )


def _as_weights(weights: Any, n: int) -> NDArray[Any]:
    numbers = as_numpy(weights)
    if numbers.ndim != 1 or len(numbers) > n or numbers.dtype.kind not in "fiub" or not np.isfinite(numbers).all():
        raise InvalidInput(
            f"weights must be finite numbers, one for each of the first masks, of which there are {n}; got "
            f"{described(numbers)}.",
            code="weights_shape",
        )
    return numbers


def masks_from_array(array: Any) -> ArrayMasks:
    """Masks the caller made, for ``explorer.probe(..., masks=...)``.

    Args:
        array: (n, h, w) or (n, h, w, 1), bool or numbers in [0, 1], 1 = kept.

    Raises:
        InvalidInput: Another shape, values outside [0, 1], or all masks the same.
    """
    masks = as_numpy(array)
    if masks.ndim == 4 and masks.shape[-1] == 1:
        masks = masks[..., 0]
    if masks.ndim != 3 or not masks.size or masks.dtype.kind not in "biuf":
        raise InvalidInput(
            f"Masks must be numbers of shape (n, height, width) or (n, height, width, 1), got {described(masks)}.",
            code="masks_shape",
        )
    masks = masks.astype(np.float32)
    if not (masks.min() >= 0 and masks.max() <= 1):  # also refuses NaN
        raise InvalidInput(
            f"Mask values must lie in 0..1 (1 = kept), got {masks.min():g} to {masks.max():g}.", code="masks_range"
        )
    if np.array_equal(masks, np.broadcast_to(masks[:1], masks.shape)):
        raise InvalidInput(
            "All masks are the same, so they carry no information; give different ones.", code="masks_same"
        )
    return ArrayMasks(masks)


def sample_masks(masking: MaskSettings, size: tuple[int, int]) -> GridMasks:
    """Draw the masks that the settings name.

    Args:
        masking: n_masks, feature_res, p_keep, seed and scheme.
        size: (h, w) to mask.

    Raises:
        InvalidInput: ``feature_res`` is above the shorter side.
    """
    masking.refuse_open()
    if masking.feature_res > min(size):
        raise InvalidInput(
            f"feature_res must not be above the image's shorter side: {masking.feature_res} cells on "
            f"{min(size)} pixels; use at most {min(size)}.",
            code="feature_res_side",
        )
    blocks = FILLS[masking.fill].drops
    cells = np.array([1 if blocks else _cell(side, masking.feature_res) for side in size])
    return GridMasks(*SCHEMES[masking.scheme].draw(masking, cells), masking.feature_res, size, blocks)


def chunks(indices: NDArray[np.intp], cells: int) -> Iterator[NDArray[np.intp]]:
    """The indices in pieces, so that grids of so many cells each stay small."""
    step = max(1, CHUNK_CELLS // cells)
    return (indices[i : i + step] for i in range(0, len(indices), step))


def _cell(side: int, feature_res: int) -> int:
    return math.ceil(side / feature_res)


@lru_cache(maxsize=16)
def windows(side: int, feature_res: int, blocks: bool = False) -> NDArray[np.float32]:
    """(cell, side, f): the rows of the interpolation matrix seen at each shift, as a read-only view.

    Of blocks, which have one shift, (1, side, f).
    """
    cells = 1 if blocks else _cell(side, feature_res)
    matrix = interpolation(side, feature_res, blocks)
    windows = np.lib.stride_tricks.sliding_window_view(matrix, side, axis=0)[:cells]
    return windows.transpose(0, 2, 1)


def interpolation(side: int, feature_res: int, blocks: bool = False) -> NDArray[np.float32]:
    """(up, f): what each pixel of an upsampled side has of each cell; a mask's side begins at its shift."""
    if blocks:
        low, _ = _blocks(side, feature_res)
        return np.asarray(np.eye(feature_res, dtype=np.float32)[low])
    return _interpolation((feature_res + 1) * _cell(side, feature_res), feature_res)


def _interpolation(up: int, feature_res: int) -> NDArray[np.float32]:
    """(up, f) matrix of ``skimage.transform.resize(order=1, mode="reflect")`` along one axis."""
    low, share = _cells_between(up, feature_res)
    matrix = np.zeros((up, feature_res), np.float32)
    matrix[np.arange(up), low] = 1 - share
    matrix[np.arange(up), np.minimum(low + 1, feature_res - 1)] += share
    return matrix


@lru_cache(maxsize=16)
def _cells_between(up: int, feature_res: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """For each of ``up`` pixels the first of the two cells it lies between, and its share of the second one."""
    if feature_res == 1:
        return np.zeros(up, np.intp), np.zeros(up, np.float32)
    at = (np.arange(up) + 0.5) * feature_res / up - 0.5
    at = np.abs(at)  # beyond the first and last cell's centre the picture is mirrored about that centre
    at = (feature_res - 1) - np.abs(feature_res - 1 - at)
    low = np.minimum(at.astype(np.intp), feature_res - 2)
    return low, (at - low).astype(np.float32)


def _blocks(side: int, feature_res: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """As ``_cells_between``, of cells with sharp edges: the cell that each pixel lies in, wholly."""
    return np.arange(side) * feature_res // side, np.zeros(side, np.float32)


def _mixed(rows: NDArray[np.float32], low: NDArray[np.intp], share: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows (n, m), each mixed from row ``low`` (n,) of a grid and the one after it by the latter's share (n, 1)."""
    mixed = rows[low]
    mixed *= 1 - share
    mixed += rows[np.minimum(low + 1, len(rows) - 1)] * share
    return mixed
