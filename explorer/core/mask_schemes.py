"""How masks are drawn at random; each way with what can be done with its masks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from explorer.core.mask_orthogonal import draw_orthogonal
from explorer.core.masks import SCHEMES, MaskSettings, Scheme, chunks
from explorer.core.streams import Stream, philox


def draw_dianna(
    masking: MaskSettings, cells: NDArray[np.int64], stream: np.random.RandomState | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Draw in the order of DIANNA's ``generate_interpolated_float_masks_for_image``, from the seed's legacy stream.

    All grids come before all shifts, so the masks depend on how many there are.
    """
    stream = stream or np.random.RandomState(masking.seed)
    n, f, p = masking.n_masks, masking.feature_res, masking.p_keep
    grids = stream.choice((True, False), size=(n, f, f), p=(p, 1 - p))
    shifts = np.array([[stream.randint(0, cell) for cell in cells] for _ in range(n)], dtype=np.int32)
    return np.packbits(grids.reshape(n, -1), axis=1), shifts


def draw_philox(masking: MaskSettings, cells: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Mask i is made of its own block of a counter-based stream, so it depends on no other mask."""
    n, f = masking.n_masks, masking.feature_res
    words = f * f + 2
    blocks = -(-words // 4)  # Philox 4x64 makes four words for each step of its counter
    packed = np.empty((n, -(-f * f // 8)), np.uint8)
    shifts = np.empty((n, 2), np.int32)
    for chunk in chunks(np.arange(n), words):
        stream = philox(masking.seed, Stream.MASKS, counter=int(chunk[0]) * blocks)
        raw = stream.random_raw(len(chunk) * blocks * 4).reshape(len(chunk), -1)
        uniform = (raw[:, :words] >> np.uint64(11)) * 2.0**-53  # [0, 1), 53 bits, as numpy does it
        packed[chunk] = np.packbits(uniform[:, 2:] < masking.p_keep, axis=1)
        shifts[chunk] = uniform[:, :2] * cells
    return packed, shifts


SCHEMES.add("philox", Scheme("independent, as in the paper", True, draw_philox, for_words=True))
SCHEMES.add("orthogonal", Scheme("balanced, steadier", True, draw_orthogonal, p_keep=0.5, version=3))
SCHEMES.add("dianna", Scheme("the stream DIANNA draws", False, draw_dianna))
