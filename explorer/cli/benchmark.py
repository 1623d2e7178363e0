"""``explorer benchmark``: methods judged by metrics on a data set, from a terminal."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.cli.long_work import work_off
from explorer.cli.shared_options import STOPPED
from explorer.core.errors import InvalidInput
from explorer.encoders.cards import DEFAULT_ENCODER

if TYPE_CHECKING:
    from explorer.benchmark.plan import Plan
    from explorer.core.price import Price

KINDS = """
KIND:PATH names what lies where on this computer; nothing is downloaded.
  imagenet:FOLDER      val/<wnid>/*.JPEG, or *.JPEG with val.txt of lines 'name index'
  imagenet-seg:FILE    gtsegs_ijcv.mat
  coco:FOLDER          val2017/*.jpg, annotations/instances_val2017.json, captions_val2017.json if captions are asked
  voc:FOLDER           VOCdevkit/VOC2012
  pairs:FOLDER         pictures, each compared with the next by name, the last with the first; or as pairs.csv in the
                       folder says, with a column picture and any of reference, caption, mask (black where the object
                       is not) and class

The question is what a map answers: distance to the reference (for pairs, and COCO's captions), or the likeliest class.
For a distance, NEG, POS and AIC need --gallery: other references, from which the true one must be picked.
"""


def add_command(commands: Any) -> None:
    """Add ``benchmark`` to the command line's parsers."""
    command = commands.add_parser(
        "benchmark",
        help="judge attribution methods on a data set, in the tables of the DIX paper",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=KINDS,
    )
    command.set_defaults(run=_benchmark)
    command.add_argument("--data", metavar="KIND:PATH", required=True, help="the pictures; see below")
    command.add_argument("--encoders", metavar="KEY,..", default=DEFAULT_ENCODER,
                         help="as listed by: explorer models (default: %(default)s)")  # fmt: skip
    command.add_argument(
        "--precision", default="float32", help="float32, bfloat16 or float16, as the encoder has (default: %(default)s)"
    )
    command.add_argument(
        "--methods",
        metavar="KEY,..",
        default="all",
        help="e.g. rise,dix3; controls adds maps wrong on purpose (default: all)",
    )
    command.add_argument("--metrics", metavar="KEY,..", default="all", help="e.g. ins,del (default: all)")
    command.add_argument("--question", help="distance or class (default: what the data is made for)")
    command.add_argument("--label", default="predicted",
                         help="the class NEG and POS watch, predicted or truth (default: %(default)s)")  # fmt: skip
    command.add_argument("--gallery", metavar="PATH", type=Path,
                         help="other references: a folder of pictures, or a .txt file of captions by line")  # fmt: skip
    command.add_argument("--limit", metavar="N", type=int, help="so many of the pictures, drawn by the seed")
    command.add_argument("--seed", metavar="N", type=int, default=0, help="of masks and ties (default: %(default)s)")
    command.add_argument("--masks", metavar="N", type=int, help="of the methods that mask (default: 1000)")
    command.add_argument("--out", metavar="FOLDER", type=Path, help="where the results go (default: benchmark-KIND)")
    command.add_argument("--overwrite", action="store_true", help="replace results of other settings")
    command.add_argument("--price", action="store_true", help="say what it would cost, and stop")
    command.add_argument("--quiet", action="store_true", help="no progress bar")


def _benchmark(options: argparse.Namespace) -> int:
    from explorer.benchmark.cells import is_of, open_folder, read_cells
    from explorer.benchmark.price import prices
    from explorer.benchmark.report import write_report
    from explorer.benchmark.run import run_benchmark
    from explorer.core.price import seconds

    kind, plan = _plan(options)
    out = options.out or Path(f"benchmark-{kind}")
    if options.price:
        cells = read_cells(out) if is_of(plan, out) else []
    else:
        cells = open_folder(plan, out, overwrite=options.overwrite)
    done = {cell.name for cell in cells}
    del cells  # many and long; the names are enough
    costs = prices(plan, done)
    _say_price(costs, seconds(costs, plan.asked))
    if options.price:
        return 0
    if not work_off(lambda _: run_benchmark(plan, out), costs, quiet=options.quiet):
        return STOPPED
    page = write_report(plan, out)
    print(f"Results in {out}; open {page}")
    return 0


def _plan(options: argparse.Namespace) -> tuple[str, Plan]:
    from explorer.benchmark.plan import make_plan
    from explorer.encoders.cards import load_encoder

    kind, colon, path = options.data.partition(":")
    if not colon or not path:
        raise InvalidInput("--data must be KIND:PATH, such as pairs:my-pictures; see --help.", code="data_argument")
    plan = make_plan(
        kind,
        Path(path),
        {key: load_encoder(key, precision=options.precision) for key in _keys(options.encoders)},
        methods=_keys(options.methods),
        metrics=_keys(options.metrics),
        question=options.question,
        label=options.label,
        limit=options.limit,
        seed=options.seed,
        n_masks=options.masks,
        gallery=options.gallery,
    )
    return kind, plan


def _keys(text: str) -> list[str]:
    """``"a, b"`` -> ``["a", "b"]``."""
    return [key.strip() for key in text.split(",") if key.strip()]


def _say_price(costs: Sequence[Price], times: Sequence[float]) -> None:
    """Passes only go forwards; methods that need gradients go back as well, and take longer."""
    for cost in costs:
        encoder, method = cost.part
        if cost.why_not:
            print(f"{encoder:20} {method:22} not run: {cost.why_not}")
        else:
            print(f"{encoder:20} {method:22} {cost.maps:5d} maps, {cost.left:8d} passes")
    passes = sum(cost.left for cost in costs)
    print(f"{'in all':20} {'':22} {'':5}       {passes:8d} passes, about {sum(times):.0f} s, longer with gradients")
