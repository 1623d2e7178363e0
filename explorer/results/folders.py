"""Results on disk: written whole or not at all, and probes that can be taken up again."""

from __future__ import annotations

import csv
import importlib.metadata
import io
import json
import os
import platform
import shutil
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from explorer.core.embedder import Origin
from explorer.core.errors import CannotWrite, InvalidInput
from explorer.core.explanation import WRITERS, Explanation, MethodExplanation
from explorer.core.masks import SCHEMES, GridMasks, MaskSettings
from explorer.core.probe import Probe, prepare
from explorer.core.selections import MEANINGS
from explorer.core.sentences import MaskedSentence, WordsExplanation, tries_all
from explorer.core.storage import write_whole
from explorer.core.truth import own_truth
from explorer.pictures.images import as_picture

SCHEMA_VERSION = 1
OVERLAY = "overlay.png"
RESULT_FILES = ("attribution.npy", "distances.csv", OVERLAY, "manifest.json")
PROBE_FILE = "probe.npz"
SECOND = "second"
"""Where the second map of two that tell two stories goes."""


def save_explanation(explanation: Explanation, folder: Path, overwrite: bool = False) -> Path:
    """See ``Explanation.save``."""

    def write(scratch: Path) -> None:
        np.save(scratch / "attribution.npy", explanation.attribution, allow_pickle=False)
        (scratch / "distances.csv").write_text(distances_csv(explanation), encoding="utf-8")
        (scratch / "manifest.json").write_text(json.dumps(manifest(explanation), indent=2) + "\n", encoding="utf-8")

    refuse_overwriting(folder, overwrite)
    _write_drawn(explanation, folder, write)
    if explanation.second is not None:
        save_explanation(explanation.second, folder / SECOND, overwrite)
    elif overwrite and (folder / SECOND / "manifest.json").is_file():  # that of another map
        shutil.rmtree(folder / SECOND)
    return folder


def _write_drawn(explanation: Explanation | MethodExplanation, folder: Path, write: Callable[[Path], None]) -> None:
    """Write a result and its figure; the result also where the figure cannot be drawn.

    Raises:
        CannotWrite: The folder cannot be written, and nothing was kept; or there is no figure, and all else was kept.
    """
    from explorer.results.plots import overlay_png

    try:
        picture = overlay_png(explanation)
    except Exception as error:
        write_whole(folder, write)
        (folder / OVERLAY).unlink(missing_ok=True)  # one of before would show another map
        raise CannotWrite(
            f"{OVERLAY} could not be drawn ({type(error).__name__}); everything else was kept in "
            f"{folder.name or str(folder):.80}.",
            code="figure",
        ) from error

    def write_all(scratch: Path) -> None:
        write(scratch)
        (scratch / OVERLAY).write_bytes(picture)

    write_whole(folder, write_all)


def refuse_overwriting(folder: Path, overwrite: bool, *, resume: bool = True) -> None:
    """Raise InvalidInput where results lie already and nobody asked to replace them.

    Args:
        folder: Where they would go.
        overwrite: Whether somebody did.
        resume: Whether a run that was stopped there may be gone on with; else it is refused as well.
    """
    if overwrite:
        return
    if not resume and os.path.exists(folder / PROBE_FILE):
        raise InvalidInput(
            f"{folder.name or folder} holds a run that was stopped; go on with it (--resume), name another folder, or "
            "lose it (--overwrite).",
            code="output_stopped",
        )
    if any(os.path.exists(folder / name) for name in RESULT_FILES):  # no folder can be there: False
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
        **({"chosen": dict(probe.chosen)} if probe.chosen else {}),
        "selection": explanation.selection.to_dict(),
        "selected": {
            "closest": int((explanation.weights > 0).sum()),
            "farthest": int((explanation.weights < 0).sum()),
        },
        **_items(
            picture=(probe.origin, probe.picture_sha256),
            compared_with=(explanation.reference.origin, explanation.reference.picture_sha256),
        ),
        "reference": explanation.reference.label,
        "unmasked_distance": explanation.unmasked_distance,
        "map": {
            "shape": list(explanation.attribution.shape),
            "box": asdict(probe.box),
            "sign": MEANINGS[explanation.meaning].sign.format("region"),
        },
        "truth": asdict(told) if (told := own_truth(explanation)) else None,
        "no_signal": explanation.no_signal,
        "notices": list(explanation.notices),
        "versions": versions(),
    }


