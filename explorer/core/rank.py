"""The free stage: distances, ranking, selection, map (paper, section 2.3, steps 3 to 5)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.distances import indistinct, measure
from explorer.core.errors import InvalidInput
from explorer.core.explanation import Explanation
from explorer.core.probe import Probe
from explorer.core.references import Reference
from explorer.core.selections import CLOSER, SelectionSettings, meaning, select

IDENTICAL = "Identical inputs: the distance before masking is 0."
UNIFORM = "No region changes the distance: the image is uniform."
EQUAL = "No region changes the distance: all masked copies lie equally far from the reference."
ALIKE = "All masks are the same, so nothing can be told from the copies: take more masks, or a p_keep nearer to a half."
CANCELLED = "The closest and the farthest masks chosen are the same ones, so they cancel: choose slices that differ."

ONE_SIDED = {
    side: f"The {side} side is empty, since its share is less than one mask: the map shows the {other} alone. "
    "Take a larger share, or more masks."
    for side, other in (("closest", "farthest"), ("farthest", "closest"))
}


NOT_CLOSER = (
    "The slices chosen do not go from nearer to farther copies, so this map does not say what brings the pair closer, "
    "only what they kept."
)


def rank_against(probe: Probe, target: Reference, selection: SelectionSettings) -> Explanation:
    """Rank a probe's masked copies by their distance to an embedded reference and map what separates them.

    No masked copy is embedded and no mask is rendered.

    Raises:
        InvalidInput: No mask done yet, or a reference that cannot be used.
        UnusableEmbedding: Non-finite or zero-length embeddings.
    """
    if not len(probe):
        raise InvalidInput("The probe has no masks yet; let it embed at least one batch.", code="probe_empty")
    distances = measure(selection.distance, probe.embeddings, target.embedding)
    weights = select(distances, selection)
    no_signal = _why_flat(probe, target, selection, distances, weights)
    if no_signal:
        weights = np.zeros_like(weights)
    notices = probe.notices + tuple(probe.chosen.values()) + target.notices
    if probe.picture_sha256 and probe.picture_sha256 == target.picture_sha256:
        notices += (IDENTICAL,)
    if (side := selection.empty_side(len(distances))) and not no_signal:
        notices += (ONE_SIDED[side],)
    if meaning(weights, distances) != CLOSER:
        notices += (NOT_CLOSER,)
    return Explanation(
        attribution=probe.masks.weighted_sum(weights),
        distances=distances,
        weights=weights,
        selection=selection,
        reference=target,
        probe=probe,
        no_signal=no_signal,
        notices=notices,
    )


def _why_flat(probe: Probe, target: Reference, selection: SelectionSettings, distances: Any, weights: Any) -> str:
    if probe.picture is not None and is_uniform(probe.pixels):
        return UNIFORM
    if indistinct(selection.distance, distances, probe.embeddings, target.embedding, probe.precision):
        return ALIKE if _alike(probe) else EQUAL
    if not weights.any():
        n = len(probe)
        if any(int(n * low) < int(n * high) for low, high in selection.slices):
            return CANCELLED
        return f"No mask is selected: the share chosen of {len(probe)} masks is less than one mask."
    return ""


def _alike(probe: Probe) -> bool:
    """Whether all its masks are the same; ends at the first that is not."""
    masks, n = probe.masks, len(probe)
    first = masks.render(0, 1)
    return n > 1 and all(np.array_equal(masks.render(i, i + 1), first) for i in range(1, n))


def is_uniform(pixels: NDArray[Any]) -> bool:
    """Whether every pixel of (h, w, c) is the same, so that no region can matter."""
    first = pixels[:1, :1]
    return bool((pixels[:, :1] == first).all() and (pixels == first).all())  # one column first: most end there
