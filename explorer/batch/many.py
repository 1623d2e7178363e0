"""The public verb for many pictures at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from explorer.attributions.answers import check_method
from explorer.attributions.method import METHODS, OWN_METHOD
from explorer.batch.engines import Cluster, Engine, chosen, every_answer
from explorer.batch.items import Bank, Whole, embedded, units_of
from explorer.batch.plan import Plan
from explorer.batch.rows import Manner, Row, every_pair, given_pairs, listed, listed_captions, without_twins
from explorer.batch.tables import read_table
from explorer.batch.work import Explained, Explaining, whole
from explorer.core.arguments import check_kind
from explorer.core.bars import check_progress
from explorer.core.errors import ExplorerError, InvalidInput
from explorer.core.masks import MaskSettings
from explorer.core.probe import Progress
from explorer.core.selections import SelectionSettings
from explorer.encoders.base import Encoder
from explorer.encoders.cards import DEFAULT_ENCODER, EncoderLike, resolve
from explorer.verbs import WANTED


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
) -> Iterator[tuple[Any, Explained | ExplorerError]]:
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
    check_progress(on_progress)
    for name, value in (("masking", masking), ("selection", selection)):
        if value is not None:
            check_kind(name, value, *WANTED[name])
    do, cluster = chosen(engine, address, workers)
    manner = Manner(METHODS.check(method), masking or MaskSettings(), selection or SelectionSettings())
    plan = Plan(manner, _folder_of(pairs))
    plan.add(without_twins(_rows(pictures, references, captions, pairs, manner)))
    loaded = resolve(encoder)
    if method != OWN_METHOD:
        check_method(METHODS[method], loaded, {} if masking is None else {"masking": masking}, manner.selection)
    return _explained(plan, loaded, do, cluster, on_progress)


def _folder_of(pairs: Any) -> Path | None:
    return Path(pairs).parent if isinstance(pairs, str | os.PathLike) else None


def _rows(pictures: Any, references: Any, captions: Any, pairs: Any, manner: Manner) -> Iterator[Row]:
    if isinstance(pairs, str | os.PathLike):
        if any(given is not None for given in (pictures, references, captions)):
            raise InvalidInput(
                "The file of pairs names pictures, references and captions; leave those arguments out.",
                code="pairs_beside",
            )
        yield from read_table(Path(pairs), manner).rows
        return
    shown = None if pictures is None else listed("pictures", pictures)
    against = None if references is None else listed("references", references)
    texts = None if captions is None else listed_captions(captions)
    if pairs is not None:
        yield from given_pairs(pairs, manner, shown, against, texts)
        return
    if shown is None:
        raise InvalidInput("Give pictures, or pairs that name them.", code="no_image")
    yield from every_pair(shown, against, texts)


def _explained(
    plan: Plan, encoder: Encoder, do: Engine, cluster: Cluster, on_progress: Progress | None
) -> Iterator[tuple[Any, Explained | ExplorerError]]:
    """The rows in order, as they come."""
    done, total = 0, len(plan.items) + passes_of_units(plan, set())

    def told(step: int) -> None:
        nonlocal done
        done += step
        if on_progress is not None:
            on_progress(min(done, total), total)

    wholes: dict[int, Whole] = {}
    for step in embedded(do, encoder, units_of(plan.items, encoder), cluster):
        if isinstance(step, int):
            told(step)
        else:
            wholes[step[0]] = step[1]
    waiting: dict[int, Explained | ExplorerError] = dict(plan.known_wrong(wholes))
    bank = Bank([wholes[number] for number in range(len(plan.items))])
    turn = 0
    units = plan.units(set(waiting))
    wanted = [ask.row for unit in units for ask in unit.asks]
    with closing(every_answer(do, Explaining(encoder, bank, whole), units, cluster, wanted)) as steps:
        for step in steps:
            if isinstance(step, int):
                told(step)
                continue
            waiting[step[0]] = step[1]
            while turn in waiting:
                yield plan.rows[turn].id, waiting.pop(turn)
                turn += 1
    while turn in waiting:  # bad rows alone
        yield plan.rows[turn].id, waiting.pop(turn)
        turn += 1


def passes_of_units(plan: Plan, done: set[int]) -> int:
    """Passes that the masks of all units take."""
    return sum(unit.asks[0].manner.masks for unit in plan.units(done))
