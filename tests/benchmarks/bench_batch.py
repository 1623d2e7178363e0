"""The throughput of `explorer batch --engine ray` with two workers beside two processes that know of no other.

    python tests/benchmarks/bench_batch.py [--pictures 60] [--captions 5] [--n-masks 64] [--rounds 1] [--check 0.01]

Both do the same rows with ConSE-Lite0, in turns. "Working" is from the first picture done to the last, for each process
by itself: what starting Ray and loading the encoder take is a matter of seconds, whatever the size of a batch. Goal:
>= 0.9. The answers of the two must be the same, bit for bit. Then what a million pairs would take, on paper, at the
rates measured here; ``--check 0.01`` does one in a hundred of them, which takes some minutes more.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from explorer.batch.price import Cost

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

ENCODER, WORKERS, GOAL = "conse-lite0", 2, 0.9
WORDS = ("a bee on a flower", "a cup of coffee", "a cat", "a street in the rain", "a red car", "a dog", "the sea")
PAIRS_PICTURES, PAIRS_REFERENCES, PAIRS_MASKS = 1000, 1000, 512


@dataclass
class Ran:
    """What a way of doing the rows took.

    Attributes:
        seconds: From start to end.
        rate: Pictures in a second while working, of all workers together.
        cpu: Processor seconds, of workers alone where they are not the process itself.
        peaks: MB of each worker.
        answers: Digest of each row.
    """

    seconds: float = 0.0
    rate: float = 0.0
    cpu: float = 0.0
    peaks: list[float] = field(default_factory=list)
    answers: dict[int, str] = field(default_factory=dict)


def child(engine: str, folder: Path, start: int, stop: int, captions: int, n_masks: int) -> None:
    """Explain some of the pictures and print a line for every answer."""
    import explorer

    names = sorted(map(str, folder.glob("*.png")))[start:stop]
    words = [f"{WORDS[n % len(WORDS)]}{' again' * (n // len(WORDS))}" for n in range(captions)]
    workers = WORKERS if engine == "ray" else None
    found = explorer.explain_many(names, captions=words, encoder=ENCODER, engine=engine, workers=workers,
                                  masking=explorer.MaskSettings(n_masks=n_masks))  # fmt: skip
    for row, answer in found:
        assert isinstance(answer, explorer.Explanation), answer
        digest = hashlib.sha256(answer.attribution.tobytes() + answer.distances.tobytes()).hexdigest()
        facts = {"row": start * captions + row, "picture": row // captions, "at": time.time(), "digest": digest}
        print(json.dumps(facts), flush=True)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"cpu": used.ru_utime + used.ru_stime, "peak": used.ru_maxrss / 1024}), flush=True)


def timed(commands: list[list[str]], *, watched: bool) -> Ran:
    """Run children at the same time; with ``watched``, Ray's workers are what is looked at."""
    ran, started, usage = Ran(), time.time(), dict[int, tuple[float, float]]()
    done = threading.Event()
    watch = threading.Thread(target=look, args=(usage, done))
    if watched:
        watch.start()
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) for command in commands]
    for run in runs:
        assert run.stdout is not None
        done_at: dict[int, float] = {}
        for line in run.stdout:
            facts = json.loads(line)
            if "row" in facts:
                ran.answers[facts["row"]] = facts["digest"]
                done_at[facts["picture"]] = facts["at"]
            elif not watched:
                ran.cpu += facts["cpu"]
                ran.peaks.append(facts["peak"])
        assert run.wait() == 0
        first, last = min(done_at.values()), max(done_at.values())
        ran.rate += (len(done_at) - (WORKERS if watched else 1)) / (last - first)  # when the first of them were done
    ran.seconds = time.time() - started
    done.set()
    if watched:
        watch.join()
        ran.cpu, ran.peaks = sum(cpu for cpu, _ in usage.values()), [peak for _, peak in usage.values()]
    return ran


def look(usage: dict[int, tuple[float, float]], done: threading.Event) -> None:
    """Note what Ray's workers of this user have used of processor and memory, as long as they are there."""
    tick = os.sysconf("SC_CLK_TCK")
    while not done.wait(0.2):
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, IndexError, ValueError):
                if not (folder / "cmdline").read_bytes().startswith(b"ray::MapWorker"):
                    continue
                times = (folder / "stat").read_text().rpartition(")")[2].split()
                peak = next(line.split()[1] for line in (folder / "status").read_text().splitlines()
                            if line.startswith("VmHWM"))  # fmt: skip
                usage[int(folder.name)] = (int(times[11]) + int(times[12])) / tick, int(peak) / 1024


def pictures(folder: Path, count: int) -> None:
    """So many different pictures."""
    import numpy as np
    from PIL import Image

    for seed in range(count):
        coarse = np.random.default_rng(seed).integers(0, 256, (14, 14, 3), np.uint8)
        Image.fromarray(coarse).resize((224, 224), Image.Resampling.BICUBIC).save(folder / f"{seed:05d}.png")


def on_paper(cost: Cost, machines: tuple[int, ...] = (1, 10, 100)) -> list[tuple[int, float, float]]:
    """How long work takes on machines like this one: rows of machines, hours, and references' bytes in each's memory.

    Every machine is taken to run at the rates measured here; what is embedded whole goes to all of them.
    """
    hours = sum(cost.seconds) / 3600
    return [(count, hours / count, cost.items * cost.rates.item_bytes * 3 / 4) for count in machines]


