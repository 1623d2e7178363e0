"""``explorer study``: the paper's figures and tables from a terminal."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.cli.long_work import work_off
from explorer.cli.shared_options import STOPPED

if TYPE_CHECKING:
    from explorer.core.price import Price
    from explorer.core.steps import Steps
    from explorer.studies.setup import Setup

PICTURES_ENCODER, FEATURES_ENCODER = "efficientnet-lite0", "efficientnet-lite0-features"
CAPTIONS_ENCODER = "conse-lite0"
DRAFT = 0.1
"""Share of the masks in a draft."""


def add_command(commands: Any) -> None:
    """Add ``study`` to the command line's parsers."""
    command = commands.add_parser("study", help="make the paper's figures and tables again, with a report")
    command.set_defaults(run=_study)
    command.add_argument("names", metavar="NAME", nargs="+", help="e.g. figure-8 or table-2; all; list")
    models = command.add_argument_group("encoders")
    models.add_argument(
        "--encoder",
        metavar="KEY",
        default=PICTURES_ENCODER,
        help="compares pictures; the paper's are keras-resnet50 and keras-vgg16 (default: %(default)s)",
    )
    models.add_argument(
        "--captions-encoder",
        metavar="KEY",
        default=CAPTIONS_ENCODER,
        help="compares pictures with captions; the paper's is clip-vit-b32 (default: %(default)s)",
    )
    models.add_argument(
        "--features-encoder",
        metavar="KEY",
        default=FEATURES_ENCODER,
        help="compares pictures once more, on the pages features and localization (default: %(default)s)",
    )
    models.add_argument(
        "--precision", default="float32", help="float32, bfloat16 or float16, as the encoder has (default: %(default)s)"
    )
    command.add_argument("--pictures", metavar="FOLDER", type=Path,
                         help="holds the paper's ten pictures (default: those fetched, or shipped ones)")  # fmt: skip
    command.add_argument("--out", metavar="FOLDER", type=Path, help="where the results go (default: study-KEY)")
    command.add_argument("--overwrite", action="store_true", help="replace results of other settings")
    command.add_argument("--draft", action="store_true", help="a tenth of the masks, for a first look")
    command.add_argument("--keep", action="store_true", help="keep what was embedded, for further studies")
    command.add_argument("--price", action="store_true", help="say what it would cost, and stop")
    command.add_argument("--quiet", action="store_true", help="no progress bar")


def _study(options: argparse.Namespace) -> int:
    from explorer.core.price import seconds
    from explorer.studies.report import write_report
    from explorer.studies.runner import chosen, prices, refuse_others, run_studies

    if options.names == ["list"]:
        return _list()
    studies = chosen(options.names)
    out = options.out or Path("study-" + "".join(c if c.isalnum() or c in "-." else "-" for c in options.encoder))
    setup = _setup(options, out)
    refuse_others(studies, setup, out, options.overwrite)
    costs = prices(studies, setup, out)
    _say_price(costs, seconds(costs, setup.encoders))
    if options.price:
        return 0

    def begin(name: Callable[[str], None]) -> Steps[Any]:
        return run_studies(studies, setup, out, keep=options.keep, on_study=name)

    if not work_off(begin, costs, quiet=options.quiet):
        return STOPPED
    report = write_report(setup, out)
    print(f"Results in {out}; open {report}")
    return 0


def _list() -> int:
    from explorer.studies.study import STUDIES

    for key, study in STUDIES.items():
        section = f"section {study.section}" if study.section else "further page"
        print(f"{key:14} {section:16} {study.title}")
    return 0


def _setup(options: argparse.Namespace, out: Path) -> Setup:
    from explorer.core.errors import WeightsMissing
    from explorer.encoders.cards import load_encoder
    from explorer.studies.pairs import CAPTIONS, FEATURES, PICTURES, find_subjects
    from explorer.studies.setup import Setup

    subjects = find_subjects(options.pictures)
    encoders = {PICTURES: load_encoder(options.encoder, precision=options.precision)}
    absent = {}
    others = (
        (CAPTIONS, options.captions_encoder, CAPTIONS_ENCODER),
        (FEATURES, options.features_encoder, FEATURES_ENCODER),
    )
    for role, key, usual in others:
        try:
            encoders[role] = load_encoder(key, precision=options.precision)
        except WeightsMissing as error:
            if key != usual:  # who asks for one wants to know
                raise
            absent[role] = str(error)
    return Setup(encoders, subjects, out / ".embedded", DRAFT if options.draft else 1.0, absent)


def _say_price(costs: Sequence[Price], times: Sequence[float]) -> None:
    for cost, time in zip(costs, times, strict=True):
        state = "" if cost.state == "to do" else f"  {cost.state}"
        print(f"{cost.part[0]:14} {cost.left:7d} passes, about {time:5.0f} s{state}")
    print(f"{'in all':14} {sum(cost.left for cost in costs):7d} passes, about {sum(times):5.0f} s")
