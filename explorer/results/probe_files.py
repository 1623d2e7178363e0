"""Probes as files of their own: everything they are made of, read back without pickles and without trust."""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from explorer.core.embedder import Box, Embedder, Input, Origin
from explorer.core.errors import ExplorerError, InvalidInput
from explorer.core.fills import FILLS
from explorer.core.masks import SCHEMES, ArrayMasks, GridMasks, MaskSet, MaskSettings, masks_from_array
from explorer.core.probe import Probe, Unmasked, start
from explorer.core.sentences import MaskedSentence, Sentence
from explorer.core.storage import write_whole
from explorer.core.writers import WRITERS
from explorer.encoders.saved import encoder_facts
from explorer.pictures.formats import png
from explorer.pictures.images import as_picture

PROBE_FILE = "probe.npz"
PROBE_VERSION = 2
"""1 had the embeddings alone, and was taken up with the picture at hand."""
DAMAGE = (
    *(OSError, ValueError, KeyError, TypeError, EOFError, LookupError, OverflowError, AttributeError, MemoryError),
    *(NotImplementedError, RuntimeError, struct.error, zlib.error, zipfile.BadZipFile),
)
"""What reading a damaged file of numbers raises, or what of it is of another kind than it should be."""


OTHERS = ("another_", "encoder_", "image_", "no_such_file", "picture_lost", "unknown_encoder", "unreadable_")
"""How the codes of errors begin that are about what somebody brought along, not about the file."""


class Unreadable(InvalidInput):
    """A file that holds no saved result that we can read; its message is ready for people."""


@dataclass(frozen=True)
class Stored:
    """What a file holds.

    Attributes:
        facts: What it says of the probe.
        arrays: By name.
    """

    facts: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class LostMasks:
    """Masks of a result that are not here any more.

    Attributes:
        size: (h, w) of one.
        count: How many there were.
        why: They are not here, for people.
        said: What the manifest says of them.
    """

    size: tuple[int, int]
    count: int
    why: str
    said: Mapping[str, Any]

    def __len__(self) -> int:
        return self.count

    def render(self, start: int, stop: int) -> NoReturn:
        """None can be had."""
        raise InvalidInput(self.why, code="masks_lost")

    def weighted_sum(self, weights: NDArray[np.float64]) -> NoReturn:
        """As ``render``."""
        self.render(0, 0)

    def sums_kept(self, maps: NDArray[np.float64]) -> NoReturn:
        """As ``render``."""
        self.render(0, 0)

    def first(self, n: int) -> LostMasks:
        """As many fewer."""
        return replace(self, count=n)


@contextmanager
def damage_told(path: Path, what: str) -> Iterator[None]:
    """Say of what cannot be read as it should that it is damaged, or no such thing."""
    try:
        yield
    except Unreadable:
        raise
    except InvalidInput as error:
        if error.code.startswith(OTHERS):
            raise
        raise Unreadable(f"{path} is damaged, or no saved {what}: {error}", code="saved_damaged") from error
    except FileNotFoundError as error:
        raise Unreadable(f"No such file: {error.filename or path}.", code="saved_missing") from error
    except PermissionError as error:
        raise Unreadable(f"{path} may not be read.", code="saved_unreadable") from error
    except ExplorerError:
        raise
    except DAMAGE as error:
        raise Unreadable(f"{path} is damaged, or no saved {what}: it cannot be read.", code="saved_damaged") from error


def check_version(path: Path, version: Any, known: int) -> None:
    """Refuse what a later version has written.

    Raises:
        Unreadable: It has, or nothing says which one.
    """
    if type(version) is not int or version < 1:
        raise ValueError("no version")
    if version > known:
        raise Unreadable(
            f"{path} was saved by a newer version (format {version}; this one reads up to {known}): install the newest "
            "distance-explorer.",
            code="saved_newer",
        )


