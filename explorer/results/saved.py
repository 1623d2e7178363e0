"""What was saved comes back: results from their folders, probes from their files, without pickles and without trust."""

from __future__ import annotations

import base64
import csv
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from explorer.core.arguments import as_file
from explorer.core.embedder import Embedder, Input, Origin
from explorer.core.errors import InvalidInput
from explorer.core.explanation import Explanation, MethodExplanation
from explorer.core.masks import SCHEMES, MaskSet, MaskSettings, sample_masks
from explorer.core.probe import Probe, prepare, start
from explorer.core.references import Reference, named
from explorer.core.selections import MATTERS, MEANINGS, SelectionSettings
from explorer.core.sentences import MaskedSentence, WordsExplanation, prepare_words, split_words, word_masks
from explorer.core.storage import file_hash
from explorer.encoders.cards import EncoderLike, find_card, resolve
from explorer.encoders.saved import LOST, SavedEncoder, saved_encoder
from explorer.pictures.images import GREY, SCREEN_SIDE
from explorer.results.folders import MANIFEST, SCHEMA_VERSION, SECOND, resume_probe
from explorer.results.probe_files import (
    PROBE_FILE,
    LostMasks,
    Stored,
    Unreadable,
    box_of,
    check_version,
    chosen_of,
    damage_told,
    read_stored,
    restored,
)

GIVEN = "The masks were your own and were not kept with this result; save it with keep=True to have them later."
OUTDATED = (
    "The masks were drawn by another version of the scheme {} and were not kept with this result; this version would "
    "draw others. Save a result with keep=True to have its masks later."
)
PROBE_LOST = "The probe kept with this result is missing, damaged or another run's by now"
Result = Explanation | MethodExplanation | WordsExplanation
AS_GREY = " is shown as grey; explorer.load(path, image=...) puts it back."
NOT_KEPT = f"The picture was not kept with this result and{AS_GREY}"


@dataclass(frozen=True)
class Asked:
    """What somebody who loads brings along.

    Attributes:
        encoder: A key, an encoder, or a network or function that one is made of.
        image: The picture that was explained, in any form.
    """

    encoder: EncoderLike | None = None
    image: Any = None


def load(path: Any, *, encoder: EncoderLike | None = None, image: Any = None) -> Probe | Result:
    """What was saved before: a probe from its file, an explanation from its folder.

    No file is unpickled, and no encoder is loaded before it is needed: ranking a probe by an embedding needs none.

    Args:
        path: What ``probe.save`` or ``explanation.save`` wrote; of a folder with both, the explanation is given, with
            the probe in it.
        encoder: A key, or an encoder, network or function, for probes of those of your own, which cannot be named; it
            must be the same one, by its fingerprint.
        image: The picture that was explained, for results that were saved without their probe.

    Returns:
        As it was saved. The masked copies of a result that was saved without its probe are not there, so it cannot be
        ranked again.

    Raises:
        InvalidInput: Nothing there that was saved, damaged, of a newer version, or another encoder or picture.
    """
    place = as_file(path)
    asked = Asked(None if encoder is None else resolve(encoder), image)  # whose faults are none of the file's
    with damage_told(place, "result"):
        if place.is_dir():
            if (place / MANIFEST).exists():
                return _result(place, asked)
            if (place / PROBE_FILE).exists():
                return load_saved_probe(place / PROBE_FILE, asked)
            raise Unreadable(
                f"{place} holds nothing that was saved: no {MANIFEST}, no {PROBE_FILE}.", code="saved_missing"
            )
        if place.name == MANIFEST and place.exists():
            return _result(place.parent, asked)
        return load_saved_probe(place, asked)


def load_saved_probe(file: Path, asked: Asked) -> Probe:
    """The probe of a file.

    Raises:
        InvalidInput: As ``load``.
    """
    stored = read_stored(file)
    with damage_told(file, "probe"):
        if stored.facts["schema_version"] == 1:
            return _first_version(file, stored, asked)
        encoder = saved_encoder(stored.facts["by"], asked.encoder)
        return restored(stored, encoder)


