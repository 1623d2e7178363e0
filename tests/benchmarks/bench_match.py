"""Whether a touch of a thing lights its twin, and how faithful a match is beside FIxLIP's estimator at equal passes.

python tests/benchmarks/bench_match.py [--scenes 20]

Scenes of two cutouts over noise (../shared/cutouts, which must lie beside the repository), the other picture with other
photographs of the same kinds, of other size, swapped. 400 masks a side, the features encoder. Faithfulness is the R2
of pairs of copies that neither saw, over grids of 4 x 4 blocks: FIxLIP (tests/oracles/fixlip.py) fits all pairs of
players, ours only those across, with a ridge; both see the same copies.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[2]))

import explorer
from explorer import MaskSettings, Probe
from explorer.core.bilinear import _Part, _Test
from tests.oracles.fixlip import interactions, predict
from tests.scenes import SIDE, Scene, lit_twins, scenes

CUTOUTS = Path(__file__).parents[3] / "shared" / "cutouts"
ENCODER = "efficientnet-lite0-features"
PASSES = (64, 128, 256, 512)
UNSEEN = 64
"""Copies of either picture that faithfulness is measured on."""
BLOCKS = 4


def twins(wanted: list[Scene], scheme: str) -> tuple[str, str, str]:
    """Share of cells that light their twin, beside shuffled pairings."""
    encoder, masking = explorer.load_encoder(ENCODER), MaskSettings(n_masks=400, scheme=scheme)
    right, raw, shuffled, said = [], [], [], 0
    for i, scene in enumerate(wanted):
        a, b = (explorer.probe(picture, encoder=encoder, masking=masking) for picture in (scene.a, scene.b))
        found = explorer.match(a, b)
        right.append(lit_twins(found.counterparts, scene))
        raw.append(lit_twins(found.weights, scene))
        wrong = explorer.match(a, _dealt(b, i))
        shuffled.append(lit_twins(wrong.counterparts, scene))
        said += bool(wrong.no_signal) and not found.no_signal
    what = (
        f"{len(wanted)} scenes, {scheme} masks: cells that light their twin (weights as they are; shuffled; told apart)"
    )
    shares = f"{np.mean(right):.1%} ({np.mean(raw):.1%}; {np.mean(shuffled):.1%}; {said} of {len(wanted)})"
    return what, shares, ">= 90 %"


def _dealt(probe: Probe, seed: int) -> Probe:
    return replace(probe, embeddings=probe.embeddings[np.random.default_rng(seed).permutation(len(probe))])


def faithfulness(wanted: list[Scene]) -> list[tuple[str, str, str]]:
    """R2 of unseen pairs, of FIxLIP and ours, and of first order, by passes a side."""
    encoder, size = explorer.load_encoder(ENCODER), SIDE // BLOCKS
    found: dict[int, list[tuple[float, float, float]]] = {n: [] for n in PASSES}
    for i, scene in enumerate(wanted):
        lots = np.random.default_rng([7, i])
        bits = lots.integers(0, 2, (2, max(PASSES) + UNSEEN, BLOCKS, BLOCKS)).astype(float)
        probes = [
            explorer.probe(picture, encoder=encoder, masks=np.kron(own, np.ones((size, size))))
            for picture, own in zip((scene.a, scene.b), bits, strict=True)
        ]
        flat = bits.reshape(2, -1, BLOCKS**2)
        one, other = (_units(probe) for probe in probes)
        truth = one[-UNSEEN:] @ other[-UNSEEN:].T
        for n in PASSES:
            a, b = flat[:, :n]
            terms, _ = interactions(a, b, one[:n] @ other[:n].T)
            theirs = predict(flat[0, -UNSEEN:], flat[1, -UNSEEN:], terms)
            ours = _predicted(a, b, one[:n], other[:n], flat[0, -UNSEEN:], flat[1, -UNSEEN:])
            found[n].append((_r2(truth, theirs), _r2(truth, ours[0] + ours[1]), _r2(truth, ours[0])))
    rows = []
    for n, shares in found.items():
        fixlip, match, first = np.mean(shares, axis=0)
        what = f"{len(wanted)} scenes, {n} passes a side, R2 of unseen pairs: the match (first order alone; FIxLIP)"
        rows.append((what, f"{match:.2f} ({first:.2f}; {fixlip:.2f})", "at least FIxLIP's"))
    return rows


def _units(probe: Probe) -> NDArray[np.float64]:
    rows = probe.embeddings.astype(np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _predicted(*given: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What ``explorer.core.bilinear`` says of other copies: terms of first order, and products."""
    a, b, one, other, new_a, new_b = given
    parts = [_Part(len(m), m.sum(0), m.T @ m, new) for m, new in ((a, new_a), (b, new_b))]
    for part, m, rows, new in zip(parts, (a, b), (one, other), (new_a, new_b), strict=True):
        part.look(rows.sum(0), m.T @ rows, np.zeros((len(new), rows.shape[1])))
    test = _Test(*parts)
    test.look()
    _, first, products = test.end()
    return first, products


def _r2(truth: NDArray[np.float64], said: NDArray[np.float64]) -> float:
    return 1 - float(np.square(truth - said).sum() / np.square(truth - truth.mean()).sum())


def run(count: int = 20) -> list[tuple[str, str, str]]:
    """Rows of (what, measured, goal)."""
    if not CUTOUTS.is_dir():
        return [("match", "needs ../shared/cutouts", "")]
    wanted = scenes(CUTOUTS, count)
    return [
        *(twins(wanted, scheme) for scheme in ("philox", "orthogonal")),
        *faithfulness(wanted[: max(1, count // 4)]),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=20, dest="count")
    for row in run(**vars(parser.parse_args())):
        print(*row, sep="  ")
