"""Peak memory of a probe above the encoder after its first batch: 224 x 224, 1000 masks. Goal: <= 100 MB.

    python tests/benchmarks/bench_memory.py [--n-masks 1000] [--encoder efficientnet-lite0]

Run it alone: memory that an earlier benchmark freed, but the process kept, would be used again and not be seen.
"""

from __future__ import annotations

import argparse
import gc
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

import explorer
from explorer.benchmark.speed import PeakMemory

GOAL_MB = 100.0


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
        (f"{encoder} after its first batch", f"{memory.before / 1e6:.0f} MB", ""),
        (f"peak of a {n_masks}-mask probe above that", f"{memory.above / 1e6:.0f} MB", f"<= {GOAL_MB:g} MB"),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n-masks", type=int, default=1000)
    parser.add_argument("--encoder", default="efficientnet-lite0")
    for row in run(**vars(parser.parse_args())):
        print(*row, sep="  ")
