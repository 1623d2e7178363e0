"""The costly stage: mask the picture, embed every masked copy (paper, section 2.3, step 2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.errors import InvalidInput, UnusableEmbedding
from explorer.core.fills import apply_masks, make_background
from explorer.core.limits import N_MASKS
from explorer.core.masks import GridMasks, can_grow, masks_from_array, sample_masks
from explorer.core.schema import Box, MaskSet, MaskSettings, Probe
from explorer.encoders.base import DEFAULT_ENCODER, Encoder, resolve
from explorer.encoders.functions import FunctionEncoder
from explorer.pictures.images import as_array, as_picture

Progress = Callable[[int, int], None]


def probe(
    image: Any,
    *,
    encoder: str | Encoder = DEFAULT_ENCODER,
    masking: MaskSettings | None = None,
    masks: MaskSet | NDArray[Any] | None = None,
    on_progress: Progress | None = None,
) -> Probe:
    """Embed every masked copy of a picture.

    Args:
        image: A path, PIL image or array (H, W, 3), uint8 or float in [0, 1]. With an encoder made by
            ``from_function``, any array (h, w, c); it goes through as it is.
        encoder: A key of the cards, or an encoder.
        masking: How to mask; the defaults are the paper's.
        masks: Masks of your own (``masks_from_array``) in place of random ones.
        on_progress: Called with (masks done, masks in all) after every batch.

    Returns:
        The complete probe.

    Raises:
        InvalidInput: A picture, setting or mask that cannot be used.
        UnusableEmbedding: The encoder's answer is not one vector for each copy.
        WeightsMissing: The encoder's weights are not here.
    """
    *_, last = stream(image, encoder=encoder, masking=masking, masks=masks, on_progress=on_progress)
    return last


def stream(
    image: Any,
    *,
    encoder: str | Encoder = DEFAULT_ENCODER,
    masking: MaskSettings | None = None,
    masks: MaskSet | NDArray[Any] | None = None,
    on_progress: Progress | None = None,
) -> Iterator[Probe]:
    """Yield the probe as it grows, after every batch; stop iterating to stop embedding.

    Every probe yielded is whole: it can be ranked, saved, and continued with ``extend``.
    Arguments and errors are those of ``probe``.
    """
    start = prepare(image, encoder=encoder, masking=masking, masks=masks)
    yield from grow(start, on_progress=on_progress)


def extend(probe: Probe, *, n_masks: int, on_progress: Progress | None = None) -> Probe:
    """Continue a probe; only the masks it does not have yet are embedded.

    The result equals a probe that was never interrupted, bit for bit on the same machine.

    Args:
        probe: Complete or stopped early.
        n_masks: How many masks there shall be.
        on_progress: Called with (masks done, masks in all) after every batch.

    Raises:
        InvalidInput: Fewer masks than there are, or more from masks that cannot grow.
    """
    *_, last = grow(enlarge(probe, n_masks), on_progress=on_progress)
    return last


def prepare(
    image: Any,
    *,
    encoder: str | Encoder = DEFAULT_ENCODER,
    masking: MaskSettings | None = None,
    masks: MaskSet | NDArray[Any] | None = None,
) -> Probe:
    """Everything but the embeddings: a probe with no mask done, to be given to ``grow``."""
    encoder = resolve(encoder)
    picture: NDArray[np.uint8] | None = None
    notices, sha256 = tuple[str, ...](), ""
    if isinstance(encoder, FunctionEncoder):
        pixels, box = as_array(image), Box()
    else:
        loaded = as_picture(image)
        pixels, box = loaded.view(encoder)
        picture, notices, sha256 = loaded.screen, loaded.notices, loaded.sha256
    masking, masks = _masks_for(pixels, masking, masks)
    return Probe(
        encoder=encoder,
        masking=masking,
        masks=masks,
        embeddings=np.empty((0, 0), np.float32),
        pixels=pixels,
        background=make_background(masking.fill, pixels, encoder, masking.seed),
        # Copies, since a function may write in what it is shown and reuse what it returns.
        unmasked=cache(lambda: encoder.embed_pixels(pixels[None].copy())[0].copy()),
        picture=picture,
        box=box,
        notices=notices,
        picture_sha256=sha256,
    )


def enlarge(probe: Probe, n_masks: int) -> Probe:
    """The same probe, wanting more masks; see ``extend``."""
    if n_masks == probe.wanted:
        return probe
    masking = replace(probe.masking, n_masks=n_masks)
    if masking.n_masks < len(probe):
        raise InvalidInput(
            f"The probe has {len(probe)} masks already; n_masks must be at least that, got {n_masks}.",
            code="n_masks_shrink",
        )
    if not isinstance(probe.masks, GridMasks):
        raise InvalidInput("Masks you gave cannot be extended; start a new probe with all of them.", code="masks_given")
    if not can_grow(masking.scheme):
        raise InvalidInput(
            "Masks of the dianna scheme depend on how many there are, so they cannot be extended; "
            "start a new probe, or use another scheme.",
            code="scheme_grow",
        )
    return replace(probe, masking=masking, masks=sample_masks(masking, probe.masks.size))


def first(probe: Probe, n_masks: int) -> Probe:
    """The probe that ``n_masks`` would have made, cut from a longer one; free for masks that can grow."""
    masking = replace(probe.masking, n_masks=n_masks)
    masks = probe.masks.first(n_masks) if can_grow(masking.scheme) else sample_masks(masking, probe.masks.size)
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
    if rows.dtype.kind not in "fiub":
        raise UnusableEmbedding(f"The model returned {rows.dtype} values; expected numbers.", code="embedding_dtype")
    return rows.astype(np.promote_types(rows.dtype, np.float32), copy=False)


def _masks_for(
    pixels: NDArray[Any], masking: MaskSettings | None, masks: MaskSet | NDArray[Any] | None
) -> tuple[MaskSettings, MaskSet]:
    """The settings and masks of a probe: drawn, or the caller's own after a look at them."""
    h, w = pixels.shape[:2]
    if masks is None:
        masking = masking or MaskSettings()
        return masking, sample_masks(masking, (h, w))
    if isinstance(masks, np.ndarray):
        masks = masks_from_array(masks)
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
