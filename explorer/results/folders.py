"""Results on disk: written whole or not at all, and probes that can be taken up again."""

from __future__ import annotations

import csv
import importlib.metadata
import io
import json
import os
import platform
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from explorer.core.errors import CannotWrite, InvalidInput
from explorer.core.masks import GridMasks
from explorer.core.probe import prepare
from explorer.core.schema import Explanation, MaskSettings, Probe
from explorer.pictures.images import as_picture

SCHEMA_VERSION = 1
RESULT_FILES = ("attribution.npy", "distances.csv", "overlay.png", "manifest.json")
PROBE_FILE = "probe.npz"


def save_explanation(explanation: Explanation, folder: Path, *, overwrite: bool = False) -> Path:
    """See ``Explanation.save``."""
    from explorer.results.plots import figure

    def write(scratch: Path) -> None:
        np.save(scratch / "attribution.npy", explanation.attribution, allow_pickle=False)
        (scratch / "distances.csv").write_text(distances_csv(explanation), encoding="utf-8")
        picture = io.BytesIO()
        figure(explanation).savefig(picture, format="png", metadata={"Software": None})
        (scratch / "overlay.png").write_bytes(picture.getvalue())
        (scratch / "manifest.json").write_text(json.dumps(manifest(explanation), indent=2) + "\n", encoding="utf-8")

    refuse_overwriting(folder, overwrite)
    write_whole(folder, write)
    return folder


def refuse_overwriting(folder: Path, overwrite: bool) -> None:
    """Raise InvalidInput where results lie already and nobody asked to replace them."""
    if not overwrite and any(os.path.exists(folder / name) for name in RESULT_FILES):  # no folder can be there: False
        raise InvalidInput(
            f"{folder.name or folder} holds results already; name another folder, or overwrite them (--overwrite).",
            code="output_exists",
        )


