"""How long `rank` takes: 1000 masks, an embedding of 1000 numbers. Goal: median <= 10 ms.

python tests/benchmarks/bench_rank.py [--n-masks 1000] [--repeats 50]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

import explorer
from explorer.core.selections import MODES

GOAL_MS = 10.0
SIDE, LENGTH = 224, 1000


def a_probe(n_masks: int) -> explorer.Probe:
    """A probe of the usual size whose embeddings cost nothing."""
    rows = np.random.default_rng(0).random((n_masks, LENGTH), dtype=np.float32)
    served = iter(np.array_split(rows, range(50, n_masks, 50)))
    encoder = explorer.from_function(lambda batch: next(served), batch_size=50)
    image = np.zeros((SIDE, SIDE, 3), np.float32)
    return explorer.probe(image, encoder=encoder, masking=explorer.MaskSettings(n_masks=n_masks))


def median_ms(probe: explorer.Probe, selection: explorer.SelectionSettings, repeats: int) -> float:
    """The median time of one ranking, in milliseconds, after one to warm up."""
    reference = np.random.default_rng(1).random(LENGTH)
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        explorer.rank(probe, embedding=reference, selection=selection)
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times[1:])


def run(n_masks: int = 1000, repeats: int = 50) -> list[tuple[str, str, str]]:
    """Rows of (what, measured, goal)."""
    probe = a_probe(n_masks)
    rows = []
    for mode in MODES:
        found = median_ms(probe, explorer.SelectionSettings(mode=mode), repeats)
        rows.append((f"rank {n_masks} masks, {mode}, median", f"{found:.2f} ms", f"<= {GOAL_MS:g} ms"))
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n-masks", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=50)
    for row in run(**vars(parser.parse_args())):
        print(*row, sep="  ")