def _first_version(file: Path, stored: Stored, asked: Asked) -> Probe:
    """A probe of which the file has the embeddings alone."""
    facts, masking = stored.facts, MaskSettings.from_dict(stored.facts["masking"])
    said = {"key": facts["encoder"], "fingerprint": facts["fingerprint"], "batch_size": 8}
    encoder = saved_encoder(said, asked.encoder)
    if "sentence" in facts:
        fresh = prepare_words(facts["sentence"], encoder=encoder, masking=masking, hide=facts["hide"])
        return _told_apart(file, fresh)
    image = stored.arrays.get("picture") if asked.image is None else asked.image
    if image is not None:
        own = encoder.own() if isinstance(encoder, SavedEncoder) else encoder
        return _told_apart(file, prepare(image, encoder=own, masking=masking))
    # never by a key that names a file or an address: those are for whoever loads to give
    size = resolve(find_card(encoder.card.key).key if asked.encoder is None else asked.encoder).input_size
    if size is None:
        raise Unreadable(f"{file} was saved without its picture; explorer.load(path, image=...).", code="picture_lost")
    bare = _bare(saved_encoder(said, asked.encoder, lost=True), masking, sample_masks(masking, size))
    return _told_apart(file, replace(bare, picture_sha256=str(facts.get("picture_sha256", ""))))


def _told_apart(file: Path, fresh: Probe) -> Probe:
    """Taken up; what differs is said and not called damage."""
    try:
        return resume_probe(file, fresh)
    except InvalidInput as error:
        raise Unreadable(str(error).replace("Cannot resume: ", f"{file} cannot be read: "), code=error.code) from error


# Results


def _result(folder: Path, asked: Asked) -> Result:
    facts = read_manifest(folder)
    if "method" in facts:
        return _by_method(folder, facts, asked)
    if "sentence" in facts:
        return _of_words(folder, facts, asked)
    attribution = _map(folder, facts)
    probe = _probe_beside(folder, facts, asked)
    if probe is None:
        probe = _probe_without(facts, attribution, asked)
    if probe.masks.size != attribution.shape:
        raise ValueError("the map has another size than the masks")
    return _ranked(folder, facts, attribution, probe, asked)


def read_manifest(folder: Path) -> dict[str, Any]:
    """What a result says of itself.

    Raises:
        Unreadable: It is no result of ours, damaged, or of a newer version.
    """
    path = folder / MANIFEST
    with damage_told(path, "result"):
        facts = json.loads(path.read_text(encoding="utf-8-sig"))
        if not isinstance(facts, dict) or not {"encoder", "reference"} <= set(facts):
            raise Unreadable(f"{path} is not that of a saved result.", code="saved_foreign")
        check_version(path, facts["schema_version"], SCHEMA_VERSION)
        return facts


def _ranked(
    folder: Path, facts: Mapping[str, Any], attribution: NDArray[np.float32], probe: Probe, asked: Asked
) -> Explanation:
    rows = _table(folder / "distances.csv")
    distances, weights = (np.array([float(row[name]) for row in rows]) for name in ("distance", "weight"))
    if len(rows) != facts["masks_done"] or [int(row["mask"]) for row in rows] != list(range(len(rows))):
        raise ValueError("other masks than the manifest says")
    second, lost = _second(folder, facts, asked)
    explanation = Explanation(
        attribution=attribution,
        distances=distances,
        weights=weights,
        selection=SelectionSettings.from_dict(facts["selection"]),
        reference=_reference(facts),
        probe=probe,
        no_signal=str(facts["no_signal"]),
        notices=(*map(str, facts["notices"]), *lost),
        second=second,
    )
    _set_distance(explanation, facts)
    return explanation


