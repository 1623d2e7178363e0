"""The orthogonal scheme: blocks of masks that leave less to chance, so that fewer of them settle a map.

A map adds up the masks of close copies, so what it says of one cell is blurred by the cells that chanced to be kept
together with it. In a block of this scheme any three cells are kept and hidden in all eight ways equally often (an
orthogonal array of strength 3: C. R. Rao 1947, J. Roy. Statist. Soc. Suppl. 9, 128-139), so that neither another
cell nor what two others do together blurs it. A block is cropped at one shift, since at another shift the cells would
be others; the shifts of the blocks are a low-discrepancy sequence.

A block is half the columns of a Hadamard matrix of Sylvester's (1867): row r keeps cell c where r & c has an odd
number of bits. The orders of rows and cells and a sign for each cell are drawn, so that a mask by itself is what RISE
draws: each cell for itself, kept half of the time. That is why there is no such scheme for another ``p_keep``: designs
whose cells are kept equally often, at other shares, were tried and hide too many or too few cells at once.

What a block holds follows from the seed and its number, so a mask does not depend on how many there are. Even-numbered
masks are of one block and odd-numbered ones of the next, so that ``explorer.core.agreement.split_half`` compares whole
blocks and foretells how far two runs agree.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from explorer.core.masks import MaskSettings, chunks
from explorer.core.streams import Stream, philox

STEP = np.array([0.7548776662466927, 0.5698402909980532])
"""1/g and 1/g**2 with g**3 = g + 1: the additive recurrence of low discrepancy in two dimensions."""


def draw_orthogonal(masking: MaskSettings, cells: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Draw the masks of the orthogonal scheme.

    Args:
        masking: n_masks, feature_res and seed.
        cells: (2,) height and width of a cell in pixels.

    Returns:
        (n, ceil(f * f / 8)) uint8 bits of the grids, 1 = kept, and (n, 2) int32 shifts, 0 <= shift < cell.
    """
    n, count = masking.n_masks, masking.feature_res**2
    length = block_length(masking.feature_res)
    odd = np.array([number.bit_count() % 2 for number in range(length)], dtype=bool)
    packed = np.empty((n, -(-count // 8)), np.uint8)
    shifts = np.empty((n, 2), np.int32)
    start = (_words(masking.seed, 0, 2) >> np.uint64(11)) * 2.0**-53  # [0, 1), 53 bits, as numpy does it
    for number in range(2 * -(-n // (2 * length))):
        members = np.arange(number // 2 * 2 * length + number % 2, min((number // 2 + 1) * 2 * length, n), 2)
        rows, names, signs = _block(_words(masking.seed, number + 1, length + length // 2 + count), odd, count)
        for places in chunks(np.arange(len(members)), count):
            packed[members[places]] = np.packbits(odd[rows[places, None] & names] ^ signs, axis=1)
        shifts[members] = (start + number * STEP) % 1 * cells
    return packed, shifts


def block_length(feature_res: int) -> int:
    """Masks in a block: the smallest power of two that has twice as many as there are cells."""
    return 2 << (feature_res**2 - 1).bit_length()


def _block(
    words: NDArray[np.uint64], odd: NDArray[np.bool_], count: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
    """The rows of a block (length,), the columns of its cells (count,) and their signs (count,).

    The columns are named by the upper half of the numbers, so that rows r and r + half are opposites. The first half
    of the block holds one of each two, so that a run that ends there has every pair of cells balanced too. Which one
    would be all the same but for the column named ``half``, which would be constant there: it is left out, or, where
    every column is needed (``feature_res`` a power of two), chosen by a bent function (O. S. Rothaus 1976, J. Combin.
    Theory A 20, 300-305), which keeps every cell as nearly half of the time as can be.
    """
    length = len(odd)
    half = length // 2
    pair = np.arange(half)
    every = count == half
    side = math.isqrt(half)
    later = odd[pair // side & pair % side] if every else np.zeros(half, bool)
    lots = words[:length].reshape(2, half)
    rows = np.concatenate(
        [(pair + half * late)[np.argsort(lot, kind="stable")] for late, lot in zip((later, ~later), lots, strict=True)]
    )
    free = np.arange(half if every else half + 1, length)
    names = free[np.argsort(words[length : length + len(free)], kind="stable")[:count]]
    return rows, names, words[-count:] >> np.uint64(63) > 0


def _words(seed: int, number: int, count: int) -> NDArray[np.uint64]:
    """Random words of a block, or of the whole where the number is 0."""
    raw = philox(seed, Stream.BALANCED_MASKS, part=number).random_raw(count)
    return np.asarray(raw, dtype=np.uint64)
