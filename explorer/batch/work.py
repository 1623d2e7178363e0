"""What one worker does with one picture: one probe, ranked against all that the picture is compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.answers import explain_by
from explorer.attributions.method import METHODS, OWN_METHOD, has_masks
from explorer.attributions.question import Question
from explorer.batch.items import Bank, Caught
from explorer.batch.plan import Ask, Unit
from explorer.core.distances import check_reference
from explorer.core.embedder import RECALL, Input, Rows
from explorer.core.errors import ExplorerError
from explorer.core.explanation import Explanation, MethodExplanation
from explorer.core.probe import Probe, grow, start
from explorer.core.rank import rank_against
from explorer.core.references import named
from explorer.core.settling import explain_run, plan_run
from explorer.core.steps import Steps
from explorer.encoders.base import Encoder

Explained = Explanation | MethodExplanation
T = TypeVar("T")
Finish = Callable[[Ask, Explained, Bank], T]
"""What is kept of an explanation, given the row's ask and the items."""


def whole(ask: Ask, explained: Explained, bank: Bank) -> Explained:
    """All of it."""
    return explained


@dataclass(frozen=True)
class Explaining(Generic[T]):
    """Explains the rows of a picture.

    Attributes:
        encoder: Whom they are about.
        bank: The items by number, embedded.
        finish: What is kept of each.
    """

    encoder: Encoder
    bank: Bank
    finish: Finish[T]

    def __call__(self, unit: Unit) -> Iterator[int | tuple[int, T | ExplorerError]]:
        """Answer every row of a unit; yields passes, and each row's number and answer."""
        probe: Probe | None = None
        with Caught() as caught:
            seen = named(self.encoder.read(unit.picture))
            manner = unit.asks[0].manner
            if manner.method == OWN_METHOD and not manner.masking.open:
                probe = yield from _probed(start(seen, self.encoder, manner.masking))
        if caught.error is not None:
            error = caught.error
            yield from ((ask.row, error) for ask in unit.asks)
            return
        memory = _Memory()
        for ask in unit.asks:
            with Caught() as caught:
                explained = self._by_itself(ask, seen, memory) if probe is None else self._ranked(ask, probe)
                answer = self.finish(ask, explained, self.bank)
            yield memory.passes_since()
            yield ask.row, caught.error or answer

    def _ranked(self, ask: Ask, probe: Probe) -> Explanation:
        target, selection = self.bank[ask.against], ask.manner.selection
        check_reference(selection.distance, target.embedding)
        if ask.whole is not None:
            probe = replace(probe, unmasked=_Known(self.bank[ask.whole].embedding))
        return rank_against(probe, target, selection)

    def _by_itself(self, ask: Ask, seen: Input, memory: _Memory) -> Explained:
        """A row that says itself what is embedded; what another row of the picture had embedded is remembered."""
        target, manner = self.bank[ask.against], ask.manner
        question = Question(self.encoder, seen.pixels, lambda _: target, manner.selection.distance)
        settings = {"masking": manner.masking} if has_masks(METHODS[manner.method]) else {}
        before = RECALL.set(memory)
        try:
            if manner.method == OWN_METHOD:
                check_reference(manner.selection.distance, target.embedding)
                return explain_run(plan_run(seen, self.encoder, manner.masking, [target], manner.selection))
            return explain_by(manner.method, question, seen, settings, manner.selection)
        finally:
            RECALL.reset(before)


def _probed(probe: Probe) -> Steps[Probe]:
    grown, done = probe, len(probe)
    for grown in grow(probe):
        yield len(grown) - done
        done = len(grown)
    return grown


@dataclass(frozen=True)
class _Known:
    """A whole picture's embedding, which was embedded with others."""

    row: NDArray[np.floating]

    def __call__(self) -> NDArray[np.floating]:
        return self.row


class _Memory:
    """The embeddings one picture's rows share: of masks that do not depend on what the picture is compared with."""

    def __init__(self) -> None:
        self._kept: dict[str, Rows] = {}
        self._passes = 0

    def get(self, name: str) -> Rows | None:
        """Those of that name, as a copy."""
        rows = self._kept.get(name)
        return None if rows is None else rows.copy()

    def keep(self, name: str, rows: Rows) -> None:
        """Remember them."""
        self._kept[name] = rows.copy()
        self._passes += len(rows)

    def passes_since(self) -> int:
        """Passes kept since this was last asked."""
        passes, self._passes = self._passes, 0
        return passes
