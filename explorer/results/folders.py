"""Results on disk: written whole or not at all, and probes that can be taken up again."""

from __future__ import annotations

import base64
import csv
import importlib.metadata
import io
import json
import os
import platform
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from explorer.core.arrays import array_hash
from explorer.core.embedder import Embedder, Origin
from explorer.core.errors import CannotWrite, InvalidInput
from explorer.core.explanation import Explanation, MethodExplanation
from explorer.core.masks import SCHEMES, GridMasks, MaskSettings
from explorer.core.probe import Probe, prepare
from explorer.core.references import Reference
from explorer.core.selections import MEANINGS
from explorer.core.sentences import MaskedSentence, WordsExplanation, tries_all
from explorer.core.storage import file_hash, write_whole
from explorer.core.truth import own_truth
from explorer.core.writers import WRITERS
from explorer.encoders.saved import encoder_facts
from explorer.pictures.images import as_picture
from explorer.results.probe_files import PROBE_FILE as PROBE_FILE
from explorer.results.probe_files import (
    LostMasks,
    Stored,
    Unreadable,
    chosen_of,
    masked,
    masks_of,
    read_stored,
    write_probe,
)

SCHEMA_VERSION = 1
OVERLAY = "overlay.png"
MANIFEST = "manifest.json"
RESULT_FILES = ("attribution.npy", "distances.csv", OVERLAY, MANIFEST)
SECOND = "second"
"""Where the second map of two that tell two stories goes."""


def save_explanation(explanation: Explanation, folder: Path, overwrite: bool = False, keep: bool = False) -> Path:
    """See ``Explanation.save``."""

    def write(scratch: Path) -> None:
        np.save(scratch / "attribution.npy", explanation.attribution, allow_pickle=False)
        (scratch / "distances.csv").write_text(distances_csv(explanation), encoding="utf-8")
        second = {} if explanation.second is None else {"second": True}
        facts = manifest(explanation) | second | _kept(explanation, scratch, keep)
        (scratch / MANIFEST).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")

    refuse_overwriting(folder, overwrite)
    if explanation.second is not None:
        refuse_overwriting(folder / SECOND, overwrite)
    outdated = explanation.second is None and _has_second(folder) and (folder / SECOND).is_dir()
    _write_drawn(explanation, folder, write)
    if explanation.second is not None:
        save_explanation(explanation.second, folder / SECOND, overwrite, keep)
    elif outdated:  # that of the map before
        shutil.rmtree(folder / SECOND)
    return folder


def _has_second(folder: Path) -> bool:
    """Whether the folder ``second`` in a result's is its own, not one that somebody called so."""
    try:
        facts = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(facts, dict) and facts.get("second") is True


def _kept(explanation: Explanation, scratch: Path, keep: bool) -> dict[str, str]:
    """Write the probe beside a result, if it shall be; and what the manifest says of it."""
    if not keep:
        return {}
    explanation.probe.unmasked()
    write_probe(explanation.probe, scratch / PROBE_FILE)
    return {"probe_sha256": file_hash(scratch / PROBE_FILE)}


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


def refuse_overwriting(folder: Path, overwrite: bool, *, resume: bool = True, offered: bool = True) -> None:
    """Raise InvalidInput where results lie already and nobody asked to replace them.

    Args:
        folder: Where they would go.
        overwrite: Whether somebody did.
        resume: Whether a run that was stopped there may be gone on with; else it is refused as well.
        offered: Whether whoever asks could go on with it.
    """
    if overwrite:
        return
    done = os.path.exists(folder / MANIFEST)
    if not resume and not done and os.path.exists(folder / PROBE_FILE):
        go_on = "go on with it (--resume), " if offered else ""
        raise InvalidInput(
            f"{folder.name or folder} holds a run that was stopped; {go_on}name another folder, or lose it "
            "(--overwrite).",
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
        "encoder": _encoder(probe.encoder),
        "masking": probe.masking.to_dict(),
        "scheme_version": SCHEMES[probe.masking.scheme].version,
        **_masks(probe),
        "masks_done": len(explanation.distances),
        **({"chosen": dict(probe.chosen)} if probe.chosen else {}),
        "selection": explanation.selection.to_dict(),
        "selected": {
            "closest": int((explanation.weights > 0).sum()),
            "farthest": int((explanation.weights < 0).sum()),
        },
        **_items(probe.origin, probe.picture_sha256, explanation.reference),
        "reference": explanation.reference.label,
        "unmasked_distance": explanation.unmasked_distance,
        "map": {
            "shape": list(explanation.attribution.shape),
            "box": asdict(probe.box),
            "sign": MEANINGS[explanation.meaning].sign.format("region"),
        },
        "truth": _truth(explanation),
        "no_signal": explanation.no_signal,
        "notices": list(explanation.notices),
        "versions": versions(),
    }


