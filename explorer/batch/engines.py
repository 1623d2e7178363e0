"""Who does the work: this process, or the workers of a cluster. The plan, and every bit of a result, are the same."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Protocol

from explorer.core.errors import Failed, InvalidInput, WeightsMissing
from explorer.core.extras import how_to_install, not_importable
from explorer.core.registry import Registry
from explorer.encoders.base import Encoder

Answer = int | tuple[int, Any]
"""Passes that were made, or something finished and its number."""


class Task(Protocol):
    """A picklable thing that does a unit of work."""

    @property
    def encoder(self) -> Encoder:
        """Whom it asks."""

    def __call__(self, unit: Any) -> Iterator[Answer]:
        """Do one unit."""


@dataclass(frozen=True)
class Cluster:
    """Where an engine that is not this process works.

    Attributes:
        address: Of a cluster that runs already; empty for one on this machine, for as long as it takes.
        workers: How many; None for as many as there are GPUs, or one for each two processors.
    """

    address: str = ""
    workers: int | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and (
            isinstance(self.workers, bool) or not isinstance(self.workers, int) or self.workers < 1
        ):
            raise InvalidInput("workers must be a whole number, at least 1.", code="workers_range")


@dataclass(frozen=True)
class Engine:
    """Does units of work in any order, each once or, where a worker was lost, again.

    Attributes:
        run: A task, its units and where -> what the task does of each.
        needs: Modules.
        extra: The group of pyproject.toml that has them.
    """

    run: Callable[[Task, Sequence[Any], Cluster], Generator[Answer, None, None]]
    needs: tuple[str, ...] = ()
    extra: str = ""


ENGINES: Registry[Engine] = Registry("engine", "explorer.batch.ray_engine")


def _here(task: Task, units: Sequence[Any], cluster: Cluster) -> Generator[Answer, None, None]:
    """One unit after another, in this process."""
    return (answer for unit in units for answer in task(unit))


HERE = ENGINES.add("local", Engine(_here))


def chosen(name: str, address: str = "", workers: int | None = None) -> tuple[Engine, Cluster]:
    """An engine, and where it works.

    Raises:
        InvalidInput: No such engine, or one that works nowhere else.
        WeightsMissing: What it needs is not installed.
    """
    engine, cluster = ENGINES[name], Cluster(address, workers)
    if absent := not_importable(engine.needs):
        raise WeightsMissing(
            f"The engine {name} needs {' and '.join(absent)}, not installed here: {how_to_install(engine.extra)}. The "
            "engine local does without.",
            code="packages_missing",
        )
    if engine is HERE and cluster != Cluster():
        raise InvalidInput("address and workers are for the engine ray; leave them out.", code="engine_cluster")
    return engine, cluster


def every_answer(
    do: Engine, task: Task, units: Sequence[Any], cluster: Cluster, wanted: Iterable[int]
) -> Generator[Answer, None, None]:
    """What an engine does, each number wanted answered exactly once: doubles left out, what nobody answered an error.

    Args:
        do: The engine.
        task: What it does.
        units: With what.
        cluster: Where.
        wanted: The numbers that the units answer.
    """
    missing = set(wanted)
    with closing(do.run(task, units, cluster)) as steps:
        for step in steps:
            if isinstance(step, int):
                yield step
            elif step[0] in missing:  # a worker may have been lost after it gave some
                missing.discard(step[0])
                yield step
    for number in sorted(missing):
        yield number, Failed("Every worker that was given this was lost; is there enough memory for it?", code="lost")
