"""The studies as one page beside the paper's own numbers: HTML with relative pictures, no script, no network."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from html import escape
from pathlib import Path

from explorer.core.storage import write_whole
from explorer.reports.style import STYLE
from explorer.studies.results import Result, finished, read_result
from explorer.studies.runner import why_not
from explorer.studies.setup import Setup
from explorer.studies.study import PAPER, STUDIES, Compared, Study, Table

PAGE = "index.html"
SHORT = 24
"""Rows of a table that are shown at once."""

VERDICTS = {True: ("good", "as in the paper"), False: ("other", "otherwise here"), None: ("soft", "see the text")}
PARTS = {"4": "Quantitative results (section 4)", "5": "Qualitative assessment (section 5)", "": "Further pages"}


def write_report(setup: Setup, out: Path) -> Path:
    """Write ``index.html`` about every study of this bench that is finished in a folder.

    Raises:
        CannotWrite: The folder cannot be written.
    """
    done = [(study, read_result(out, key)) for key, study in STUDIES.items() if not why_not(study, setup)
            and finished(study, setup, out)]  # fmt: skip
    made = [(study, result) for study, result in done if result is not None]
    text = page(made, setup, out)

    def write(scratch: Path) -> None:
        (scratch / PAGE).write_text(text, encoding="utf-8")

    write_whole(out, write)
    return out / PAGE


def page(made: Sequence[tuple[Study, Result]], setup: Setup, out: Path) -> str:
    """The whole page."""
    return "\n".join(
        (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>Distance Explainer, made again</title>\n<style>{STYLE}</style>\n</head>\n<body>",
            '<a class="skip" href="#studies">Skip to the studies</a>',
            _header(made, setup),
            '<main id="studies">',
            _summary(made),
            _contents(made),
            *_parts(made, out),
            _missing(setup),
            "</main>",
            _footer(made),
            "</body>\n</html>\n",
        )
    )


def _header(made: Sequence[tuple[Study, Result]], setup: Setup) -> str:
    encoders = "; ".join(
        f"{escape(encoder.card.title)} for {escape(role)} ({escape(encoder.card.embedding)})"
        for role, encoder in setup.encoders.items()
    )
    passes = sum(int(result.manifest["passes"]) for _, result in made)
    seconds = sum(float(result.manifest["seconds"]) for _, result in made)
    notes = [setup.subjects.note] if setup.subjects.note else []
    if setup.share != 1:
        notes.append(
            f"A draft: {100 * setup.share:g} % of the paper's numbers of masks. Maps are noisier than they should be."
        )
    said = "".join(f'<p class="note">{escape(note)}</p>' for note in notes)
    whose = "The paper's own pictures." if setup.subjects.paper else "Other pictures than the paper's."
    return (
        "<header>\n<h1>The paper's figures and tables, made again</h1>\n"
        f"<p>{escape(PAPER)}. Here with {encoders}. {whose} {passes} pictures were embedded in "
        f"{seconds / 60:.0f} minutes.</p>\n"
        "<p>The paper's models are ResNet50 and VGG16 for pictures and CLIP ViT-B/32 for captions. Where ours differ, "
        "the network is another, so a statement about a map need not carry over; statements about the method should. "
        "What the paper shows is told in our words, its numbers are its own.</p>\n"
        '<p class="soft">In every map red brings the pair closer and blue pushes it apart.</p>\n' + said + "</header>"
    )


def _summary(made: Sequence[tuple[Study, Result]]) -> str:
    lines = [(study, line) for study, result in made for line in result.compared]
    if not lines:
        return ""
    agree = sum(line.agrees is True for _, line in lines)
    against = sum(line.agrees is False for _, line in lines)
    rows = "\n".join(_summary_row(study, line) for study, line in lines)
    return (
        '<section aria-labelledby="summary"><h2 id="summary">In short</h2>\n'
        f"<p>Of {len(lines)} numbers and statements of the paper, {agree} are so here as well, {against} are not, and "
        f"{len(lines) - agree - against} are for the reader to judge. Each study says why.</p>\n"
        '<div class="scroll" tabindex="0" role="region" aria-label="The paper beside ours"><table class="cards">'
        "<thead><tr><th scope='col'>Study</th><th scope='col'>What</th><th scope='col'>Paper</th>"
        "<th scope='col'>Here</th><th scope='col'>Verdict</th></tr></thead>\n<tbody>"
        + rows
        + "</tbody></table></div></section>"
    )


def _summary_row(study: Study, line: Compared) -> str:
    kind, words = VERDICTS[line.agrees]
    return (
        f'<tr><td data-label="Study"><a href="#{study.key}">{_name(study)}</a></td>'
        f'<td data-label="What">{escape(line.what)}</td><td data-label="Paper">{escape(line.paper)}</td>'
        f'<td data-label="Here">{escape(line.ours)}</td><td data-label="Verdict" class="{kind}">{words}</td></tr>'
    )


def _contents(made: Sequence[tuple[Study, Result]]) -> str:
    items = "".join(f'<li><a href="#{study.key}">{_name(study)}: {escape(study.title)}</a></li>' for study, _ in made)
    return f'<nav aria-labelledby="contents"><h2 id="contents">Contents</h2><ul>{items}</ul></nav>'


def _parts(made: Sequence[tuple[Study, Result]], out: Path) -> list[str]:
    parts = []
    for start, title in PARTS.items():
        inside = [(study, result) for study, result in made if _part(study) == start]
        if inside:
            articles = "\n".join(_article(study, result, out) for study, result in inside)
            parts.append(f"<section><h2>{escape(title)}</h2>\n{articles}\n</section>")
    return parts


def _part(study: Study) -> str:
    """Which part of the report a study stands in."""
    return study.section[:1] if study.section[:1] in PARTS else ""


def _article(study: Study, result: Result, out: Path) -> str:
    key, found = study.key, result.findings
    width, height = _png_size(out / key / f"{key}.png")
    said = "".join(f"<li>{escape(sentence)}</li>" for sentence in found["said"])
    differs = f"<p><strong>Where ours differ.</strong> {escape(found['differs'])}</p>" if found["differs"] else ""
    section = f'<span class="soft">, section {study.section} of the paper</span>' if study.section else ""
    side = "The paper" if study.section else "The question"
    tables = "\n".join(_table(name, table) for name, table in result.tables.items())
    return (
        f'<article id="{key}" aria-labelledby="{key}-title"><h3 id="{key}-title">{_name(study)}: {escape(study.title)}'
        f"</h3>\n<p class='soft'>{escape(_settings(result))}{section}</p>\n"
        f'<figure><a href="{key}/{key}.svg"><img src="{key}/{key}.png" width="{width}" height="{height}" '
        f'loading="lazy" alt="{escape(found["alt"], quote=True)}"></a>'
        f"<figcaption>{_files(result)}</figcaption></figure>\n"
        f'<div class="sides"><div><h4>{side}</h4><p>{escape(study.about)}</p></div>'
        f"<div><h4>Here</h4><ul>{said}</ul></div></div>\n{differs}\n{tables}\n</article>"
    )


def _settings(result: Result) -> str:
    encoders = ", ".join(encoder["title"] for encoder in result.manifest["encoders"].values())
    passes, seconds = result.manifest["passes"], result.manifest["seconds"]
    cost = f"{passes} pictures embedded, {seconds:.0f} s" if passes else "nothing embedded that others had not"
    return f"{encoders}; {cost}"


def _files(result: Result) -> str:
    links = ", ".join(
        f'<a href="{result.key}/{escape(name, quote=True)}">{escape(name)}</a>'
        for name in (*result.manifest["files"], "manifest.json")
    )
    return f"Files: {links}"


def _table(name: str, table: Table) -> str:
    head = "".join(f"<th scope='col'>{escape(title)}</th>" for title in table.header)
    rows = "\n".join("<tr>" + "".join(_cell(cell) for cell in row) + "</tr>" for row in table.rows)
    caption = f"<caption>{escape(table.about)}</caption>" if table.about else ""
    label = f"{name}, {len(table.rows)} rows"
    state = " open" if len(table.rows) <= SHORT // 3 else ""
    return (
        f"<details{state}><summary>{escape(label)}</summary>"
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label, quote=True)}">'
        f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></details>"
    )


def _cell(cell: str | int | float) -> str:
    if isinstance(cell, str):
        return f"<td>{escape(cell)}</td>"
    return f"<td class='number'>{cell if isinstance(cell, int) else f'{cell:.3g}'}</td>"


def _missing(setup: Setup) -> str:
    reasons = [(study, why_not(study, setup)) for _, study in STUDIES.items()]
    items = "".join(f"<li>{_name(study)}: {escape(reason)}</li>" for study, reason in reasons if reason)
    return f"<section><h2>Not made</h2><ul>{items}</ul></section>" if items else ""


def _footer(made: Sequence[tuple[Study, Result]]) -> str:
    if not made:
        return "<footer></footer>"
    newest = made[-1][1].manifest
    versions = ", ".join(f"{name} {version}" for name, version in newest["versions"].items())
    prints = "; ".join(f"{role}: {e['fingerprint']}" for role, e in _encoders(made).items())
    return (
        "<footer><p>Made by <code>explorer study</code>. Each folder holds the figure as PNG and SVG, its numbers as "
        "CSV to the last bit, the maps, and a manifest with every setting, seed and hash: the same command gives the "
        f"same numbers. {escape(prints)}. {escape(versions)}. {escape(str(newest['created']))}.</p></footer>"
    )


def _encoders(made: Sequence[tuple[Study, Result]]) -> dict[str, dict[str, str]]:
    return {role: encoder for _, result in made for role, encoder in result.manifest["encoders"].items()}


def _name(study: Study) -> str:
    """``figure-8`` -> ``Figure 8``."""
    return study.key.replace("-", " ").capitalize()


def _png_size(path: Path) -> tuple[int, int]:
    with path.open("rb") as file:
        width, height = struct.unpack(">II", file.read(24)[16:])
    return width, height
