"""``explorer explain``: a picture explained from a terminal."""

from __future__ import annotations

import argparse
from typing import Any

from explorer.attributions.method import METHODS, OWN_METHOD
from explorer.cli.shared_options import (
    ENCODER_KEYS,
    STOPPED,
    add_encoder,
    add_limits,
    add_masks,
    add_output,
    add_selection,
    allow_larger,
    check_output,
    grown,
    progress,
    report,
    save,
    settings,
)
from explorer.core.distances import check_reference
from explorer.core.errors import InvalidInput
from explorer.core.masks import MaskSettings
from explorer.core.probe import Probe
from explorer.core.selections import SelectionSettings
from explorer.core.settling import Run, plan_run
from explorer.encoders.cards import DEFAULT_ENCODER
from explorer.pictures.rules import OWN_FORMATS
from explorer.results.folders import SECOND


def add_command(commands: Any) -> None:
    """Add ``explain`` to the command line's parsers."""
    explain = commands.add_parser("explain", help="explain one picture against another or a caption")
    explain.set_defaults(run=_explain)
    explain.add_argument("picture", metavar="PICTURE", help=f"the picture to explain: {', '.join(OWN_FORMATS)}")
    reference = explain.add_mutually_exclusive_group(required=True)
    reference.add_argument("--reference", metavar="PICTURE", help="the picture to compare it with")
    reference.add_argument("--caption", metavar="TEXT", help="the caption to compare it with")
    explain.add_argument("--method", choices=list(METHODS), default=OWN_METHOD, metavar="KEY",
                         help=f"{', '.join(METHODS)} (default: %(default)s)")  # fmt: skip
    add_output(explain)
    add_encoder(
        explain.add_argument_group("encoder"),
        DEFAULT_ENCODER,
        ENCODER_KEYS,
    )
    masks = explain.add_argument_group("masks (costly: every one is a model call)")
    add_masks(masks)

    add_selection(explain, "mirror")
    add_limits(explain)


def _explain(options: argparse.Namespace) -> int:
    from explorer.core.explanation import Explanation, with_second
    from explorer.core.rank import rank_against
    from explorer.core.references import embed_reference
    from explorer.core.truth import own_truth
    from explorer.encoders.cards import load_encoder
    from explorer.results.summary import describe, describe_truth

    masking, selection = settings(MaskSettings, options), settings(SelectionSettings, options)
    allow_larger(options)
    check_output(options, resume=options.resume)
    encoder = load_encoder(options.encoder, precision=options.precision, weights=options.weights)
    if options.method != OWN_METHOD:
        explained = _by_method(options, encoder, masking, selection)
    else:
        seen = encoder.read(options.picture)
        target = embed_reference(encoder, reference=options.reference, caption=options.caption)
        check_reference(selection.distance, target.embedding)
        with progress(options.quiet or "p_keep" not in masking.open, "mask") as step:  # of the pilot
            run = plan_run(seen, encoder, masking, [target], selection, step)
        reached = _reached(run, options)
        if reached is None:
            return STOPPED
        explained = rank_against(reached, target, selection)
        if run.second is not None:  # if that is stopped, the first of the two is there
            save(explained, options)
            options.overwrite = True
            aside = {"out": options.out / SECOND, "resume": False, "first": options.out}
            other = _reached(run.second, argparse.Namespace(**vars(options) | aside))
            if other is None:
                return STOPPED
            explained = with_second(explained, rank_against(other, target, selection))
    save(explained, options)
    if report(explained, options.out):
        print(describe(explained))
        if told := describe_truth(own_truth(explained) if isinstance(explained, Explanation) else None):
            print(told)
    return 0


def _reached(run: Run, options: argparse.Namespace) -> Probe | None:
    watch = run.watch()
    probe = grown(run.start, options, None if watch is None else watch.reached)
    return None if probe is None else run.settled(probe, watch)


def _by_method(options: argparse.Namespace, encoder: Any, masking: MaskSettings, selection: SelectionSettings) -> Any:
    """The map of another method, which is made in one go."""
    from explorer.verbs import explain

    for name in ("resume", "keep"):
        if getattr(options, name):
            said = f"Only maps of distance-explainer can be resumed or kept; leave --{name} out."
            raise InvalidInput(said, code=f"method_{name}")
    with progress(options.quiet, "pass") as step:
        return explain(
            options.picture,
            method=options.method,
            reference=options.reference,
            caption=options.caption,
            encoder=encoder,
            masking=None if masking == MaskSettings() else masking,
            selection=selection,
            on_progress=step,
        )
