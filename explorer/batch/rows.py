"""What is to be explained, row by row: a picture, what it is compared with, and settings of its own if any."""

from __future__ import annotations

import hashlib
import json
import operator
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from explorer.attributions.method import METHODS, OWN_METHOD, has_masks
from explorer.core.arguments import check_kind, described
from explorer.core.errors import ExplorerError, InvalidInput
from explorer.core.limits import FEATURE_RES, N_MASKS, P_KEEP, SEED, THRESHOLD
from explorer.core.masks import MaskSettings
from explorer.core.selections import SelectionSettings
from explorer.core.settling import most_passes
from explorer.datasets.items import pictures_in

NUMBERS = {cap.name: cap for cap in (N_MASKS, FEATURE_RES, P_KEEP, SEED, THRESHOLD)}
MASKING = tuple(one.name for one in fields(MaskSettings))
SELECTION = ("mode", "threshold", "distance")
OWN = ("method", *MASKING, *SELECTION)
"""What a row may have settings of its own of."""
COLUMNS = ("id", "picture", "reference", "caption", *OWN)


@dataclass(frozen=True)
class Manner:
    """How a row is explained.

    Attributes:
        method: A key of the methods.
        masking: How to mask, where the method does.
        selection: Which masks count, and the distance.
    """

    method: str = OWN_METHOD
    masking: MaskSettings = field(default_factory=MaskSettings)
    selection: SelectionSettings = field(default_factory=SelectionSettings)

    def __post_init__(self) -> None:
        if METHODS.check(self.method) != OWN_METHOD:
            self.masking.refuse_open()

    @property
    def facts(self) -> dict[str, Any]:
        """As plain values for JSON."""
        masking = {"masking": self.masking.to_dict()} if has_masks(METHODS[self.method]) else {}
        return {"method": self.method, **masking, "selection": self.selection.to_dict()}

    @property
    def name(self) -> str:
        """Names all of it, in 16 letters."""
        return hashlib.sha256(json.dumps(self.facts, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def masks(self) -> int:
        """How many masks are embedded for a picture, at most; 0 where the method has none."""
        return most_passes(self.masking) if has_masks(METHODS[self.method]) else 0

    def with_own(self, values: Mapping[str, Any]) -> Manner:
        """With a row's own values, as text or as what they are, in place of some of these.

        Raises:
            InvalidInput: One of them cannot be.
        """
        given = {name: _number(name, value) for name, value in values.items()}
        masking = {name: value for name, value in given.items() if name in MASKING}
        selection = {name: value for name, value in given.items() if name in SELECTION}
        method = METHODS.check(given.get("method", self.method))
        if method != OWN_METHOD:
            kind = METHODS[method]
            if masking and not has_masks(kind):
                raise InvalidInput(
                    f"{kind.title} has no masks; leave out {' and '.join(masking)}.", code="method_masks"
                )
            if {"mode", "threshold"} & set(selection):
                raise InvalidInput(
                    f"{kind.title} selects no masks; leave mode and threshold out.", code="method_selection"
                )
        if {"mode", "threshold"} & set(selection):  # its own choice of masks is in place of slices for all
            selection |= {"closest": None, "farthest": None}
        return Manner(method, replace(self.masking, **masking), replace(self.selection, **selection))


def _number(name: str, value: Any) -> Any:
    """A setting as its range checks it; text that is no number is left for the range to refuse."""
    if name not in NUMBERS or not isinstance(value, str | float):
        return value
    try:
        number = float(value)
        return int(number) if NUMBERS[name].whole and number.is_integer() else number
    except ValueError:
        return value


@dataclass(frozen=True, slots=True)
class Row:
    """One thing to explain.

    Attributes:
        id: What its user calls it; the row's number, from 0, where it has no other.
        picture: A path as it was written, or what else ``explain`` takes.
        reference: The same; None where there is none.
        caption: A sentence; None where there is none.
        manner: Of its own; None where it is that of all.
        error: Why it cannot be done, where that is known before anything is read.
    """

    id: Any
    picture: Any
    reference: Any = None
    caption: str | None = None
    manner: Manner | None = None
    error: ExplorerError | None = None


def make_row(place: int, values: Mapping[str, Any], manner: Manner, error: ExplorerError | None = None) -> Row:
    """A row of a table; whatever is wrong with it becomes its error.

    Args:
        place: From 0.
        values: By column; an empty text counts as nothing.
        manner: That of all rows.
        error: What is wrong with it already.
    """
    given = {name: _value(value) for name, value in values.items()}
    own = {name: given[name] for name in OWN if given.get(name) is not None}
    its = None
    try:
        if error is None:
            its = manner.with_own(own) if own else None
            _check_row(given)
    except InvalidInput as wrong:
        error = wrong
    key = given.get("id")
    return Row(place if key is None else key, given.get("picture"), given.get("reference"), given.get("caption"),
               its, error)  # fmt: skip


def _value(value: Any) -> Any:
    """A cell of a table: nothing where it is empty, as it is where it means something."""
    if isinstance(value, str):
        return value.strip() or None
    return None if isinstance(value, float) and value != value else value  # NaN is how pandas says nothing


def _check_row(given: Mapping[str, Any]) -> None:
    if given.get("picture") is None:
        raise InvalidInput("The row names no picture; fill in the column picture.", code="row_picture")
    count = sum(given.get(name) is not None for name in ("reference", "caption"))
    if count != 1:
        what = "both a reference and a caption" if count else "neither a reference nor a caption"
        raise InvalidInput(f"The row has {what}; give exactly one of the two.", code="reference_count")


def without_twins(rows: Iterable[Row]) -> list[Row]:
    """The rows, each id given a second time with an error, since results are known by their ids."""
    seen: dict[Any, int] = {}
    found = []
    for place, row in enumerate(rows):
        first = seen.setdefault(str(row.id), place)
        if first != place and row.error is None:
            twice = f"The id {row.id!s:.80} is that of row {first} already; give every row an id of its own."
            row = replace(row, error=InvalidInput(twice, code="row_twice"))
        found.append(row)
    return found


# Of lists


def listed(name: str, given: Any) -> list[Any]:
    """Pictures as a list: of one, of a folder, or of a list.

    Raises:
        InvalidInput: None of the three, an empty list, or a folder without pictures.
    """
    if isinstance(given, str | os.PathLike):
        return _of_path(name, Path(given))
    if hasattr(given, "shape") and getattr(given, "ndim", 0) == 3:
        return [given]
    if hasattr(given, "shape") and getattr(given, "ndim", 0) == 2:
        raise InvalidInput(
            f"{name} is one array of two axes, which may be a grey picture or rows of numbers; put a picture in a "
            "list: [array]. Rows that are embeddings go in a list, too: list(array).",
            code=f"{name}_type",
        )
    if isinstance(given, Mapping | bytes) or not isinstance(given, Iterable):
        raise InvalidInput(
            f"{name} must be a list of pictures (paths, PIL images or arrays), or a folder of them; got "
            f"{described(given)}.",
            code=f"{name}_type",
        )
    found = list(given)
    if not found:
        raise InvalidInput(f"{name} is empty; give at least one picture.", code=f"{name}_empty")
    return found


def _of_path(name: str, path: Path) -> list[Any]:
    if not path.is_dir():
        return [str(path)]
    found = [str(file) for file in pictures_in(path)]
    if not found:
        raise InvalidInput(f"{path.name or path} has no pictures in it.", code=f"{name}_empty")
    return found


def listed_captions(given: Any) -> list[Any]:
    """Captions as a list, of one or of a list; what is wrong with one is told of its rows.

    Raises:
        InvalidInput: Neither, or an empty list.
    """
    if isinstance(given, str):
        return [given]
    check_kind("captions", given, Iterable, 'a list of captions, such as ["a bee"]')
    found = list(given)
    if not found:
        raise InvalidInput("captions is empty; give at least one.", code="captions_empty")
    return found


def every_pair(
    pictures: Sequence[Any], references: Sequence[Any] | None, captions: Sequence[Any] | None
) -> Iterator[Row]:
    """Each picture with each reference, then with each caption; with neither, all pairs among the pictures.

    Raises:
        InvalidInput: Neither, and a single picture.
    """
    if references is None and captions is None:
        if len(pictures) < 2:
            raise InvalidInput(
                "One picture alone has nothing to be compared with; give references, captions or more pictures.",
                code="reference_count",
            )
        yield from (Row(n, a, reference=b) for n, (a, b) in enumerate(combinations(pictures, 2)))
        return
    place = 0
    for picture in pictures:
        for reference in references or ():
            yield Row(place, picture, reference=reference)
            place += 1
        for caption in captions or ():
            yield Row(place, picture, caption=caption)
            place += 1


def given_pairs(
    pairs: Any, manner: Manner, pictures: list[Any] | None, references: list[Any] | None, captions: list[Any] | None
) -> Iterator[Row]:
    """Pairs as a library's user has them: mappings of columns, tuples, or a table that can give the former.

    Args:
        pairs: Tuples are (picture, reference) or (id, picture, reference); whole numbers in them are places in the
            lists given beside them, the second of a caption where there are no references.
        manner: That of all rows.
        pictures: The list that a first number means.
        references: The list that a second number means; else ``captions``, else ``pictures``.
        captions: See there; the second of a tuple that is one of these is a caption.

    Raises:
        InvalidInput: No list of pairs.
    """
    if hasattr(pairs, "to_pylist"):
        pairs = pairs.to_pylist()
    elif hasattr(pairs, "to_dict") and not isinstance(pairs, Mapping):
        pairs = pairs.to_dict("records")
    wanted = "a list of (picture, reference) or of dicts, a table, or the path of a CSV or Parquet file"
    if isinstance(pairs, Mapping | bytes):
        raise InvalidInput(f"pairs must be {wanted}; got {described(pairs)}.", code="pairs_type")
    check_kind("pairs", pairs, Iterable, wanted)
    count = 0
    for count, pair in enumerate(pairs, 1):
        values, error = dict[str, Any](), None
        try:
            values = _columns(pair, pictures, references, captions)
        except InvalidInput as wrong:
            error = wrong
        yield make_row(count - 1, values, manner, error)
    if not count:
        raise InvalidInput("pairs is empty; give at least one.", code="pairs_empty")


def _columns(
    pair: Any, pictures: list[Any] | None, references: list[Any] | None, captions: list[Any] | None
) -> dict[str, Any]:
    if isinstance(pair, Mapping):
        if unknown := [str(name) for name in pair if name not in COLUMNS]:
            raise InvalidInput(
                f"The pair has {', '.join(unknown)[:80]}; what it may have is: {', '.join(COLUMNS)}.", code="pair_field"
            )
        return dict(pair)
    if not isinstance(pair, tuple | list) or len(pair) not in (2, 3):
        raise InvalidInput(
            f"A pair must be (picture, reference), (id, picture, reference) or a dict; got {described(pair)}.",
            code="pair_type",
        )
    *key, first, second = pair
    values = {"id": key[0]} if key else {}
    values["picture"] = _placed("pictures", pictures, first)
    against = "captions" if references is None and captions is not None else "references"
    if isinstance(second, str) and captions is not None and second in captions:
        return values | {"caption": second}
    role = "caption" if against == "captions" else "reference"
    lists = {"captions": captions, "references": pictures if references is None else references}
    return values | {role: _placed(against, lists[against], second)}


def _placed(name: str, known: list[Any] | None, given: Any) -> Any:
    """What a number means, or what was given itself."""
    try:
        place = operator.index(given)
    except TypeError:
        return given
    if known is None:
        raise InvalidInput(f"The pair names number {place} of {name}, which were not given.", code="pair_place")
    if not 0 <= place < len(known):
        raise InvalidInput(
            f"The pair names number {place} of {name}; there are {len(known)}, counted from 0.", code="pair_place"
        )
    return known[place]
