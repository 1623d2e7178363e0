"""What a study is: the embeddings it needs, and what it makes of them without embedding any more.

A study says beforehand which probes and which other costly pieces it needs. So its price is known exactly, studies
share what they have in common, and what was done before an interruption is found again (``explorer.studies.store``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.question import Parts, Steps
from explorer.core.limits import N_MASKS
from explorer.core.registry import Registry
from explorer.core.schema import MaskSettings
from explorer.studies.pairs import PICTURES

if TYPE_CHECKING:
    from explorer.reports.drawing import Drawing
    from explorer.studies.setup import Bench

T = TypeVar("T")
Arrays = Mapping[str, NDArray[Any]]
Cell = str | int | float

PAPER = "Meijer & Bos 2025, Explainable embeddings with Distance Explainer, arXiv:2505.15516"


@dataclass(frozen=True)
class ProbeNeed:
    """The masked copies of one picture, embedded.

    Attributes:
        image: File name of the picture.
        role: Which encoder embeds it, ``"pictures"`` or ``"captions"``.
        masking: How it is masked.
    """

    image: str
    role: str
    masking: MaskSettings

    @property
    def passes(self) -> int:
        """How many copies are embedded."""
        return self.masking.n_masks

    @property
    def facts(self) -> dict[str, Any]:
        """What names it, but for the number of masks where one probe holds those of a smaller."""
        values = self.masking.to_dict()
        if self.masking.scheme != "dianna":
            values["n_masks"] = "any"
        return {"image": self.image, "role": self.role, "masking": values}


@dataclass(frozen=True)
class WorkNeed:
    """Another costly piece of work, kept as arrays.

    Attributes:
        name: What it is, e.g. ``"deletion"``.
        settings: Everything it depends on besides the encoders and the pictures, as plain values for JSON.
        passes: How many pictures it embeds.
        work: Does it, on a bench whose probes named earlier are ready.
    """

    name: str
    settings: Mapping[str, Any]
    passes: int
    work: Callable[[Bench], Steps[Arrays]] = field(compare=False, repr=False)

    @property
    def facts(self) -> dict[str, Any]:
        """What names it."""
        return {"work": self.name, "settings": dict(self.settings)}


Need = ProbeNeed | WorkNeed


def slug(facts: Mapping[str, Any]) -> str:
    """A short name for files, made of plain values."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:20]


def plan(needs: Iterable[Need]) -> tuple[Need, ...]:
    """The needs without repetition, in order; of probes that differ in ``n_masks`` alone the largest.

    Masks of the dianna scheme depend on how many there are, so there every number is a probe of its own.
    """
    merged: dict[str, Need] = {}
    for need in needs:
        name = slug(need.facts)
        before = merged.get(name)
        if isinstance(need, ProbeNeed) and isinstance(before, ProbeNeed):
            need = replace(need, masking=max(need.masking, before.masking, key=lambda masking: masking.n_masks))
        merged[name] = need
    return tuple(merged.values())


@dataclass(frozen=True)
class Table:
    """Numbers for a CSV file and for the report.

    Attributes:
        header: Names of the columns.
        rows: As long as the header, each.
        about: One line above it.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    about: str = ""


@dataclass(frozen=True)
class Compared:
    """One line of the report's summary: a number or statement of the paper, and ours.

    Attributes:
        what: What is compared.
        paper: What the paper has.
        ours: What was found here.
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
    """A study put to one bench.

    Attributes:
        needs: Everything that embeds, in the order it is done.
        make: Makes the findings when all of it is there.
    """

    needs: tuple[Need, ...]
    make: Callable[[Bench], Findings]

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
        outline: What it needs and makes on a bench.
        roles: The encoders it needs.
        lacks: Why it cannot be made on a bench whose encoders are there, or an empty string.
    """

    key: str
    title: str
    section: str
    about: str
    outline: Callable[[Bench], Outline]
    roles: tuple[str, ...] = (PICTURES,)
    lacks: Callable[[Bench], str] = lambda _: ""


STUDIES: Registry[Study] = Registry("study", "explorer.studies.catalogue")


def study(
    key: str,
    *,
    title: str,
    about: str,
    section: str = "",
    roles: tuple[str, ...] = (PICTURES,),
    lacks: Callable[[Bench], str] = lambda _: "",
) -> Callable[[Callable[[Bench], Outline]], Callable[[Bench], Outline]]:
    """Register the outline it decorates as a study."""

    def add(outline: Callable[[Bench], Outline]) -> Callable[[Bench], Outline]:
        STUDIES.add(key, Study(key, title, section, about, outline, roles, lacks))
        return outline

    return add


def counted(parts: Parts[T]) -> Steps[T]:
    """Costly work without its partial results."""
    while True:
        try:
            part = next(parts)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        if isinstance(part, int):
            yield part


def few_masks(n_masks: int, share: float) -> int:
    """A share of a number of masks, never below the least there may be."""
    return max(int(N_MASKS.low), round(n_masks * share))
