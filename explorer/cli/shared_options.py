"""What several commands take: numbers within their limits, where results go, and a bar that shows how far it is."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from explorer.cli.output import bar_size
from explorer.core.distances import DISTANCES
from explorer.core.errors import InvalidInput
from explorer.core.fills import FILLS
from explorer.core.limits import FEATURE_RES, N_MASKS, P_KEEP, SEED, THRESHOLD, Range
from explorer.core.masks import AUTO, SCHEMES
from explorer.core.probe import Probe, Progress, grow
from explorer.core.selections import MODES
from explorer.core.storage import check_writable
from explorer.core.terms import SETTINGS
from explorer.encoders.cards import CARDS
from explorer.pictures.rules import allow_pictures
from explorer.results.folders import PROBE_FILE, SECOND, refuse_overwriting, resume_probe, save_probe

STOPPED = 130
"""Exit status after Ctrl-C or SIGTERM."""
KEPT_SECONDS = 60.0
"""Between two times that a long run keeps what it has."""


ENCODER_KEYS = f"{', '.join(CARDS)}, open_clip:MODEL:TAG, timm:NAME, timm-features:NAME, hf:OWNER/NAME, onnx:PATH"
"""Which encoders a command takes, in words."""


def add_output(command: argparse.ArgumentParser) -> None:
    """Where results go, and what of them is kept."""
    command.add_argument("--out", metavar="FOLDER", type=Path, required=True, help="where the results go")
    command.add_argument("--overwrite", action="store_true", help="replace results already there")
    command.add_argument("--keep", action="store_true", help="keep the probe, too, so that explorer rank can use it")
    command.add_argument("--resume", action="store_true", help="go on where Ctrl-C stopped the same command")
    command.add_argument("--quiet", action="store_true", help="no progress bar")


def add_masks(masks: Any) -> None:
    """Add how pictures are masked."""
    for cap in (N_MASKS, FEATURE_RES, P_KEEP, SEED):
        add_number(masks, cap, auto=cap in (N_MASKS, P_KEEP))
    masks.add_argument("--fill", choices=list(FILLS), default="auto", help=SETTINGS["fill"].label.lower())
    masks.add_argument("--scheme", choices=list(SCHEMES), default="philox", help=SETTINGS["scheme"].label.lower())


def add_encoder(group: Any, default: str, about: str) -> None:
    """Which encoder, and how it computes."""
    group.add_argument("--encoder", metavar="KEY", default=default, help=f"{about} (default: %(default)s)")
    group.add_argument(
        "--precision", default="float32", help="float32, bfloat16 or float16, as the encoder has (default: %(default)s)"
    )
    group.add_argument("--weights", metavar="FILE", help="a local weights file in place of the encoder's own")


def add_selection(command: argparse.ArgumentParser, mode: str | None) -> None:
    """Which masks count, which costs no pass."""
    selection = command.add_argument_group("selection (free)")
    selection.add_argument("--mode", choices=list(MODES), default=mode, help="which masks count")
    add_number(selection, THRESHOLD)
    selection.add_argument("--distance", choices=list(DISTANCES), default="cosine", help="distance between embeddings")
    for side in ("closest", "farthest"):
        selection.add_argument(f"--{side}", nargs=2, type=float, metavar=("LOW", "HIGH"),
                               help=f"slice of the ranking that counts as {side}; overrides mode")  # fmt: skip


def add_number(group: Any, cap: Range, *, auto: bool = False) -> None:
    """A number within its limits, or ``auto`` where that is offered."""
    spec = ".0f" if cap.whole else "g"
    limits = f"{cap.low:{spec}} to {cap.high:{spec}}{', or auto' * auto}"
    group.add_argument(
        f"--{cap.name.replace('_', '-')}", type=_reader(cap, auto), metavar="N", default=cap.default_number,
        help=f"{SETTINGS[cap.name].label.lower()}, {limits} (default: %(default)s)",
    )  # fmt: skip


def _reader(cap: Range, auto: bool) -> Callable[[str], Any]:
    """Text -> checked number, telling argparse the cap's own message."""

    def read(text: str) -> Any:
        if auto and text == AUTO:
            return text
        try:
            number: Any = int(text) if cap.whole else float(text)
        except ValueError:
            number = text
        try:
            return cap.check(number)
        except InvalidInput as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return read


