"""A benchmark's results for people and programs: CSV, Markdown, and one HTML file with the maps inside."""

from __future__ import annotations

import base64
import csv
import io
import re
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from explorer.benchmark.cells import MARKDOWN, PAGE, Cell, read_cells
from explorer.benchmark.paper import PAPER
from explorer.benchmark.plan import Plan
from explorer.benchmark.run import SHOWN
from explorer.benchmark.tables import Entry, Results, Sheet, count, sheets, winners
from explorer.core.storage import write_whole
from explorer.datasets.items import DATASETS
from explorer.reports.page import render
from explorer.results.folders import versions


def write_report(plan: Plan, out: Path) -> Path:
    """Write every table as CSV, all of them as Markdown, and the page, of what there is so far; returns the page.

    Raises:
        InvalidInput: The results are damaged.
        CannotWrite: The folder cannot be written.
    """
    results = Results(plan, read_cells(out))
    made = sheets(results)

    def write(scratch: Path) -> None:
        for sheet in made:
            (scratch / f"{sheet.key}.csv").write_text(to_csv(sheet), encoding="utf-8")
        (scratch / MARKDOWN).write_text(to_markdown(plan, made), encoding="utf-8")
        (scratch / PAGE).write_text(page(results, made, out), encoding="utf-8")

    write_whole(out, write)
    return out / PAGE


def to_csv(sheet: Sheet) -> str:
    """Numbers to the last bit, those with an interval in three columns; the last says why others are missing."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    between = [any(row[place].interval for row in sheet.rows) for place in range(len(sheet.header))]
    heads = [
        (name, f"{name} low", f"{name} high")[: 3 if own else 1]
        for name, own in zip(sheet.header, between, strict=True)
    ]
    rows.writerow((*chain(*heads), "notes"))
    for row in sheet.rows:
        notes = "; ".join(
            f"{heading}: {entry.why}" for heading, entry in zip(sheet.header, row, strict=True) if entry.why
        )
        rows.writerow((*chain(*(_in_csv(*place) for place in zip(row, between, strict=True))), notes))
    return text.getvalue()


def _in_csv(entry: Entry, between: bool) -> list[str]:
    """A number, or words, and where the column has intervals their ends."""
    ends = ["", ""] if entry.interval is None else [repr(end) for end in entry.interval]
    return [entry.text if entry.value is None else repr(entry.value), *(ends if between else [])]


def to_markdown(plan: Plan, made: Sequence[Sheet]) -> str:
    """All tables, the notes below each."""
    lines = [f"# {_title(plan)}", "", _setup(plan), ""]
    lines += [f"- {sentence}" for sentence in _wins(made[0])]
    for sheet in made:
        lines += ["", f"## {sheet.title}", "", sheet.about, ""]
        rows, notes = _numbered(sheet)
        lines.append("| " + " | ".join(sheet.header) + " |")
        lines.append("|" + " --- |" * len(sheet.header))
        lines += ["| " + " | ".join(_in_markdown(*place) for place in row) + " |" for row in rows]
        lines += ["", *(f"{number}. {_plain(why)}" for number, why in enumerate(notes, 1))]
    return "\n".join(lines).rstrip() + "\n"


def _in_markdown(entry: Entry, number: int) -> str:
    shown = _plain(entry.shown)
    marked = f"**{shown}**" if entry.place == 1 else shown
    return f"{marked} ({number})" if number else marked


def _plain(text: str) -> str:
    """Words that cannot end a cell of a table, nor be a tag, a link or code."""
    return re.sub(r"([\\|<\[`])", r"\\\1", text).replace("\n", " ")


def page(results: Results, made: Sequence[Sheet], out: Path) -> str:
    """The whole page, with the maps of the first pictures inside."""
    plan = results.plan
    return render(
        "benchmark.html",
        title=_title(plan),
        about=_setup(plan),
        wins=_wins(made[0]),
        sheets=[(sheet, *_numbered(sheet)) for sheet in made],
        maps=_maps(results, out),
        shown=min(SHOWN, len(plan.items)),
        paper=PAPER,
        tools=", ".join(f"{name} {version}" for name, version in versions().items()),
    )


def _numbered(sheet: Sheet) -> tuple[list[list[tuple[Entry, int]]], list[str]]:
    """A sheet's rows, each entry with the number of its note (0 for none), and the notes, which many share."""
    notes = list(dict.fromkeys(entry.why for row in sheet.rows for entry in row if entry.why))
    return [[(entry, 1 + notes.index(entry.why) if entry.why else 0) for entry in row] for row in sheet.rows], notes


def _title(plan: Plan) -> str:
    return f"Benchmark: {DATASETS[plan.data].title}"


def _setup(plan: Plan) -> str:
    encoders = ", ".join(
        name if name == encoder.card.key else f"{name} ({encoder.card.title})"
        for name, encoder in plan.encoders.items()
    )
    return (
        f"{count(plan)}, {len(plan.methods)} methods and {len(plan.metrics)} metrics on "
        f"{encoders}; question: {plan.question}; seed {plan.seed}."
    )


def _wins(sheet: Sheet) -> list[str]:
    """Who is best by what, for each encoder."""
    won: dict[tuple[str, str], list[str]] = {}
    for encoder, heading, names, number in winners(sheet):
        won.setdefault((encoder, names), []).append(f"{heading[:-2]} {number}")
    order = sorted(won, key=lambda who: (who[0], -len(won[who])))
    return [f"On {encoder}, {names}: {', '.join(won[encoder, names])}." for encoder, names in order] or [
        "Nobody: no method is better than every other by more than chance, or there are too few pictures to say so."
    ]


def _maps(results: Results, out: Path) -> list[tuple[str, list[tuple[str, Cell, str]]]]:
    """By picture and encoder: methods, their cells, and their maps as base64, empty where there is none."""
    plan = results.plan
    found = []
    for item in plan.items[:SHOWN]:
        for encoder in plan.encoders:
            figures = [
                (type(plan.methods[key]).title, cell, _encoded(out, cell))
                for key in plan.methods
                for cell in results.cells(encoder, key)
                if cell.item == item.key
            ]
            if figures:
                found.append((f"{item.key}, {encoder}", figures))
    return found


def _encoded(out: Path, cell: Cell) -> str:
    path = out / cell.picture
    return base64.b64encode(path.read_bytes()).decode("ascii") if cell.picture and path.is_file() else ""
