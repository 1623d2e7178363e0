"""Which masks and which read-out say most per pass: the comparison registered in ``registered/schemes.json``.

    python tests/benchmarks/bench_schemes.py [--out FOLDER] [--workers 2] [--shared FOLDER] [--only 3]
    python tests/readme.py --write

Each design's copies are embedded once, at the largest budget; smaller budgets are its first copies. What is measured
of a pair is written down at once, so that the same command goes on where it was stopped; each worker has a core of its
own. The means with their intervals and the verdicts on the hypotheses, whoever wins, go to ``measured/schemes.json``,
of which the README's table is made. ``--only`` stops after so many pairs and writes none; ``--sum-up`` embeds nothing
and writes what is done. It needs the cutouts and the paper's pictures beside the repository.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.benchmarks import designs  # noqa: E402
from tests.benchmarks.designs import Design, ReadOut  # noqa: E402

REGISTRATION = Path(__file__).parent / "registered" / "schemes.json"
MEASURED = Path(__file__).parent / "measured" / "schemes.json"
SIZE = (224, 224)

METHODS: dict[str, tuple[str, ReadOut]] = {
    **{
        f"{name}, {how.__name__}": (name, how)
        for name in ("independent grid", "balanced grid", "complementary pairs", "independent superpixels",
                     "balanced superpixels")
        for how in (designs.mirror, designs.rank, designs.ridge)
    },
    "KernelSHAP-like": ("Shapley coalitions", designs.kernel_shap),
    "HSIC-like": ("complementary pairs", designs.hsic),
    "LIME-like": ("independent superpixels", designs.lime),
}  # fmt: skip
"""By name, whose copies it reads and how."""

Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Asked:
    """A pair, and where the two objects are if that is known."""

    key: str
    pixels: Any
    reference: Any
    objects: tuple[NDArray[np.bool_], NDArray[np.bool_]] | None = None


def pairs(plan: dict[str, Any], shared: Path) -> Iterator[Asked]:
    """All that are registered, photographs first."""
    from explorer.datasets.scenes import cutouts_in, make_scene

    folders = (ROOT / "assets", shared / "paper_images")
    for names in plan["photographs"]:
        image, reference = (next(f / name for f in folders if (f / name).is_file()) for name in names)
        yield Asked(" against ".join(names), image, reference)
    files = cutouts_in(shared / "cutouts")
    for number in range(plan["scenes"]):
        scene = make_scene(files, number)
        yield Asked(f"scene {scene.key}", scene.pixels, scene.reference, (scene.shared, scene.other))


def drawn(pixels: NDArray[Any], n: int, fresh: int, seed: int) -> dict[str, Design]:
    """Every design for a picture, and the two that truth is measured on."""
    basis = designs.blurred_superpixels(pixels.astype(np.uint8))
    return {
        "independent grid": designs.shifted_grid("philox", n, seed, SIZE),
        "balanced grid": designs.shifted_grid("orthogonal", n, seed, SIZE),
        "complementary pairs": designs.fixed_grid(designs.complementary_bits(n, seed), SIZE),
        "independent superpixels": designs.superpixels(designs.independent_bits(n, seed), basis),
        "balanced superpixels": designs.superpixels(designs.balanced_bits(n, seed), basis),
        "Shapley coalitions": designs.fixed_grid(designs.shapley_bits(n, seed), SIZE),
        "fresh grid": designs.shifted_grid("philox", fresh, seed + 10_000, SIZE),
        "fresh superpixels": designs.superpixels(designs.independent_bits(fresh, seed + 10_000), basis),
    }


def measured(asked: Asked, plan: dict[str, Any], encoder: Any, seed: int) -> Row:
    """Everything that is measured of a pair."""
    from explorer.attributions.question import make_question
    from explorer.core.distances import measure
    from explorer.core.fills import make_background
    from explorer.core.steps import run

    began = time.perf_counter()
    question = make_question(asked.pixels, reference=asked.reference, encoder=encoder)
    pixels, target = question.pixels, question.target.embedding
    made = drawn(pixels, max(plan["budgets"]), plan["fresh"], seed)
    distances = {name: _embedded(question, design, seed) for name, design in made.items()}
    background = np.broadcast_to(make_background("auto", pixels, encoder, 0), pixels.shape).astype(pixels.dtype)
    whole, empty = measure("cosine", encoder.embed_pixels(np.stack([pixels, background])), target).tolist()
    values: dict[str, dict[str, dict[str, float]]] = {}
    for method, (name, how) in METHODS.items():
        maps = {n: how(made[name], distances[name][:n], (whole, empty)) for n in plan["budgets"]}
        told = _truths(list(maps.values()), made, distances)
        values[method] = {str(n): {"truth": told[i]} for i, n in enumerate(plan["budgets"])}
        for n in plan["gain_budgets"]:
            gains = [run(_gain(question, maps[n], plan["steps"], fill)) for fill in plan["fills"]]
            values[method][str(n)] |= {"srg": float(np.mean(gains))}
        if asked.objects is not None:
            for n, values_of in maps.items():
                values[method][str(n)]["object"] = _on_shared(values_of, *asked.objects)
    return {"pair": asked.key, "seconds": round(time.perf_counter() - began, 1), "values": values}


def _embedded(question: Any, design: Design, seed: int) -> NDArray[np.float64]:
    """The distances of a design's copies."""
    from explorer.attributions.question import probe_question
    from explorer.core.distances import measure
    from explorer.core.masks import MaskSettings
    from explorer.core.steps import run

    masking = MaskSettings(n_masks=len(design.masks), seed=seed)
    probe = run(probe_question(question, masking, design.masks))
    return measure("cosine", probe.embeddings, question.target.embedding)


