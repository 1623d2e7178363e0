"""Many references at once: pictures and captions embedded in full batches, and no picture kept."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.arguments import check_kind
from explorer.core.embedder import Input
from explorer.core.errors import InvalidInput
from explorer.core.probe import Progress
from explorer.core.references import Reference, References, from_captions, named
from explorer.encoders.base import Encoder
from explorer.encoders.cards import DEFAULT_ENCODER, EncoderLike, resolve
from explorer.pictures.formats import is_picture_name

TEXTS_AT_ONCE = 64
ONE = (2, 3)
"""Axes of an array that is one picture, grey or in colours; those of one axis hold paths, those of four pictures."""


def embed(
    items: Any,
    *,
    encoder: EncoderLike = DEFAULT_ENCODER,
    labels: Iterable[str] | None = None,
    on_progress: Progress | None = None,
) -> References:
    """Embed many pictures or captions once, to rank probes against each: ``rank(probe, reference=...)``.

    They go through the network in full batches, where ``rank(probe, reference=path)`` gives it one with a single
    picture in it, so the two agree to rounding. No picture is kept.

    Args:
        items: Paths, PIL images, arrays or captions, in any mixture, or one of them. A text is a picture's path where a
            file of that name is there, or where it ends as a picture's name does; else it is a caption.
        encoder: A key of the cards, or an encoder.
        labels: What each is called, in place of the file's name or the caption.
        on_progress: Called with (items done, items in all) after every batch.

    Returns:
        Their embeddings, labels and names.

    Raises:
        InvalidInput: None, or one that cannot be used; the message says which.
        WeightsMissing: The encoder's weights are not here.
    """
    by, given = resolve(encoder), _as_list(items)
    if not given:
        raise InvalidInput("There is nothing to embed; give paths of pictures, or captions.", code="embed_empty")
    texts = [i for i, item in enumerate(given) if _is_caption(item)]
    if texts and not by.card.captions:
        raise InvalidInput(
            f"No such file: {given[texts[0]]:.200}. If it is meant as a caption: {by.card.title} cannot "
            "read captions; choose an encoder that compares image and caption.",
            code="no_such_file",
        )
    captions = set(texts)
    pictures = [i for i in range(len(given)) if i not in captions]
    _check_files(given[i] for i in pictures)
    found: dict[int, Reference] = {}

    def keep(places: list[int], references: Iterable[Reference]) -> None:
        found.update(zip(places, references, strict=True))
        if on_progress is not None:
            on_progress(len(found), len(given))

    for start in range(0, len(texts), TEXTS_AT_ONCE):
        places = texts[start : start + TEXTS_AT_ONCE]
        keep(places, from_captions(by, [given[i] for i in places]))
    for places, seen in _batches(by, pictures, given):
        keep(places, of_pictures(by, seen))
    references = [found[i] for i in range(len(given))]
    names = _names(given, references) if labels is None else _given_names(labels, len(given))
    return References(np.stack([one.embedding for one in references]), names, by.fingerprint, tuple(references))


def _as_list(items: Any) -> list[Any]:
    if isinstance(items, str | os.PathLike | bytes) or hasattr(items, "convert"):
        return [items]
    axes = getattr(items, "shape", None)  # of an array or a tensor of any package
    if isinstance(axes, Sequence) and len(axes) in (0, *ONE):
        return [items]
    check_kind("items", items, Iterable, "paths of pictures, or captions")
    return list(items)


def _is_caption(item: Any) -> bool:
    return isinstance(item, str) and not is_picture_name(item) and not os.path.isfile(item)


def _check_files(items: Iterable[Any]) -> None:
    """Say of a file that is not there before the first batch, not after the last but one."""
    for item in items:
        if isinstance(item, str | os.PathLike) and not os.path.isfile(item):
            raise InvalidInput(f"No such file: {os.fsdecode(item)}", code="no_such_file")


def of_pictures(encoder: Encoder, seen: Sequence[Input]) -> Iterator[Reference]:
    """Pictures of one shape, at most a batch of them, as references."""
    rows = encoder.embed_pixels(np.stack([one.pixels for one in seen]))
    for one, row in zip(seen, rows, strict=True):
        label = one.origin.name or ("an array" if one.picture is None else "a picture")
        yield Reference(
            row, label, notices=one.notices, picture_sha256=one.sha256, origin=one.origin, encoder=encoder.fingerprint
        )


def _batches(encoder: Encoder, places: list[int], given: list[Any]) -> Iterator[tuple[list[int], list[Input]]]:
    """As many as the encoder takes at once, of one shape; a function of somebody's own may be shown several."""
    batch: list[tuple[int, Input]] = []
    for i in places:
        seen = named(encoder.read(given[i]))
        if batch and (len(batch) == encoder.batch_size or not _alike(batch[0][1].pixels, seen.pixels)):
            yield [place for place, _ in batch], [one for _, one in batch]
            batch = []
        batch.append((i, seen))
    if batch:
        yield [place for place, _ in batch], [one for _, one in batch]


def _alike(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return one.shape == other.shape and one.dtype == other.dtype


def _names(given: list[Any], references: list[Reference]) -> tuple[str, ...]:
    """The file's name or the caption; where two are alike, the path, and where those are, the place."""
    names = [one.caption or one.origin.name or f"{one.label} {i}" for i, one in enumerate(references)]
    paths = [
        str(Path(os.fsdecode(item))) if isinstance(item, str | os.PathLike) and not one.caption else name
        for item, one, name in zip(given, references, names, strict=True)
    ]
    for longer in (paths, [f"{path} ({i})" for i, path in enumerate(paths)]):
        often = Counter(names)
        names = [more if often[name] > 1 else name for name, more in zip(names, longer, strict=True)]
    return tuple(names)


def _given_names(labels: Iterable[str], count: int) -> tuple[str, ...]:
    check_kind("labels", labels, Iterable, f"{count} different names, one for each item")
    names = tuple(map(str, labels))
    if len(names) != count or len(set(names)) != count:
        raise InvalidInput(f"labels must be {count} different names, one for each item.", code="labels")
    return names