def _truth(explanation: Explanation) -> dict[str, Any] | None:
    told = None if isinstance(explanation.probe.masks, LostMasks) else own_truth(explanation)
    return asdict(told) if told else None


def _encoder(encoder: Embedder) -> dict[str, Any]:
    """Who embedded, and what it takes to have it again."""
    by = encoder.by if isinstance(encoder, MaskedSentence) else encoder
    facts = encoder_facts(by)
    said = {"key": by.card.key, "fingerprint": by.fingerprint, "batch_size": by.batch_size}
    return said | ({"precision": facts["precision"]} if facts.get("precision") else {})


def _masks(probe: Probe) -> dict[str, Any]:
    """Whether they were drawn, and which they were where their settings do not say so."""
    masks = probe.masks
    if isinstance(masks, LostMasks):
        return dict(masks.said)
    if isinstance(masks, GridMasks):
        return {"masks": "drawn"}
    return {"masks": "given", "masks_sha256": array_hash(masks.render(0, len(masks)))}


def _items(origin: Origin, sha256: str, reference: Reference) -> dict[str, Any]:
    """Both items, by what they are called and known by; a name may be that of another picture tomorrow."""
    vector = reference.embedding
    found: dict[str, Any] = {
        "picture": _item(origin, sha256),
        "compared_with": _item(reference.origin, reference.picture_sha256),
        "caption": reference.caption,
        "reference_embedding": {"type": str(vector.dtype), "base64": base64.b64encode(vector.tobytes()).decode()},
    }
    return {name: facts for name, facts in found.items() if facts}


def _item(origin: Origin, sha256: str) -> dict[str, Any]:
    height, width = origin.size
    facts = {"name": origin.name, "sha256": sha256, "width": width, "height": height}
    return {name: value for name, value in facts.items() if value}


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
        "encoder": _encoder(encoder),
        "method": {"key": explanation.method, "settings": dict(explanation.settings)},
        "distance": explanation.distance,
        **_items(explanation.seen.origin, explanation.seen.sha256, explanation.reference),
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
        (scratch / MANIFEST).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")

    refuse_overwriting(folder, overwrite)
    _write_drawn(explanation, folder, write)
    return folder