def _items(**pictures: tuple[Origin, str]) -> dict[str, Any]:
    """What pictures are called and known by, where there are any; a name may be that of another one tomorrow."""
    found = {}
    for role, (origin, sha256) in pictures.items():
        height, width = origin.size
        facts = {"name": origin.name, "sha256": sha256, "width": width, "height": height}
        found[role] = {name: value for name, value in facts.items() if value}
    return {role: facts for role, facts in found.items() if facts}


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


def save_method_explanation(explanation: MethodExplanation, folder: Path, overwrite: bool = False) -> Path:
    """See ``MethodExplanation.save``."""
    encoder = explanation.encoder
    facts = {
        "schema_version": SCHEMA_VERSION,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "encoder": {"key": encoder.card.key, "fingerprint": encoder.fingerprint, "batch_size": encoder.batch_size},
        "method": {"key": explanation.method, "settings": dict(explanation.settings)},
        "distance": explanation.distance,
        **_items(
            picture=(explanation.seen.origin, explanation.seen.sha256),
            compared_with=(explanation.reference.origin, explanation.reference.picture_sha256),
        ),
        "reference": explanation.reference.label,
        "unmasked_distance": explanation.unmasked_distance,
        "map": {
            "shape": list(explanation.attribution.shape),
            "box": asdict(explanation.seen.box),
            "sign": MEANINGS[explanation.meaning].sign.format("region"),
        },
        "no_signal": explanation.no_signal,
        "notices": list(explanation.notices),
        "versions": versions(),
    }

    def write(scratch: Path) -> None:
        np.save(scratch / "attribution.npy", explanation.attribution, allow_pickle=False)
        (scratch / "manifest.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")

    refuse_overwriting(folder, overwrite)
    _write_drawn(explanation, folder, write)
    return folder


def save_probe(probe: Probe, folder: Path) -> Path:
    """Write ``probe.npz``: settings, embeddings and the name of what was masked, enough to go on with that at hand.

    Raises:
        InvalidInput: The masks or the picture were given as arrays; only drawn masks on pictures and words are kept.
        CannotWrite: The folder cannot be written; nothing was kept.
    """
    masked = _masked(probe)
    if masked is None:
        raise InvalidInput("Only probes of pictures with drawn masks can be saved.", code="probe_given")
    facts = {
        "schema_version": SCHEMA_VERSION,
        "encoder": probe.encoder.card.key,
        "fingerprint": probe.encoder.fingerprint,
        "masking": probe.masking.to_dict(),
        "scheme_version": SCHEMES[probe.masking.scheme].version,
        **masked,
    }

    def write(scratch: Path) -> None:
        np.savez(scratch / PROBE_FILE, facts=np.array(json.dumps(facts)), embeddings=probe.embeddings)

    write_whole(folder, write)
    return folder / PROBE_FILE


def _masked(probe: Probe) -> dict[str, str] | None:
    """What names the thing that was masked; None where nothing does."""
    if isinstance(probe.encoder, MaskedSentence):
        return {"sentence": probe.encoder.sentence.text, "hide": probe.encoder.hide}
    named = isinstance(probe.masks, GridMasks) and probe.picture_sha256
    return {"picture_sha256": probe.picture_sha256} if named else None


def load_probe(path: Path, *, image: Any, encoder: Any, masking: MaskSettings) -> Probe:
    """Take up a saved probe, for the same picture, encoder and settings (n_masks may differ).

    Raises:
        InvalidInput: No such file, not a probe, or anything that would change an embedding differs.
    """
    return resume_probe(path, prepare(image, encoder=encoder, masking=masking))


