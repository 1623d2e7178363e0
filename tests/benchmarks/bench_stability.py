"""How far maps of independent seeds agree: the mean Pearson correlation between them, on three of the paper's pairs.

    python tests/benchmarks/bench_stability.py [--n-masks 500] [--seeds 4] [--threshold 0.1]

Compares `mirror` at 10 % with `rank_weighted`; every seed is embedded once and ranked twice.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

import explorer

PICTURES = Path(__file__).parents[3] / "shared" / "paper_images"
PAIRS = (("bee.jpg", "fly.jpg"), ("dogcar.jpg", "car1.jpg"), ("bee.jpg", "bee2.jpg"))


def agreement(maps: list[np.ndarray]) -> float:
    """The mean correlation over all pairs of maps."""
    return float(np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in itertools.combinations(maps, 2)]))


def run(n_masks: int = 500, seeds: int = 4, threshold: float = 0.1) -> list[tuple[str, str, str]]:
    """Rows of (what, measured, goal)."""
    modes = {
        f"mirror at {threshold:.0%}": explorer.SelectionSettings(mode="mirror", threshold=threshold),
        "rank_weighted": explorer.SelectionSettings(mode="rank_weighted"),
    }
    probes = {
        image: [
            explorer.probe(PICTURES / image, masking=explorer.MaskSettings(n_masks=n_masks, seed=seed))
            for seed in range(seeds)
        ]
        for image in sorted({image for image, _ in PAIRS})
    }
    rows = []
    for image, reference in PAIRS:
        for name, selection in modes.items():
            maps = [
                explorer.rank(probe, reference=PICTURES / reference, selection=selection).attribution
                for probe in probes[image]
            ]
            what = f"{image} against {reference}, {n_masks} masks, {seeds} seeds, {name}"
            rows.append((what, f"{agreement(maps):.3f}", ""))
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n-masks", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--threshold", type=float, default=0.1)
    if not PICTURES.is_dir():
        sys.exit("The paper's pictures are not in ../shared/paper_images.")
    for row in run(**vars(parser.parse_args())):
        print(*row, sep="  ")
