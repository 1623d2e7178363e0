"""A result as JSON: what the free stage needs and no more, so that it can run in a browser, or later, with no encoder.

All four distances to one reference survive in two numbers for each masked copy (see ``plane``), so a result with
1000 masks and both pictures is some 100 kB. The presets' results come with the project as such files. A result that
is read back may come from anywhere: nothing is allocated before its size is checked.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from explorer.core.distances import measure
from explorer.core.embedder import Box, Card
from explorer.core.errors import InvalidInput
from explorer.core.fills import FILLS
from explorer.core.limits import FEATURE_RES, MAX_MEGAPIXELS, MAX_UPLOAD_BYTES, N_MASKS
from explorer.core.masks import GridMasks, MaskSettings
from explorer.core.probe import Probe, grow, prepare
from explorer.core.rank import is_uniform
from explorer.core.references import Reference, embed_reference
from explorer.core.storage import write_whole
from explorer.encoders.base import Encoder
from explorer.encoders.cards import find_card, load_encoder
from explorer.pictures.examples import Preset, asset_path, replay_folder
from explorer.pictures.formats import jpeg
from explorer.pictures.images import Picture, as_picture, resize
from explorer.results.plots import shrink
from explorer.results.seen import Seen

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
    shown = data_url(shrink(picture))
    compared = shown if identical else None if target.picture is None else data_url(shrink(target.picture))
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
        **({"blocks": True} if masks.blocks else {}),
    }


def _scale(probe: Probe, target: Reference) -> dict[str, Any]:
    """What distances are measured with besides the rows."""
    embedded = probe.embeddings if len(probe) else target.embedding
    return {
        "reference_length": float(np.linalg.norm(np.asarray(target.embedding, dtype=np.float64))),
        "whole": _finite(plane(probe.unmasked()[None], target.embedding), target)[0].tolist(),
        "eps": max(probe.precision, float(np.finfo(embedded.dtype if embedded.dtype.kind == "f" else np.float64).eps)),
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
    return f"#{colours.tobytes().hex()}" if flat else data_url(colours)


def data_url(pixels: NDArray[np.uint8]) -> str:
    """A picture (h, w, 3) as the browser takes it."""
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
    *_, probe = grow(prepare(picture, encoder=encoder))
    wire = pack(
        probe,
        target,
        picture_name=preset.image,
        picture_sha256=picture.sha256,
        reference_name=preset.reference,
        caption=preset.caption,
    ) | {"seen": Seen().wire(probe, target)}
    text, name = json.dumps(wire, separators=(",", ":"), ensure_ascii=False, allow_nan=False), f"{preset.key}.json"

    def write(scratch: Path) -> None:
        (scratch / name).write_text(text, encoding="utf-8")

    write_whole(folder, write)
    return folder / name


def replay_of(preset_key: str) -> Path | None:
    """The file with a preset's result, or None where none is kept."""
    path = replay_folder() / f"{preset_key}.json"
    return path if re.fullmatch(r"[a-z0-9-]+", preset_key) and path.is_file() else None


VERSION = 1
LARGEST_SIDE = 2048
"""Pixels of a mask's side; no network we know sees more."""
LARGEST_FILE = 64_000_000
LARGEST = 1e150
"""Beyond any number whose square is finite."""
FARTHEST = 64
"""How far a box may reach, and how often it may fit into a side; a picture 8 times as long as high needs 8."""
DATA_URL = "data:image/jpeg;base64,"


class _Replayed(Encoder):
    """Stands for the encoder that embedded a result; embeds nothing itself."""

    pads = False

    def __init__(self, card: Card, fingerprint: str, size: tuple[int, int]) -> None:
        super().__init__()
        self.card, self.fingerprint, self.input_size = card, fingerprint, size

    def view(self, picture: NDArray[np.uint8]) -> NoReturn:
        raise _cannot_embed()

    def embed_texts(self, texts: Sequence[str]) -> NoReturn:
        raise _cannot_embed()

    def _forward(self, pixels: NDArray[np.float32]) -> NoReturn:
        raise _cannot_embed()


