"""The costly stage: mask the picture, embed every masked copy (paper, section 2.3, step 2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.embedder import WHOLE, Box, Embedder, Input
from explorer.core.errors import InvalidInput, UnusableEmbedding
from explorer.core.fills import apply_masks, make_background
from explorer.core.limits import N_MASKS
from explorer.core.masks import SCHEMES, GridMasks, MaskSet, MaskSettings, masks_from_array, sample_masks

CHANNELS_LAST = "If the channels come first in the array, array.transpose(1, 2, 0) moves them to the end."
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Probe:
    """The costly stage's result: the masks and the embeddings of the masked copies.

    Attributes:
        encoder: The encoder that embedded the copies.
        masking: The settings asked for; ``len(probe)`` says how many masks were done.
        masks: Compact masks; ``.render(start, stop)``, ``.weighted_sum(weights)``.
        embeddings: (n, d) embeddings of the masked copies, in mask order; read-only.
        pixels: (h, w, c) what was masked, as the encoder sees it.
        background: What hidden pixels become; broadcasts to (h, w, c).
        unmasked: Embeds the whole picture, once, when first called.
        picture: (H, W, 3) uint8 for the screen; None where an array went through as it was.
        box: Where in the picture ``pixels`` lies.
        notices: What the user should know (animated picture, ...).
        picture_sha256: ``images.Picture.sha256`` of the whole picture; empty where there is none.
    """

    encoder: Embedder
    masking: MaskSettings
    masks: MaskSet
    embeddings: NDArray[np.floating]
    pixels: NDArray[Any]
    background: NDArray[Any]
    unmasked: Callable[[], NDArray[np.floating]] = field(repr=False)
    picture: NDArray[np.uint8] | None = None
    box: Box = WHOLE
    notices: tuple[str, ...] = ()
    picture_sha256: str = ""

    def __len__(self) -> int:
        return len(self.embeddings)

    @property
    def wanted(self) -> int:
        """How many masks were asked for."""
        return len(self.masks)

    @property
    def complete(self) -> bool:
        """Whether every mask asked for is embedded."""
        return len(self) == self.wanted


def prepare(
    image: Any,
    *,
    encoder: Embedder,
    masking: MaskSettings | None = None,
    masks: MaskSet | NDArray[Any] | None = None,
) -> Probe:
    """Everything but the embeddings: a probe with no mask done, to be given to ``grow``."""
    return start(encoder.read(image), encoder, masking, masks)


def start(
    seen: Input, encoder: Embedder, masking: MaskSettings | None = None, masks: MaskSet | NDArray[Any] | None = None
) -> Probe:
    """``prepare`` for an item that is read already: the one place where probes begin."""
    try:
        masking, masks = _masks_for(seen.pixels, masking, masks)
    except InvalidInput as error:
        if error.code in ("feature_res_side", "masks_size") and seen.pixels.shape[0] in (1, 3, 4):
            raise InvalidInput(f"{error} {CHANNELS_LAST}", code=error.code) from error
        raise
    return Probe(
        encoder=encoder,
        masking=masking,
        masks=masks,
        embeddings=np.empty((0, 0), np.float32),
        pixels=seen.pixels,
        background=make_background(masking.fill, seen.pixels, encoder, masking.seed),
        # Copies, since a function may write in what it is shown and reuse what it returns.
        unmasked=cache(lambda: encoder.embed_pixels(seen.pixels[None].copy())[0].copy()),
        picture=seen.picture,
        box=seen.box,
        notices=seen.notices,
        picture_sha256=seen.sha256,
    )


def enlarge(probe: Probe, n_masks: int) -> Probe:
    """The same probe, wanting more masks; see ``extend``."""
    if isinstance(n_masks, int | np.integer) and n_masks == probe.wanted:
        return probe
    masking = replace(probe.masking, n_masks=n_masks)
    if masking.n_masks < len(probe):
        raise InvalidInput(
            f"The probe has {len(probe)} masks already; n_masks must be at least that, got {n_masks}.",
            code="n_masks_shrink",
        )
    if not isinstance(probe.masks, GridMasks):
        raise InvalidInput("Masks you gave cannot be extended; start a new probe with all of them.", code="masks_given")
    if not SCHEMES[masking.scheme].grows:
        raise InvalidInput(
            f"Masks of the {masking.scheme} scheme depend on how many there are, so they cannot be extended; "
            "start a new probe, or use another scheme.",
            code="scheme_grow",
        )
    return replace(probe, masking=masking, masks=sample_masks(masking, probe.masks.size))


def first(probe: Probe, n_masks: int) -> Probe:
    """The probe that ``n_masks`` would have made, cut from a longer one; free for masks that can grow."""
    masking = replace(probe.masking, n_masks=n_masks)
    masks = probe.masks.first(n_masks) if SCHEMES[masking.scheme].grows else sample_masks(masking, probe.masks.size)
    return replace(probe, masking=masking, masks=masks, embeddings=probe.embeddings[:n_masks])


def grow(probe: Probe, *, on_progress: Progress | None = None) -> Iterator[Probe]:
    """Embed what is missing, yielding the probe after every batch (at least once)."""
    size, wanted = probe.encoder.batch_size, probe.wanted
    done, embeddings = len(probe), probe.embeddings
    if done == wanted:
        yield probe
    while done < wanted:
        # Batches sit on a fixed grid, so that mask i always has the same place in its batch.
        stop = min((done // size + 1) * size, wanted)
        copies = apply_masks(probe.pixels, probe.background, probe.masks.render(done, stop))
        rows = _as_floats(probe.encoder.embed_pixels(copies, place=done % size))
        if done and rows.shape[1] != embeddings.shape[1]:
            raise UnusableEmbedding(
                f"The model returned embeddings of length {rows.shape[1]} after ones of {embeddings.shape[1]}; "
                "every copy needs the same length.",
                code="embedding_length",
            )
        if len(embeddings) < wanted:
            embeddings = _with_room(embeddings, wanted, rows)
        embeddings[done:stop] = rows
        done = stop
        if on_progress is not None:
            on_progress(done, wanted)
        yield replace(probe, embeddings=_read_only(embeddings[:done]))


def _with_room(embeddings: NDArray[np.floating], wanted: int, rows: NDArray[np.floating]) -> NDArray[np.floating]:
    """Space for all embeddings, holding those there are; probes yielded so far share it."""
    room = np.empty((wanted, rows.shape[1]), rows.dtype)
    if len(embeddings):
        room[: len(embeddings)] = embeddings
    return room


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view


def _as_floats(rows: NDArray[Any]) -> NDArray[np.floating]:
    """Half precision and integers widened; everything else as the encoder gave it."""
    return rows.astype(np.promote_types(rows.dtype, np.float32), copy=False)


def _masks_for(
    pixels: NDArray[Any], masking: MaskSettings | None, masks: MaskSet | NDArray[Any] | None
) -> tuple[MaskSettings, MaskSet]:
    """The settings and masks of a probe: drawn, or the caller's own after a look at them."""
    h, w = pixels.shape[:2]
    if masks is None:
        masking = masking or MaskSettings()
        return masking, sample_masks(masking, (h, w))
    if not hasattr(masks, "weighted_sum"):
        masks = masks_from_array(masks)
    assert not isinstance(masks, np.ndarray)
    if masks.size != (h, w):
        raise InvalidInput(
            f"The masks are {masks.size[0]} x {masks.size[1]}, but what the encoder sees is {h} x {w}; "
            "make them that size.",
            code="masks_size",
        )
    if masking is None:
        return replace(MaskSettings(), n_masks=max(len(masks), int(N_MASKS.low))), masks
    if masking.n_masks != len(masks):
        raise InvalidInput(
            f"n_masks is {masking.n_masks}, but {len(masks)} masks were given; make the two agree.", code="masks_count"
        )
    return masking, masks
