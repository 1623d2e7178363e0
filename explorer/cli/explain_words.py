"""``explorer explain-words``: a sentence explained from a terminal."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from explorer.core.distances import DISTANCES
from explorer.core.limits import N_MASKS, P_KEEP, SEED, THRESHOLD
from explorer.core.masks import MaskSettings
from explorer.core.selections import MODES, SelectionSettings
from explorer.core.sentences import ALL_COUNT, HIDINGS, SENTENCE_ENCODER, WordsExplanation
from explorer.verbs import explain_words

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
    command.add_argument("--out", metavar="FOLDER", type=Path, required=True, help="where the results go")
    command.add_argument("--overwrite", action="store_true", help="replace results already there")
    command.add_argument("--quiet", action="store_true", help="no progress bar")
    command.add_argument("--encoder", metavar="KEY", default=SENTENCE_ENCODER,
                         help="one that reads captions; see: explorer models (default: %(default)s)")  # fmt: skip
    command.add_argument("--hide", choices=list(HIDINGS), default="drop", help="what hidden words become")
    command.add_argument("--mode", choices=list(MODES), default=ALL_COUNT.mode, help="which masks count")
    for cap in (N_MASKS, P_KEEP, SEED, THRESHOLD):  # the settings check what is given
        command.add_argument(
            f"--{cap.name.replace('_', '-')}", type=int if cap.whole else float, metavar="N",
            default=cap.default_number, help=f"{cap.low:g} to {cap.high:.10g} (default: %(default)s)",
        )  # fmt: skip
    command.add_argument("--distance", choices=list(DISTANCES), default="cosine", help="between embeddings")


def _explain_words(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from explorer.results.folders import refuse_overwriting

    masking = MaskSettings(n_masks=options.n_masks, p_keep=options.p_keep, seed=options.seed)
    selection = SelectionSettings(mode=options.mode, threshold=options.threshold, distance=options.distance)
    refuse_overwriting(options.out, options.overwrite)  # before the costly work, not after it
    with tqdm(unit="mask", disable=options.quiet or None) as bar:

        def step(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        explained = explain_words(
            options.sentence, caption=options.caption, reference=options.reference, encoder=options.encoder,
            masking=masking, selection=selection, hide=options.hide, on_progress=step,
        )  # fmt: skip
    explained.save(options.out, overwrite=options.overwrite)
    for notice in (*explained.notices, explained.no_signal):
        if notice:
            print(f"note: {notice}", file=sys.stderr)
    print(f"distance {explained.unmasked_distance:.4f}; results in {options.out}")
    if not explained.no_signal:
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
