"""A page of a batch's maps over their pictures, those first that one would look at first."""

from __future__ import annotations

import heapq
from pathlib import Path
from typing import Any

from explorer.batch.run import Batch
from explorer.batch.store import PAGE
from explorer.core.selections import CLOSER, MATTERS, MEANINGS
from explorer.core.storage import write_whole
from explorer.reports.page import render

SHOWN = 1000
"""Maps on the page; a page of more is of no use to anybody."""
RED = "Red brings the pair closer, blue pushes it apart."
GREEN = "Green is what matters, where a method tells no signs apart."
ORDERS = {"distance": "nearest first", "agreement": "least agreement first"}


def write_gallery(batch: Batch, order: str) -> Path:
    """Write the page of a finished batch whose overlays were kept; returns it.

    Args:
        batch: The batch.
        order: A key of ``ORDERS``, and the column it is ordered by.

    Raises:
        CannotWrite: The folder cannot be written.
    """
    lines = list(batch.folder.lines(batch.plan, batch.encoder))
    drawn = (line for line in lines if line["overlay"] and line[order] is not None)
    shown = heapq.nsmallest(SHOWN, drawn, key=lambda line: float(line[order]))
    failed = sum(bool(line["error"]) for line in lines)
    page = render(
        "batch.html",
        title="Maps of a batch",
        about=_about(batch, len(lines), failed, len(shown), ORDERS[order]),
        signs=_signs(shown),
        lines=[line | {"shown": Path(line["picture"]).name, "against": _against(line)} for line in shown],
    )
    write_whole(batch.folder.out, lambda scratch: (scratch / PAGE).write_text(page, encoding="utf-8"))
    return batch.folder.out / PAGE


def _about(batch: Batch, rows: int, failed: int, shown: int, order: str) -> str:
    errors = f", {failed} of them with an error" if failed else ""
    return f"{rows} rows{errors}, explained on {batch.encoder.card.title}; {shown} maps, {order}."


def _signs(lines: list[dict[str, Any]]) -> str:
    """What the colours of the maps say."""
    found = {line["sign"] for line in lines}
    signs = {key: meaning.sign.format("region") for key, meaning in MEANINGS.items()}
    told = {CLOSER: RED, MATTERS: GREEN}
    return " ".join(told.get(key, f"Green: {sign}.") for key, sign in signs.items() if sign in found)


def _against(line: dict[str, Any]) -> str:
    return f"“{line['caption']}”" if line["reference"] is None else Path(line["reference"]).name
