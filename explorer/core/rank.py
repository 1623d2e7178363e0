"""The free stage: distances, ranking, selection, map (paper, section 2.3, steps 3 to 5)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.distances import indistinct, measure
from explorer.core.errors import InvalidInput
from explorer.core.probe import Progress, probe
from explorer.core.references import embed_reference
from explorer.core.schema import Explanation, MaskSet, MaskSettings, Probe, Reference, SelectionSettings
from explorer.core.selections import select
from explorer.encoders.base import DEFAULT_ENCODER, Encoder, resolve
from explorer.pictures.images import is_uniform

IDENTICAL = "Identical inputs: the distance before masking is 0."
UNIFORM = "No region changes the distance: the image is uniform."
EQUAL = "No region changes the distance: all masked copies lie equally far from the reference."


def rank(
    probe: Probe,
    *,
    reference: Any = None,
    caption: str | None = None,
    embedding: Any = None,
    selection: SelectionSettings | None = None,
) -> Explanation:
    """Rank a probe's masked copies by their distance to a reference and map what separates them.

    No masked copy is embedded and no mask is rendered.

    Args:
        probe: From ``probe``, ``stream`` or ``extend``; complete or not.
        reference: Another picture; give exactly one of this and the next two.
        caption: A sentence, for encoders with a text side.
        embedding: (d,) vector.
        selection: Mode, threshold and distance; the defaults are the paper's.

    Returns:
        The explanation; its ``no_signal`` says why a map is all zero.

    Raises:
        InvalidInput: No mask done yet, or a reference that cannot be used.
        UnusableEmbedding: Non-finite or zero-length embeddings.
    """
    target = embed_reference(probe.encoder, reference=reference, caption=caption, embedding=embedding)
    return rank_against(probe, target, selection or SelectionSettings())


def rank_against(probe: Probe, target: Reference, selection: SelectionSettings) -> Explanation:
    """``rank`` for a reference that is embedded already."""
    if not len(probe):
        raise InvalidInput("The probe has no masks yet; let it embed at least one batch.", code="probe_empty")
    distances = measure(selection.distance, probe.embeddings, target.embedding)
    weights = select(distances, selection)
    no_signal = _why_flat(probe, target, selection, distances, weights)
    if no_signal:
        weights = np.zeros_like(weights)
    notices = probe.notices + target.notices
    if probe.picture_sha256 and probe.picture_sha256 == target.picture_sha256:
        notices += (IDENTICAL,)
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


def explain(
    image: Any,
    *,
    reference: Any = None,
    caption: str | None = None,
    embedding: Any = None,
    encoder: str | Encoder = DEFAULT_ENCODER,
    masking: MaskSettings | None = None,
    masks: MaskSet | NDArray[Any] | None = None,
    selection: SelectionSettings | None = None,
    on_progress: Progress | None = None,
) -> Explanation:
    """Explain which regions of a picture bring it closer to a reference, and which push it away.

    The method is Distance Explainer (Meijer & Bos 2025, arXiv:2505.15516, section 2.3).

    Args:
        image: The picture: a path, PIL image or array (H, W, 3), uint8 or float in [0, 1].
        reference: Another picture; give exactly one of this and the next two.
        caption: A sentence, for encoders with a text side.
        embedding: (d,) vector.
        encoder: A key of the cards, or an encoder.
        masking: How to mask.
        masks: Masks of your own in place of random ones.
        selection: Which masks count.
        on_progress: Called with (masks done, masks in all) after every batch.

    Returns:
        The map with everything it was made from.

    Raises:
        InvalidInput: A picture, setting or reference that cannot be used.
        UnusableEmbedding: The encoder's answer is no embedding.
        WeightsMissing: The encoder's weights are not here.
    """
    encoder = resolve(encoder)
    target = embed_reference(encoder, reference=reference, caption=caption, embedding=embedding)
    done = probe(image, encoder=encoder, masking=masking, masks=masks, on_progress=on_progress)
    return rank_against(done, target, selection or SelectionSettings())


def _why_flat(probe: Probe, target: Reference, selection: SelectionSettings, distances: Any, weights: Any) -> str:
    if probe.picture is not None and is_uniform(probe.pixels):
        return UNIFORM
    if indistinct(selection.distance, distances, probe.embeddings, target.embedding):
        return EQUAL
    if not weights.any():
        return f"No mask is selected: the share chosen of {len(probe)} masks is less than one mask."
    return ""
