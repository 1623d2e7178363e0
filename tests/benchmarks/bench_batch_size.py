"""Images per second of EfficientNet-Lite0 at several batch sizes; why `efficientnet_lite.BATCH` is what it is.

python tests/benchmarks/bench_batch_size.py [--images 640] [--batches 8 16 32 40 64] [--precision float32]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from explorer.encoders import efficientnet_lite
from explorer.encoders.openvino_runtime import Network

BATCHES = (8, 16, 32, 40, 64)
ROUNDS = 3


def network(batch: int, precision: str) -> Network:
    """The network the encoder uses, compiled for another batch size."""
    state = efficientnet_lite._state(efficientnet_lite.weights_path())
    return Network("", lambda: efficientnet_lite.build(state), precision, (batch, 224, 224, 3), "probabilities")


def images_per_second(run: Network, batch: int, images: int) -> float:
    """The median of a few rounds, after one batch to warm up."""
    pixels = np.random.default_rng(0).random((batch, 224, 224, 3), dtype=np.float32) * 255
    run(pixels)
    rates = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(max(1, images // batch)):
            run(pixels)
        rates.append(max(1, images // batch) * batch / (time.perf_counter() - start))
    return statistics.median(rates)


def run(
    images: int = 640, batches: tuple[int, ...] = BATCHES, precision: str = "float32"
) -> list[tuple[str, str, str]]:
    """Rows of (what, measured, goal)."""
    rates = {batch: images_per_second(network(batch, precision), batch, images) for batch in batches}
    fastest = max(rates, key=lambda batch: rates[batch])
    return [
        (
            f"EfficientNet-Lite0, {precision}, batch {batch}",
            f"{rate:.0f} images/s",
            "fastest" if batch == fastest else "",
        )
        for batch, rate in rates.items()
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=640)
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES)
    parser.add_argument("--precision", default="float32")
    for row in run(**vars(parser.parse_args())):
        print(*row, sep="  ")
