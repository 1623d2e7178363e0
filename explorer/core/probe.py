"""The costly stage: mask the picture, embed every masked copy (paper, section 2.3, step 2)."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.arguments import as_file
from explorer.core.distances import check_shape
from explorer.core.embedder import NOWHERE, WHOLE, Box, Embedder, Input, Origin, Rows
from explorer.core.errors import ExplorerError, Failed, InvalidInput, UnusableEmbedding, in_words
from explorer.core.fills import FILLS, make_background
from explorer.core.limits import N_MASKS
from explorer.core.masks import SCHEMES, GridMasks, MaskSet, MaskSettings, masks_from_array, sample_masks
from explorer.core.patches import check_patches, embed_kept
from explorer.core.references import Reference, named
from explorer.core.views import shape, short
from explorer.core.writers import WRITERS

CHANNELS_LAST = "If the channels come first in the array, array.transpose(1, 2, 0) moves them to the end."
Progress = Callable[[int, int], None]
STEPS = 32
"""Whole numbers need so many steps between hidden and kept for masks to be about what they say."""


@dataclass(frozen=True, eq=False, repr=False)
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
        precision: Relative rounding error of the numbers the encoder gave, where their type was coarser (float16).
        origin: What the picture was called.
        chosen: Of settings that were ``"auto"``: why they are what they are, by name.
    """

    encoder: Embedder
    masking: MaskSettings
    masks: MaskSet
    embeddings: NDArray[np.floating]
    pixels: NDArray[Any]
    background: NDArray[Any]
    unmasked: Callable[[], NDArray[np.floating]]
    picture: NDArray[np.uint8] | None = None
    box: Box = WHOLE
    notices: tuple[str, ...] = ()
    picture_sha256: str = ""
    precision: float = 0.0
    origin: Origin = NOWHERE
    chosen: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        done = f"{len(self)} masks" if self.complete else f"{len(self)} of {self.wanted} masks"
        what = short(self.origin.name) if self.origin.name else "a picture" if self.picture is not None else "an array"
        return f"<Probe of {what}: {done}, embeddings {shape(self.embeddings)}, {self.encoder.card.key}>"

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

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write everything it is made of to one file, all or nothing: ``explorer.load(path)`` gives it back.

        The file holds the picture, as the encoder sees it and for the screen. Where nobody has asked for the
        embedding of the whole picture yet, it is embedded now, so that ranking later needs no encoder.

        Args:
            path: The file; or a folder that is there, which then has ``probe.npz`` in it.
            overwrite: Replace a file already there.

        Returns:
            The file's path.

        Raises:
            InvalidInput: A file is there already and ``overwrite`` is false.
            CannotWrite: It cannot be written, and nothing was kept.
        """
        return WRITERS["probe"](self, as_file(path), overwrite)


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
    seen, coarse = named(seen), _coarse(seen.pixels)
    try:
        masking, masks = _masks_for(seen.pixels, masking, masks)
    except InvalidInput as error:
        if error.code in ("feature_res_side", "masks_size") and seen.pixels.shape[0] in (1, 3, 4):
            raise InvalidInput(f"{error} {CHANNELS_LAST}", code=error.code) from error
        raise
    drops = FILLS[masking.fill].drops
    if drops:
        check_patches(masks, encoder)
    return Probe(
        encoder=encoder,
        masking=masking,
        masks=masks,
        embeddings=np.empty((0, 0), np.float32),
        pixels=seen.pixels,
        background=encoder.zero_colour if drops else make_background(masking.fill, seen.pixels, encoder, masking.seed),
        unmasked=Unmasked(encoder, seen.pixels),
        picture=seen.picture,
        box=seen.box,
        notices=seen.notices + coarse,
        picture_sha256=seen.sha256,
        origin=seen.origin,
    )


def _coarse(pixels: NDArray[Any]) -> tuple[str, ...]:
    """What to know about pixels that cannot fade out evenly: masked copies keep their type.

    Raises:
        InvalidInput: True and false, where whatever is not wholly hidden would be true.
    """
    if pixels.dtype.kind == "b":
        raise InvalidInput(
            "An array of True and False cannot be masked, since what is kept by a little would be kept whole; make "
            "numbers of it first: array.astype(float).",
            code="image_bool",
        )
    largest = 0 if pixels.dtype.kind == "f" else max(int(pixels.max()), -int(pixels.min()))
    if not 0 < largest < STEPS:
        return ()
    return (
        f"Whole numbers up to {largest} only: masks fade pixels out, and what is left of them is cut to whole numbers, "
        "so that more is hidden than the masks say; array.astype(float) keeps it exact.",
    )


class Unmasked:
    """Embeds the whole picture, once; no function, which could not be pickled."""

    def __init__(self, encoder: Embedder, pixels: NDArray[Any], row: NDArray[np.floating] | None = None) -> None:
        self._encoder, self._pixels, self.row = encoder, pixels, row

    def __call__(self) -> NDArray[np.floating]:
        """Its embedding (d,)."""
        if self.row is None:  # a copy, since a function may write in what it is shown
            self.row = self._encoder.embed_pixels(self._pixels[None].copy())[0]
        return self.row


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
        raise _not_growing()
    if not SCHEMES[masking.scheme].grows:
        raise _other_masks(masking, "extended")
    masks = sample_masks(masking, probe.masks.size)
    if not probe.masks.begins(masks):  # given, or drawn by an earlier version of the scheme
        raise _not_growing()
    return replace(probe, masking=masking, masks=masks, chosen=_kept_choices(probe))


def _other_masks(masking: MaskSettings, what: str) -> InvalidInput:
    return InvalidInput(
        f"Masks of the {masking.scheme} scheme depend on how many there are, so they cannot be {what}; "
        "start a new probe, or use another scheme.",
        code="scheme_grow",
    )


def _not_growing() -> InvalidInput:
    return InvalidInput("Masks you gave cannot be extended; start a new probe with all of them.", code="masks_given")


def _kept_choices(probe: Probe) -> dict[str, str]:
    """What was chosen for it, but for a number of masks that is another now."""
    return {name: why for name, why in probe.chosen.items() if name != "n_masks"}


def first(probe: Probe, n_masks: int) -> Probe:
    """The probe that ``n_masks`` would have made, cut from a longer one; free for masks that can grow.

    Raises:
        InvalidInput: Copies are embedded, and fewer masks would have been others.
    """
    masking = replace(probe.masking, n_masks=n_masks)
    if len(probe) and n_masks != probe.wanted and not SCHEMES[masking.scheme].grows:
        raise _other_masks(masking, "cut")
    masks = probe.masks.first(n_masks) if SCHEMES[masking.scheme].grows else sample_masks(masking, probe.masks.size)
    embeddings, chosen = probe.embeddings[:n_masks], _kept_choices(probe)
    return replace(probe, masking=masking, masks=masks, embeddings=embeddings, chosen=chosen)


def complete(
    probe: Probe,
    on_progress: Progress | None = None,
    enough: Callable[[Probe], Probe | None] | None = None,
    targets: Sequence[Reference] = (),
) -> Probe:
    """Embed what is missing.

    Args:
        probe: Complete or stopped early.
        on_progress: Called with (masks done, masks in all) after every batch.
        enough: Asked after every batch for the probe to end with, if that is here.
        targets: What it shall be compared with; where one is of another length than the first batch, it is refused
            then.

    Raises:
        ExplorerError: The encoder failed, or its answer is no embedding; the error's ``probe`` is what was reached.
    """
    reached, steps = probe, grow(probe)
    while True:
        try:
            grown = next(steps, None)
        except Exception as error:
            said = _failed(error, reached)
            said.probe = reached
            if said is error:
                raise
            raise said from error
        if grown is None:
            return reached
        if len(reached) == len(probe) < len(grown):
            with keeping(grown), ending(steps):
                for target in targets:
                    check_shape(target.embedding, grown.embeddings.shape[1:])
        with keeping(grown), ending(steps):
            ended = None if enough is None else enough(grown)
        told = ended or grown
        if on_progress is not None and len(told) > len(reached):
            on_progress(len(told), told.wanted)
        if ended is not None:
            steps.close()
            return ended
        reached = grown


@contextmanager
def ending(steps: Generator[Probe]) -> Iterator[None]:
    """Let an encoder that works ahead stop at an error."""
    try:
        yield
    except ExplorerError:
        steps.close()
        raise


@contextmanager
def keeping(probe: Probe) -> Iterator[None]:
    """Let an error of ours carry a probe, so that what it cost is not lost."""
    try:
        yield
    except ExplorerError as error:
        error.probe = probe
        raise


def _failed(error: Exception, reached: Probe) -> ExplorerError:
    said = in_words(error)
    if not isinstance(said, Failed):
        return said
    what = str(error) if said is error else f"The encoder failed with {type(error).__name__}: {error}."
    return Failed(
        f"{what} {len(reached)} of {reached.wanted} masks are done; once it is mended, "
        f"explorer.extend(error.probe, n_masks={reached.wanted}) goes on from there.",
        code="failed",
    )


def grow(probe: Probe, *, on_progress: Progress | None = None) -> Generator[Probe]:
    """Embed what is missing, yielding the probe after every batch (at least once)."""
    wanted, done, embeddings, precision = probe.wanted, len(probe), probe.embeddings, probe.precision
    if done == wanted:
        yield probe
    with closing(_embed(probe)) as batches:
        for given in batches:
            rows, stop = _as_floats(given, done), done + len(given)
            if given.dtype.kind == "f":
                precision = max(precision, float(np.finfo(given.dtype).eps))
            if done and rows.shape[1] != embeddings.shape[1]:
                raise UnusableEmbedding(
                    f"The model returned embeddings of length {rows.shape[1]} after ones of {embeddings.shape[1]}; "
                    "every copy needs the same length.",
                    code="embedding_length",
                )
            if len(embeddings) < wanted or np.result_type(embeddings, rows) != embeddings.dtype:
                embeddings = _with_room(embeddings[:done], wanted, rows)
            embeddings[done:stop] = rows
            done = stop
            if on_progress is not None:
                on_progress(done, wanted)
            yield replace(probe, embeddings=_read_only(embeddings[:done]), precision=precision)


def _embed(probe: Probe) -> Generator[Rows]:
    """The embeddings that are missing, batch by batch."""
    encoder, masks, done = probe.encoder, probe.masks, len(probe)
    if FILLS[probe.masking.fill].drops:
        assert isinstance(masks, GridMasks)
        return embed_kept(encoder, probe.pixels, probe.masking, masks, done)
    return encoder.embed_masked(probe.pixels, probe.background, masks, done, len(masks))


def _with_room(embeddings: NDArray[np.floating], wanted: int, rows: NDArray[np.floating]) -> NDArray[np.floating]:
    """Space for all embeddings, holding those there are; probes yielded so far share it."""
    # the finer type of both, as a function may answer in another one later
    room = np.empty((wanted, rows.shape[1]), np.result_type(embeddings, rows) if len(embeddings) else rows.dtype)
    if len(embeddings):
        room[: len(embeddings)] = embeddings
    return room


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view


def _as_floats(rows: NDArray[Any], done: int) -> NDArray[np.floating]:
    """Half precision and integers widened; everything else as the encoder gave it, after so many others."""
    if rows.dtype.kind not in "fiub":
        raise UnusableEmbedding(f"The model returned {rows.dtype} values; expected numbers.", code="embedding_dtype")
    if bad := int((~np.isfinite(rows)).any(axis=1).sum()):  # here, and not once they are all done
        raise UnusableEmbedding(
            f"The model returned non-finite values for {bad} of {len(rows)} masked copies, after {done} good ones. "
            "Check the encoder's weights, or use precision float32.",
            code="embedding_finite",
        )
    return rows.astype(np.promote_types(rows.dtype, np.float32), copy=False)


def _masks_for(
    pixels: NDArray[Any], masking: MaskSettings | None, masks: MaskSet | NDArray[Any] | None
) -> tuple[MaskSettings, MaskSet]:
    """The settings and masks of a probe: drawn, or the caller's own after a look at them."""
    h, w = pixels.shape[:2]
    if masking is not None:
        masking.refuse_open()
    if masks is None:
        masking = masking or MaskSettings()
        return masking, sample_masks(masking, (h, w))
    if not hasattr(masks, "weighted_sum"):
        masks = masks_from_array(masks)
    assert not isinstance(masks, np.ndarray)
    if getattr(masks, "blocks", False) and not FILLS[(masking or MaskSettings()).fill].drops:
        raise InvalidInput(
            'Masks of whole patches go with the fill drop: give masking=MaskSettings(fill="drop", ...) with them.',
            code="masks_patches",
        )
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