def save_probe_file(probe: Probe, path: Path, overwrite: bool = False) -> Path:
    """See ``Probe.save``."""
    file = path / PROBE_FILE if path.is_dir() else path
    if file.is_dir() or (file.exists() and not overwrite):
        raise InvalidInput(f"{file} is there already; name another file, or give overwrite=True.", code="output_exists")
    if len(probe):
        probe.unmasked()
    write_whole(file.parent, lambda scratch: write_probe(probe, scratch / file.name))
    return file


def write_probe(probe: Probe, path: Path) -> None:
    """Write a probe's file; the embedding of the whole picture is in it where it is known by now."""
    masks, how = _mask_arrays(probe.masks)
    arrays = masks | {"embeddings": probe.embeddings, "pixels": _small(probe.pixels)}
    if probe.picture is not None:
        arrays["picture"] = np.frombuffer(png(probe.picture), np.uint8)
    row = probe.unmasked.row if isinstance(probe.unmasked, Unmasked) else probe.unmasked()
    if row is not None:
        arrays["unmasked"] = row
    facts = _facts(probe) | {"masks": how, "pixels": str(probe.pixels.dtype)}
    with path.open("wb") as file:
        np.savez(file, facts=np.array(json.dumps(facts)), **arrays)  # type: ignore[arg-type]


def masked(probe: Probe) -> dict[str, str]:
    """What names the thing that was masked."""
    if isinstance(probe.encoder, MaskedSentence):
        return {"sentence": probe.encoder.sentence.text, "hide": probe.encoder.hide}
    return {"picture_sha256": probe.picture_sha256}


def _facts(probe: Probe) -> dict[str, Any]:
    encoder: Embedder = probe.encoder
    words: dict[str, Any] = {}
    if isinstance(encoder, MaskedSentence):
        words, encoder = {"words": asdict(encoder.sentence)}, encoder.by
    by = encoder_facts(encoder)
    if FILLS[probe.masking.fill].drops:
        by["patches"] = encoder.patches()
    return {
        "schema_version": PROBE_VERSION,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "encoder": encoder.card.key,
        "fingerprint": encoder.fingerprint,
        "by": by,
        "masking": probe.masking.to_dict(),
        "scheme_version": SCHEMES[probe.masking.scheme].version,
        **masked(probe),
        **words,
        "origin": asdict(probe.origin),
        "box": asdict(probe.box),
        "notices": probe.notices,
        "rounding": probe.precision,
        "chosen": dict(probe.chosen),
    }


def _mask_arrays(masks: MaskSet) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Masks as arrays, and how those are read."""
    if isinstance(masks, GridMasks):
        how = {"feature_res": masks.feature_res, "size": masks.size, "blocks": masks.blocks}
        return {"packed": masks.packed, "shifts": masks.shifts}, {"kind": "grids", **how}
    array = masks.render(0, len(masks))
    bits = array != 0
    if np.array_equal(bits, array):
        return {"bits": np.packbits(bits)}, {"kind": "bits", "shape": array.shape}
    return {"array": array}, {"kind": "array"}


def masks_of(stored: Stored) -> MaskSet:
    """The masks of a file; as ``restored``."""
    how, arrays = stored.facts["masks"], stored.arrays
    if how["kind"] == "array":
        return masks_from_array(arrays["array"])
    if how["kind"] == "bits":
        n, h, w = map(int, how["shape"])
        bits = np.unpackbits(arrays["bits"], count=n * h * w)
        return ArrayMasks(bits.reshape(n, h, w).astype(np.float32))
    feature_res, (h, w) = int(how["feature_res"]), map(int, how["size"])
    if not 0 < feature_res <= min(h, w):
        raise ValueError("no grid")
    packed, shifts = arrays["packed"], arrays["shifts"]
    cells = [1 if how["blocks"] else -(-side // feature_res) for side in (h, w)]
    good = packed.dtype == np.uint8 and shifts.dtype == np.int32 and shifts.shape == (len(packed), 2)
    if not good or packed.shape[1:] != (-(-feature_res * feature_res // 8),):
        raise ValueError("not the masks of a grid")
    if (shifts < 0).any() or (shifts >= cells).any():
        raise ValueError("shifted by more than a cell")
    return GridMasks(packed, shifts, feature_res, (h, w), bool(how["blocks"]))


def chosen_of(facts: Mapping[str, Any]) -> dict[str, str]:
    """What was chosen for it, and why."""
    return {str(name): str(why) for name, why in facts.get("chosen", {}).items()}


def box_of(facts: Mapping[str, Any]) -> Box:
    """Where in the picture the encoder looked."""
    box = Box(**{name: float(value) for name, value in facts["box"].items()})
    if not (box.left < box.right and box.top < box.bottom):
        raise ValueError("an empty box")
    return box


def _picture(data: NDArray[Any]) -> NDArray[np.uint8]:
    try:
        return as_picture(data.tobytes()).pixels
    except InvalidInput as error:  # which speaks of a picture that somebody gave
        raise ValueError("not the picture of a probe") from error


def _small(pixels: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers up to 255, as pictures have them, in a quarter of the space; others as they are."""
    with np.errstate(invalid="ignore"):
        small = pixels.astype(np.uint8)
    return small if np.array_equal(small, pixels) else pixels


