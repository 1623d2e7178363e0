"""Parts of a grid of cells, in whatever form a user names them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.arguments import described
from explorer.core.arrays import as_numpy
from explorer.core.errors import InvalidInput

Cell = tuple[int, int]


def as_region(region: Any, shape: Cell) -> NDArray[np.bool_]:
    """Which cells of a grid are meant.

    Args:
        region: A cell (row, column), a box (top, left, bottom, right) with bottom and right left out, or a bool array
            of the grid's shape. Where there is one row only, a number of a column, or a bool for each, too.
        shape: (rows, columns).

    Returns:
        A bool array of the shape, true somewhere.

    Raises:
        InvalidInput: None of these, or outside the grid.
    """
    rows, columns = shape
    given = as_numpy(region)
    if given.dtype.kind == "b":
        return _as_mask(given, shape)
    if given.dtype.kind not in "iu" or given.shape not in ((), (2,), (4,)) or (given.shape == () and rows > 1):
        raise _wrong(given, shape)
    numbers = [int(number) for number in given.ravel()]
    if len(numbers) < 4:
        row, column = numbers if len(numbers) == 2 else (0, *numbers)
        top, left, bottom, right = row, column, row + 1, column + 1
    else:
        top, left, bottom, right = numbers
    if not (0 <= top < bottom <= rows and 0 <= left < right <= columns):
        raise InvalidInput(
            f"The region must lie in {rows} rows and {columns} columns of cells, counted from 0, and a box must hold a "
            f"cell: top < bottom, left < right; got {tuple(numbers)}.",
            code="region_range",
        )
    chosen = np.zeros(shape, bool)
    chosen[top:bottom, left:right] = True
    return chosen


def _as_mask(given: NDArray[np.bool_], shape: Cell) -> NDArray[np.bool_]:
    chosen = given[None] if shape[0] == 1 and given.shape == shape[1:] else given
    if chosen.shape != shape:
        raise _wrong(given, shape)
    if not chosen.any():
        raise InvalidInput("The region holds no cell; make at least one of it true.", code="region_empty")
    return chosen


def _wrong(given: NDArray[Any], shape: Cell) -> InvalidInput:
    return InvalidInput(
        "A region is a cell (row, column), a box (top, left, bottom, right) of whole numbers, or a bool array "
        f"{shape}; got {described(given)}.",
        code="region_type",
    )