def _cannot_embed() -> InvalidInput:
    return InvalidInput(
        "This is a replay: its masks were embedded earlier, and only distances to its own reference are known. "
        "For more masks or another reference, embed the picture anew with explorer.core.probe.",
        code="replay",
    )


def unpack(wire: Mapping[str, Any], *, picture: Any = None) -> tuple[Probe, Reference]:
    """A probe and a reference that rank as those that were packed.

    The embeddings are points (m, 2) of ``plane``, as float64: a narrower type would round neighbours into ties.

    Args:
        wire: From ``pack``.
        picture: The picture as it was given, in place of the small one inside: a path, PIL image or array.

    Raises:
        InvalidInput: Not a result of this version, or one that was changed.
    """
    if not isinstance(wire, Mapping) or wire.get("version") != VERSION:
        raise _damaged("version")
    encoder, reference = _part(wire, "encoder", dict), _part(wire, "reference", dict)
    masking = MaskSettings.from_dict(_part(wire, "masking", dict))
    masks = _read_masks(wire, FILLS[masking.fill].drops)
    if (masking.n_masks, masking.feature_res) != (len(masks), masks.feature_res):
        raise _damaged("masking")
    points = _points(wire, len(masks))
    length, *whole = _numbers([wire.get("reference_length"), *_part(wire, "whole", list)], "whole", 3)
    if length < 0:
        raise _damaged("reference_length")
    shown = _picture(_part(wire, "picture", str)) if picture is None else as_picture(picture)
    box = Box(*_numbers(wire.get("box"), "box", 4))
    pixels = _seen(shown.pixels, box, masks.size)
    probe = Probe(
        encoder=_Replayed(find_card(_part(encoder, "key", str)), _part(encoder, "fingerprint", str), masks.size),
        masking=masking,
        masks=masks,
        embeddings=points,
        pixels=np.broadcast_to(pixels[:1, :1], pixels.shape) if _part(wire, "uniform", bool) else pixels,
        background=_colours(_part(wire, "background", str), masks.size),
        unmasked=lambda: np.array(whole),
        picture=shown.screen,
        box=box,
        notices=tuple(str(notice) for notice in _part(wire, "notices", list)),
        picture_sha256=shown.sha256,
    )
    target, compared = Reference(np.array([length, 0.0]), _part(reference, "label", str)), reference.get("picture")
    if compared is not None:
        other = shown if _part(wire, "identical", bool) else _picture(_part(reference, "picture", str))
        target = replace(target, picture=other.screen, picture_sha256=other.sha256)
    return probe, target


