"""What a study is: the embeddings it needs, and what it makes of them without embedding any more.

A study says beforehand which probes and which other costly pieces it needs. So its price is known exactly, studies
share what they have in common, and what was done before an interruption is found again (``studies.store``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from explorer.core.registry import Registry
from explorer.reports.drawing import Drawing
from explorer.studies.needs import Need, plan
from explorer.studies.pairs import PICTURES
from explorer.studies.setup import Setup

Entry = str | int | float

PAPER = "Meijer & Bos 2025, Explainable embeddings with Distance Explainer, arXiv:2505.15516"


@dataclass(frozen=True)
class Table:
    """Numbers for a CSV file and for the report, with a line above them; rows are as long as the header."""

    header: tuple[str, ...]
    rows: tuple[tuple[Entry, ...], ...]
    about: str = ""


@dataclass(frozen=True)
class Compared:
    """One line of the report's summary: a number or statement of the paper, and ours.

    Attributes:
        agrees: Whether the two say the same; None where that is for the reader to judge.
    """

    what: str
    paper: str
    ours: str
    agrees: bool | None = None


@dataclass(frozen=True, eq=False)
class Findings:
    """What a study found.

    Attributes:
        drawing: The figure, with its text alternative.
        table: The numbers of the figure.
        said: What there is to see, a sentence or two each.
        compared: Lines for the report's summary.
        differs: Why ours differ from the paper's, where they do.
        more: Further tables, by a name for their file.
        maps: Full maps (h, w) for those who want to draw them anew.
    """

    drawing: Drawing
    table: Table
    said: tuple[str, ...]
    compared: tuple[Compared, ...] = ()
    differs: str = ""
    more: Mapping[str, Table] = field(default_factory=dict)
    maps: Mapping[str, NDArray[np.floating]] = field(default_factory=dict)


@dataclass(frozen=True)
class Outline:
    """A study put to one setup.

    Attributes:
        needs: Everything that embeds, in the order it is done.
        make: Makes the findings when all of it is there.
    """

    needs: tuple[Need, ...]
    make: Callable[[Setup], Findings]

    @property
    def passes(self) -> int:
        """How many pictures are embedded where nothing is there yet."""
        return sum(need.passes for need in plan(self.needs))


@dataclass(frozen=True)
class Study:
    """One figure, table or page.

    Attributes:
        key: Names it, e.g. ``"figure-8"``.
        title: One line.
        section: Of the paper, or an empty string for pages of our own.
        about: What the paper shows there, or what the page asks, in a few sentences.
        outline: What it needs and makes on a setup.
        roles: The encoders it needs.
        lacks: Why it cannot be made on a setup whose encoders are there, or an empty string.
    """

    key: str
    title: str
    section: str
    about: str
    outline: Callable[[Setup], Outline]
    roles: tuple[str, ...] = (PICTURES,)
    lacks: Callable[[Setup], str] = lambda _: ""

    @property
    def name(self) -> str:
        """The key as people read it: ``Figure 8``."""
        return self.key.replace("-", " ").capitalize()


STUDIES: Registry[Study] = Registry("study", "explorer.studies.catalogue")


def study(
    key: str,
    *,
    title: str,
    about: str,
    section: str = "",
    roles: tuple[str, ...] = (PICTURES,),
    lacks: Callable[[Setup], str] = lambda _: "",
) -> Callable[[Callable[[Setup], Outline]], Callable[[Setup], Outline]]:
    """Register the outline it decorates as a study."""

    def add(outline: Callable[[Setup], Outline]) -> Callable[[Setup], Outline]:
        STUDIES.add(key, Study(key, title, section, about, outline, roles, lacks))
        return outline

    return add
