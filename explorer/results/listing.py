"""Which results lie in a folder and all below it, told apart by what was explained, against what and how."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from explorer.core.errors import InvalidInput
from explorer.core.printable import printable
from explorer.results.folders import MANIFEST
from explorer.results.probe_files import PROBE_FILE, damage_told, read_stored
from explorer.results.saved import is_kept, read_manifest

NO_MAP = "its map is missing"
COLUMNS = {
    "folder": "folder",
    "explained": "explained",
    "against": "against",
    "encoder": "encoder",
    "method": "method",
    "n_masks": "masks",
    "mode": "mode",
    "distance": "distance",
    "created": "date",
}
"""Of the table, and what stands above them."""


@dataclass(frozen=True)
class Row:
    """One folder of results.

    Attributes:
        folder: Relative to the one that was looked through.
        explained: The picture's file name or the sentence; else the beginning of its hash.
        against: The same for the reference; a caption in quotes.
        encoder: Its key.
        method: A key of the methods, or ``words``.
        n_masks: Masked copies that were embedded; None for methods that mask none.
        mode: The selection mode, ``slices``, or empty.
        distance: Of the whole picture to the reference.
        created: When, in ISO 8601.
        masking: All of the settings of the masks.
        selection: All of the settings of the selection.
        kept: Whether the probe is there, so that it can be ranked again.
        problem: Why it cannot be read, or what it is instead; empty where all is well.
    """

    folder: str
    explained: str = ""
    against: str = ""
    encoder: str = ""
    method: str = ""
    n_masks: int | None = None
    mode: str = ""
    distance: float | None = None
    created: str = ""
    masking: Mapping[str, Any] = field(default_factory=dict)
    selection: Mapping[str, Any] = field(default_factory=dict)
    kept: bool = False
    problem: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return asdict(self)


def listed(folder: Path) -> Iterator[Row]:
    """Every folder with a result, a run that was stopped, or what should be one, in the order of their names.

    Raises:
        InvalidInput: No such folder.
    """
    if not folder.is_dir():
        raise InvalidInput(f"No such folder: {folder}.", code="no_such_folder")
    for place, below, files in os.walk(folder):
        below[:] = sorted(name for name in below if not name.startswith("."))
        name = os.path.relpath(place, folder)
        if MANIFEST in files:
            yield _row(name, Path(place))
        elif PROBE_FILE in files:
            yield _stopped(name, Path(place) / PROBE_FILE)


def _row(name: str, place: Path) -> Row:
    try:
        facts = read_manifest(place)
        with damage_told(place / MANIFEST, "result"):
            return _told(name, place, facts)
    except InvalidInput as error:
        return Row(name, problem=str(error))


def _told(name: str, place: Path, facts: Mapping[str, Any]) -> Row:
    selection = facts.get("selection", {})
    sliced = selection.get("closest") or selection.get("farthest")
    words = "sentence" in facts
    return Row(
        folder=name,
        explained=str(facts["sentence"]) if words else _called(facts.get("picture"), "a picture"),
        against=_called(facts.get("compared_with"), str(facts["reference"])),
        encoder=str(facts["encoder"]["key"]),
        method="words" if words else str(facts.get("method", {}).get("key", "distance-explainer")),
        n_masks=int(facts["masks_done"]) if "masks_done" in facts else None,
        mode="slices" if sliced else str(selection.get("mode", "")),
        distance=float(facts["unmasked_distance"]),
        created=str(facts["created"]),
        masking=dict(facts.get("masking", {})),
        selection=dict(selection),
        kept=is_kept(place, facts),
        problem="" if (place / ("words.csv" if words else "attribution.npy")).exists() else NO_MAP,
    )


def _stopped(name: str, file: Path) -> Row:
    try:
        stored = read_stored(file)
        with damage_told(file, "probe"):
            facts, done = stored.facts, len(stored.arrays["embeddings"])
            picture = {"name": facts.get("origin", {}).get("name", ""), "sha256": facts.get("picture_sha256", "")}
            wanted = facts["masking"]["n_masks"]
            return Row(
                folder=name,
                explained=str(facts.get("sentence") or _called(picture, "a picture")),
                encoder=str(facts["encoder"]),
                n_masks=done,
                created=str(facts.get("created", "")),
                masking=dict(facts["masking"]),
                kept=True,
                problem="" if done == wanted else f"stopped at {done} of {wanted} masks",
            )
    except InvalidInput as error:
        return Row(name, problem=str(error))


def _called(item: Mapping[str, Any] | None, otherwise: str) -> str:
    """What a picture is called: its name, else the beginning of its hash."""
    if not item:
        return otherwise
    return str(item.get("name") or f"{otherwise} {str(item.get('sha256', ''))[:8]}".strip())


def table(rows: list[Row]) -> str:
    """The rows below one another, in columns; what is wrong with one stands in its place."""
    cells = [tuple(COLUMNS.values()), *(tuple(_cell(row, name) for name in COLUMNS) for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(COLUMNS))]
    lines = ["  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    for i, row in enumerate(rows, 1):
        if row.problem:
            lines[i] = f"{lines[i]}  ! {printable(row.problem)}"
    return "\n".join(lines)


def _cell(row: Row, name: str) -> str:
    value = getattr(row, name)
    if name == "distance":
        return "" if value is None else f"{value:.4f}"
    if name == "created":
        return str(value)[:16].replace("T", " ")
    return "" if value is None else printable(str(value))
