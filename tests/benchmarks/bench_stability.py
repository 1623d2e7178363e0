"""What modes and mask schemes gain: how far maps of independent seeds agree, on the paper's and the shipped pairs.

    python tests/benchmarks/bench_stability.py [--n-masks 20 30 45 64 100 200 512] [--seeds 8] [--image bee.jpg]
                                               [--scheme philox orthogonal] [--feature-res 8] [--p-keep 0.5]
                                               [--encoder efficientnet-lite0]

Every seed of a picture is embedded once for each scheme, with the largest number of masks; the smaller numbers are its
first masks. Agreement is the mean correlation of two runs, with its standard error (jackknife over the runs). "As 100"
is the number of masks at which a scheme and mode agree as far as 100 masks of the first scheme do in the same mode, and
in `mirror` at 10 %: between measured numbers, on a logarithmic scale of masks; nothing is extrapolated. "As 512" is the
same for 512.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

import explorer
from explorer.core.masks import SCHEMES
from explorer.core.probe import first
from explorer.core.rank import rank_against
from explorer.core.references import embed_reference
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

BASES = (100, 512)
"""Numbers of independent masks that the others are set against, where they are measured."""


def path(name: str) -> Path:
    """Where a picture lies: with the project, or beside it."""
    return next((folder / name for folder in (SHIPPED, PAPER) if (folder / name).is_file()), PAPER / name)


def with_error(maps: list[np.ndarray]) -> tuple[float, float]:
    """The agreement and its standard error, by leaving out one run at a time."""
    left = [mean_agreement([*maps[:i], *maps[i + 1 :]]) for i in range(len(maps))]
    return mean_agreement(maps), float(np.sqrt((len(maps) - 1) * np.var(left)))


def number_that_agrees(agreements: dict[int, float], goal: float) -> str:
    """The number of masks that agree as far as ``goal``, between those measured."""
    counts = sorted(agreements)
    if goal < agreements[counts[0]]:
        return f"fewer than {counts[0]}"
    for fewer, more in itertools.pairwise(counts):
        low, high = agreements[fewer], agreements[more]
        if low <= goal <= high:
            return f"{fewer * (more / fewer) ** ((goal - low) / (high - low)):.0f}"
    return f"more than {counts[-1]}"


def measured(
    image: str, encoder: str, schemes: list[str], counts: list[int], settings: dict[str, float], seeds: int
) -> Iterator[tuple[str, str, str]]:
    """Rows of (what, measured, goal) for one picture."""
    probes = {
        scheme: [
            explorer.probe(
                path(image),
                encoder=encoder,
                masking=explorer.MaskSettings(n_masks=max(counts), seed=seed, scheme=scheme, **settings),
            )
            for seed in range(seeds)
        ]
        for scheme in schemes
    }
    for reference in PAIRS[image]:
        target = embed_reference(probes[schemes[0]][0].encoder, reference=path(reference))
        base: dict[tuple[str, int], float] = {}
        mirror = next(iter(MODES))
        for scheme, runs in probes.items():
            for name, selection in MODES.items():
                agreements, shown = {}, []
                for n in counts:
                    maps = [rank_against(first(run, n), target, selection).attribution for run in runs]
                    agreements[n], error = with_error(maps)
                    shown.append(f"{n}: {agreements[n]:.3f} ± {error:.3f}")
                yield f"{image} against {reference}, {scheme}, {name}", ", ".join(shown), ""
                for n in agreements.keys() & set(BASES):
                    goals = (base.setdefault((name, n), agreements[n]), base[mirror, n])
                    same, as_mirror = (number_that_agrees(agreements, goal) for goal in goals)
                    yield f"    as {n} of {schemes[0]}", f"{same} in the same mode, {as_mirror} in mirror 10 %", ""


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n-masks", type=int, nargs="*", default=[20, 30, 45, 64, 100, 200, 512])
    parser.add_argument("--feature-res", type=int, default=8)
    parser.add_argument("--p-keep", type=float, default=0.5)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--image", nargs="*", choices=PAIRS, default=[name for name in PAIRS if path(name).is_file()])
    parser.add_argument("--scheme", nargs="*", choices=SCHEMES, default=[s for s in SCHEMES if SCHEMES[s].grows])
    parser.add_argument("--encoder", default="efficientnet-lite0")
    asked = parser.parse_args()
    if asked.seeds < 3:
        parser.error("give at least three seeds: the error comes from leaving one out")
    settings = {"feature_res": asked.feature_res, "p_keep": asked.p_keep}
    for image in asked.image:
        for row in measured(image, asked.encoder, asked.scheme, asked.n_masks, settings, asked.seeds):
            print(*row, sep="  ", flush=True)


if __name__ == "__main__":
    main()
