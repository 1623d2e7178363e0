"""How much masks keep of each cell of a coarse grid of its own, as the match of two pictures looks at them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from explorer.core.masks import GridMasks, MaskSet, windows

ROWS = 256
"""Masks looked at in one go: enough for matrix products, and small beside the embeddings."""


def areas(cells: int, side: int) -> NDArray[np.float64]:
    """(cells, side): the share of each pixel in the mean of each cell; cells may be smaller than pixels."""
    edges = np.arange(cells + 1) * side / cells
    pixels = np.arange(side)
    shares = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return np.asarray(shares.clip(0) * cells / side)


class MaskCells:
    """The mean of masks over the cells of a grid.

    Args:
        masks: Of any kind; drawn ones need not be rendered.
        grid: (rows, columns) of the grid.
    """

    def __init__(self, masks: MaskSet, grid: tuple[int, int]) -> None:
        self._masks = masks
        self._down, self._across = (areas(cells, side) for cells, side in zip(grid, masks.size, strict=True))
        if isinstance(masks, GridMasks):  # a mask is U grid U^T, and its cells are (A U) grid (A U)^T
            self._rows, self._columns = (
                (share @ windows(side, masks.feature_res, masks.blocks)).astype(np.float64)
                for share, side in zip((self._down, self._across), masks.size, strict=True)
            )

    def __call__(self, start: int, stop: int) -> NDArray[np.float64]:
        """(b, rows * columns) of masks ``start`` to ``stop``."""
        masks = self._masks
        if isinstance(masks, GridMasks):
            down, across = masks.shifts[start:stop].T
            grids = masks.grids(start, stop).astype(np.float64)
            found = self._rows[down] @ grids @ self._columns[across].transpose(0, 2, 1)
        else:
            found = self._down @ masks.render(start, stop).astype(np.float64) @ self._across.T
        return np.asarray(found.reshape(len(found), -1))


def pieces(count: int, step: int = ROWS) -> Iterator[tuple[int, int]]:
    """Where pieces of so many things start and end."""
    return ((start, min(start + step, count)) for start in range(0, count, step))
