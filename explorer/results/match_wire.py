"""A match as JSON for the browser: as few of its leading singular vectors as it takes, some kB, and what it says.

The presets' matches come with the project as such files, beside their replays.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.errors import InvalidInput
from explorer.core.match import Match, match
from explorer.core.probe import Probe, complete, prepare
from explorer.core.sentences import MaskedSentence, prepare_words
from explorer.core.storage import write_whole
from explorer.core.version import VERSION
from explorer.encoders.cards import load_encoder
from explorer.pictures.examples import Preset, asset_path, replay_folder
from explorer.pictures.images import as_picture

ENOUGH = 0.999
"""Share of the squares of ``counterparts`` that travels; what is left out is no more than a shade of colour."""
MOST = 16
"""Singular vectors, at most."""


def pack_match(found: Match) -> dict[str, Any]:
    """A match as plain values for JSON: ``counterparts`` is left @ right.T, in units of 1 / 32767 of each one's scale.

    Args:
        found: From ``match``.
    """
    rows, columns, *_ = shape = found.counterparts.shape
    flat = found.counterparts.astype(np.float64).reshape(rows * columns, -1)
    left, values, right = np.linalg.svd(flat, full_matrices=False)
    told = np.cumsum(values**2)
    rank = min(MOST, int(np.searchsorted(told, ENOUGH * told[-1])) + 1)
    halves = (left[:, :rank] * np.sqrt(values[:rank]), right[:rank].T * np.sqrt(values[:rank])[None])
    return {
        "shape": list(shape),
        "rank": rank,
        "factors": [_packed(half) for half in halves],
        "limit": float(np.abs(flat).max()),
        "sides": [_side(probe) for probe in (found.probe_a, found.probe_b)],
        "says": found.says,
        "no_signal": found.no_signal,
        "notices": list(found.notices),
        "r2_first": found.r2_first,
        "r2": found.r2,
        "pairs": found.n,
    }


def unpack_counterparts(wire: Mapping[str, Any]) -> NDArray[np.float32]:
    """(rows, columns, rows, columns) ``counterparts``, as the browser has them."""
    left, right = (
        np.frombuffer(base64.b64decode(half["numbers"]), "<i2").reshape(-1, wire["rank"]) * (half["scale"] / 32767)
        for half in wire["factors"]
    )
    return np.asarray((left @ right.T).reshape(wire["shape"]), np.float32)


def _packed(half: NDArray[np.float64]) -> dict[str, Any]:
    scale = float(np.abs(half).max()) or 1.0
    numbers = np.rint(half * (32767 / scale)).astype("<i2")
    return {"scale": scale, "numbers": base64.b64encode(numbers.tobytes()).decode()}


def _side(probe: Probe) -> dict[str, Any]:
    """What the cells of one thing are: words, or a part of its picture."""
    if isinstance(probe.encoder, MaskedSentence):
        sentence = probe.encoder.sentence
        return {"words": list(sentence.words), "spaced": list(sentence.spaced), "masks": len(probe)}
    return {"box": [float(edge) for edge in astuple(probe.box)], "masks": len(probe)}


FILES = ("match.npy", "match.json")


def save_match(found: Match, folder: Path) -> Path:
    """Write the weights, ``match.npy``, and what they say and were made from, ``match.json``: all or nothing.

    Raises:
        CannotWrite: The folder cannot be written; nothing was kept.
    """
    probes = found.probe_a, found.probe_b
    said = {
        "says": found.says,
        "notices": list(found.notices),
        "r2_first": found.r2_first,
        "r2": found.r2,
        "pairs": found.n,
        "encoder": {"key": probes[0].encoder.card.key, "fingerprint": probes[0].encoder.fingerprint},
        "sides": [_side(probe) | _made_from(probe) for probe in probes],
        "version": VERSION,
    }

    def write(scratch: Path) -> None:
        np.save(scratch / "match.npy", found.weights, allow_pickle=False)
        text = json.dumps(said, indent=2, ensure_ascii=False) + "\n"
        (scratch / "match.json").write_text(text, encoding="utf-8")

    write_whole(folder, write)
    return folder


def _made_from(probe: Probe) -> dict[str, Any]:
    if isinstance(probe.encoder, MaskedSentence):
        return {"sentence": probe.encoder.sentence.text}
    return {"name": probe.origin.name, "sha256": probe.picture_sha256, "masking": probe.masking.to_dict()}


def record_match(preset: Preset, folder: Path) -> Path:
    """Match the two things of a preset with the default masks and write ``<key>-match.json``, whole or not at all.

    Raises:
        WeightsMissing: The encoder or a picture is not here.
        CannotWrite: The folder cannot be written; nothing was kept.
    """
    encoder = load_encoder(preset.encoder)
    first = complete(prepare(as_picture(asset_path(preset.image)), encoder=encoder))
    if preset.reference is not None:
        start = prepare(as_picture(asset_path(preset.reference)), encoder=encoder)
    else:
        start = prepare_words(str(preset.caption), encoder=encoder)
    wire = pack_match(match(first, complete(start)))
    text, name = json.dumps(wire, separators=(",", ":"), ensure_ascii=False, allow_nan=False), _name(preset.key)
    write_whole(folder, lambda scratch: (scratch / name).write_text(text, encoding="utf-8"))
    return folder / name


def match_of(preset_key: str) -> dict[str, Any] | None:
    """A preset's match, or None where none is kept."""
    path = replay_folder() / _name(preset_key)
    if not re.fullmatch(r"[a-z0-9-]+", preset_key) or not path.is_file():
        return None
    try:
        wire = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path.name} is no match; record it again.", code="match_file") from error
    return wire if isinstance(wire, dict) else None


def _name(preset_key: str) -> str:
    return f"{preset_key}-match.json"
