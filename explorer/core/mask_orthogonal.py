"""The orthogonal scheme: blocks of masks that leave less to chance, so that fewer of them settle a map.

A map adds up the masks of close copies, so what it says of one cell is blurred by the cells that chanced to be kept
together with it. In a block of this scheme any three cells are kept and hidden in all eight ways equally often (an
orthogonal array of strength 3: C. R. Rao 1947, J. Roy. Statist. Soc. Suppl. 9, 128-139), so that neither another
cell nor what two others do together blurs it. A block is cropped at one shift, since at another shift the cells would
be others; the shifts of the blocks are a low-discrepancy sequence.

For ``p_keep`` 0.5 a block is half the columns of a Hadamard matrix of Sylvester's (1867): row r keeps cell c where
r & c has an odd number of bits. The orders of rows and cells and a sign for each cell are drawn, so that a mask by
itself is what RISE draws: each cell for itself. For another ``p_keep`` no such matrix is at hand for every size; there
every cell is kept equally often and the columns of up to 64 cells are made nearly orthogonal by swaps.

What a block holds follows from the seed and its number, so a mask does not depend on how many there are. Even-numbered
masks are of one block and odd-numbered ones of the next, so that ``explorer.core.agreement.split_half`` compares whole
blocks and foretells how far two runs agree.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from explorer.core.masks import MaskSettings
from explorer.core.streams import Stream, philox

CHUNK_CELLS = 4_000_000
"""Grid cells drawn at once; bounds the memory."""

GROUP = 64
"""Cells whose columns are made orthogonal to each other where ``p_keep`` is not 0.5; more would take seconds."""

SWEEPS = 30
"""How often at most each column is improved by one swap; most blocks settle earlier."""

STEP = np.array([0.7548776662466927, 0.5698402909980532])
"""1/g and 1/g**2 with g**3 = g + 1: the additive recurrence of low discrepancy in two dimensions."""

Block = Callable[[NDArray[np.intp]], NDArray[np.bool_]]
"""Places in a block (k,) -> kept cells (k, f * f)."""


def draw_orthogonal(masking: MaskSettings, cells: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Draw the masks of the orthogonal scheme.

    Args:
        masking: n_masks, feature_res, p_keep and seed.
        cells: (2,) height and width of a cell in pixels.

    Returns:
        (n, ceil(f * f / 8)) uint8 bits of the grids, 1 = kept, and (n, 2) int32 shifts, 0 <= shift < cell.
    """
    n, count = masking.n_masks, masking.feature_res**2
    length = block_length(masking.feature_res, masking.p_keep)
    packed = np.empty((n, -(-count // 8)), np.uint8)
    shifts = np.empty((n, 2), np.int32)
    start = _uniform(_words(masking.seed, 0, 2))
    step = max(1, CHUNK_CELLS // count)
    for number in range(2 * -(-n // (2 * length))):
        members = np.arange(number // 2 * 2 * length + number % 2, min((number // 2 + 1) * 2 * length, n), 2)
        block = _block(masking, number)
        for low in range(0, len(members), step):
            places = np.arange(low, min(low + step, len(members)))
            packed[members[places]] = np.packbits(block(places), axis=1)
        shifts[members] = (start + number * STEP) % 1 * cells
    return packed, shifts


def block_length(feature_res: int, p_keep: float) -> int:
    """Masks in a block: a power of two that has room for as many orthogonal columns as there are cells."""
    cells = feature_res**2
    if p_keep == 0.5:
        return 2 << (cells - 1).bit_length()
    return max(64, 2 << (min(cells, GROUP) - 1).bit_length())


def _block(masking: MaskSettings, number: int) -> Block:
    count, length = masking.feature_res**2, block_length(masking.feature_res, masking.p_keep)
    if masking.p_keep == 0.5:
        return _hadamard_block(_words(masking.seed, number + 1, length + length // 2 + count), length, count)
    groups = -(-count // GROUP)
    words = _words(masking.seed, number + 1, 1 + groups * (length + GROUP))
    kept = int(masking.p_keep * length + _uniform(words[:1])[0])  # whole, and right on average over the blocks
    return _balanced_block(words[1:].reshape(groups, -1), length, count, kept)


def _hadamard_block(words: NDArray[np.uint64], length: int, count: int) -> Block:
    """Half a Hadamard matrix's columns; from ``length`` random words and one for each cell.

    The columns named by the upper half of the numbers: half the rows and their opposites. The first half of the block
    is made of the rows whose opposites follow, so that a run that ends there has every pair of cells balanced too.
    """
    half = length // 2
    rows = np.concatenate(
        [np.argsort(words[:half], kind="stable"), half + np.argsort(words[half:length], kind="stable")]
    )
    names = half + np.argsort(words[length : length + half], kind="stable")[:count]
    signs = words[length + half :] >> np.uint64(63) > 0
    odd = np.array([number.bit_count() % 2 for number in range(length)], dtype=bool)
    return lambda places: odd[rows[places, None] & names] ^ signs


def _balanced_block(words: NDArray[np.uint64], length: int, count: int, kept: int) -> Block:
    """Every cell is kept ``kept`` times; from ``length + GROUP`` random words for each group of cells."""
    design = nearly_orthogonal(length, min(count, GROUP), kept)
    rows = np.argsort(words[:, :length], axis=1, kind="stable")
    columns = np.argsort(words[:, length : length + design.shape[1]], axis=1, kind="stable")

    def bits(places: NDArray[np.intp]) -> NDArray[np.bool_]:
        groups = [design[row[places]][:, column] for row, column in zip(rows, columns, strict=True)]
        return np.concatenate(groups, axis=1)[:, :count]

    return bits


@lru_cache(maxsize=64)
def nearly_orthogonal(rows: int, columns: int, kept: int) -> NDArray[np.bool_]:
    """(rows, columns) bits, ``kept`` in each column, whose columns are kept together nearly as often as by chance.

    Starts from a fixed random design and goes through the columns, each time swapping the pair of a kept and a
    hidden row that lowers the sum of squared covariances most (an exchange algorithm for E(s^2): K. H. V. Booth &
    D. R. Cox 1962, Technometrics 4, 489-495). All numbers are whole, so the result is the same on every machine.

    Args:
        rows: Masks in a block.
        columns: Cells, fewer than rows.
        kept: 0 to rows.
    """
    words = _words(kept, 0, rows * columns).reshape(rows, columns)
    design = (words.argsort(axis=0, kind="stable").argsort(axis=0) < kept).astype(np.float64)
    covariances = rows * (design.T @ design) - kept**2
    np.fill_diagonal(covariances, 0)
    for _ in range(SWEEPS if 0 < kept < rows else 0):
        if not sum(_swap(design, covariances, column) for column in range(columns)):
            break
    fixed = design.astype(bool)
    fixed.flags.writeable = False
    return fixed


def _swap(design: NDArray[np.float64], covariances: NDArray[np.float64], column: int) -> bool:
    """Make the best swap in one column, in place; whether there was one that helps.

    A swap of kept row a and hidden row b changes the column's covariance with another column by rows times the
    difference of that column there, so the sum of squares by ``gain[b] - gain[a]`` plus a squared distance of rows.
    """
    rows = len(design)
    others = design.copy()
    others[:, column] = 0
    kept, hidden = np.flatnonzero(design[:, column] > 0), np.flatnonzero(design[:, column] == 0)
    slope = 2 * (others @ covariances[column])
    norm = rows * others.sum(axis=1)
    change = (slope + norm)[hidden, None] + (norm - slope)[kept] - 2 * rows * (others[hidden] @ others[kept].T)
    best = int(change.argmin())
    if change.flat[best] >= 0:
        return False
    hide, keep = kept[best % len(kept)], hidden[best // len(kept)]
    difference = rows * (others[keep] - others[hide])
    covariances[column] += difference
    covariances[:, column] += difference
    design[hide, column], design[keep, column] = 0, 1
    return True


def _words(seed: int, number: int, count: int) -> NDArray[np.uint64]:
    """Random words of a block, or of the whole where the number is 0."""
    raw = philox(seed, Stream.BALANCED_MASKS, part=number).random_raw(count)
    return np.asarray(raw, dtype=np.uint64)


def _uniform(words: NDArray[np.uint64]) -> NDArray[np.float64]:
    """[0, 1), 53 bits, as numpy does it."""
    return np.asarray((words >> np.uint64(11)) * 2.0**-53)