def settings(kind: type[Any], options: argparse.Namespace) -> Any:
    """Settings of a kind, of what was given on the command line."""
    return kind(**{field.name: getattr(options, field.name) for field in fields(kind) if hasattr(options, field.name)})


def grown(
    probe: Probe, options: argparse.Namespace, enough: Callable[[Probe], Probe | None] | None = None
) -> Probe | None:
    """Embed what a probe lacks, or until that is ``enough``, as of ``core.probe.complete``.

    None after Ctrl-C, when what was reached is in the folder, as it is after an error.
    """
    if options.resume:
        probe = resume_probe(options.out / PROBE_FILE, probe)
    reached, kept = probe, time.monotonic()
    try:
        with progress(options.quiet, "mask", probe.wanted, len(probe)) as step:
            for partial in grow(probe, on_progress=step):
                reached = partial
                if enough is not None and (ended := enough(partial)) is not None:
                    step(len(ended), len(ended))
                    return ended
                if time.monotonic() - kept >= KEPT_SECONDS:  # or a power cut would cost everything
                    save_probe(reached, options.out)
                    kept = time.monotonic()
    except KeyboardInterrupt:
        _keep(reached, options)
        return None
    except Exception:
        if len(reached) > len(probe):
            _keep(reached, options)
        raise
    return reached


def _keep(probe: Probe, options: argparse.Namespace) -> None:
    """Keep what was reached, and say how it is of use: what is the second of two maps cannot be gone on with."""
    save_probe(probe, options.out)
    first = getattr(options, "first", None)
    what = f"{len(probe)}/{probe.wanted}"
    if first is None:
        told = f"{what}; the same command with --resume goes on."
    else:
        told = f"{what} of the second map; the first is in {first}, and explorer rank takes {options.out / PROBE_FILE}."
    print(f"\nexplorer: stopped at {told}", file=sys.stderr)


@contextmanager
def progress(quiet: bool, unit: str, total: int | None = None, done: int = 0) -> Iterator[Progress]:
    """A bar on the terminal; nothing where there is none."""
    from tqdm import tqdm

    with tqdm(total=total, initial=done, unit=unit, disable=quiet or None, **bar_size()) as bar:

        def step(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield step


def add_limits(command: argparse.ArgumentParser) -> None:
    """Larger pictures than usual."""
    limits = command.add_argument_group("larger pictures")
    for name, what, usual in (("max-mb", "megabytes of a file", 10), ("max-megapixels", "megapixels", 25)):
        limits.add_argument(f"--{name}", type=float, metavar="N", help=f"most {what} (default: {usual})")


def allow_larger(options: argparse.Namespace) -> None:
    """Raise the limits as ``add_limits`` was told."""
    allow_pictures(megabytes=options.max_mb, megapixels=options.max_megapixels)


def check_output(options: argparse.Namespace, *, resume: bool = False) -> None:
    """Refuse a folder where results lie, or that cannot be written: before the costly work, not after it."""
    refuse_overwriting(options.out, options.overwrite, resume=resume, offered=hasattr(options, "resume"))
    check_writable(options.out)


def save(explained: Any, options: argparse.Namespace) -> None:
    """Write a result where it shall go, with its probe if that is asked for."""
    keep = {"keep": True} if options.keep else {}
    explained.save(options.out, overwrite=options.overwrite, **keep)
    if not options.keep:
        for folder in (options.out, options.out / SECOND):
            (folder / PROBE_FILE).unlink(missing_ok=True)  # left by an earlier Ctrl-C, and finished now


def report(explained: Any, folder: Path) -> bool:
    """Say what was found, and what the user should know; whether there is a signal."""
    for notice in (*explained.notices, explained.no_signal):
        if notice:
            print(f"note: {notice}", file=sys.stderr)
    print(f"distance {explained.unmasked_distance:.4f}; results in {folder}")
    return not explained.no_signal
