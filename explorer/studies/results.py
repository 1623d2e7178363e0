"""A finished study on disk: PNG, SVG, CSV and maps with a manifest, written whole or not at all, and read again."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from explorer.core.errors import InvalidInput
from explorer.core.storage import file_hash, write_whole
from explorer.reports.drawing import save
from explorer.results.folders import SCHEMA_VERSION, versions
from explorer.studies.needs import plan
from explorer.studies.setup import Setup
from explorer.studies.study import PAPER, Compared, Findings, Study, Table

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Result:
    """A finished study, as its manifest and its tables (by file name) tell it."""

    key: str
    manifest: dict[str, Any]
    tables: dict[str, Table]

    @property
    def findings(self) -> dict[str, Any]:
        """What was found, in words."""
        return dict(self.manifest["findings"])

    @property
    def compared(self) -> tuple[Compared, ...]:
        """Lines for the summary."""
        return tuple(Compared(**line) for line in self.findings["compared"])


def write_result(study: Study, setup: Setup, findings: Findings, out: Path, *, passes: int, seconds: float) -> None:
    """Write a study's files into ``out/<key>``.

    Raises:
        CannotWrite: The folder cannot be written; what was there is left as it was.
    """
    tables = {f"{study.key}.csv": findings.table} | {
        f"{study.key}-{name}.csv": table for name, table in findings.more.items()
    }

    def write(scratch: Path) -> None:
        save(findings.drawing, scratch / study.key)
        for name, table in tables.items():
            (scratch / name).write_text(to_csv(table), encoding="utf-8")
        if findings.maps:
            arrays: dict[str, Any] = {name: np.asarray(made, np.float32) for name, made in findings.maps.items()}
            np.savez_compressed(scratch / "maps.npz", **arrays)
        facts = _facts(study, setup, findings, passes, seconds)
        facts["findings"]["tables"] = {name: table.about for name, table in tables.items()}
        facts["files"] = {file.name: file_hash(file) for file in sorted(scratch.iterdir())}
        (scratch / MANIFEST).write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    write_whole(out / study.key, write)


def recipe(study: Study, setup: Setup) -> dict[str, Any]:
    """Everything a study's result depends on, as plain values: the same recipe gives the same numbers."""
    needs = plan(study.outline(setup).needs)
    return {"study": study.key, **setup.identity, "needs": [{**need.facts, "passes": need.passes} for need in needs]}


def read_result(out: Path, key: str) -> Result | None:
    """The result of a study in a folder; None where there is none, or not all of it.

    Raises:
        InvalidInput: The manifest is damaged, or a file is not the one it tells of.
    """
    folder = out / key
    if not (folder / MANIFEST).is_file():
        return None
    facts = [(file.name, file.stat()) for file in sorted(folder.iterdir())]
    return _read(folder, key, tuple((name, at.st_mtime_ns, at.st_size) for name, at in facts))


@lru_cache(maxsize=64)
def _read(folder: Path, key: str, _: tuple[tuple[str, int, int], ...]) -> Result | None:
    """``read_result`` while no file changes: each is read, and its hash taken, once."""
    path, damaged = folder / MANIFEST, MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if manifest["schema_version"] != SCHEMA_VERSION or manifest["study"] != key:
            return None
        if any(not (folder / name).is_file() for name in manifest["files"]):
            return None
        changed = [name for name in manifest["files"] if file_hash(folder / name) != manifest["files"][name]]
        if changed:
            damaged = changed[0]
            raise ValueError("not as it was written")
        about = manifest["findings"]["tables"]
        tables = {name: _from_csv((folder / name).read_text(encoding="utf-8"), about[name]) for name in about}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidInput(
            f"{key}/{damaged} is damaged; remove the folder {key}, or name another with --out.", code="study_damaged"
        ) from error
    return Result(key, manifest, tables)


def finished(study: Study, setup: Setup, out: Path) -> Result | None:
    """The result that lies there, if it is the one this setup would make."""
    result = read_result(out, study.key)
    return result if result is not None and result.manifest["recipe"] == _as_read(recipe(study, setup)) else None


def to_csv(table: Table) -> str:
    """The table as CSV, numbers to the last bit."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(table.header)
    rows.writerows([repr(float(cell)) if isinstance(cell, float) else cell for cell in row] for row in table.rows)
    return text.getvalue()


def _from_csv(text: str, about: str) -> Table:
    header, *rows = csv.reader(io.StringIO(text))
    return Table(tuple(header), tuple(tuple(_cell(cell) for cell in row) for row in rows), about)


def _cell(text: str) -> str | int | float:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _facts(study: Study, setup: Setup, findings: Findings, passes: int, seconds: float) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "study": study.key,
        "title": study.title,
        "paper": PAPER + (f", section {study.section}" if study.section else ""),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "passes": passes,
        "seconds": round(seconds, 1),
        "encoders": {
            role: {
                "key": encoder.card.key,
                "title": encoder.card.title,
                "fingerprint": encoder.fingerprint,
                "batch_size": encoder.batch_size,
            }
            for role, encoder in setup.encoders.items()
            if role in study.roles
        },
        "paper_pictures": setup.subjects.paper,
        "pictures_note": setup.subjects.note,
        "recipe": _as_read(recipe(study, setup)),
        "versions": versions(),
        "findings": {
            "alt": findings.drawing.alt,
            "said": list(findings.said),
            "compared": [asdict(line) for line in findings.compared],
            "differs": findings.differs,
        },
    }


def _as_read(values: Any) -> Any:
    """Plain values as they come back from a file: tuples are lists there."""
    return json.loads(json.dumps(values))
