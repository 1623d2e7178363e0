"""What an explanation costs beside its network alone: the same network in OpenVINO on ready tensors, at its best batch.

    python tests/benchmarks/bench_probe.py [--n-masks 1000] [--encoder efficientnet-lite0] [--rounds 5]

The two take turns in one process, so that both meet whatever else the machine does. Given are the medians of their
ratios: of the processors' time, which others at work change little, and of the time on the wall. float32, and bfloat16
where the processor computes in it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

import explorer
from explorer.encoders.efficientnet_lite import EfficientNetLite
from explorer.encoders.openvino_runtime import HINTS, bfloat16_here, import_openvino

BATCHES = (2, 4, 8, 16)
GOALS = ("<= 1.05 x", "<= 1.10 x")
Work = Callable[[int], Any]


def seconds(work: Work, count: int) -> np.ndarray:
    """(2,) of the processors and on the wall."""
    processors, wall = time.process_time(), time.perf_counter()
    work(count)
    return np.array([time.process_time() - processors, time.perf_counter() - wall])


def bare(model: Any, precision: str, batch: int) -> Work:
    """The network alone: as many pictures as asked for, in batches, with every stream at work."""
    openvino = import_openvino()
    twin = model.clone()
    twin.reshape([batch, *model.input(0).shape[1:]])
    hints = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": HINTS[precision]}
    queue = openvino.AsyncInferQueue(openvino.Core().compile_model(twin, "CPU", hints))
    for request in queue:
        pixels = np.random.default_rng(0).random(request.get_input_tensor().shape, np.float32) * 255
        request.get_input_tensor().data[:] = pixels

    def work(count: int) -> None:
        for _ in range(count // batch):
            queue.start_async()
        queue.wait_all()

    return work


def fastest(model: Any, precision: str, count: int, rounds: int) -> tuple[int, Work]:
    """The batch that costs the processors least, in turns."""
    works = {batch: bare(model, precision, batch) for batch in BATCHES}
    for work in works.values():
        work(count)
    costs = {batch: [] for batch in works}
    for _ in range(rounds):
        for batch, work in works.items():
            costs[batch].append(seconds(work, count)[0])
    best = min(costs, key=lambda batch: statistics.median(costs[batch]))
    return best, works[best]


def explaining(encoder: EfficientNetLite) -> Work:
    """Whole explanations of so many masks, from the picture's pixels to the map."""
    picture = np.random.default_rng(0).integers(0, 256, (14, 14, 3), dtype=np.uint8).repeat(32, 0).repeat(32, 1)
    reference = encoder.embed_images(picture[None, ::-1])[0]
    return lambda count: explorer.explain(
        picture, embedding=reference, encoder=encoder, masking=explorer.MaskSettings(n_masks=count)
    )


def run(n_masks: int = 1000, encoder: str = "efficientnet-lite0", rounds: int = 5) -> list[tuple[str, str, str]]:
    """Rows of (what, measured, goal)."""
    rows = []
    for precision in ("float32", *["bfloat16"] * bfloat16_here()):
        loaded = explorer.load_encoder(encoder, precision=precision)
        batch, alone = fastest(loaded._run._network.model, precision, 64, rounds)
        ours = explaining(loaded)
        ours(16)
        costs = np.array([[seconds(work, n_masks) for work in (ours, alone)] for _ in range(rounds)]) / n_masks
        ratios = np.median(costs[:, 0] / costs[:, 1], axis=0)
        for which, ratio, goal, time_each in zip(
            ("processors' time", "wall time"), ratios, GOALS, np.median(costs[:, 1], axis=0), strict=True
        ):
            rows.append(
                (
                    f"{n_masks} masks, {encoder}, {precision}, {which} beside the network alone",
                    f"{ratio:.3f} x {1000 * time_each:.2f} ms a picture (batches of {batch})",
                    goal,
                )
            )
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n-masks", type=int, default=1000)
    parser.add_argument("--encoder", default="efficientnet-lite0")
    parser.add_argument("--rounds", type=int, default=5)
    for row in run(**vars(parser.parse_args())):
        print(*row, sep="  ")
