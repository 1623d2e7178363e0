"""What modes and mask schemes gain: how far maps of independent seeds agree, on the paper's and the shipped pairs.

    python tests/benchmarks/bench_stability.py [--n-masks 512] [--seeds 6] [--image bee.jpg]
                                               [--scheme philox orthogonal] [--feature-res 8] [--p-keep 0.5]

Every seed of a picture is embedded once for each scheme and ranked against each reference by each mode. Agreement is
the mean correlation of two runs, with its standard error (jackknife over the runs); "masks" is how many masks of the
scheme and mode agree as well as 100 of `mirror` at 10 % with the first scheme, by the Spearman-Brown formula.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

import explorer
from explorer.core.masks import SCHEMES
from explorer.evaluation.stability import mean_agreement

PAPER = Path(__file__).parents[3] / "shared" / "paper_images"
SHIPPED = Path(__file__).parents[2] / "assets"
PAIRS = {
    "cheetah_face.jpg": ("lion.jpg", "cat.jpg"),
    "bee.jpg": ("fly.jpg", "bee2.jpg"),
    "dogcar.jpg": ("car1.jpg", "labradoodle1.jpg"),
}
MODES = {
    "mirror 10 %": explorer.SelectionSettings(mode="mirror", threshold=0.1),
    "mirror 27 %": explorer.SelectionSettings(mode="mirror", threshold=0.27),
    "rank_weighted": explorer.SelectionSettings(mode="rank_weighted"),
}


def path(name: str) -> Path:
    """Where a picture lies: with the project, or beside it."""
    return next((folder / name for folder in (SHIPPED, PAPER) if (folder / name).is_file()), PAPER / name)


def with_error(maps: list[np.ndarray]) -> tuple[float, float]:
    """The agreement and its standard error, by leaving out one run at a time."""
    left = [mean_agreement([*maps[:i], *maps[i + 1 :]]) for i in range(len(maps))]
    return mean_agreement(maps), float(np.sqrt((len(maps) - 1) * np.var(left)))


def measured(image: str, schemes: list[str], settings: dict[str, float], seeds: int) -> Iterator[tuple[str, str, str]]:
    """Rows of (what, measured, goal) for one picture."""
    probes = {
        scheme: [
            explorer.probe(path(image), masking=explorer.MaskSettings(seed=seed, scheme=scheme, **settings))
            for seed in range(seeds)
        ]
        for scheme in schemes
    }
    for reference in PAIRS[image]:
        base = 0.0
        for scheme, runs in probes.items():
            for name, selection in MODES.items():
                maps = [explorer.rank(run, reference=path(reference), selection=selection).attribution for run in runs]
                found, error = with_error(maps)
                odds = max(found, 0) / (1 - found)
                base = base or odds
                needed = f"{100 * base / odds:.0f} masks" if odds else "no agreement"
                what = f"{image} against {reference}, {settings['n_masks']} masks, {seeds} seeds, {scheme}, {name}"
                yield what, f"{found:.3f} ± {error:.3f}, {needed}", ""


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n-masks", type=int, default=512)
    parser.add_argument("--feature-res", type=int, default=8)
    parser.add_argument("--p-keep", type=float, default=0.5)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--image", nargs="*", choices=PAIRS, default=[name for name in PAIRS if path(name).is_file()])
    parser.add_argument("--scheme", nargs="*", choices=SCHEMES, default=[s for s in SCHEMES if SCHEMES[s].grows])
    asked = parser.parse_args()
    if asked.seeds < 3:
        parser.error("give at least three seeds: the error comes from leaving one out")
    settings = {"n_masks": asked.n_masks, "feature_res": asked.feature_res, "p_keep": asked.p_keep}
    for image in asked.image:
        for row in measured(image, asked.scheme, settings, asked.seeds):
            print(*row, sep="  ", flush=True)


if __name__ == "__main__":
    main()