def resume_probe(path: Path, fresh: Probe) -> Probe:
    """A probe with no mask done, with the embeddings that a saved one has of the same masks.

    Raises:
        InvalidInput: As ``load_probe``.
    """
    masking, masked = fresh.masking, _masked(fresh) or {}
    try:
        with np.load(path, allow_pickle=False) as stored:
            facts = json.loads(str(stored["facts"]))
            embeddings = stored["embeddings"]
            if "picture" in stored:  # files of before kept all the pixels in place of their name
                facts["picture_sha256"] = as_picture(stored["picture"]).sha256
        before = {**facts["masking"], "encoder": facts["fingerprint"], "n_masks": 0}
        before["scheme version"] = facts.get("scheme_version", 1)
        if facts["schema_version"] != SCHEMA_VERSION or embeddings.ndim != 2 or embeddings.dtype.kind != "f":
            raise ValueError("not a probe of this version")
        theirs = {name: facts[name] for name in masked}
    except FileNotFoundError as error:
        raise InvalidInput(f"No {PROBE_FILE} to resume from in that folder.", code="resume_missing") from error
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise InvalidInput(
            f"{path.name} is damaged or not a probe; start again without --resume.", code="resume_damaged"
        ) from error
    now = masking.to_dict() | {"encoder": fresh.encoder.fingerprint, "n_masks": 0}
    now["scheme version"] = SCHEMES[masking.scheme].version
    numbered = isinstance(fresh.encoder, MaskedSentence) or not SCHEMES[masking.scheme].grows
    if numbered:  # the masks depend on how many there are
        before["n_masks"], now["n_masks"] = facts["masking"]["n_masks"], masking.n_masks
    changed = [f"{name} changed {before[name]} -> {now[name]}" for name in now if before[name] != now[name]]
    changed += [f"the {name.removesuffix('_sha256')} changed" for name in masked if masked[name] != theirs[name]]
    if changed:
        raise InvalidInput(f"Cannot resume: {'; '.join(changed)}.", code="resume_changed")
    embeddings.flags.writeable = False
    resumed = replace(fresh, embeddings=embeddings[: fresh.wanted])
    if isinstance(fresh.encoder, MaskedSentence):
        fresh.encoder.remember(resumed)
    return resumed


def save_words(explained: WordsExplanation, folder: Path, overwrite: bool = False) -> Path:
    """See ``WordsExplanation.save``."""

    def write(scratch: Path) -> None:
        values = zip(explained.words, explained.attribution.tolist(), strict=True)
        _write_csv(scratch / "words.csv", ("position", "word", "attribution"),
                   ((i, word, repr(value)) for i, (word, value) in enumerate(values)))  # fmt: skip
        head, *rows = csv.reader(io.StringIO(distances_csv(explained.ranked)))
        _write_csv(scratch / "distances.csv", (*head, "sentence"),
                   ((*row, copy) for row, copy in zip(rows, explained.copies, strict=True)))  # fmt: skip
        facts = json.dumps(_words_manifest(explained), indent=2, ensure_ascii=False)
        (scratch / "manifest.json").write_text(facts + "\n", encoding="utf-8")

    refuse_overwriting(folder, overwrite)
    write_whole(folder, write)
    return folder


def _words_manifest(explained: WordsExplanation) -> dict[str, Any]:
    """As of a picture, less what words do not have."""
    facts, probe, sentence = manifest(explained.ranked), explained.ranked.probe, explained.sentence
    assert isinstance(probe.encoder, MaskedSentence)
    drawn = "every combination" if tries_all(len(explained.words), probe.masking) else "drawn"
    masking = {name: facts["masking"][name] for name in ("n_masks", "p_keep", "seed")}
    text = {"sentence": sentence.text, "cut": sentence.cut, "words": list(explained.words)}
    del facts["map"]
    sign = MEANINGS[explained.ranked.meaning].sign.format("word")
    return facts | text | {"masking": masking | {"hide": probe.encoder.hide}, "masks": drawn, "sign": sign}


def _write_csv(path: Path, head: Iterable[Any], rows: Iterable[Iterable[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows((head, *rows))


WRITERS.add("picture", save_explanation)
WRITERS.add("words", save_words)
WRITERS.add("method", save_method_explanation)
