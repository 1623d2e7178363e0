"""``explorer batch``: many pictures against many references, from a terminal."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.attributions.method import METHODS, OWN_METHOD
from explorer.batch.engines import ENGINES, chosen
from explorer.batch.record import MAPS
from explorer.cli.long_work import work_off
from explorer.cli.shared_options import (
    ENCODER_KEYS,
    STOPPED,
    add_encoder,
    add_limits,
    add_masks,
    add_selection,
    allow_larger,
    settings,
)
from explorer.core.errors import InvalidInput
from explorer.core.masks import MaskSettings
from explorer.core.printable import printable
from explorer.core.selections import SelectionSettings
from explorer.core.storage import check_writable
from explorer.encoders.cards import DEFAULT_ENCODER

if TYPE_CHECKING:
    from explorer.batch.plan import Neighbours, Plan
    from explorer.batch.price import Cost
    from explorer.batch.run import Batch

ABOUT = """
PAIRS is a CSV or Parquet file with a column picture, and reference (a picture) or caption in every row; id, method,
n_masks, feature_res, p_keep, seed, fill, scheme, mode, threshold and distance are optional. Paths are relative to the
file's folder. Or it is a folder of pictures: each is compared with all of --references and --captions, without these
with every other picture of the folder.

Each picture is probed once, whatever it is compared with. FOLDER/results.parquet has a row for each of PAIRS, in the
same order; a row that cannot be done says why in the column error. Stopped in any way, the same command goes on.
"""
SHOWN_UNUSED, SHOWN_ERRORS = 6, 5


def add_command(commands: Any) -> None:
    """Add ``batch`` to the command line's parsers."""
    command = commands.add_parser(
        "batch",
        help="explain many pictures, each against many references, here or on a cluster",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=ABOUT,
    )
    command.set_defaults(run=_batch)
    command.add_argument("pairs", metavar="PAIRS", type=Path, help="a CSV or Parquet file, or a folder of pictures")
    command.add_argument("--references", metavar="FOLDER", type=Path,
                         help="with a folder: what each of its pictures is compared with")  # fmt: skip
    command.add_argument(
        "--captions", metavar="FILE", type=Path, help="the same, a caption on each line of a .txt file"
    )
    command.add_argument("--nearest", metavar="K", type=int, help="with a folder: only the K nearest of these")
    command.add_argument("--out", metavar="FOLDER", type=Path, required=True, help="where the results go")
    command.add_argument("--overwrite", action="store_true", help="replace results of other rows or settings")
    command.add_argument("--retry", action="store_true", help="do rows that have an error once more")
    command.add_argument("--price", action="store_true", help="say what it would cost, and stop")
    command.add_argument("--maps", nargs="+", choices=MAPS, default=[], metavar="KIND",
                         help="files of each row: npy (the map), overlay (the map over its picture)")  # fmt: skip
    command.add_argument("--gallery", nargs="?", const="distance", choices=("distance", "agreement"), metavar="ORDER",
                         help="a page of overlays, by distance (default) or by low agreement")  # fmt: skip
    command.add_argument("--quiet", action="store_true", help="no progress bar")
    command.add_argument("--method", choices=list(METHODS), default=OWN_METHOD, metavar="KEY",
                         help=f"{', '.join(METHODS)} (default: %(default)s)")  # fmt: skip
    work = command.add_argument_group("who does the work")
    work.add_argument("--engine", choices=list(ENGINES), default="local",
                      help="local (this process) or ray (default: %(default)s)")  # fmt: skip
    work.add_argument("--address", metavar="HOST:PORT", default="",
                      help="with ray: of a cluster that runs already (default: one on this machine)")  # fmt: skip
    work.add_argument("--workers", metavar="N", type=int, help="with ray: how many (default: one for each GPU, else "
                      "for every two processors)")  # fmt: skip
    add_encoder(command.add_argument_group("encoder"), DEFAULT_ENCODER,
                ENCODER_KEYS)  # fmt: skip
    masks = command.add_argument_group("masks (costly: every one is a model call for each picture)")
    add_masks(masks)
    add_selection(command, "mirror")
    add_limits(command)


def _batch(options: argparse.Namespace) -> int:
    from explorer.batch.price import cost_of
    from explorer.batch.run import run_batch
    from explorer.batch.tables import import_arrow

    allow_larger(options)
    import_arrow()  # what is not installed is told before the work, not after it
    do, cluster = chosen(options.engine, options.address, options.workers)
    if not options.price:
        check_writable(options.out)
    batch = _planned(options)
    if not options.price:
        batch.folder.open(batch.recipe, overwrite=options.overwrite)
        if options.retry:
            batch.folder.forget_errors(chosen=batch.neighbours is not None)
    told = options.price or not options.quiet
    cost = cost_of(batch, timed=told, anew=options.price and options.overwrite, retry=options.price and options.retry)
    if told:
        _say_price(cost)
    if options.price:
        return 0
    if not work_off(lambda _: run_batch(batch, do, cluster), cost.parts(options.encoder), quiet=options.quiet):
        return STOPPED
    return _report(options, batch)