def _gain(question: Any, attribution: NDArray[np.float64], steps: int, fill: str) -> Any:
    from explorer.evaluation.deletion import symmetric_gain

    return symmetric_gain(question, attribution, steps=steps, fill=fill)


def _truths(maps: list[NDArray[np.float64]], made: dict[str, Design], distances: dict[str, Any]) -> list[float]:
    from explorer.core.spearman import spearman

    stack, fresh = np.stack(maps), ("fresh grid", "fresh superpixels")
    kept = {name: made[name].kept(stack) for name in fresh}
    return [float(np.mean([spearman(kept[name][i], -distances[name]) for name in fresh])) for i in range(len(maps))]


def _on_shared(attribution: NDArray[np.float64], shared: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Of what is above the map's mean on the two objects, the share on the shared one, each pixel of either alike."""
    above = (attribution - attribution.mean()).clip(min=0)
    own, its = float(above[shared].mean()), float(above[other].mean())
    return own / (own + its) if own + its else 0.5


# Running


def work(options: argparse.Namespace, part: int) -> None:
    """Every so many-th pair that is not done, on a core of its own."""
    from explorer.encoders.cards import load_encoder

    plan = json.loads(REGISTRATION.read_text(encoding="utf-8"))
    encoder, path = load_encoder(plan["encoder"]), options.out / f"part-{part}.jsonl"
    done = {row["pair"] for row in rows_in(options.out)}
    count = 0
    for number, asked in enumerate(pairs(plan, options.shared)):
        if number % options.workers != part or asked.key in done or count == options.only:
            continue
        row = measured(asked, plan, encoder, number)
        count += 1
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(f"{part}: {asked.key}, {row['seconds']:.0f} s", flush=True)


def rows_in(folder: Path) -> list[Row]:
    """What is done, a line that a stop cut short left out."""
    found: dict[str, Row] = {}
    for path in sorted(folder.glob("part-*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            found[row["pair"]] = row
    return list(found.values())


def summary(rows: list[Row], plan: dict[str, Any]) -> dict[str, Any]:
    """Means with their intervals, and what becomes of the hypotheses."""
    from explorer.evaluation.bootstrap import mean_difference, mean_interval

    rows = sorted(rows, key=lambda row: row["pair"])

    def column(method: str, n: int, what: str) -> list[float]:
        return [row["values"][method][str(n)].get(what, float("nan")) for row in rows]

    lines = []
    for method in METHODS:
        for n in plan["budgets"]:
            for what in plan["measures"]:
                found = mean_interval(column(method, n, what))
                if found.n:
                    lines.append({"method": method, "passes": n, "measure": what, **vars(found)})
    tests = []
    for claim in plan["hypotheses"]:
        for what in plan["primary"]["measures"]:
            for n in plan["gain_budgets"] if what == "srg" else plan["budgets"]:
                gap = mean_difference(column(claim["one"], n, what), column(claim["other"], n, what))
                tests.append({**claim, "passes": n, "measure": what, **vars(gap),
                              "primary": n == plan["primary"]["budget"],
                              "verdict": _verdict(gap, plan["margin"][what])})  # fmt: skip
    return {
        "registration": hashlib.sha256(REGISTRATION.read_bytes()).hexdigest(),
        "pairs": len(rows),
        "scenes": sum(row["pair"].startswith("scene ") for row in rows),
        "seconds": sum(row["seconds"] for row in rows),
        "lines": lines,
        "tests": tests,
    }


def _verdict(gap: Any, margin: float) -> str:
    if not gap.sure:
        return "not told apart"
    side = "wins" if gap.value > 0 else "loses"
    return side if abs(gap.value) > margin else f"{side}, by less than the margin"


def _finished(options: argparse.Namespace) -> list[int]:
    """How each worker ended."""
    own, children = sorted(os.sched_getaffinity(0)), []
    for part in range(options.workers):
        command = [sys.executable, str(Path(__file__)), "--part", str(part)]
        for name in ("out", "workers", "shared", "only"):
            command += [f"--{name}", str(getattr(options, name))]
        child = subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"})
        os.sched_setaffinity(child.pid, {own[part % len(own)]})
        children.append(child)
    return [child.wait() for child in children]


def main() -> None:
    """Run what is not done, then sum up."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "schemes-run")
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--only", type=int, default=-1, help="so many pairs of each worker")
    parser.add_argument("--sum-up", action="store_true", help="of what is done")
    parser.add_argument("--part", type=int, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.part is not None:
        work(options, options.part)
        return
    if not options.sum_up and any(_finished(options)):
        sys.exit("A worker failed; what was done is kept, and the same command goes on.")
    plan, rows = json.loads(REGISTRATION.read_text(encoding="utf-8")), rows_in(options.out)
    found = summary(rows, plan)
    for line in found["lines"]:
        if line["passes"] == plan["primary"]["budget"]:
            print(f"{line['method']}  {line['measure']} {line['value']:.3f} [{line['low']:.3f}, {line['high']:.3f}]")
    for test in found["tests"]:
        print(f"{test['id']} {test['says']}, {test['measure']} at {test['passes']}: {test['value']:+.4f} "
              f"[{test['low']:+.4f}, {test['high']:+.4f}] {test['verdict']}")  # fmt: skip
    wanted = plan["scenes"] + len(plan["photographs"])
    if len(rows) == wanted or options.sum_up:
        MEASURED.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(f"Written to {MEASURED}; python tests/readme.py --write puts it into the README.")
    else:
        print(f"{len(rows)} of {wanted} pairs are done; nothing was written.")


if __name__ == "__main__":
    main()
