"""A benchmark's results for people and programs: CSV, Markdown, and one HTML file with the maps inside."""

from __future__ import annotations

import base64
import csv
import io
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

from explorer.benchmark.cells import MARKDOWN, PAGE, Cell, read_cells
from explorer.benchmark.paper import PAPER
from explorer.benchmark.plan import Plan
from explorer.benchmark.run import SHOWN
from explorer.benchmark.tables import Entry, Results, Sheet, count, sheets, winners
from explorer.core.storage import write_whole
from explorer.datasets.items import DATASETS
from explorer.reports.style import STYLE
from explorer.results.folders import versions

MORE_STYLE = """
.maps { display: flex; flex-wrap: wrap; gap: .75rem; }
.maps figure { width: 10.5rem; margin: 0; }
.maps figcaption { overflow-wrap: anywhere; line-height: 1.3; }
td.best { font-weight: 700; }
td.second { text-decoration: underline; }
td { white-space: nowrap; }
h3, li, p { overflow-wrap: anywhere; }
summary h2 { display: inline; margin: 0; padding: 0; border: 0; font-size: 1.15rem; }
@media (max-width: 44rem) { .maps figure { width: calc(50% - .4rem); } .maps img { width: 100%; }
  th, td { padding: .3rem .4rem; }
  td:not(.number) { white-space: normal; }
  td:not(.number):nth-child(-n + 2) { min-width: 6.2rem; overflow-wrap: anywhere; } }
"""


def write_report(plan: Plan, out: Path) -> Path:
    """Write every table as CSV, all of them as Markdown, and the page, of what there is so far.

    Args:
        plan: The benchmark.
        out: The folder of its results.

    Returns:
        The page.

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
    """Numbers to the last bit; the last column says why others are missing, or what is left out of them."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow((*sheet.header, "notes"))
    for row in sheet.rows:
        notes = "; ".join(
            f"{heading}: {entry.why}" for heading, entry in zip(sheet.header, row, strict=True) if entry.why
        )
        rows.writerow((*(entry.text if entry.value is None else repr(entry.value) for entry in row), notes))
    return text.getvalue()


class _Notes:
    """Reasons that many entries share, each with a number."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def number(self, entry: Entry) -> int:
        """Of an entry's reason, or 0 where it has none."""
        return self.numbers.setdefault(entry.why, len(self.numbers) + 1) if entry.why else 0


def to_markdown(plan: Plan, made: Sequence[Sheet]) -> str:
    """All tables, the notes below each."""
    lines = [f"# {_title(plan)}", "", _setup(plan), ""]
    lines += [f"- {sentence}" for sentence in _wins(made[0])]
    for sheet in made:
        lines += ["", f"## {sheet.title}", "", sheet.about, ""]
        notes = _Notes()
        lines.append("| " + " | ".join(sheet.header) + " |")
        lines.append("|" + " --- |" * len(sheet.header))
        lines += ["| " + " | ".join(_in_markdown(entry, notes) for entry in row) + " |" for row in sheet.rows]
        lines += ["", *(f"{number}. {_plain(why)}" for why, number in notes.numbers.items())]
    return "\n".join(lines).rstrip() + "\n"


def _in_markdown(entry: Entry, notes: _Notes) -> str:
    shown = _plain(entry.shown)
    marked = f"**{shown}**" if entry.place == 1 else shown
    number = notes.number(entry)
    return f"{marked} ({number})" if number else marked


def _plain(text: str) -> str:
    """Words that cannot end a cell of a table, nor be a tag, a link or code."""
    return re.sub(r"([\\|<\[`])", r"\\\1", text).replace("\n", " ")


