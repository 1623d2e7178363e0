"""What a batch costs before it is begun: passes, time at the rate measured here, and bytes."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.method import OWN_METHOD
from explorer.batch.items import Bank
from explorer.batch.plan import Ask, Unit
from explorer.batch.record import Recording
from explorer.batch.rows import Manner
from explorer.batch.run import Batch
from explorer.batch.work import Explaining
from explorer.core.price import Price, passes_each_second
from explorer.core.probe import grow, prepare
from explorer.core.rank import rank_against
from explorer.core.references import Reference
from explorer.core.settling import at_most
from explorer.encoders.base import Encoder

TIMED_MASKS, TIMED_MAPS = 64, 3
LINE_BYTES, ITEM_BYTES = 900, 400
"""Of a row in the list of what is done and in the table, and of an item beside its numbers; about."""
SIDE = 256
"""Of the picture that rates are measured with."""


@dataclass(frozen=True)
class Rates:
    """What one process does here.

    Attributes:
        whole: Whole pictures embedded in a second.
        masked: Masked copies embedded in a second.
        map: Seconds for a row once its picture's copies are embedded.
        item_bytes: Of an embedding on disk.
        row_bytes: Of a row's line and its files.
    """

    whole: float
    masked: float
    map: float
    item_bytes: float
    row_bytes: float


@dataclass(frozen=True)
class Cost:
    """What is left of a batch.

    Attributes:
        items: Whole pictures and captions to embed.
        masks: Masked copies to embed.
        maps: Rows to answer.
        rates: How fast that goes here.
    """

    items: int
    masks: int
    maps: int
    rates: Rates

    @property
    def seconds(self) -> tuple[float, float, float]:
        """For items, masks and maps, in one process."""
        return self.items / self.rates.whole, self.masks / self.rates.masked, self.maps * self.rates.map

    @property
    def bytes(self) -> float:
        """On disk."""
        return self.items * self.rates.item_bytes + self.maps * self.rates.row_bytes

    @property
    def bottleneck(self) -> str:
        """What takes most of the time."""
        names = ("embedding whole pictures and captions", "embedding masked copies", "ranking and drawing maps")
        return max(zip(self.seconds, names, strict=True))[1]

    def parts(self, encoder: str) -> list[Price]:
        """As other long work has it."""
        return [
            Price(("whole",), (encoder,), self.items, self.items),
            Price(("masked",), (encoder,), self.masks, self.masks, maps=self.maps),
        ]


UNMEASURED = Rates(float("inf"), float("inf"), 0, 0, 0)


def cost_of(batch: Batch, *, timed: bool = True, anew: bool = False, retry: bool = False) -> Cost:
    """What is left of a batch, as ``counted`` says, at rates measured now unless that is of no use."""
    left = batch.counted(anew=anew, retry=retry)
    rates = measured(batch.encoder, batch.plan.manner, batch.maps) if timed and any(left) else UNMEASURED
    return Cost(*left, rates)


def measured(encoder: Encoder, manner: Manner, maps: tuple[str, ...] = ()) -> Rates:
    """How fast this process is: a few passes of each kind, and a few maps."""
    pixels = (_spread(SIDE * SIDE * 3) * 127 + 127).astype(np.uint8).reshape(SIDE, SIDE, 3)
    seen = encoder.read(pixels)
    row = encoder.embed_pixels(seen.pixels[None].copy())[0]
    bank = Bank([Reference(row, "a picture")])
    ask, record = Ask(0, 0, 0, manner), Recording(maps)
    if manner.method != OWN_METHOD:
        started = time.perf_counter()
        steps = Explaining(encoder, bank, record)(Unit(pixels, (ask,)))
        answer = next(step for step in steps if not isinstance(step, int))
        each, masked = time.perf_counter() - started, float("inf")
        files = answer[1][1] if isinstance(answer[1], tuple) else {}
    else:
        masked = _masked_rate(encoder, pixels, manner)
        probe = prepare(pixels, encoder=encoder, masking=at_most(manner.masking))
        rows = _spread(probe.wanted * len(row)).astype(row.dtype).reshape(probe.wanted, len(row))
        probe = replace(probe, embeddings=rows)
        files = record(ask, rank_against(probe, bank[0], manner.selection), bank)[1]  # the first has tables to make
        started = time.perf_counter()
        for _ in range(TIMED_MAPS):
            record(ask, rank_against(probe, bank[0], manner.selection), bank)
        each = (time.perf_counter() - started) / TIMED_MAPS
    kept = sum(map(len, files.values()))
    return Rates(passes_each_second(encoder), masked, each, row.nbytes * 4 / 3 + ITEM_BYTES, kept + LINE_BYTES)


def _spread(count: int) -> NDArray[np.float64]:
    """(count,) numbers between -1 and 1 without a pattern that anything would notice."""
    return np.asarray(np.sin(np.arange(count) ** 1.5))


def _masked_rate(encoder: Encoder, pixels: NDArray[np.uint8], manner: Manner) -> float:
    masking = replace(at_most(manner.masking), n_masks=max(TIMED_MASKS, 4 * encoder.batch_size))
    steps = grow(prepare(pixels, encoder=encoder, masking=masking))
    first = len(next(steps))  # the first batch also compiles
    started = time.perf_counter()
    last = first
    for probe in steps:
        last = len(probe)
    return max(last - first, 1) / max(time.perf_counter() - started, 1e-9)