def _read_masks(wire: Mapping[str, Any], blocks: bool) -> GridMasks:
    f = FEATURE_RES.check(wire.get("feature_res"))
    h, w = _numbers(wire.get("size"), "size", 2)
    n = _part(wire, "wanted", int)
    if not (f <= h <= LARGEST_SIDE and f <= w <= LARGEST_SIDE and h % 1 == w % 1 == 0):
        raise _damaged("size")
    if not 1 <= n <= N_MASKS.high:
        raise _damaged("wanted")
    packed = np.frombuffer(_bytes(wire, "packed", n * -(-f * f // 8)), np.uint8).reshape(n, -1)
    shifts = np.frombuffer(_bytes(wire, "shifts", n * 4), "<u2").reshape(n, 2).astype(np.int32)
    if (shifts >= (1 if blocks else np.ceil([h / f, w / f]))).any():
        raise _damaged("shifts")
    return GridMasks(packed, shifts, f, (int(h), int(w)), blocks)


def _points(wire: Mapping[str, Any], n: int) -> NDArray[np.float64]:
    """(m, 2), m <= n; all the same where they differ by no more than rounding in the type they were embedded in."""
    text = _part(wire, "plane", str)
    size = len(text) // 4 * 3 - text[-2:].count("=")
    if size % 16 or size > 16 * n:
        raise _damaged("plane")
    points = np.frombuffer(_bytes(wire, "plane", size), "<f8").reshape(-1, 2).astype(np.float64, copy=False)
    (eps,) = _numbers([wire.get("eps")], "eps", 1)
    if not (np.abs(points) < LARGEST).all() or not 0 < eps < 0.1:  # also refuses NaN
        raise _damaged("plane")
    # ``distances.indistinct`` takes rounding from the dtype. Within half its margin no distance is distinct.
    if len(points) and np.ptp(points, axis=0).max() <= 4 * eps * np.linalg.norm(points, axis=1).max():
        return np.broadcast_to(points[:1], points.shape)
    return points


def _seen(picture: NDArray[np.uint8], box: Box, size: tuple[int, int]) -> NDArray[np.float32]:
    """(h, w, 3) the part of a picture inside the box; where the box reaches outside, the edge goes on."""
    height, width = box.bottom - box.top, box.right - box.left
    if min(height, width) < 1 / FARTHEST or max(map(abs, astuple(box))) > FARTHEST:
        raise _damaged("box")
    if size[0] * size[1] > height * width * MAX_MEGAPIXELS * 10**6:
        raise _damaged("box")
    whole = (max(1, round(size[0] / height)), max(1, round(size[1] / width)))
    scaled = resize(picture, whole)
    down, across = (
        (round(low * side) + np.arange(seen)).clip(0, side - 1)
        for low, side, seen in zip((box.top, box.left), whole, size, strict=True)
    )
    return np.asarray(scaled[down][:, across], dtype=np.float32)


def _colours(background: str, size: tuple[int, int]) -> NDArray[np.float32]:
    if re.fullmatch(r"#[0-9a-f]{6}", background):
        return np.array(list(bytes.fromhex(background[1:])), np.float32)
    colours = _picture(background).pixels
    if colours.shape[:2] != size:
        raise _damaged("background")
    return colours.astype(np.float32)


def _picture(url: str) -> Picture:
    if not url.startswith(DATA_URL) or len(url) > MAX_UPLOAD_BYTES:
        raise _damaged("picture")
    try:
        return as_picture(base64.b64decode(url.removeprefix(DATA_URL), validate=True))
    except ValueError as error:
        raise _damaged("picture") from error


def _part(wire: Mapping[str, Any], name: str, kind: type) -> Any:
    value = wire.get(name)
    if type(value) is not kind:  # exactly: a bool is an int in Python
        raise _damaged(name)
    return value


def _numbers(values: Any, name: str, count: int) -> list[float]:
    if type(values) is not list or len(values) != count:
        raise _damaged(name)
    if not all(type(value) in (int, float) and abs(value) < LARGEST for value in values):
        raise _damaged(name)
    return [float(value) for value in values]


def _bytes(wire: Mapping[str, Any], name: str, size: int) -> bytes:
    text = _part(wire, name, str)
    if len(text) != 4 * -(-size // 3):
        raise _damaged(name)
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise _damaged(name) from error
    if len(data) != size:
        raise _damaged(name)
    return data


def _damaged(name: str) -> InvalidInput:
    return InvalidInput(
        f"This result cannot be read: its {name} is not what version {VERSION} has there; make it anew.",
        code="replay_damaged",
    )


def load_replay(path: Path) -> dict[str, Any]:
    """A result from its file, for ``unpack``.

    Raises:
        InvalidInput: No such file, too large, or not JSON.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
        if len(data) > LARGEST_FILE:
            raise ValueError("too large")
        wire = json.loads(data)
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidInput(
            f"{path.name} is no result, or above {LARGEST_FILE // 10**6} MB; record it again.", code="replay_file"
        ) from error
    if not isinstance(wire, dict):
        raise _damaged("form")
    return wire
