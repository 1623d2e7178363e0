"""The public verb for many pictures at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from explorer.attributions.method import OWN_METHOD
from explorer.core.errors import ExplorerError
from explorer.core.explanation import Explanation, MethodExplanation
from explorer.core.masks import MaskSettings
from explorer.core.probe import Progress
from explorer.core.selections import SelectionSettings
from explorer.encoders.cards import DEFAULT_ENCODER, EncoderLike


def explain_many(
    pictures: Any = None,
    references: Any = None,
    captions: Any = None,
    pairs: Any = None,
    *,
    encoder: EncoderLike = DEFAULT_ENCODER,
    masking: MaskSettings | None = None,
    selection: SelectionSettings | None = None,
    method: str = OWN_METHOD,
    engine: str = "local",
    address: str = "",
    workers: int | None = None,
    on_progress: Progress | None = None,
) -> Iterator[tuple[Any, Explanation | MethodExplanation | ExplorerError]]:
    """Explain many pictures, each probed once and ranked against all that it is compared with.

    Every picture takes its masks' passes once, whatever it is compared with, and every reference one pass, in full
    batches. A row that cannot be explained has its error in the place of the explanation; the others go on.

    Args:
        pictures: A list of paths, PIL images or arrays, or a folder.
        references: The same; each picture is compared with each of them.
        captions: A list of sentences; as references. With neither, all pairs among the pictures are compared.
        pairs: Which are compared, in place of all with all: the path of a CSV or Parquet file, or a list of dicts
            (``picture``, ``reference`` or ``caption``, and if wanted ``id``, ``method``, and fields of ``MaskSettings``
            and ``SelectionSettings``), of ``(picture, reference)`` or of ``(id, picture, reference)``, in which whole
            numbers are places in the lists above.
        encoder: As for ``explain``.
        masking: How to mask; the defaults are the paper's.
        selection: Which masks count.
        method: A key of the methods.
        engine: ``"local"``, this process, or ``"ray"``: the same, bit for bit, by workers of Ray Data.
        address: For ray: of a cluster that runs already; on this machine where there is none.
        workers: For ray: how many.
        on_progress: Called with (passes done, passes in all).

    Yields:
        The row's id (its number, from 0, where it has no other) and its explanation or error, in the rows' order.
        Explanations that come before their turn are held, so that rows of one picture had better stand together.

    Raises:
        InvalidInput: Arguments or a table that cannot be used at all.
        WeightsMissing: The encoder's weights, or the engine's packages, are not here.
    """
    from explorer.batch.explained import begin  # late, as importing explorer need not pay for it

    return begin(
        pictures,
        references,
        captions,
        pairs,
        encoder,
        masking,
        selection,
        method,
        engine,
        address,
        workers,
        on_progress,
    )
