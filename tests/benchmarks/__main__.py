"""All benchmarks that need nothing beside the repository, each in a process of its own, as one table.

    python tests/benchmarks [--quick]

`--quick` only shows that they run: its numbers mean nothing.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
SCRIPTS = {
    "bench_rank.py": ("--repeats", "5"),
    "bench_memory.py": ("--n-masks", "20"),
    "bench_batch_size.py": ("--images", "16", "--batches", "8", "16"),
    "bench_batch.py": ("--pictures", "4", "--n-masks", "16"),
    "bench_probe.py": ("--n-masks", "16", "--rounds", "1"),
    "bench_tokens.py": ("--models", "ViT-B-32", "--n-masks", "10", "--rounds", "1"),
    "bench_start.py": ("--rounds", "1"),
    "bench_instrument.py": ("--moves", "5"),
}
"""Each script, and the options that make it quick."""


def rows(script: str, *options: str) -> list[list[str]]:
    """What one script measured: (what, measured, goal)."""
    command = [sys.executable, str(FOLDER / script), *options]
    answer = subprocess.run(command, cwd=FOLDER.parents[1], stdout=subprocess.PIPE, text=True, check=True)
    return [[*line.split("  "), ""][:3] for line in answer.stdout.splitlines() if line.strip()]


def main() -> None:
    """Run them all."""
    table = [["benchmark", "measured", "goal"]]
    for script, quick in SCRIPTS.items():
        print(f"{script} ...", file=sys.stderr, flush=True)
        table += rows(script, *(quick if "--quick" in sys.argv else ()))
    width = [max(len(row[column]) for row in table) for column in range(3)]
    for row in table:
        print("  ".join(cell.ljust(size) for cell, size in zip(row, width, strict=True)).rstrip())


if __name__ == "__main__":
    main()
