"""The same work from a terminal: ``explorer explain``, ``explain-words``, ``study``, ``benchmark`` and the rest.

Exit status: 0 done, 1 not enough memory, 2 bad input, 3 weights missing, 4 cannot write, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn

from explorer.cli.benchmark import add_command as add_benchmark
from explorer.cli.explain_words import add_command as add_explain_words
from explorer.cli.study import add_command as add_study
from explorer.core.distances import DISTANCES
from explorer.core.errors import ExplorerError, InvalidInput, in_words
from explorer.core.fills import FILLS
from explorer.core.limits import FEATURE_RES, N_MASKS, P_KEEP, SEED, THRESHOLD, Range
from explorer.core.masks import SCHEMES, MaskSettings
from explorer.core.probe import Probe, Progress, grow, prepare
from explorer.core.selections import MODES, SelectionSettings
from explorer.encoders.cards import CARDS, DEFAULT_ENCODER
from explorer.pictures.formats import refuse_bombs

STOPPED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    options = _parser().parse_args(arguments)
    refuse_bombs()
    try:
        return int(options.run(options))
    except ExplorerError as error:
        print(f"explorer: {error}", file=sys.stderr)
        return error.exit_status
    except (MemoryError, OSError, RuntimeError, ImportError, SystemError) as error:
        said = in_words(error)
        if said.code == "failed":
            raise
        print(f"explorer: {said}", file=sys.stderr)
        return said.exit_status
    except KeyboardInterrupt:
        print("\nexplorer: stopped.", file=sys.stderr)
        return STOPPED


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line instead of argparse's usage and message."""
        print(f"{self.prog}: {message} (see {self.prog} --help)", file=sys.stderr)
        sys.exit(InvalidInput.exit_status)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="explorer", description="Why are these two things close, or far, in an embedding space?")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_explain(commands)
    add_explain_words(commands)
    add_study(commands)
    add_benchmark(commands)

    models = commands.add_parser("models", help="the encoders, and whether their weights are here")
    models.set_defaults(run=_list_models)
    actions = models.add_subparsers(metavar="ACTION")
    fetch = actions.add_parser("fetch", help="bring encoders' weights to this computer")
    fetch.add_argument("keys", metavar="KEY", nargs="+", help="as listed by: explorer models")
    fetch.set_defaults(run=_fetch_models)

    examples = commands.add_parser("examples", help="example pictures")
    actions = examples.add_subparsers(required=True, metavar="ACTION")
    fetch = actions.add_parser("fetch", help="download the paper's ten pictures; its presets then appear in the app")
    fetch.set_defaults(run=_fetch_examples)
    record = actions.add_parser("record", help="explain the presets that come with the project and keep the results")
    record.add_argument("keys", metavar="KEY", nargs="*", help="presets, e.g. two-espresso (default: all)")
    record.add_argument("--out", metavar="FOLDER", type=Path, help="where they go (default: beside the examples)")
    record.set_defaults(run=_record_examples)
    return parser


def _add_explain(commands: Any) -> None:
    explain = commands.add_parser("explain", help="explain one picture against another or a caption")
    explain.set_defaults(run=_explain)
    explain.add_argument("picture", metavar="PICTURE", help="the picture to explain: JPEG, PNG, WEBP or GIF")
    reference = explain.add_mutually_exclusive_group(required=True)
    reference.add_argument("--reference", metavar="PICTURE", help="the picture to compare it with")
    reference.add_argument("--caption", metavar="TEXT", help="the caption to compare it with")
    explain.add_argument("--out", metavar="FOLDER", type=Path, required=True, help="where the results go")
    explain.add_argument("--overwrite", action="store_true", help="replace results already there")
    explain.add_argument("--resume", action="store_true", help="go on where Ctrl-C stopped the same command")
    explain.add_argument("--quiet", action="store_true", help="no progress bar")

    encoder = explain.add_argument_group("encoder")
    encoder.add_argument("--encoder", metavar="KEY", default=DEFAULT_ENCODER,
                         help=f"{', '.join(CARDS)}, open_clip:MODEL:TAG, timm:NAME (default: %(default)s)")  # fmt: skip
    encoder.add_argument("--precision", default="float32", help="float32 or bfloat16 (default: %(default)s)")
    encoder.add_argument("--weights", metavar="FILE", help="a local weights file in place of the encoder's own")

    masks = explain.add_argument_group("masks (costly: every one is a model call)")
    for cap in (N_MASKS, FEATURE_RES, P_KEEP, SEED):
        _add_number(masks, cap)
    masks.add_argument("--fill", choices=list(FILLS), default="auto", help="what hidden pixels become")
    masks.add_argument("--scheme", choices=SCHEMES, default="philox", help="how random masks are drawn")

    selection = explain.add_argument_group("selection (free)")
    selection.add_argument("--mode", choices=list(MODES), default="mirror", help="which masks count")
    _add_number(selection, THRESHOLD)
    selection.add_argument("--distance", choices=list(DISTANCES), default="cosine", help="between embeddings")
    for side in ("closest", "farthest"):
        selection.add_argument(f"--{side}", nargs=2, type=float, metavar=("LOW", "HIGH"),
                               help=f"slice of the ranking that counts as {side}; overrides mode")  # fmt: skip


