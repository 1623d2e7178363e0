"""Pictures and captions that are embedded whole, each once: what rows are compared with, and where pictures lie."""

from __future__ import annotations

import base64
import logging
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from explorer.batch.engines import HERE, Cluster, Engine, every_answer
from explorer.core.embedder import Input, Origin
from explorer.core.errors import ExplorerError, Failed, in_words
from explorer.core.references import Reference, embed_reference, named
from explorer.encoders.banks import of_pictures
from explorer.encoders.base import Encoder

log = logging.getLogger(__name__)

PICTURE, CAPTION = "picture", "caption"

Item = tuple[str, Any]
"""``PICTURE`` and its source, or ``CAPTION`` and its text."""
Whole = Reference | ExplorerError
"""An item embedded, or why it cannot be."""
FEW = 16
"""Pieces of work for which no workers are started."""
NOTHING = np.empty(0, np.float32)
CHUNK = 4
"""Batches that are one piece of work."""


class Caught:
    """Keeps an error of any kind to the rows it befell, in words: networks and files are anybody's.

    Attributes:
        error: What went wrong in the ``with`` block; None where nothing did.
    """

    error: ExplorerError | None = None

    def __enter__(self) -> Caught:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        if not isinstance(error, Exception):
            return False
        self.error = in_words(error)
        if self.error is not error and isinstance(self.error, Failed):
            log.warning("A row failed.", exc_info=error)
            self.error = Failed(f"It failed with {type(error).__name__}: {str(error)[:300]}.", code="failed")
        return True


@dataclass(frozen=True)
class Embedding:
    """Embeds items in full batches.

    Attributes:
        encoder: Whose embeddings they are.
    """

    encoder: Encoder

    def __call__(self, unit: Sequence[tuple[int, Item]]) -> Iterator[int | tuple[int, Whole]]:
        """Embed some items, each with its number; yields passes, and each item's number and embedding."""
        found: dict[int, Whole] = {}
        seen: dict[int, Input] = {}
        for number, (kind, source) in unit:
            with Caught() as caught:
                if isinstance(source, Reference):
                    found[number] = replace(embed_reference(self.encoder, reference=source), picture=None)
                elif kind == CAPTION:
                    found[number] = embed_reference(self.encoder, caption=source)
                elif getattr(source, "ndim", 0) == 1:
                    found[number] = embed_reference(self.encoder, embedding=source)
                else:
                    seen[number] = named(self.encoder.read(source))
            if caught.error is not None:
                found[number] = caught.error
        for numbers in _alike(seen, self.encoder.batch_size):
            if self._embed(numbers, seen, found) is not None:
                for number in numbers:  # one by one, so that the bad ones alone have an error
                    if (error := self._embed([number], seen, found)) is not None:
                        found[number] = error
            yield len(numbers)
        yield from ((number, found[number]) for number, _ in unit)

    def _embed(self, numbers: list[int], seen: Mapping[int, Input], found: dict[int, Whole]) -> ExplorerError | None:
        """Embed pictures together; what went wrong, if anything did."""
        with Caught() as caught:
            found |= zip(numbers, of_pictures(self.encoder, [seen[number] for number in numbers]), strict=True)
        return caught.error


def _alike(seen: Mapping[int, Input], size: int) -> Iterable[list[int]]:
    """Numbers of what goes through the network together: of one shape and type, a batch at most."""
    groups: dict[Any, list[int]] = {}
    for number, one in seen.items():
        groups.setdefault((one.pixels.shape, one.pixels.dtype.str), []).append(number)
    for numbers in groups.values():
        yield from (numbers[start : start + size] for start in range(0, len(numbers), size))


def units_of(items: Sequence[Item], encoder: Encoder) -> list[list[tuple[int, Item]]]:
    """Items in pieces of work, always the same ones: what shares a batch may move a last bit."""
    numbered, size = list(enumerate(items)), CHUNK * encoder.batch_size
    return [numbered[start : start + size] for start in range(0, len(numbered), size)]


def embedded(
    do: Engine, encoder: Encoder, units: Sequence[Sequence[tuple[int, Item]]], cluster: Cluster
) -> Generator[int | tuple[int, Any], None, None]:
    """Pieces of ``units_of`` embedded: passes, and each item's number and embedding.

    A few are embedded by this process, as starting workers for them would take longer.
    """
    wanted = [number for unit in units for number, _ in unit]
    return every_answer(HERE if len(units) <= FEW else do, Embedding(encoder), units, cluster, wanted)


class Bank(Sequence[Reference | None]):
    """Embedded items by number, their numbers in one array where they are of one length; None for one that failed.

    Args:
        wholes: All of them.
    """

    def __init__(self, wholes: Sequence[Whole]) -> None:
        good = [one for one in wholes if isinstance(one, Reference)]
        rows = [one.embedding for one in good]
        places = iter(range(len(good)))
        self._places = [next(places) if isinstance(one, Reference) else None for one in wholes]
        self._rows: Any = np.stack(rows) if len({(row.shape, row.dtype.str) for row in rows}) == 1 else rows
        self._facts = [replace(one, embedding=NOTHING, picture=None) for one in good]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, number: Any) -> Any:
        place = self._places[number]
        return None if place is None else replace(self._facts[place], embedding=self._rows[place])


def as_line(number: int, whole: Whole) -> dict[str, Any]:
    """An item for a file of lines; its numbers to the last bit."""
    if isinstance(whole, ExplorerError):
        return {"item": number, "error": str(whole), "code": whole.code}
    row = np.ascontiguousarray(whole.embedding)
    facts = asdict(replace(whole, embedding=NOTHING, picture=None))
    del facts["embedding"], facts["picture"]
    text = base64.b64encode(row.tobytes()).decode("ascii")
    return {"item": number, "dtype": row.dtype.str, "row": text, **facts}


def of_line(line: Mapping[str, Any]) -> tuple[int, Whole]:
    """What ``as_line`` wrote."""
    facts = dict(line)
    number = facts.pop("item")
    if "error" in facts:
        return number, ExplorerError(facts["error"], code=facts["code"])
    row = np.frombuffer(base64.b64decode(facts.pop("row")), np.dtype(facts.pop("dtype")))
    origin = facts.pop("origin")
    told: dict[str, Any] = {
        "origin": Origin(origin["name"], tuple(origin["size"])),
        "notices": tuple(facts.pop("notices")),
    }
    return number, Reference(row, picture=None, **facts, **told)