def _second(folder: Path, facts: Mapping[str, Any], asked: Asked) -> tuple[Explanation | None, tuple[str, ...]]:
    """The second map of two that tell two stories, and what there is to say where it is gone."""
    if facts.get("second") is not True:
        return None, ()  # a folder of that name is somebody's own
    if not (folder / SECOND / MANIFEST).exists():
        return None, (f"The second map of this result is not in its folder {SECOND} any more.",)
    found = _result(folder / SECOND, asked)
    if not isinstance(found, Explanation):
        raise ValueError("the second map is of another kind")
    return found, ()


def _set_distance(explanation: Explanation | MethodExplanation, facts: Mapping[str, Any]) -> None:
    vars(explanation)["unmasked_distance"] = float(facts["unmasked_distance"])  # as if it had been asked before


def _by_method(folder: Path, facts: Mapping[str, Any], asked: Asked) -> MethodExplanation:
    attribution = _map(folder, facts)
    encoder = saved_encoder(facts["encoder"], asked.encoder, lost=asked.image is None)
    explanation = MethodExplanation(
        attribution=attribution,
        method=str(facts["method"]["key"]),
        settings=dict(facts["method"]["settings"]),
        encoder=encoder,
        seen=_seen(facts, attribution, encoder, asked),
        reference=_reference(facts),
        distance=str(facts["distance"]),
        signed=facts["map"]["sign"] != MEANINGS[MATTERS].sign.format("region"),
        no_signal=str(facts["no_signal"]),
    )
    _set_distance(explanation, facts)
    return explanation


def _of_words(folder: Path, facts: Mapping[str, Any], asked: Asked) -> WordsExplanation:
    words = _table(folder / "words.csv")
    values = np.array([float(row["attribution"]) for row in words], np.float32)[None]
    probe = _probe_beside(folder, facts, asked)
    if probe is None:
        sentence = split_words(facts["sentence"])
        said = facts["masking"]
        masking = MaskSettings(**{name: said[name] for name in ("n_masks", "p_keep", "seed")})
        by = saved_encoder(facts["encoder"], asked.encoder)
        row = MaskedSentence(by, replace(sentence, cut=str(facts["cut"])), str(said["hide"]))
        probe = _bare(row, masking, word_masks(len(sentence.words), masking))
    assert isinstance(probe.encoder, MaskedSentence)
    if list(probe.encoder.sentence.words) != [row["word"] for row in words]:
        raise ValueError("other words than the sentence has")
    return WordsExplanation(_ranked(folder, facts, values, probe, asked), probe.encoder.sentence)


def _map(folder: Path, facts: Mapping[str, Any]) -> NDArray[np.float32]:
    attribution: NDArray[np.float32] = np.load(folder / "attribution.npy", allow_pickle=False)
    if attribution.dtype != np.float32 or attribution.ndim != 2 or list(attribution.shape) != facts["map"]["shape"]:
        raise ValueError("not the map of that result")
    return attribution


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _reference(facts: Mapping[str, Any]) -> Reference:
    """What it was compared with; older results have not its embedding, of which nothing is known then."""
    said, caption, vector = facts.get("compared_with", {}), str(facts.get("caption", "")), np.empty(0, np.float32)
    if stored := facts.get("reference_embedding"):
        kind = np.dtype(str(stored["type"]))
        if kind.kind not in "fiub":
            raise ValueError("no embedding")
        vector = np.frombuffer(base64.b64decode(stored["base64"], validate=True), kind).copy()
    return Reference(
        vector,
        str(facts["reference"]),
        picture_sha256=str(said.get("sha256", "")),
        origin=_origin(said),
        caption=caption,
        encoder=str(facts["encoder"]["fingerprint"]) if said or caption else "",
    )


def _origin(said: Mapping[str, Any]) -> Origin:
    return Origin(str(said.get("name", "")), (int(said.get("height", 0)), int(said.get("width", 0))))


# Probes of results