def save_probe(probe: Probe, folder: Path) -> Path:
    """Write ``probe.npz``, as ``Probe.save`` does; of a run that was stopped, so that nothing is embedded for it now.

    Raises:
        CannotWrite: The folder cannot be written; nothing was kept.
    """
    write_whole(folder, lambda scratch: write_probe(probe, scratch / PROBE_FILE))
    return folder / PROBE_FILE


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
    masking, names = fresh.masking, masked(fresh)
    if not os.path.exists(path):
        raise InvalidInput(f"No {path.name} to resume from in that folder.", code="resume_missing")
    try:
        stored = read_stored(path)
        before, theirs = _before(stored), {name: stored.facts[name] for name in names}
        same, rounding, chosen = (
            _same_masks(stored, fresh),
            float(stored.facts.get("rounding", 0.0)),
            chosen_of(stored.facts),
        )
    except (Unreadable, KeyError, ValueError, TypeError, AttributeError) as error:
        if isinstance(error, Unreadable) and error.code == "saved_newer":
            raise InvalidInput(f"{error} Or start again without --resume.", code="resume_newer") from error
        raise InvalidInput(
            f"{path.name} is damaged or not a probe; start again without --resume.", code="resume_damaged"
        ) from error
    now = masking.to_dict() | {"encoder": fresh.encoder.fingerprint, "n_masks": 0}
    now["scheme version"] = SCHEMES[masking.scheme].version
    numbered = isinstance(fresh.encoder, MaskedSentence) or not SCHEMES[masking.scheme].grows
    if numbered:  # the masks depend on how many there are
        before["n_masks"], now["n_masks"] = stored.facts["masking"]["n_masks"], masking.n_masks
    changed = [f"{name} changed {before[name]} -> {now[name]}" for name in now if before[name] != now[name]]
    changed += [f"the {name.removesuffix('_sha256')} changed" for name in names if names[name] != theirs[name]]
    if not changed and not same:
        changed = ["the masks changed"]
    if changed:
        raise InvalidInput(f"Cannot resume: {'; '.join(changed)}.", code="resume_changed")
    if fresh.wanted != stored.facts["masking"]["n_masks"]:
        chosen.pop("n_masks", None)
    resumed = replace(
        fresh,
        embeddings=stored.arrays["embeddings"][: fresh.wanted],
        precision=max(rounding, fresh.precision),
        chosen=chosen | dict(fresh.chosen),
    )
    if isinstance(fresh.encoder, MaskedSentence):
        fresh.encoder.remember(resumed)
    return resumed


def _same_masks(stored: Stored, fresh: Probe) -> bool:
    """Whether a probe that was saved has the masks of another, as far as both go; early files hold none."""
    if isinstance(fresh.encoder, MaskedSentence) or not {"packed", "bits", "array"} & set(stored.arrays):
        return True
    masks = masks_of(stored)
    return isinstance(masks, GridMasks) and isinstance(fresh.masks, GridMasks) and masks.begins(fresh.masks)


def _before(stored: Stored) -> dict[str, Any]:
    """The settings of a probe that was saved."""
    facts, arrays = stored.facts, stored.arrays
    if "picture" in arrays and "picture_sha256" not in facts:  # the first files kept pixels in place of their name
        facts["picture_sha256"] = as_picture(arrays["picture"]).sha256  # type: ignore[index]
    before = {**facts["masking"], "encoder": facts["fingerprint"], "n_masks": 0}
    return before | {"scheme version": facts.get("scheme_version", 1)}


def save_words(explained: WordsExplanation, folder: Path, overwrite: bool = False, keep: bool = False) -> Path:
    """See ``WordsExplanation.save``."""

    def write(scratch: Path) -> None:
        values = zip(explained.words, explained.attribution.tolist(), strict=True)
        _write_csv(scratch / "words.csv", ("position", "word", "attribution"),
                   ((i, word, repr(value)) for i, (word, value) in enumerate(values)))  # fmt: skip
        head, *rows = csv.reader(io.StringIO(distances_csv(explained.ranked)))
        _write_csv(scratch / "distances.csv", (*head, "sentence"),
                   ((*row, copy) for row, copy in zip(rows, explained.copies, strict=True)))  # fmt: skip
        facts = _words_manifest(explained) | _kept(explained.ranked, scratch, keep)
        (scratch / MANIFEST).write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

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
    for name in ("map", "picture", "masks_sha256", "scheme_version"):
        facts.pop(name, None)
    sign = MEANINGS[explained.ranked.meaning].sign.format("word")
    return facts | text | {"masking": masking | {"hide": probe.encoder.hide}, "masks": drawn, "sign": sign}


def _write_csv(path: Path, head: Iterable[Any], rows: Iterable[Iterable[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows((head, *rows))


WRITERS.add("picture", save_explanation)
WRITERS.add("words", save_words)
WRITERS.add("method", save_method_explanation)
