"""A result read back from JSON, which may come from anywhere: nothing is allocated before its size is checked."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from explorer.core.errors import InvalidInput
from explorer.core.limits import FEATURE_RES, MAX_MEGAPIXELS, MAX_UPLOAD_BYTES, N_MASKS
from explorer.core.masks import GridMasks
from explorer.core.schema import Box, MaskSettings, Probe, Reference
from explorer.encoders.base import Card, Encoder
from explorer.encoders.cards import find_card
from explorer.pictures.images import Picture, as_picture, resize

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
    masks = _masks(wire)
    masking = MaskSettings.from_dict(_part(wire, "masking", dict))
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


def _masks(wire: Mapping[str, Any]) -> GridMasks:
    f = FEATURE_RES.check(wire.get("feature_res"))
    h, w = _numbers(wire.get("size"), "size", 2)
    n = _part(wire, "wanted", int)
    if not (f <= h <= LARGEST_SIDE and f <= w <= LARGEST_SIDE and h % 1 == w % 1 == 0):
        raise _damaged("size")
    if not 1 <= n <= N_MASKS.high:
        raise _damaged("wanted")
    packed = np.frombuffer(_bytes(wire, "packed", n * -(-f * f // 8)), np.uint8).reshape(n, -1)
    shifts = np.frombuffer(_bytes(wire, "shifts", n * 4), "<u2").reshape(n, 2).astype(np.int32)
    if (shifts >= np.ceil([h / f, w / f])).any():
        raise _damaged("shifts")
    return GridMasks(packed, shifts, f, (int(h), int(w)))


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
