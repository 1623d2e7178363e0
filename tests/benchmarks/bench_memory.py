"""Peak memory of a probe above the encoder after its first batch: 224 x 224, 1000 masks. Goal: <= 100 MB.

    python tests/benchmarks/bench_memory.py [--n-masks 1000] [--encoder efficientnet-lite0]

Run it alone: memory that an earlier benchmark freed, but the process kept, would be used again and not be seen.
"""

from __future__ import annotations

import argparse
import gc
import sys
import threading
from pathlib import Path

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).parents[2]))

import explorer

GOAL_MB = 100.0


class PeakMemory:
    """The largest resident size of this process while the block runs, in MB, looked at every few milliseconds."""

    def __enter__(self) -> PeakMemory:
        self._process, self._done = psutil.Process(), threading.Event()
        self.before = self.peak = self._now()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self.peak = max(self.peak, self._now())

    def _now(self) -> float:
        return self._process.memory_info().rss / 1e6

    def _watch(self) -> None:
        while not self._done.wait(0.005):
            self.peak = max(self.peak, self._now())


def run(n_masks: int = 1000, encoder: str = "efficientnet-lite0") -> list[tuple[str, str, str]]:
    """Rows of (what, measured, goal)."""
    loaded = explorer.load_encoder(encoder)
    picture = np.random.default_rng(0).integers(0, 256, (448, 448, 3), dtype=np.uint8)
    pixels, _ = loaded.view(picture)
    loaded.embed_pixels(pixels[None])  # the first batch
    gc.collect()
    with PeakMemory() as memory:
        probe = explorer.probe(picture, encoder=loaded, masking=explorer.MaskSettings(n_masks=n_masks))
        explorer.rank(probe, embedding=probe.unmasked())
    return [
        (f"{encoder} after its first batch", f"{memory.before:.0f} MB", ""),
        (f"peak of a {n_masks}-mask probe above that", f"{memory.peak - memory.before:.0f} MB", f"<= {GOAL_MB:g} MB"),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n-masks", type=int, default=1000)
    parser.add_argument("--encoder", default="efficientnet-lite0")
    for row in run(**vars(parser.parse_args())):
        print(*row, sep="  ")
