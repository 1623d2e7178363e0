"""The fill ``drop``: hidden patches leave the sequence that a vision transformer reads.

Whatever fills a hidden place is something to see there, and biases the answer; a transformer needs no filling, as it
takes fewer patches too (Jain et al. 2022, Missingness Bias in Model Debugging, arXiv:2204.08945). So cells are made of
whole patches, and a pass costs what is kept. Patches keep the place they had, and the class token stays whatever is
hidden: of a mask that hides everything the network sees that token alone.

Copies of unlike length are embedded together, filled up to the longest with tokens that nothing looks at, so masks are
sorted by how much they keep, within windows on a fixed grid. A mask then is always in the same company, and has the
same embedding to the last bit, whatever batch size is set and however often the run was stopped.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from explorer.core.embedder import Embedder, Rows
from explorer.core.errors import InvalidInput
from explorer.core.limits import N_MASKS
from explorer.core.masks import SCHEMES, GridMasks, MaskSet, MaskSettings, sample_masks

LARGEST, SMALLEST, PATCHES = 32, 8, 4096
"""Copies embedded together: as many as have so many patches in all before any is left out, within bounds."""


def check_patches(masks: MaskSet, encoder: Embedder) -> None:
    """Refuse masks that are not made of whole patches of what an encoder sees.

    Raises:
        InvalidInput: They are not, or the encoder can leave out none.
    """
    rows, columns = encoder.patches()
    if not isinstance(masks, GridMasks) or not masks.blocks:
        raise InvalidInput(
            "The masks you gave fade in and out, and patches are left out whole or not at all; let masks be drawn, or "
            "choose another fill.",
            code="masks_patches",
        )
    fitting = [f for f in range(1, min(rows, columns) + 1) if rows % f == columns % f == 0]
    if masks.feature_res not in fitting:
        raise InvalidInput(
            f"{encoder.card.title} reads a picture as {rows} x {columns} patches, and the fill drop leaves out whole "
            f"ones: feature_res must be {' or '.join(map(str, fitting))}, got {masks.feature_res}.",
            code="feature_res_patches",
        )


def embed_kept(
    encoder: Embedder, pixels: NDArray[np.float32], masking: MaskSettings, masks: GridMasks, start: int
) -> Generator[Rows]:
    """Embed what masks keep of a picture, in their order.

    Args:
        encoder: One that can leave patches out.
        pixels: (h, w, 3) as in ``embed_pixels``.
        masking: What the masks were drawn by.
        masks: Of whole patches.
        start: The first mask.

    Yields:
        (b, d) embeddings of the masks up to the end of a window, or to the last one.

    Raises:
        UnusableEmbedding: As ``embed_pixels``.
    """
    rows, columns = encoder.patches()
    group = min(LARGEST, max(SMALLEST, PATCHES // (rows * columns)))
    window, stop, f = 2 * group, len(masks), masks.feature_res
    company = _whole_windows(masks, masking, window)
    while start < stop:
        first = start // window * window
        end = min(first + window, stop)
        grids = company.grids(first, first + window)
        kept = grids.repeat(rows // f, axis=1).repeat(columns // f, axis=2)
        ranked = np.argsort(kept.sum((1, 2)), kind="stable")
        found: dict[int, Rows] = {}
        for members in (ranked[i : i + group] for i in range(0, len(ranked), group)):
            if ((start - first <= members) & (members < end - first)).any():
                found.update(zip(members.tolist(), encoder.embed_kept(pixels, kept[members]), strict=True))
        yield np.stack([found[i] for i in range(start - first, end - first)])
        start = end


def _whole_windows(masks: GridMasks, masking: MaskSettings, window: int) -> GridMasks:
    """The masks, and those that would follow up to the end of the last window, so that company is always the same."""
    n = len(masks)
    whole = min(-(-n // window) * window, int(N_MASKS.high))
    if whole <= n or not SCHEMES[masking.scheme].grows:
        return masks
    more = sample_masks(replace(masking, n_masks=whole, feature_res=masks.feature_res), masks.size)
    packed, shifts = (
        np.concatenate([ours, theirs[n:]])
        for ours, theirs in ((masks.packed, more.packed), (masks.shifts, more.shifts))
    )
    return replace(masks, packed=packed, shifts=shifts)
