"""``explorer rank``: a probe that was kept, ranked against something else; no masked copy is embedded."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from explorer.cli.shared_options import add_limits, add_selection, allow_larger, check_output, report, save, settings
from explorer.core.errors import InvalidInput
from explorer.core.selections import SelectionSettings
from explorer.core.sentences import ALL_COUNT, MaskedSentence, WordsExplanation, rank_words


def add_command(commands: Any) -> None:
    """Add ``rank`` to the command line's parsers."""
    command = commands.add_parser("rank", help="rank a probe that was kept (explain --keep) against something else")
    command.set_defaults(run=_rank)
    command.add_argument("saved", metavar="SAVED", help="a folder of results with their probe, or a probe's file")
    reference = command.add_mutually_exclusive_group(required=True)
    reference.add_argument("--reference", metavar="PICTURE", help="the picture to compare it with")
    reference.add_argument("--caption", metavar="TEXT", help="the caption to compare it with")
    reference.add_argument("--embedding", metavar="FILE", type=Path, help="the embedding to compare it with: a vector "
                           "in an NPY file, or as text")  # fmt: skip
    command.add_argument("--out", metavar="FOLDER", type=Path, required=True, help="where the results go")
    command.add_argument("--overwrite", action="store_true", help="replace results already there")
    command.add_argument("--keep", action="store_true", help="keep the probe beside these results, too")
    command.add_argument("--encoder", metavar="KEY", help="the encoder it was made with, where its file cannot say so")
    command.add_argument("--precision", default="float32", help="of that encoder (default: %(default)s)")
    command.add_argument("--weights", metavar="FILE", help="of that encoder")
    add_selection(command, None)
    add_limits(command)


def _rank(options: argparse.Namespace) -> int:
    from explorer.core.rank import rank_against
    from explorer.core.references import embed_reference

    probe = _probe(options)
    row = probe.encoder if isinstance(probe.encoder, MaskedSentence) else None
    options.mode = options.mode or (SelectionSettings() if row is None else ALL_COUNT).mode
    selection = settings(SelectionSettings, options)
    allow_larger(options)
    check_output(options)
    target = embed_reference(
        probe.encoder if row is None else row.by,
        reference=options.reference,
        caption=options.caption,
        embedding=None if options.embedding is None else _vector(options.embedding),
    )
    explained = rank_against(probe, target, selection) if row is None else rank_words(probe, target, selection)
    place = Path(options.saved).resolve()
    options.keep |= options.out.resolve() in (place, place.parent)  # else the probe there would be that of no result
    save(explained, options)
    if not probe.complete:
        print(f"note: {len(probe)} of {probe.wanted} masks were done.")
    if report(explained, options.out):
        print(_in_words(explained))
    return 0


def _in_words(explained: Any) -> str:
    from explorer.cli.explain_words import table
    from explorer.results.summary import describe

    return table(explained) if isinstance(explained, WordsExplanation) else describe(explained)


def _probe(options: argparse.Namespace) -> Any:
    from explorer.core.probe import Probe
    from explorer.encoders.cards import load_encoder
    from explorer.results.saved import load

    encoder = options.encoder and load_encoder(options.encoder, precision=options.precision, weights=options.weights)
    found = load(options.saved, encoder=encoder)
    if isinstance(found, WordsExplanation):
        found = found.ranked
    probe = found if isinstance(found, Probe) else getattr(found, "probe", None)
    if probe is None or not len(probe):
        raise InvalidInput(
            f"{options.saved} holds no masked copies to rank; make it again with explorer explain ... --keep.",
            code="no_probe",
        )
    return probe


def _vector(file: Path) -> Any:
    """The numbers of a file."""
    import numpy as np

    try:
        if file.suffix.lower() == ".npy":
            vector = np.load(file, allow_pickle=False)
            return vector[0] if vector.ndim == 2 and len(vector) == 1 else vector
        text = file.read_text(encoding="utf-8-sig")
        return np.array([float(number) for number in text.strip().strip("[]").replace(",", " ").split()])
    except OSError as error:
        raise InvalidInput(
            f"Cannot read {file}: {(error.strerror or 'it failed').lower()}.", code="embedding_file"
        ) from error
    except (ValueError, EOFError) as error:
        raise InvalidInput(
            f"{file} is no vector: give numbers as text, with commas or spaces between, or an NPY file.",
            code="embedding_file",
        ) from error
