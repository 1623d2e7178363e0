"""A whole explanation against distance-explainer 0.6.0 with the same network in torch. Goal: at least 5 x faster.

    python tests/benchmarks/bench_explain.py [--n-masks 1000] [--precision float32]

Theirs runs the network as its users do: timm's EfficientNet-Lite0 in plain torch, float32, batches of 10.
Loading and converting networks is not counted; everything after is. Both get the same picture and reference.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

import explorer
from explorer.pictures.images import as_picture
from tests.oracles import packaged

GOAL = 5.0
NAME = "efficientnet-lite0"


def a_picture(seed: int) -> np.ndarray:
    """Soft blobs (448, 448, 3) uint8; what is on it does not change the time."""
    return np.random.default_rng(seed).integers(0, 256, (14, 14, 3), dtype=np.uint8).repeat(32, 0).repeat(32, 1)


def ours(n_masks: int, precision: str) -> tuple[float, np.ndarray]:
    """Seconds, and the map."""
    encoder = explorer.load_encoder(NAME, precision=precision)
    explorer.probe(a_picture(2), encoder=encoder, masking=explorer.MaskSettings(n_masks=10))
    start = time.perf_counter()
    masking = explorer.MaskSettings(n_masks=n_masks, scheme="dianna")
    found = explorer.explain(a_picture(0), reference=a_picture(1), encoder=encoder, masking=masking)
    return time.perf_counter() - start, found.attribution


def theirs(n_masks: int) -> tuple[float, np.ndarray]:
    """Seconds, and the map."""
    import torch
    from distance_explainer import DistanceExplainer

    network = packaged.efficientnet()

    def embed(batch: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            planes = torch.from_numpy(np.ascontiguousarray(batch, dtype=np.float32)).permute(0, 3, 1, 2)
            return network(planes.contiguous()).softmax(1).numpy()

    def pixels(picture: np.ndarray) -> np.ndarray:
        view, _ = explorer.load_encoder(NAME).view(as_picture(picture).pixels)
        return (view - 127) / 128  # theirs multiplies the network's input by the mask

    embed(pixels(a_picture(2))[None])
    before = np.random.get_state()
    start = time.perf_counter()
    np.random.seed(0)
    explainer = DistanceExplainer(n_masks=n_masks, axis_labels={2: "channels"})
    reference = embed(pixels(a_picture(1))[None])[0]
    found = np.asarray(explainer.explain_image_distance(embed, pixels(a_picture(0)), reference)).squeeze()
    seconds = time.perf_counter() - start
    np.random.set_state(before)
    return seconds, found


def run(n_masks: int = 1000, precision: str = "float32") -> list[tuple[str, str, str]]:
    """Rows of (what, measured, goal)."""
    our_seconds, our_map = ours(n_masks, precision)
    their_seconds, their_map = theirs(n_masks)
    agreement = np.corrcoef(our_map.ravel(), their_map.ravel())[0, 1]
    return [
        (f"explain {n_masks} masks, ours, {precision}", f"{our_seconds:.1f} s", ""),
        (f"explain {n_masks} masks, distance-explainer 0.6.0", f"{their_seconds:.1f} s", ""),
        ("times faster", f"{their_seconds / our_seconds:.1f} x", f">= {GOAL:g} x"),
        ("the two maps' Pearson correlation", f"{agreement:.4f}", "about 1"),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n-masks", type=int, default=1000)
    parser.add_argument("--precision", default="float32")
    for row in run(**vars(parser.parse_args())):
        print(*row, sep="  ")