def _planned(options: argparse.Namespace) -> Batch:
    from explorer.attributions.answers import check_method
    from explorer.batch.plan import Plan
    from explorer.batch.rows import Manner, without_twins
    from explorer.batch.run import Batch
    from explorer.batch.store import Folder
    from explorer.batch.tables import read_table
    from explorer.encoders.cards import load_encoder

    manner = Manner(options.method, settings(MaskSettings, options), settings(SelectionSettings, options))
    neighbours, plan = None, None
    if options.pairs.is_dir():
        plan = Plan(manner, wholes=True)
        neighbours = _of_folder(options, plan)
    else:
        if options.references or options.captions or options.nearest is not None:
            raise InvalidInput(
                "--references, --captions and --nearest go with a folder of pictures; a table names its own.",
                code="batch_table",
            )
        table = read_table(options.pairs, manner)
        if table.unused:
            named = ", ".join(table.unused[:SHOWN_UNUSED]) + ", ..." * (len(table.unused) > SHOWN_UNUSED)
            print(f"note: columns that are not used: {named}", file=sys.stderr)
        plan = Plan(manner, options.pairs.absolute().parent, wholes=True).add(without_twins(table.rows))
    encoder = load_encoder(options.encoder, precision=options.precision, weights=options.weights)
    if options.method != OWN_METHOD:
        given = {} if manner.masking == MaskSettings() else {"masking": manner.masking}
        check_method(METHODS[options.method], encoder, given, manner.selection)
    kinds = (*options.maps, "overlay") if options.gallery else options.maps
    return Batch(plan, encoder, Folder(options.out), tuple(kind for kind in MAPS if kind in kinds), neighbours)


def _of_folder(options: argparse.Namespace, plan: Plan) -> Neighbours | None:
    """Enter the rows of a folder into a plan, or return what will choose them."""
    from explorer.batch.items import CAPTION, PICTURE
    from explorer.batch.plan import Neighbours
    from explorer.batch.rows import every_pair, listed
    from explorer.core.storage import read_text

    pictures = listed("PAIRS", options.pairs)
    references = listed("--references", options.references) if options.references else None
    captions = None
    if options.captions:
        lines = (line.strip() for line in read_text(options.captions).splitlines())
        captions = list(dict.fromkeys(line for line in lines if line))
        if not captions:
            raise InvalidInput(f"{options.captions.name} has no captions in it.", code="captions_empty")
    if options.nearest is None:
        plan.add(every_pair(pictures, references, captions))
        return None
    if references is None and captions is None:
        references = pictures
    against = [(PICTURE, one) for one in references or ()] + [(CAPTION, one) for one in captions or ()]
    neighbours = Neighbours(pictures, against, options.nearest)
    neighbours.enter(plan)
    return neighbours


def _say_price(cost: Cost) -> None:
    whole, masked, maps = cost.seconds
    print(f"{cost.items:9d} whole pictures and captions {_long(whole):>12}")
    print(f"{cost.masks:9d} masked copies               {_long(masked):>12}")
    print(f"{cost.maps:9d} maps                        {_long(maps):>12}")
    print(f"{cost.items + cost.masks} passes, about {_long(sum(cost.seconds))} in one process here, most of it "
          f"{cost.bottleneck}; {cost.bytes / 1e6:.1f} MB on disk")  # fmt: skip


def _long(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )


def _report(options: argparse.Namespace, batch: Batch) -> int:
    from explorer.batch.gallery import write_gallery
    from explorer.batch.store import TABLE

    if batch.neighbours is not None:
        _say_left_out(batch, batch.neighbours)
    failed = 0
    for line in batch.folder.lines(batch.plan, batch.encoder):
        if line["error"]:
            failed += 1
            if failed <= SHOWN_ERRORS:
                said = printable(f"{line['id']}: {line['error']}")
                print(f"note: {said}", file=sys.stderr)
    if failed:
        print(f"note: {failed} of {len(batch.plan.rows)} rows have an error, which the table says; once it is mended, "
              "the same command with --retry does them.", file=sys.stderr)  # fmt: skip
    said = f"{len(batch.plan.rows)} rows in {options.out / TABLE}"
    if options.gallery:
        said += f"; open {write_gallery(batch, options.gallery)}"
    print(said)
    return 0


def _say_left_out(batch: Batch, neighbours: Neighbours) -> None:
    """Which candidates are nobody's neighbour, for what is wrong with them."""
    left_out = list(neighbours.left_out(batch.plan, batch.folder.items()))
    for place, error in left_out[:SHOWN_ERRORS]:
        said = printable(f"{neighbours.against[place][1]}: {error}")
        print(f"note: left out as a neighbour: {said}", file=sys.stderr)
    if len(left_out) > SHOWN_ERRORS:
        print(f"note: {len(left_out)} of {len(neighbours.against)} were left out as neighbours.", file=sys.stderr)
