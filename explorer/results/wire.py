"""A result as JSON: what the free stage needs and no more, so that it can run in a browser, or later, with no encoder.

All four distances to one reference survive in two numbers for each masked copy (see ``plane``), so a result with
1000 masks and both pictures is some 100 kB. The presets' results come with the project as such files.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.distances import measure
from explorer.core.errors import InvalidInput
from explorer.core.masks import GridMasks
from explorer.core.probe import probe as embed_masks
from explorer.core.references import embed_reference
from explorer.core.schema import Probe, Reference
from explorer.encoders.cards import load_encoder
from explorer.pictures.formats import jpeg
from explorer.pictures.images import as_picture, is_uniform
from explorer.pictures.presets import Preset, asset_path, replay_folder
from explorer.results.folders import write_whole
from explorer.results.plots import shrink
from explorer.results.unpacking import DATA_URL, LARGEST_SIDE, VERSION
from explorer.results.unpacking import load_replay as load_replay
from explorer.results.unpacking import unpack as unpack

ROWS_AT_ONCE = 512


def plane(embeddings: NDArray[np.floating], reference: NDArray[np.floating]) -> NDArray[np.float64]:
    """Where embeddings lie in the plane that the distances to one reference depend on.

    Every distance is made of |x|, |r| and the dot product x . r, and all three are the same for the point
    (component of x along r, length of the rest of x) and the reference (|r|, 0). So are the distances.

    Args:
        embeddings: (n, d); (0, 0) before the first batch.
        reference: (d,).

    Returns:
        (n, 2) float64: along the reference, and the rest, which is never negative.

    Raises:
        InvalidInput: The two have different lengths.
    """
    points, vector = np.empty((len(embeddings), 2)), np.asarray(reference, dtype=np.float64)
    if len(embeddings) and vector.shape != embeddings.shape[1:]:
        raise InvalidInput(
            f"The reference embedding must have shape ({embeddings.shape[1]},) like the picture's, got {vector.shape}.",
            code="reference_shape",
        )
    with np.errstate(over="ignore", invalid="ignore"):  # non-finite values are told by ``rows``
        unit = vector / (np.linalg.norm(vector) or 1.0)
        for start in range(0, len(embeddings), ROWS_AT_ONCE):
            rest = embeddings[start : start + ROWS_AT_ONCE].astype(np.float64)
            along = np.einsum("ij,j->i", rest, unit)  # unlike BLAS it gives equal rows equal sums
            rest -= along[:, None] * unit  # and then measured: a difference of squares would lose half the digits
            points[start : start + len(rest)] = np.stack([along, np.sqrt(np.einsum("ij,ij->i", rest, rest))], axis=1)
    return points


def pack(
    probe: Probe,
    target: Reference,
    *,
    precision: str = "float32",
    picture_name: str | None = None,
    picture_sha256: str = "",
    reference_name: str | None = None,
    caption: str | None = None,
) -> dict[str, Any]:
    """A result as plain values for JSON; ``unpack`` reads it, and so does the browser.

    Args:
        probe: Of a picture, with drawn masks; complete or growing.
        target: What it is compared with.
        precision: The encoder's arithmetic.
        picture_name: Of the example picture explained.
        picture_sha256: Its ``images.Picture.sha256``.
        reference_name: Of the example picture it is compared with.
        caption: The caption it is compared with.

    Raises:
        InvalidInput: Another kind of probe, or a reference of another encoder.
        UnusableEmbedding: Non-finite embeddings.
    """
    encoder = probe.encoder
    return {
        "version": VERSION,
        **rows(probe, target),
        **_pictures(probe, target),
        **_masks(probe),
        **_scale(probe, target),
        "encoder": {"key": encoder.card.key, "title": encoder.card.title, "fingerprint": encoder.fingerprint},
        "precision": precision,
        "picture_name": picture_name,
        "picture_sha256": picture_sha256,
        "reference_name": reference_name,
        "caption": caption,
        "notices": [*probe.notices, *target.notices],
    }


def _pictures(probe: Probe, target: Reference) -> dict[str, Any]:
    """What people look at, and where in it lies what was embedded."""
    _, picture = _drawn(probe)
    identical = bool(probe.picture_sha256) and probe.picture_sha256 == target.picture_sha256
    shown = _data_url(shrink(picture))
    compared = shown if identical else None if target.picture is None else _data_url(shrink(target.picture))
    return {
        "picture": shown,
        "box": [float(edge) for edge in astuple(probe.box)],
        "background": _background(probe),
        "uniform": is_uniform(probe.pixels),
        "identical": identical,
        "reference": {"label": target.label, "picture": compared},
    }


def _masks(probe: Probe) -> dict[str, Any]:
    masks, _ = _drawn(probe)
    return {
        "masking": probe.masking.to_dict(),
        "size": list(masks.size),
        "feature_res": masks.feature_res,
        "wanted": len(masks),
        "packed": _text(masks.packed),
        "shifts": _text(masks.shifts.astype("<u2")),
    }


def _scale(probe: Probe, target: Reference) -> dict[str, Any]:
    """What distances are measured with besides the rows."""
    embedded = probe.embeddings if len(probe) else target.embedding
    return {
        "reference_length": float(np.linalg.norm(np.asarray(target.embedding, dtype=np.float64))),
        "whole": _finite(plane(probe.unmasked()[None], target.embedding), target)[0].tolist(),
        "eps": float(np.finfo(embedded.dtype if embedded.dtype.kind == "f" else np.float64).eps),
    }


def rows(probe: Probe, target: Reference) -> dict[str, Any]:
    """What changes while a probe grows: its ``plane``, and the ``id`` of the result it belongs to.

    Raises:
        InvalidInput: As ``pack``.
        UnusableEmbedding: As ``pack``.
    """
    _drawn(probe)
    facts = [probe.encoder.fingerprint, probe.masking.to_dict(), astuple(probe.box), probe.picture_sha256]
    digest = hashlib.sha256(json.dumps(facts).encode())
    for array in (probe.pixels, target.embedding):  # what was embedded
        digest.update(array.tobytes())
    points = _finite(plane(probe.embeddings, target.embedding), target)
    return {"id": digest.hexdigest()[:16], "plane": _text(points.astype("<f8", copy=False))}


def _drawn(probe: Probe) -> tuple[GridMasks, NDArray[np.uint8]]:
    if not isinstance(probe.masks, GridMasks) or probe.picture is None or max(probe.masks.size) > LARGEST_SIDE:
        raise InvalidInput(
            f"Only probes of pictures with drawn masks of at most {LARGEST_SIDE} pixels a side can be replayed.",
            code="replay_given",
        )
    return probe.masks, probe.picture


def _finite(points: NDArray[np.float64], target: Reference) -> NDArray[np.float64]:
    """The points, unless something is not finite: then the words that ``rank`` has for it."""
    length = np.linalg.norm(np.asarray(target.embedding, dtype=np.float64))
    measure("euclidean", points, np.array([length, 0.0]))
    return points


def _background(probe: Probe) -> str:
    flat = probe.background.size <= 3
    shape = (1, 1, 3) if flat else (*probe.masks.size, 3)
    colours = np.broadcast_to(probe.background, shape).clip(0, 255).round().astype(np.uint8)
    return f"#{colours.tobytes().hex()}" if flat else _data_url(colours)


def _data_url(pixels: NDArray[np.uint8]) -> str:
    return DATA_URL + base64.b64encode(jpeg(pixels)).decode()


def _text(array: NDArray[Any]) -> str:
    return base64.b64encode(array.tobytes()).decode()


# Files


def record(preset: Preset, folder: Path) -> Path:
    """Explain a preset with the default masks and write ``<key>.json``, whole or not at all.

    Args:
        preset: From ``presets``.
        folder: Where to; made when absent.

    Returns:
        The file.

    Raises:
        WeightsMissing: The encoder or a picture is not here.
        CannotWrite: The folder cannot be written; nothing was kept.
    """
    encoder, picture = load_encoder(preset.encoder), as_picture(asset_path(preset.image))
    other = None if preset.reference is None else asset_path(preset.reference)
    target = embed_reference(encoder, reference=other, caption=preset.caption)
    wire = pack(
        embed_masks(picture, encoder=encoder),
        target,
        picture_name=preset.image,
        picture_sha256=picture.sha256,
        reference_name=preset.reference,
        caption=preset.caption,
    )
    text, name = json.dumps(wire, separators=(",", ":"), ensure_ascii=False, allow_nan=False), f"{preset.key}.json"

    def write(scratch: Path) -> None:
        (scratch / name).write_text(text, encoding="utf-8")

    write_whole(folder, write)
    return folder / name


def replay_of(preset_key: str) -> Path | None:
    """The file with a preset's result, or None where none is kept."""
    path = replay_folder() / f"{preset_key}.json"
    return path if re.fullmatch(r"[a-z0-9-]+", preset_key) and path.is_file() else None
