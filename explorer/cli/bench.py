"""``explorer bench``: what a map costs here, beside the network alone and the peers."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.cli.shared_options import add_encoder
from explorer.core.errors import InvalidInput
from explorer.encoders.cards import DEFAULT_ENCODER
from explorer.pictures.examples import FIRST_PRESET

if TYPE_CHECKING:
    from explorer.benchmark.contenders import Contender

MOST_ROUNDS = 100
UNKNOWN = "?"


def add_command(commands: Any) -> None:
    """Add ``bench`` to the command line's parsers."""
    command = commands.add_parser("bench", help="what a map costs here, beside the network alone and the peers")
    command.set_defaults(run=_bench)
    add_encoder(command, DEFAULT_ENCODER, "that all of them ask")
    command.add_argument("--n-masks", metavar="N", type=int, default=1000,
                         help="passes of each run (default: %(default)s)")  # fmt: skip
    command.add_argument("--rounds", metavar="N", type=int, default=3,
                         help="all take turns so many times (default: %(default)s)")  # fmt: skip
    command.add_argument("--only", metavar="TEXT,..", default="", help="those whose name has one of these in it")
    command.add_argument("--agreement", metavar="R", type=float, default=0.8,
                         help="of two runs, to which it is timed (default: %(default)s)")  # fmt: skip
    command.add_argument("--faithfulness", metavar="SHARE", type=float, default=0.9,
                         help="of the best deletion score, to which it is timed (default: %(default)s)")  # fmt: skip
    command.add_argument("--no-ladder", action="store_true", help="only the costs, not what they buy: much faster")
    command.add_argument("--out", metavar="FOLDER", type=Path, help="where bench.json and bench.png go")


def _bench(options: argparse.Namespace) -> int:
    from explorer.attributions.question import make_question
    from explorer.benchmark.contenders import contenders
    from explorer.benchmark.speed import LEAST, Standing, climb, machine, race, table
    from explorer.core.limits import N_MASKS
    from explorer.encoders.cards import load_encoder
    from explorer.pictures.examples import asset_path, preset_named

    n = N_MASKS.check(options.n_masks)
    if n < LEAST or not 1 <= options.rounds <= MOST_ROUNDS:
        text = f"--n-masks must be at least {LEAST}, and --rounds 1 to {MOST_ROUNDS}."
        raise InvalidInput(text, code="bench_range")
    preset = preset_named(FIRST_PRESET)
    image, reference = asset_path(preset.image), asset_path(str(preset.reference))
    question = make_question(
        image, reference=reference, encoder=load_encoder(options.encoder, precision=options.precision)
    )
    runners = _chosen(contenders(question, image, reference), options.only)
    for runner in runners:
        if runner.why_not:
            print(f"{runner.title}: {runner.why_not}")
    standings = [Standing(runner) for runner in runners if not runner.why_not]
    for turn in race(standings, n, options.rounds):
        print(f"round {turn} of {options.rounds} done", flush=True)
    if not options.no_ladder:
        for standing in standings:
            print(f"{standing.contender.title}: up to {n} passes for agreement and faithfulness", flush=True)
            climb(question, standing, n)
    here = machine()
    rows = table(standings, options.agreement, options.faithfulness)
    _say(rows, n, here, options)
    if options.out is not None:
        _write(options.out, rows, {"machine": here, "passes": n, "encoder": options.encoder,
                                   "precision": options.precision, "agreement": options.agreement,
                                   "faithfulness": options.faithfulness})  # fmt: skip
    return 0


def _chosen(runners: Sequence[Contender], only: str) -> list[Contender]:
    """The first two are what the others are compared with, and always there."""
    words = [word.strip().lower() for word in only.split(",") if word.strip()]
    return [r for i, r in enumerate(runners) if i < 2 or not words or any(word in r.title.lower() for word in words)]


def _say(rows: Sequence[dict[str, Any]], n: int, here: dict[str, Any], options: argparse.Namespace) -> None:
    wanted = f"agreement {options.agreement:g}", f"faithfulness {options.faithfulness:g}"
    print(f"{n} passes, {options.encoder} in {options.precision}, {here['processor']}, {here['cores']} cores")
    table = [["", "wall", "CPU", "x wall", "x CPU", "first map", "MB", *wanted]]
    for row in rows:
        times = [f"{row[what]:.1f} s" for what in ("wall", "cpu")]
        ratios = [f"{row[what]:.2f}" for what in ("times_network_wall", "times_network_cpu")]
        reached = [_number(row[f"seconds_to_{what}"], " s", 1) for what in ("agreement", "faithfulness")]
        table.append([row["title"], *times, *ratios, f"{row['first']:.2f} s", _number(row["peak"] / 1e6, ""), *reached])
    wide = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        print(line[0].ljust(wide[0]), *(cell.rjust(width) for cell, width in zip(line[1:], wide[1:], strict=True)))
    print(f"x: times the network alone, the median over the rounds. {UNKNOWN}: not reached, or not known.")


def _number(value: float | None, unit: str, digits: int = 0) -> str:
    return UNKNOWN if value is None or math.isnan(value) else f"{value:.{digits}f}{unit}"


def _write(folder: Path, rows: Sequence[dict[str, Any]], facts: dict[str, Any]) -> None:
    from explorer.reports.charts import Chart, Line, draw_charts
    from explorer.reports.drawing import save

    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(facts | {"contenders": rows}, indent=1, allow_nan=True)
    (folder / "bench.json").write_text(text, encoding="utf-8")
    climbed = [row for row in rows if row["ladder"]]
    if not climbed:
        return
    took = [step["seconds"] for row in climbed for step in row["ladder"]]
    ticks = [m * 10.0**k for k in range(-4, 6) for m in (1, 3) if min(took) <= m * 10.0**k <= max(took)]
    charts = [
        Chart(
            {
                row["title"]: Line([step[what] for step in row["ladder"]], [step["seconds"] for step in row["ladder"]])
                for row in climbed
            },
            ticks,
            "seconds",
            up,
            log="x",
        )
        for what, up in (("agreement", "agreement of two runs"), ("srg", "symmetric relevance gain"))
    ]
    save(draw_charts(charts, "What the seconds buy, by program", columns=2), folder / "bench")
