"""A probe of CLIP against its bare picture tower, and what leaving hidden patches out saves. Random weights will do.

    python tests/benchmarks/bench_tokens.py [--models ViT-B-32 ViT-B-16] [--n-masks 128] [--rounds 3] [--threads 2]

Goals: a probe costs at most 1.05 x the processor time of the same tower on ready tensors, in batches of the same size;
with fill="drop" at p_keep 0.5 at least 1.6 x less than that probe. On a GPU, where there is one: 1000 masked copies by
ViT-B-32 take at most 2 x the time of the bare tower at its best batch.

They are run in turn, batch by batch in one process, so that whatever else the machine does meets all of them; each
ratio is the median over the rounds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from explorer.core.masks import MaskSettings
from explorer.core.probe import grow, prepare
from explorer.encoders.cards import find_card
from explorer.encoders.openclip import OpenClipEncoder
from explorer.encoders.torch_settings import settled

MODELS = ("ViT-B-32", "ViT-B-16")
GPU_BATCHES = (64, 128, 256, 512)


def an_encoder(model: str, device: str = "cpu") -> OpenClipEncoder:
    """With random weights, which take as long as others."""
    import open_clip
    import torch

    torch.manual_seed(0)
    network = open_clip.create_model(model).eval().to(device)
    return OpenClipEncoder(find_card("clip-vit-b32"), network, None, f"random:{model}")


Run = Callable[[], Iterator[Any]]
"""Does some work, batch by batch."""


def probing(encoder: OpenClipEncoder, masking: MaskSettings) -> Run:
    """Embeds all masked copies of one picture."""
    picture = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    return lambda: grow(prepare(picture, encoder=encoder, masking=masking))


def bare(encoder: OpenClipEncoder, n: int, batch: int) -> Run:
    """The picture tower alone, on tensors that are there."""
    import torch

    planes = torch.randn(batch, 3, *encoder.input_size or (224, 224), device=encoder._device)
    planes = planes.contiguous(memory_format=torch.channels_last)

    def run() -> Iterator[Any]:
        for done in range(0, n, batch):
            with settled(gradients=False):
                rows = encoder._network.encode_image(planes)
            yield rows.cpu() if done + batch >= n else rows

    return run


def in_turn(runs: dict[str, Run], rounds: int, *, whole: bool = False) -> dict[str, list[tuple[float, float]]]:
    """(processor, wall) seconds of each run in each round, after one to warm up; a batch of each in turn, or all."""
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for each in range(rounds + 1):
        under_way, clocks = {name: run() for name, run in runs.items()}, dict.fromkeys(runs, (0.0, 0.0))
        while under_way:
            for name, work in [*under_way.items()]:
                processor, wall = time.process_time(), time.perf_counter()
                if len([*work] if whole else [*islice(work, 1)]) == 0 or whole:
                    del under_way[name]
                so_far = clocks[name]
                clocks[name] = (so_far[0] + time.process_time() - processor, so_far[1] + time.perf_counter() - wall)
        if each:
            for name, clock in clocks.items():
                spent[name].append(clock)
    return spent


def ratio(spent: dict[str, list[tuple[float, float]]], one: str, other: str) -> str:
    """How many times as much one takes as another."""
    pairs = list(zip(spent[one], spent[other], strict=True))
    processor, wall = (statistics.median(a[i] / b[i] for a, b in pairs) for i in (0, 1))
    return f"{processor:.2f} x processor time, {wall:.2f} x wall time"


def on_cpu(model: str, n: int, rounds: int) -> list[tuple[str, str, str]]:
    """Rows of (what, measured, goal)."""
    encoder = an_encoder(model)
    side = encoder.patches()[0]
    runs = {
        "bare": bare(encoder, n, encoder.batch_size),
        "probe": probing(encoder, MaskSettings(n_masks=n)),
        "drop": probing(encoder, MaskSettings(n_masks=n, feature_res=side, fill="drop")),
        "bare 32": bare(encoder, n, 32),
    }
    spent = in_turn(runs, rounds)
    each = 1000 * statistics.median(processor for processor, _ in spent["bare"]) / n
    return [
        (f"{model}, the bare tower in batches of {encoder.batch_size}", f"{each:.1f} ms of a processor a picture", ""),
        (f"{model}, a probe against it", ratio(spent, "probe", "bare"), "<= 1.05 x"),
        (f'{model}, a probe against one with fill="drop"', ratio(spent, "probe", "drop"), ">= 1.6 x"),
        (f"{model}, the bare tower in batches of 32 against that", ratio(spent, "bare 32", "drop"), ""),
    ]


def on_gpu(rounds: int) -> list[tuple[str, str, str]]:
    """The same where there is a GPU."""
    import torch

    what, goal = "1000 x ViT-B-32 on a GPU", "<= 2 x the bare tower"
    if not torch.cuda.is_available():
        return [(what, "not measured: there is no GPU here", goal)]
    encoder = an_encoder("ViT-B-32", "cuda")
    runs = {f"bare {batch}": bare(encoder, 1000, batch) for batch in GPU_BATCHES}
    runs["probe"] = probing(encoder, MaskSettings(n_masks=1000))
    runs["drop"] = probing(encoder, MaskSettings(n_masks=1000, feature_res=7, fill="drop"))
    spent = in_turn(runs, rounds, whole=True)  # a step waits for the device, which a run must not
    walls = {name: statistics.median(wall for _, wall in each) for name, each in spent.items()}
    best = min((name for name in walls if name.startswith("bare")), key=lambda name: walls[name])
    name = torch.cuda.get_device_name()
    return [
        (f"{what} ({name}), float32", f"{walls['probe']:.2f} s, {walls['probe'] / walls[best]:.2f} x {best}", goal),
        (f'{what} ({name}), fill="drop"', f"{walls['drop']:.2f} s, {walls['drop'] / walls[best]:.2f} x {best}", ""),
    ]


def run(models: tuple[str, ...] = MODELS, n_masks: int = 128, rounds: int = 3, threads: int = 0) -> Any:
    """Rows of (what, measured, goal)."""
    import torch

    if threads:
        torch.set_num_threads(threads)
    return [row for model in models for row in on_cpu(model, n_masks, rounds)] + on_gpu(rounds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--n-masks", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0)
    for row in run(**vars(parser.parse_args())):
        print(*row, sep="  ")