def manifest(explanation: Explanation) -> dict[str, Any]:
    """What the map was made from and with, as plain values for JSON."""
    probe = explanation.probe
    return {
        "schema_version": SCHEMA_VERSION,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "encoder": {
            "key": probe.encoder.card.key,
            "fingerprint": probe.encoder.fingerprint,
            "batch_size": probe.encoder.batch_size,
        },
        "masking": probe.masking.to_dict(),
        "masks": "drawn" if isinstance(probe.masks, GridMasks) else "given",
        "masks_done": len(probe),
        "selection": explanation.selection.to_dict(),
        "selected": {
            "closest": int((explanation.weights > 0).sum()),
            "farthest": int((explanation.weights < 0).sum()),
        },
        "reference": explanation.reference.label,
        "unmasked_distance": explanation.unmasked_distance,
        "map": {
            "shape": list(explanation.attribution.shape),
            "box": asdict(probe.box),
            "sign": "positive = keeping this region brings the pair closer",
        },
        "no_signal": explanation.no_signal,
        "notices": list(explanation.notices),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """The versions of what computed a result."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in ("distance-explorer", "numpy", "pillow", "torch", "openvino", "open-clip-torch", "keras", "tensorflow"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # an optional framework that is not installed took no part
    return found


def distances_csv(explanation: Explanation) -> str:
    """Mask, distance, rank (0 = closest) and weight of every masked copy; numbers to the last bit."""
    rank = np.empty(len(explanation.distances), np.int64)
    rank[np.argsort(explanation.distances, kind="stable")] = np.arange(len(rank))
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("mask", "distance", "rank", "weight"))
    for i, (distance, place, weight) in enumerate(zip(explanation.distances, rank, explanation.weights, strict=True)):
        rows.writerow((i, repr(float(distance)), int(place), repr(float(weight))))
    return text.getvalue()


def save_probe(probe: Probe, folder: Path) -> Path:
    """Write ``probe.npz``: settings, embeddings and the name of the picture, enough to go on with the picture at hand.

    Raises:
        InvalidInput: The masks or the picture were given as arrays; only drawn masks on pictures are kept.
        CannotWrite: The folder cannot be written; nothing was kept.
    """
    if not isinstance(probe.masks, GridMasks) or not probe.picture_sha256:
        raise InvalidInput("Only probes of pictures with drawn masks can be saved.", code="probe_given")
    facts = {
        "schema_version": SCHEMA_VERSION,
        "encoder": probe.encoder.card.key,
        "fingerprint": probe.encoder.fingerprint,
        "masking": probe.masking.to_dict(),
        "picture_sha256": probe.picture_sha256,
    }

    def write(scratch: Path) -> None:
        np.savez(scratch / PROBE_FILE, facts=np.array(json.dumps(facts)), embeddings=probe.embeddings)

    write_whole(folder, write)
    return folder / PROBE_FILE


def load_probe(path: Path, *, image: Any, encoder: Any, masking: MaskSettings) -> Probe:
    """Take up a saved probe, for the same picture, encoder and settings (n_masks may differ).

    Raises:
        InvalidInput: No such file, not a probe, or anything that would change an embedding differs.
    """
    fresh = prepare(image, encoder=encoder, masking=masking)
    try:
        with np.load(path, allow_pickle=False) as stored:
            facts = json.loads(str(stored["facts"]))
            embeddings = stored["embeddings"]
            # Files of before kept all the pixels in place of their name.
            picture = as_picture(stored["picture"]).sha256 if "picture" in stored else facts["picture_sha256"]
        before = {**facts["masking"], "encoder": facts["fingerprint"], "n_masks": 0}
        if facts["schema_version"] != SCHEMA_VERSION or embeddings.ndim != 2 or embeddings.dtype.kind != "f":
            raise ValueError("not a probe of this version")
    except FileNotFoundError as error:
        raise InvalidInput(f"No {PROBE_FILE} to resume from in that folder.", code="resume_missing") from error
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise InvalidInput(
            f"{path.name} is damaged or not a probe; start again without --resume.", code="resume_damaged"
        ) from error
    now = masking.to_dict() | {"encoder": fresh.encoder.fingerprint, "n_masks": 0}
    if masking.scheme == "dianna":
        before["n_masks"], now["n_masks"] = facts["masking"]["n_masks"], masking.n_masks
    changed = [f"{name} changed {before[name]} -> {now[name]}" for name in now if before[name] != now[name]]
    if picture != fresh.picture_sha256:
        changed.append("the picture changed")
    if changed:
        raise InvalidInput(f"Cannot resume: {'; '.join(changed)}.", code="resume_changed")
    embeddings.flags.writeable = False
    return replace(fresh, embeddings=embeddings[: fresh.wanted])


def read_text(path: Path) -> str:
    """The text of a user's file, with or without a byte order mark.

    Raises:
        InvalidInput: It cannot be read, or is no text in UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path.name} is not text in UTF-8; save it as UTF-8.", code="text_encoding") from error
    except OSError as error:
        reason = (error.strerror or "it failed").lower()
        raise InvalidInput(f"Cannot read {path.name}: {reason}.", code="text_unreadable") from error


def write_whole(folder: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a scratch folder, then move its files into ``folder``; on failure nothing is kept.

    Raises:
        CannotWrite: Not writable, or the disk is full.
    """
    made, scratch = False, None
    try:
        made = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=folder))
        write(scratch)
        _move_all(scratch, folder)
    except OSError as error:
        reason = (error.strerror or "it failed").lower()
        raise CannotWrite(
            f"Cannot write to {folder.name or str(folder):.80}: {reason}; nothing was kept.", code="write"
        ) from error
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
        if made and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _move_all(scratch: Path, folder: Path) -> None:
    """Move every file, or put back what was there."""
    new, old = sorted(scratch.iterdir()), scratch / "old"
    old.mkdir()
    moved = []
    try:
        for file in new:
            target = folder / file.name
            if target.exists():
                shutil.copy2(target, old / file.name)
            os.replace(file, target)
            moved.append(target)
    except OSError:
        for target in moved:
            if (old / target.name).exists():
                (old / target.name).rename(target)
            else:
                target.unlink()
        raise
