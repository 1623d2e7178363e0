"""A batch from its rows to its table: what it costs, doing it, taking it up again."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import Any

from explorer.batch.engines import Cluster, Engine, every_answer
from explorer.batch.items import Bank, embedded, units_of
from explorer.batch.plan import Neighbours, Plan, digest
from explorer.batch.record import Recording
from explorer.batch.store import Folder
from explorer.batch.work import Explaining
from explorer.core.errors import ExplorerError
from explorer.core.steps import Steps
from explorer.encoders.base import Encoder


@dataclass(frozen=True)
class Batch:
    """What is to be done, and where to.

    Attributes:
        plan: Its rows; empty at first where neighbours choose them.
        encoder: Whom they are about.
        folder: Gets the results.
        maps: What files each row has, of ``record.MAPS``.
        neighbours: What chooses the rows, if anything does.
    """

    plan: Plan
    encoder: Encoder
    folder: Folder
    maps: tuple[str, ...] = ()
    neighbours: Neighbours | None = None

    @property
    def recipe(self) -> dict[str, Any]:
        """Names all that the results depend on, but for what is in the files of pictures."""
        rows = digest(self.plan) if self.neighbours is None else self.neighbours.digest(self.plan)
        return {
            "rows": rows,
            "maps": list(self.maps),
            "encoder": {"key": self.encoder.card.key, "fingerprint": self.encoder.fingerprint},
            **self.plan.manner.facts,
        }

    def counted(self, *, anew: bool = False, retry: bool = False) -> tuple[int, int, int]:
        """Items, masks and maps that are left to do; what was done before does not count where all is done anew.

        Args:
            anew: Whether it is.
            retry: Whether what failed is done once more.
        """
        here = not anew and self.folder.is_of(self.recipe)
        chosen = self.neighbours is not None
        wholes, done = self.folder.kept(retry=retry, chosen=chosen) if here else (set[int](), set[int]())
        items = sum(number not in wholes for number in range(len(self.plan.items)))
        if self.neighbours is not None and not self.plan.rows:
            pictures, k = len(self.neighbours.pictures), min(self.neighbours.k, len(self.neighbours.against))
            left = max(0, pictures * k - len(done))
            return items, -(-left // max(k, 1)) * self.plan.manner.masks, left
        units = self.plan.units(done)
        return items, sum(unit.asks[0].manner.masks for unit in units), sum(len(unit.asks) for unit in units)


def run_batch(batch: Batch, do: Engine, cluster: Cluster) -> Steps[None]:
    """Do what is not done; yields the number of pictures embedded since it last yielded.

    Stopped anywhere, it goes on where it was when called again; what is lost is the picture it was at.

    Args:
        batch: Its folder is open.
        do: The engine.
        cluster: Where that works.

    Raises:
        CannotWrite: The folder cannot be written.
        ExplorerError: The engine failed.
    """
    plan, folder, encoder = batch.plan, batch.folder, batch.encoder
    wholes = folder.items()
    units = [unit for unit in units_of(plan.items, encoder) if any(number not in wholes for number, _ in unit)]
    with closing(embedded(do, encoder, units, cluster)) as steps:
        for step in steps:
            if isinstance(step, int):
                yield step
            else:
                wholes[step[0]] = step[1]
                folder.keep_items([step])
    if batch.neighbours is not None and not plan.rows:
        plan.add(batch.neighbours.rows(plan, wholes))
    done = set(folder.done())
    for row, error in plan.known_wrong(wholes):
        if row not in done:
            folder.keep_error(row, error)
            done.add(row)
    bank = Bank([wholes[number] for number in range(len(plan.items))])
    explaining, pictures = Explaining(encoder, bank, Recording(batch.maps)), plan.units(done)
    wanted = [ask.row for unit in pictures for ask in unit.asks]
    with closing(every_answer(do, explaining, pictures, cluster, wanted)) as steps:
        for step in steps:
            if isinstance(step, int):
                yield step
                continue
            row, answer = step
            if isinstance(answer, ExplorerError):
                folder.keep_error(row, answer)
            else:
                folder.keep(row, *answer)
    folder.write_table(plan, encoder)