def _add_number(group: Any, cap: Range) -> None:
    spec = ".0f" if cap.whole else "g"
    group.add_argument(
        f"--{cap.name.replace('_', '-')}", type=_reader(cap), metavar="N", default=cap.default_number,
        help=f"{cap.low:{spec}} to {cap.high:{spec}} (default: %(default)s)",
    )  # fmt: skip


def _reader(cap: Range) -> Callable[[str], Any]:
    """Text -> checked number, telling argparse the cap's own message."""

    def read(text: str) -> Any:
        try:
            number: Any = int(text) if cap.whole else float(text)
        except ValueError:
            number = text
        try:
            return cap.check(number)
        except InvalidInput as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return read


def _settings(kind: type[Any], options: argparse.Namespace) -> Any:
    return kind(**{field.name: getattr(options, field.name) for field in fields(kind)})


def _explain(options: argparse.Namespace) -> int:
    from explorer.core.rank import rank_against
    from explorer.core.references import embed_reference
    from explorer.encoders.cards import load_encoder
    from explorer.results.folders import PROBE_FILE, load_probe, refuse_overwriting, save_probe
    from explorer.results.summary import describe

    masking, selection = _settings(MaskSettings, options), _settings(SelectionSettings, options)
    refuse_overwriting(options.out, options.overwrite)  # before the costly work, not after it
    encoder = load_encoder(options.encoder, precision=options.precision, weights=options.weights)
    target = embed_reference(encoder, reference=options.reference, caption=options.caption)
    if options.resume:
        probe = load_probe(options.out / PROBE_FILE, image=options.picture, encoder=encoder, masking=masking)
    else:
        probe = prepare(options.picture, encoder=encoder, masking=masking)
    reached: Probe = probe
    try:
        with _progress(options.quiet, probe) as step:
            for partial in grow(probe, on_progress=step):
                reached = partial
    except KeyboardInterrupt:
        save_probe(reached, options.out)
        print(f"\nexplorer: stopped at {len(reached)}/{reached.wanted}; the same command with --resume goes on.",
              file=sys.stderr)  # fmt: skip
        return STOPPED
    except Exception:
        if len(reached) > len(probe):
            save_probe(reached, options.out)
            print(f"\nexplorer: stopped at {len(reached)}/{reached.wanted}; the same command with --resume goes on.",
                  file=sys.stderr)  # fmt: skip
        raise
    explanation = rank_against(reached, target, selection)
    explanation.save(options.out, overwrite=options.overwrite)
    (options.out / PROBE_FILE).unlink(missing_ok=True)  # left by an earlier Ctrl-C, and finished now
    for notice in (*explanation.notices, explanation.no_signal):
        if notice:
            print(f"note: {notice}", file=sys.stderr)
    print(f"distance {explanation.unmasked_distance:.4f}; results in {options.out}")
    if not explanation.no_signal:
        print(describe(explanation))
    return 0


@contextmanager
def _progress(quiet: bool, probe: Probe) -> Iterator[Progress]:
    """A bar on the terminal; nothing where there is none."""
    from tqdm import tqdm

    with tqdm(total=probe.wanted, initial=len(probe), unit="mask", disable=quiet or None) as bar:

        def step(done: int, total: int) -> None:
            bar.update(done - bar.n)

        yield step


def _list_models(options: argparse.Namespace) -> int:
    from explorer.encoders.cards import encoders

    for card in encoders():
        print(f"{card.key:18} {', '.join(card.compares):26} {card.missing or 'here'}")
        print(f"{'':18} {card.title}: {card.embedding}; {card.size}; {card.licence}; {card.source}")
    print("Any open_clip model: open_clip:MODEL:TAG. Any timm network: timm:NAME, e.g. timm:resnet101.tv_in1k.")
    print("Weights that are not here: explorer models fetch KEY")
    return 0


def _fetch_models(options: argparse.Namespace) -> int:
    from explorer.encoders.cards import load_encoder

    for key in options.keys:
        encoder = load_encoder(key)
        print(f"{key}: ready ({encoder.fingerprint})")
    return 0


def _fetch_examples(options: argparse.Namespace) -> int:
    from explorer.pictures.examples import fetch_examples

    folder = fetch_examples()
    print(f"The paper's pictures are in {folder}")
    return 0


def _record_examples(options: argparse.Namespace) -> int:
    from explorer.pictures.examples import replay_folder, shipped_presets
    from explorer.results.wire import record

    known = {preset.key: preset for preset in shipped_presets()}
    if not set(options.keys) <= set(known):
        raise InvalidInput(f"No such preset; choose from: {', '.join(known)}.", code="unknown_preset")
    for key in options.keys or known:
        file = record(known[key], options.out or replay_folder())
        print(f"{key}: {file.stat().st_size / 1000:.0f} kB in {file.parent}")
    return 0
