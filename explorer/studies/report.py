"""The studies as one page beside the paper's own numbers: HTML with relative pictures, no script, no network."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

from explorer.core.storage import write_whole
from explorer.reports.page import render
from explorer.studies.results import Result, finished
from explorer.studies.runner import why_not
from explorer.studies.setup import Setup
from explorer.studies.study import PAPER, STUDIES, Study

PAGE = "index.html"
VERDICTS = {True: ("good", "as in the paper"), False: ("other", "otherwise here"), None: ("soft", "see the text")}
PARTS = {"4": "Quantitative results (section 4)", "5": "Qualitative assessment (section 5)", "": "Further pages"}


def write_report(setup: Setup, out: Path) -> Path:
    """Write ``index.html`` about every study of this setup that is finished in a folder.

    Raises:
        CannotWrite: The folder cannot be written.
    """
    possible = [study for _, study in STUDIES.items() if not why_not(study, setup)]
    text = page([(study, result) for study in possible if (result := finished(study, setup, out))], setup, out)

    def write(scratch: Path) -> None:
        (scratch / PAGE).write_text(text, encoding="utf-8")

    write_whole(out, write)
    return out / PAGE


def page(made: Sequence[tuple[Study, Result]], setup: Setup, out: Path) -> str:
    """The whole page."""
    lines = [(study, line) for study, result in made for line in result.compared]
    notes = [setup.subjects.note] if setup.subjects.note else []
    if setup.share != 1:
        notes.append(
            f"A draft: {100 * setup.share:g} % of the paper's numbers of masks. Maps are noisier than they should be."
        )
    parts = [
        (title, [(study, result, *_png_size(out / study.key / f"{study.key}.png")) for study, result in inside])
        for start, title in PARTS.items()
        if (inside := [(study, result) for study, result in made if _part(study) == start])
    ]
    return render(
        "studies.html",
        paper=PAPER,
        encoders=setup.encoders,
        own_pictures=setup.subjects.paper,
        passes=sum(int(result.manifest["passes"]) for _, result in made),
        minutes=sum(float(result.manifest["seconds"]) for _, result in made) / 60,
        notes=notes,
        lines=lines,
        agree=sum(line.agrees is True for _, line in lines),
        against=sum(line.agrees is False for _, line in lines),
        verdicts=VERDICTS,
        studies=[study for study, _ in made],
        parts=parts,
        missing=[(study, reason) for _, study in STUDIES.items() if (reason := why_not(study, setup))],
        used={role: encoder for _, result in made for role, encoder in result.manifest["encoders"].items()},
        newest=made[-1][1].manifest if made else None,
    )


def _part(study: Study) -> str:
    """Which part of the report a study stands in."""
    return study.section[:1] if study.section[:1] in PARTS else ""


def _png_size(path: Path) -> tuple[int, int]:
    with path.open("rb") as file:
        width, height = struct.unpack(">II", file.read(24)[16:])
    return width, height
