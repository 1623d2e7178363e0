"""What long work costs before it is begun, part by part."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

from explorer.core.embedder import Embedder
from explorer.core.errors import InvalidInput

TO_DO, FINISHED = "to do", "finished"
TIMED_BATCHES = 4


@dataclass(frozen=True)
class Price:
    """What one part of long work costs.

    Attributes:
        part: Names it.
        encoders: What embeds for it, by name.
        passes: Pictures it embeds by itself, from nothing.
        left: Pictures still to be embedded for it, once the parts before it are done.
        state: TO_DO, FINISHED, or why it cannot be done.
        maps: How many maps are still to be made, where it makes maps.
    """

    part: tuple[str, ...]
    encoders: tuple[str, ...]
    passes: int = 0
    left: int = 0
    state: str = TO_DO
    maps: int = 0

    @property
    def why_not(self) -> str:
        """Why it cannot be done, or an empty string."""
        return "" if self.state in (TO_DO, FINISHED) else self.state


def seconds(costs: Iterable[Price], encoders: Mapping[str, Embedder]) -> list[float]:
    """How long each part will take here: what embeds anything is timed, the slowest of a part counts."""
    costs = list(costs)
    names = {name for cost in costs if cost.left for name in cost.encoders}
    speeds = {name: passes_each_second(encoders[name]) for name in sorted(names)}
    return [cost.left / min(speeds[name] for name in cost.encoders) if cost.left else 0.0 for cost in costs]


def passes_each_second(encoder: Embedder) -> float:
    """How many pictures an encoder embeds in a second here, by a few batches after a first one."""
    size = encoder.input_size or (64, 64)
    batch = np.full((encoder.batch_size, *size, 3), 127, np.float32)
    encoder.embed_pixels(batch)
    started = time.perf_counter()
    for _ in range(TIMED_BATCHES):
        encoder.embed_pixels(batch)
    return TIMED_BATCHES * len(batch) / max(time.perf_counter() - started, 1e-9)


def refuse(out: Path, what: str, code: str) -> NoReturn:
    """Raise InvalidInput where results of other settings lie in a folder and nobody asked to replace them."""
    raise InvalidInput(
        f"{out.name or out} holds {what}; name another folder with --out, or replace it with --overwrite.", code=code
    )
