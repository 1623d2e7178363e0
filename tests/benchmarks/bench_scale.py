"""How time and memory grow with the masks, the picture and the embedding: each case in a process of its own.

    python tests/benchmarks/bench_scale.py [--most 100000] [--figure FILE.png] [--json FILE.json]

The masks on the default encoder; the picture and the embedding on a function that costs next to nothing, so that what
is seen is ours. Goal: straight lines, that is the same time for each mask, each pixel and each number.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

MASKS = (1000, 3000, 10_000, 30_000, 100_000)
SIDES = (64, 128, 256, 512, 1024)
LENGTHS = (16, 64, 256, 1024, 4096)
FEW = 512
"""Masks where something else grows."""


def measure(kind: str, size: int) -> dict[str, Any]:
    """One case, in this process."""
    import explorer
    from explorer.benchmark.speed import measured

    side = size if kind == "side" else 224
    picture = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    if kind == "masks":
        encoder, n = explorer.load_encoder(explorer.encoders()[0].key), size
    else:
        length = size if kind == "length" else 64
        made = np.random.default_rng(1).normal(size=(192, length)).astype(np.float32)

        def embed(batch: Any) -> Any:
            small = np.asarray(batch, np.float32)[:, :: side // 8, :: side // 8][:, :8, :8].reshape(len(batch), -1)
            return small @ made

        encoder, n = explorer.from_function(embed, batch_size=8), FEW
    explorer.explain(picture, reference=picture[::-1], encoder=encoder, masking=explorer.MaskSettings(n_masks=64))
    masking = explorer.MaskSettings(n_masks=n)
    cost, _ = measured(lambda _: explorer.explain(picture, reference=picture[::-1], encoder=encoder, masking=masking))
    return {"kind": kind, "size": size, "seconds": cost.wall, "cpu": cost.cpu, "megabytes": cost.peak / 1e6}


def draw(rows: list[dict[str, Any]], file: Path) -> None:
    """Seconds and megabytes against what grows."""
    from explorer.reports.charts import Chart, Line, draw_charts
    from explorer.reports.drawing import save

    names = {"masks": "masks", "side": "pixels of the picture's side", "length": "numbers of the embedding"}
    charts = []
    for what, up in (("cpu", "seconds of the processor"), ("megabytes", "peak megabytes above before")):
        for kind, across in names.items():
            found = [row for row in rows if row["kind"] == kind]
            line = Line([row[what] for row in found])
            charts.append(Chart({across: line}, [row["size"] for row in found], across, up, log="xy"))
    save(draw_charts(charts, "Time and memory against masks, picture and embedding", columns=3), file.with_suffix(""))


def main() -> None:
    """Measure all cases, and print rows of (what, measured, goal)."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--most", type=int, default=MASKS[-1], help="masks of the longest run")
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--case", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        print(json.dumps(measure(options.case[0], int(options.case[1]))))
        return
    cases = {"masks": [n for n in MASKS if n <= options.most], "side": SIDES, "length": LENGTHS}
    rows = []
    for kind, sizes in cases.items():
        for size in sizes:
            command = [sys.executable, __file__, "--case", kind, str(size)]
            answer = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
            rows.append(row := json.loads(answer.splitlines()[-1]))
            print(f"{kind} {size}  {row['cpu']:.2f} s of the processor, {row['megabytes']:.0f} MB", flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    if options.figure:
        draw(rows, options.figure)


if __name__ == "__main__":
    main()