def _probe_beside(folder: Path, facts: Mapping[str, Any], asked: Asked) -> Probe | None:
    """The probe that was kept with a result."""
    file = folder / PROBE_FILE
    if not is_kept(folder, facts):
        return None
    probe = load_saved_probe(file, asked)
    if len(probe) != facts["masks_done"]:
        raise ValueError("the probe has other masks")
    return probe


def is_kept(folder: Path, facts: Mapping[str, Any]) -> bool:
    """Whether the probe of a result lies with it, whole; not one of a later run that was stopped there."""
    file = folder / PROBE_FILE
    return "probe_sha256" in facts and file.exists() and file_hash(file) == facts["probe_sha256"]


def _probe_without(facts: Mapping[str, Any], attribution: NDArray[np.float32], asked: Asked) -> Probe:
    """What there is of the probe of a result that was saved without it."""
    masking = MaskSettings.from_dict(facts["masking"])
    rows, columns = attribution.shape
    encoder = saved_encoder(facts["encoder"], asked.encoder, lost=asked.image is None)
    seen = _seen(facts, attribution, encoder, asked)
    now = SCHEMES[masking.scheme].version
    why = GIVEN if facts["masks"] != "drawn" else ""
    if not why and facts.get("scheme_version", now) != now:
        why = OUTDATED.format(masking.scheme)
    if why:
        said = {name: facts[name] for name in ("masks", "masks_sha256", "scheme_version") if name in facts}
        bare = _bare(encoder, masking, LostMasks((rows, columns), masking.n_masks, why, said), seen)
    elif asked.image is None:
        bare = _bare(encoder, masking, sample_masks(masking, (rows, columns)), seen)
    else:  # so that it can be gone on with
        bare = start(seen, encoder.own() if isinstance(encoder, SavedEncoder) else encoder, masking)
    return replace(bare, chosen=chosen_of(facts))


def _seen(facts: Mapping[str, Any], attribution: NDArray[np.float32], encoder: Embedder, asked: Asked) -> Input:
    """What was explained: the picture that was brought along, or grey in its shape."""
    said, box = facts.get("picture", {}), box_of(facts["map"])
    if asked.image is not None:
        seen = named(encoder.read(asked.image))
        seen = replace(seen, notices=seen.notices + (f"{PROBE_LOST}.",) * ("probe_sha256" in facts))
        if said.get("sha256") not in (None, seen.sha256) or seen.pixels.shape[:2] != attribution.shape:
            raise Unreadable("The image given is not the one that was explained.", code="another_picture")
        return replace(seen, origin=_origin(said)) if said else seen
    origin = _origin(said)
    h, w = origin.size if all(origin.size) else attribution.shape
    factor = min(1.0, SCREEN_SIDE / max(h, w))
    grey = np.full((max(1, math.ceil(h * factor)), max(1, math.ceil(w * factor)), 3), GREY, np.uint8)
    pixels = np.full((*attribution.shape, 3), GREY, np.float32)
    notice = f"{PROBE_LOST}; the picture{AS_GREY}" if "probe_sha256" in facts else NOT_KEPT
    return Input(pixels, box, grey, (notice,), str(said.get("sha256", "")), origin)


def _bare(encoder: Embedder, masking: MaskSettings, masks: MaskSet, seen: Input | None = None) -> Probe:
    """A probe with no mask done."""
    if seen is None:
        seen = Input(np.full((*masks.size, 3), GREY, np.float32), notices=(NOT_KEPT,))
    return Probe(
        encoder=encoder,
        masking=masking,
        masks=masks,
        embeddings=np.empty((0, 0), np.float32),
        pixels=seen.pixels,
        background=np.asarray(encoder.zero_colour),
        unmasked=_lost,
        picture=seen.picture,
        box=seen.box,
        notices=seen.notices,
        picture_sha256=seen.sha256,
        origin=seen.origin,
    )


def _lost() -> NoReturn:
    raise InvalidInput(LOST, code="picture_lost")
