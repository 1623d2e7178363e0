"""What is embedded for a batch, and in which pieces: one probe for each picture, whatever it is compared with."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from explorer.batch.items import CAPTION, PICTURE, Item, Whole
from explorer.batch.rows import Manner, Row
from explorer.core.distances import check_reference, measure
from explorer.core.errors import ExplorerError, InvalidInput, UnusableEmbedding
from explorer.core.references import Reference


@dataclass(frozen=True)
class Ask:
    """One row of a picture's unit.

    Attributes:
        row: Its number.
        against: Number of the item that the picture is compared with.
        whole: Number of the item that is the picture itself, where whole pictures are embedded; else None.
        manner: How.
    """

    row: int
    against: int
    whole: int | None
    manner: Manner


@dataclass(frozen=True)
class Unit:
    """A picture and the rows that one probe of it answers.

    Attributes:
        picture: What ``explain`` takes.
        asks: The rows.
    """

    picture: Any
    asks: tuple[Ask, ...]


class Plan:
    """Rows, and what is to be embedded for them.

    Args:
        manner: Of rows without one of their own.
        folder: What paths in rows are relative to; None where they are the process's own business.
        wholes: Whether pictures are also embedded as they are, for their distances.

    Attributes:
        rows: All of them, in order.
        items: What is embedded whole, each once.
    """

    def __init__(self, manner: Manner, folder: Path | None = None, *, wholes: bool = False) -> None:
        self.manner, self.folder, self.wholes = manner, folder, wholes
        self.rows: list[Row] = []
        self.items: list[Item] = []
        self._numbers: dict[Any, int] = {}
        self._pairs: list[tuple[int | None, int | None]] = []

    def add(self, rows: Iterable[Row]) -> Plan:
        """Add rows and the items they need; returns itself."""
        for row in rows:
            whole = against = None
            if row.error is None:
                whole = self.number_of((PICTURE, row.picture)) if self.wholes else None
                by_caption = row.reference is None
                against = self.number_of((CAPTION, row.caption) if by_caption else (PICTURE, row.reference))
            self.rows.append(row)
            self._pairs.append((whole, against))
        return self

    def number_of(self, item: Item) -> int:
        """The number of an item as rows name it, which is among ``items`` from then on."""
        kind, given = item
        source = self.source(given) if kind == PICTURE else given
        key = kind, _named(source)
        if key not in self._numbers:
            self._numbers[key] = len(self.items)
            self.items.append((kind, source))
        return self._numbers[key]

    def source(self, given: Any) -> Any:
        """A picture as anybody may read it: by a whole path, as a worker need not stand where this process does."""
        if not isinstance(given, str | os.PathLike):
            return given
        return os.path.abspath(os.path.join(self.folder or "", os.fsdecode(given)))

    def manner_of(self, row: Row) -> Manner:
        """How a row is explained."""
        return row.manner or self.manner

    def known_wrong(self, wholes: Mapping[int, Whole]) -> Iterator[tuple[int, ExplorerError]]:
        """Rows that need no probe to fail: by themselves, or by an item that could not be embedded.

        Args:
            wholes: The items by number.
        """
        for number, (row, pair) in enumerate(zip(self.rows, self._pairs, strict=True)):
            errors = (wholes[item] for item in pair if item is not None)
            error = row.error or next((one for one in errors if isinstance(one, ExplorerError)), None)
            if error is not None:
                yield number, error

    def units(self, done: set[int]) -> list[Unit]:
        """The pieces of work, without rows that are done: those of one picture and one way of masking are one."""
        asks: dict[Any, list[Ask]] = {}
        pictures: dict[Any, Any] = {}
        for number, (row, (whole, against)) in enumerate(zip(self.rows, self._pairs, strict=True)):
            if number in done or against is None:
                continue
            manner, source = self.manner_of(row), self.source(row.picture)
            key = _named(source), manner.masking, manner.method
            pictures.setdefault(key, source)
            asks.setdefault(key, []).append(Ask(number, against, whole, manner))
        return [Unit(pictures[key], tuple(of_one)) for key, of_one in asks.items()]


def _named(source: Any) -> Any:
    """What two equal sources share: a path or a text is itself, anything else is equal to itself alone."""
    return os.fspath(source) if isinstance(source, str | os.PathLike) else id(source)


def digest(plan: Plan) -> str:
    """Names rows and all that they say, for taking the work on them up again; pictures by their whole paths."""
    found = hashlib.sha256()
    for row in plan.rows:
        own = None if row.manner is None else row.manner.facts
        facts = [row.id, plan.source(row.picture), plan.source(row.reference), row.caption, own, str(row.error or "")]
        found.update(json.dumps(facts, default=str).encode() + b"\n")
    return found.hexdigest()


@dataclass(frozen=True)
class Neighbours:
    """Rows that are chosen once everything is embedded: each picture with the nearest of some candidates.

    Attributes:
        pictures: As rows name them.
        against: Candidates: ``PICTURE`` or ``CAPTION``, and which.
        k: How many each picture has.
    """

    pictures: Sequence[Any]
    against: Sequence[Item]
    k: int

    def __post_init__(self) -> None:
        if isinstance(self.k, bool) or not isinstance(self.k, int) or self.k < 1:
            raise InvalidInput("nearest must be a whole number, at least 1.", code="nearest_range")

    def digest(self, plan: Plan) -> str:
        """Names them all, pictures by their whole paths."""
        against = [(kind, plan.source(one) if kind == PICTURE else one) for kind, one in self.against]
        facts = [[str(plan.source(one)) for one in self.pictures], [list(map(str, one)) for one in against], self.k]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def enter(self, plan: Plan) -> None:
        """Let a plan embed all of them."""
        for picture in self.pictures:
            plan.number_of((PICTURE, picture))
        for one in self.against:
            plan.number_of(one)

    def left_out(self, plan: Plan, wholes: Mapping[int, Whole]) -> Iterator[tuple[int, ExplorerError]]:
        """Candidates that nothing has a distance to, by their place, and why."""
        for n, one in enumerate(self.against):
            whole = wholes[plan.number_of(one)]
            try:
                if isinstance(whole, ExplorerError):
                    raise whole
                check_reference(plan.manner.selection.distance, whole.embedding)
            except ExplorerError as error:
                yield n, error

    def rows(self, plan: Plan, wholes: Mapping[int, Whole]) -> Iterator[Row]:
        """Each picture with its nearest, nearest first, itself left out; a picture that failed is one row.

        Args:
            plan: One that they entered.
            wholes: Its items embedded.
        """
        numbers = [plan.number_of(one) for one in self.against]
        bad = {n for n, _ in self.left_out(plan, wholes)}
        good = [n for n in range(len(numbers)) if n not in bad]
        rows = np.stack([wholes[numbers[n]].embedding for n in good]) if good else None  # type: ignore[union-attr]
        place = 0
        for picture in self.pictures:
            number = plan.number_of((PICTURE, picture))
            try:
                near = self._near(wholes, number, [numbers[n] for n in good], rows, plan.manner.selection.distance)
            except ExplorerError as error:
                yield Row(place, picture, error=error)
                place += 1
                continue
            for n in near[: self.k]:
                kind, given = self.against[good[n]]
                named = {"reference" if kind == PICTURE else "caption": given}
                yield Row(place, picture, **named)
                place += 1

    def _near(
        self, wholes: Mapping[int, Whole], number: int, numbers: Sequence[int], rows: Any, distance: str
    ) -> list[int]:
        """Candidates, nearest first, by their place among ``numbers``."""
        whole = wholes[number]
        if isinstance(whole, ExplorerError):
            raise whole
        others = [n for n, other in enumerate(numbers) if other != number and not _same(wholes[other], whole)]
        if rows is None or not others:
            raise UnusableEmbedding("There is nothing else to compare it with.", code="no_neighbour")
        distances = measure(distance, rows[others], whole.embedding)
        return [others[n] for n in np.argsort(distances, kind="stable")]


def _same(one: Whole, other: Reference) -> bool:
    """Whether two are one picture under two names."""
    return isinstance(one, Reference) and bool(one.picture_sha256) and one.picture_sha256 == other.picture_sha256