def paper() -> list[tuple[str, str, str]]:
    """What a million pairs would take."""
    import explorer
    from explorer.batch.price import Cost, measured
    from explorer.batch.rows import Manner

    manner = Manner(masking=explorer.MaskSettings(n_masks=PAIRS_MASKS))
    rates = measured(explorer.load_encoder(ENCODER), manner)
    n, m = PAIRS_PICTURES, PAIRS_REFERENCES
    cost = Cost(n + m, n * PAIRS_MASKS, n * m, rates)
    speed = f"{rates.whole:.0f} whole and {rates.masked:.0f} masked pictures/s, {rates.map * 1e3:.1f} ms/map"
    shares = ", ".join(f"{seconds / 3600:.2f} h" for seconds in cost.seconds)
    rows = [
        ("rates here", speed, ""),
        (f"{n * m:,} pairs of {n} x {m}, {PAIRS_MASKS} masks: whole, masked, maps", shares, ""),
        ("most of it", cost.bottleneck, ""),
        ("on disk", f"{cost.bytes / 1e9:.2f} GB, without maps", ""),
    ]
    rows += [(f"{machines} machines like this one", f"{hours:.2f} h, {kept / 1e6:.0f} MB of references in each", "")
             for machines, hours, kept in on_paper(cost)]  # fmt: skip
    return rows


def checked(share: float) -> list[tuple[str, str, str]]:
    """A share of the million pairs, done by one process here, beside what was said it would take."""
    import explorer
    from explorer.batch.engines import chosen
    from explorer.batch.plan import Plan
    from explorer.batch.price import cost_of
    from explorer.batch.rows import Manner, every_pair
    from explorer.batch.run import Batch, run_batch
    from explorer.batch.store import Folder

    side = max(2, round(PAIRS_PICTURES * share**0.5))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pictures(folder, 2 * side)
        names = sorted(map(str, folder.glob("*.png")))
        plan = Plan(Manner(masking=explorer.MaskSettings(n_masks=PAIRS_MASKS)), wholes=True)
        plan.add(every_pair(names[:side], names[side:], None))
        batch = Batch(plan, explorer.load_encoder(ENCODER), Folder(folder / "out"))
        batch.folder.open(batch.recipe)
        cost = cost_of(batch)
        started, used = time.time(), time.process_time()
        for _ in run_batch(batch, *chosen("local")):
            pass
        took, processor = time.time() - started, time.process_time() - used
        size = sum(file.stat().st_size for file in (folder / "out").iterdir())
    foretold = sum(cost.seconds)
    return [
        (f"{side} x {side} pairs, {PAIRS_MASKS} masks: foretold", f"{foretold:.0f} s, {cost.bytes / 1e6:.1f} MB", ""),
        ("the same, done", f"{took:.0f} s ({processor:.0f} s of processors), {size / 1e6:.1f} MB", ""),
        ("done / foretold", f"{took / foretold:.2f}", ""),
    ]


def run(
    pictures_: int = 60, captions: int = 5, n_masks: int = 64, rounds: int = 1, check: float = 0.0
) -> list[tuple[str, str, str]]:
    """Rows of (what, measured, goal)."""
    alone, by_ray = list[Ran](), list[Ran]()
    with tempfile.TemporaryDirectory() as name:
        pictures(Path(name), pictures_)

        def command(engine: str, start: int, stop: int) -> list[str]:
            return [sys.executable, __file__, "--child", engine, name, *map(str, (start, stop, captions, n_masks))]

        for _ in range(rounds):
            half = pictures_ // 2
            alone.append(timed([command("local", 0, half), command("local", half, pictures_)], watched=False))
            by_ray.append(timed([command("ray", 0, pictures_)], watched=True))
    for one, other in zip(alone, by_ray, strict=True):
        assert one.answers == other.answers, "the answers are not the same"
    turns = list(zip(alone, by_ray, strict=True))
    ratio = {
        what: statistics.median(getattr(one, what) / getattr(other, what) for one, other in turns)
        for what in ("seconds", "cpu")
    }
    working = statistics.median(other.rate / one.rate for one, other in turns)
    size = f"{pictures_} x {captions} rows, {n_masks} masks"
    per_second = {name: n_masks * statistics.median(one.rate for one in runs)
                  for name, runs in (("two processes", alone), ("ray, two workers", by_ray))}  # fmt: skip
    rows = [(f"{size}, {name}", f"{rate:.1f} masks/s while working", "") for name, rate in per_second.items()]
    return [
        *rows,
        ("the same, bit for bit", f"{len(by_ray[0].answers)} answers", f"{pictures_ * captions}"),
        ("throughput of ray / of two processes, working", f"{working:.3f}", f">= {GOAL}"),
        ("the same, from start to end", f"{ratio['seconds']:.3f}", ""),
        ("processor seconds of two processes / of ray's workers", f"{ratio['cpu']:.3f}", ""),
        ("peak memory, a process alone", f"{max(alone[-1].peaks):.0f} MB", ""),
        ("peak memory, a worker of ray", f"{max(by_ray[-1].peaks):.0f} MB", ""),
        *paper(),
        *(checked(check) if check else []),
    ]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        _, _, engine_, folder_, *numbers = sys.argv
        child(engine_, Path(folder_), *map(int, numbers))
    else:
        parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
        parser.add_argument("--pictures", type=int, default=60, dest="pictures_", metavar="N")
        parser.add_argument("--captions", type=int, default=5, metavar="N")
        parser.add_argument("--n-masks", type=int, default=64, metavar="N")
        parser.add_argument("--rounds", type=int, default=1, metavar="N")
        parser.add_argument("--check", type=float, default=0.0, metavar="SHARE",
                            help="also do so much of the million, such as 0.01")  # fmt: skip
        for row in run(**vars(parser.parse_args())):
            print(*row, sep="  ")
