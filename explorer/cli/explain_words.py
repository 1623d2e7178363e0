"""``explorer explain-words``: a sentence explained from a terminal."""

from __future__ import annotations

import argparse
from typing import Any

from explorer.cli.shared_options import (
    STOPPED,
    add_encoder,
    add_limits,
    add_number,
    add_output,
    allow_larger,
    check_output,
    grown,
    report,
    save,
    settings,
)
from explorer.core.distances import DISTANCES, check_reference
from explorer.core.limits import N_MASKS, P_KEEP, SEED, THRESHOLD
from explorer.core.masks import MaskSettings
from explorer.core.selections import MODES, SelectionSettings
from explorer.core.sentences import ALL_COUNT, HIDINGS, SENTENCE_ENCODER, WordsExplanation, prepare_words, rank_words

BAR = 20
"""Characters of the longest bar."""


def add_command(commands: Any) -> None:
    """Add ``explain-words`` to the command line's parsers."""
    command = commands.add_parser("explain-words", help="explain one sentence against another, or against a picture")
    command.set_defaults(run=_explain_words)
    command.add_argument("sentence", metavar="SENTENCE", help="the sentence to explain")
    reference = command.add_mutually_exclusive_group(required=True)
    reference.add_argument("--caption", metavar="TEXT", help="the sentence to compare it with")
    reference.add_argument("--reference", metavar="PICTURE", help="the picture to compare it with")
    add_output(command)
    add_limits(command)
    add_encoder(command, SENTENCE_ENCODER, "one that reads captions; see: explorer models")
    command.add_argument("--hide", choices=list(HIDINGS), default="drop", help="what hidden words become")
    command.add_argument("--mode", choices=list(MODES), default=ALL_COUNT.mode, help="which masks count")
    for cap in (N_MASKS, P_KEEP, SEED, THRESHOLD):
        add_number(command, cap)
    command.add_argument("--distance", choices=list(DISTANCES), default="cosine", help="distance between embeddings")


def _explain_words(options: argparse.Namespace) -> int:
    from explorer.core.references import embed_reference
    from explorer.encoders.cards import load_encoder

    masking, selection = settings(MaskSettings, options), settings(SelectionSettings, options)
    allow_larger(options)
    check_output(options, resume=options.resume)
    encoder = load_encoder(options.encoder, precision=options.precision, weights=options.weights)
    probe = prepare_words(options.sentence, encoder=encoder, masking=masking, hide=options.hide)
    target = embed_reference(encoder, reference=options.reference, caption=options.caption)
    check_reference(selection.distance, target.embedding)
    reached = grown(probe, options)
    if reached is None:
        return STOPPED
    explained = rank_words(reached, target, selection)
    save(explained, options)
    if report(explained, options.out):
        print(table(explained))
    return 0


def table(explained: WordsExplanation) -> str:
    """One line for each word: its value, a bar, and the word; + brings the pair closer, - pushes it apart."""
    values = explained.relative.tolist()
    longest = max(map(abs, values))
    bars = (("+" if value > 0 else "-") * round(BAR * abs(value) / longest) for value in values)
    return "\n".join(
        f"{value:+.3f}  {bar:{BAR}}  {word}" for value, bar, word in zip(values, bars, explained.words, strict=True)
    )