def read_stored(path: Path) -> Stored:
    """Read a file of any version, without unpickling anything.

    Raises:
        Unreadable: No probe, damaged, or of a newer version.
    """
    with damage_told(path, "probe"):
        with np.load(path, allow_pickle=False) as file:
            facts = json.loads(str(file["facts"]))
            check_version(path, facts["schema_version"], PROBE_VERSION)
            arrays = {name: file[name] for name in file.files if name != "facts"}
        embeddings = arrays["embeddings"]
        if embeddings.ndim != 2 or embeddings.dtype.kind != "f":
            raise ValueError("not the embeddings of a probe")
        embeddings.flags.writeable = False
        return Stored(facts, arrays)


def restored(stored: Stored, encoder: Embedder) -> Probe:
    """The probe of a file of the newest version.

    Args:
        stored: From ``read_stored``; what it lacks, or has of another kind, raises an error of ``DAMAGE``.
        encoder: From ``explorer.encoders.saved.saved_encoder``.
    """
    facts, arrays = stored.facts, stored.arrays
    masking, masks, embeddings = MaskSettings.from_dict(facts["masking"]), masks_of(stored), arrays["embeddings"]
    pixels = arrays["pixels"].astype(np.dtype(str(facts["pixels"])), copy=False)
    row = arrays.get("unmasked")
    if row is not None and row.shape != embeddings.shape[1:]:
        raise ValueError("not the embedding of the whole picture")
    if pixels.ndim != 3 or pixels.dtype.kind not in "fiu" or len(embeddings) > len(masks):
        raise ValueError("not the pixels of a probe")
    if "words" in facts:
        said = facts["words"]
        words, spaced = tuple(map(str, said["words"])), tuple(map(bool, said["spaced"]))
        encoder = MaskedSentence(encoder, Sentence(str(said["text"]), words, spaced, str(said["cut"])), facts["hide"])
        if len(words) != pixels.shape[1] or len(spaced) != len(words):
            raise ValueError("not the masks of that sentence")
    seen = Input(
        pixels,
        box=box_of(facts),
        picture=_picture(arrays["picture"]) if "picture" in arrays else None,
        sha256=str(facts.get("picture_sha256", "")),
        origin=Origin(str(facts["origin"]["name"]), tuple(map(int, facts["origin"]["size"]))),  # type: ignore[arg-type]
    )
    # settings that say another number of masks go with masks of somebody's own, and with words
    begun = start(seen, encoder, masking if masking.n_masks == len(masks) else None, masks)
    probe = replace(
        begun,
        masking=masking,
        embeddings=embeddings,
        notices=tuple(map(str, facts["notices"])),
        precision=float(facts["rounding"]),
        chosen=chosen_of(facts),
        unmasked=Unmasked(encoder, pixels, row),
    )
    if isinstance(encoder, MaskedSentence):
        encoder.remember(probe)
    return probe


WRITERS.add("probe", save_probe_file)