def page(results: Results, made: Sequence[Sheet], out: Path) -> str:
    """The whole page, with the maps of the first pictures inside."""
    plan = results.plan
    won = "".join(f"<li>{escape(sentence)}</li>" for sentence in _wins(made[0]))
    tools = ", ".join(f"{name} {version}" for name, version in versions().items())
    return "\n".join(
        (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(_title(plan))}</title>\n<style>{STYLE}{MORE_STYLE}</style>\n</head>\n<body>",
            '<a class="skip" href="#tables">Skip to the tables</a>',
            f"<header>\n<h1>{escape(_title(plan))}</h1>\n<p>{escape(_setup(plan))}</p>\n</header>",
            '<main id="tables">',
            f"<section><h2>Who wins</h2><ul>{won}</ul></section>",
            *(_section(sheet, open_=sheet is made[0]) for sheet in made),
            _maps(results, out),
            "</main>",
            f"<footer><p>Made by <code>explorer benchmark</code>. The paper is {escape(PAPER)}. The folder holds the "
            "tables as CSV to the last bit, and cells.jsonl with every picture's own numbers. "
            f"{escape(tools)}.</p></footer>",
            "</body>\n</html>\n",
        )
    )


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
        "Nobody yet: there are not two numbers to compare."
    ]


def _section(sheet: Sheet, *, open_: bool) -> str:
    notes = _Notes()
    head = "".join(f"<th scope='col'>{escape(name)}</th>" for name in sheet.header)
    rows = "\n".join("<tr>" + "".join(_in_html(entry, notes) for entry in row) + "</tr>" for row in sheet.rows)
    reasons = "".join(f"<li>{escape(why)}</li>" for why in notes.numbers)
    listed = f"<p class='soft'>Notes:</p><ol>{reasons}</ol>" if reasons else ""
    label = escape(sheet.title, quote=True)
    return (
        f"<section><details{' open' if open_ else ''}><summary><h2>{escape(sheet.title)}</h2>"
        f"</summary><p>{escape(sheet.about)}</p>"
        f'<div class="scroll" tabindex="0" role="region" aria-label="{label}"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>{listed}</details></section>"
    )


def _in_html(entry: Entry, notes: _Notes) -> str:
    number = notes.number(entry)
    mark = f"<sup>{number}</sup>" if number else ""
    if entry.text:
        return f"<td>{escape(entry.text)}{mark}</td>"
    kind = {1: " best", 2: " second"}.get(entry.place, "")
    return f"<td class='number{kind}'>{entry.shown}{mark}</td>"


def _maps(results: Results, out: Path) -> str:
    """The maps of the first pictures, each on a scale of its own."""
    plan = results.plan
    found = []
    for item in plan.items[:SHOWN]:
        for encoder in plan.encoders:
            shown = "".join(
                _figure(cell, type(plan.methods[key]).title, out)
                for key in plan.methods
                for cell in results.cells(encoder, key)
                if cell.item == item.key
            )
            if shown:
                heading = f"<h3>{escape(item.key)}, {escape(encoder)}</h3>"
                found.append(f"<article>{heading}<div class='maps'>{shown}</div></article>")
    about = (
        f"The first {min(SHOWN, len(plan.items))} pictures as the encoder sees them. Red brings the pair closer, or "
        "speaks for the class, blue does the opposite. Each map has a scale of its own, as methods have no common unit."
    )
    return f"<section><h2>The maps</h2><p>{about}</p>{''.join(found)}</section>" if found else ""


def _figure(cell: Cell, title: str, out: Path) -> str:
    path = out / cell.picture
    if not cell.picture or not path.is_file():
        said = f"<strong>{escape(title)}</strong>: no map; {escape(cell.dropped)}"
        return f"<figure><figcaption>{said}</figcaption></figure>"
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    cost = f"{cell.passes} pass{'es' * (cell.passes != 1)}, {cell.seconds:.2f} s"
    return (
        f'<figure><img src="data:image/jpeg;base64,{data}" alt="Map of {escape(title, quote=True)}" loading="lazy">'
        f"<figcaption><strong>{escape(title)}</strong><br>{cost}</figcaption></figure>"
    )
