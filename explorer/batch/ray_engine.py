"""The engine ray: the same work by workers of Ray Data, which starts them, feeds them and replaces those that are lost.

Each worker is an actor that loads the encoder once. The only place that imports ray.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

from explorer.batch.engines import ENGINES, Answer, Cluster, Task
from explorer.core.errors import ExplorerError, Failed, WeightsMissing
from explorer.core.extras import how_to_install, not_importable

PROCESSORS = 2
"""For a worker, where there is no GPU: an encoder keeps that many busy."""
MOST_BLOCKS = 4096
"""Pieces that units are given out in; a lost worker's piece is done again from its beginning."""
RETRIES = 3
"""Of a piece whose worker was lost; a picture that ends every worker must not do so for ever."""
TOGETHER = 64
"""Finished things that come back at once."""
OWN = {
    "enable_progress_bars": False,
    "print_on_execution_start": False,
    "target_max_block_size": 1,  # what is finished comes back at once, and is written down
    "max_errored_blocks": -1,  # one that nobody could do is told of by its rows
}
"""Of Ray Data's settings, for these runs alone."""


def import_ray() -> Any:
    """Ray, which tells nobody that it runs.

    Raises:
        WeightsMissing: It is not installed.
    """
    if absent := not_importable(("ray", "pyarrow")):
        raise WeightsMissing(
            f"The engine ray needs {' and '.join(absent)}, not installed here: {how_to_install('ray')}. The engine "
            "local does without.",
            code="packages_missing",
        )
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # before the import, and for the processes that it starts
    import ray
    import ray.data

    return ray


class Worker:
    """One worker: holds the task, and with it the encoder.

    Args:
        task: Where it lies among Ray's objects, in a list so that Ray passes it on unread.
    """

    def __init__(self, task: list[Any]) -> None:
        self._task: Task = import_ray().get(task[0])

    def __call__(self, units: dict[str, Any]) -> Iterator[dict[str, list[Any]]]:
        """Do units of work; what is finished comes in rows of passes and pickled lists."""
        for data in units["unit"]:
            passes, found = 0, list[tuple[int, Any]]()
            for answer in self._task(pickle.loads(data)):  # noqa: S301 - written by the driver
                if isinstance(answer, int):
                    passes += answer
                else:
                    found.append(answer)
                if len(found) == TOGETHER:
                    yield _row(passes, found)
                    passes, found = 0, []
            yield _row(passes, found)


def _row(passes: int, found: list[tuple[int, Any]]) -> dict[str, list[Any]]:
    return {"passes": [passes], "found": [pickle.dumps(found)]}


def ray_data(task: Task, units: Sequence[Any], cluster: Cluster) -> Generator[Answer, None, None]:
    """Units in any order, by as many workers as the cluster has room for."""
    if not units:
        return
    ray = import_ray()
    with _connected(ray, cluster), _settings_of(ray.data.DataContext.get_current()):
        lying = ray.put(task)
        resources = ray.cluster_resources()
        gpus, processors = int(resources.get("GPU", 0)), int(resources.get("CPU", 1))
        size = min(cluster.workers or gpus or max(1, processors // PROCESSORS), len(units))
        share = {"num_gpus": 1} if gpus else {"num_cpus": min(PROCESSORS, max(1, processors // size))}
        rows = [{"unit": pickle.dumps(unit)} for unit in units]
        done = ray.data.from_items(rows, override_num_blocks=min(len(rows), MOST_BLOCKS)).map_batches(
            Worker,
            fn_constructor_args=([lying],),
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=size, max_tasks_in_flight_per_actor=2),
            ray_remote_args_fn=lambda: {"max_task_retries": RETRIES},
            **share,
        )
        batches = done.iter_batches(batch_size=None, prefetch_batches=0)
        with closing(iter(batches)) as steps:
            try:
                for step in steps:
                    for passes, found in zip(step["passes"], step["found"], strict=True):
                        yield int(passes)
                        yield from pickle.loads(found)  # noqa: S301 - written by a worker
            except ray.exceptions.RayError as error:
                raise _in_words(error) from error


def _in_words(error: Any) -> ExplorerError:
    """What a worker could not even begin with, or what became of the cluster."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ExplorerError):
            return cause
        cause = getattr(cause, "cause", None) or cause.__cause__
    first = str(error).strip().splitlines()[:1]
    return Failed(f"Ray failed with {type(error).__name__}: {' '.join(first)[:300]}. What is done is kept.", code="ray")


@contextmanager
def _connected(ray: Any, cluster: Cluster) -> Iterator[None]:
    """Ray as long as it is needed; one that the user started or connected to before is used and left as it is."""
    if ray.is_initialized():
        yield
        return
    ours = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM) if ours else None
    alone = {"address": "local", "include_dashboard": False}
    where = {"address": cluster.address} if cluster.address else alone
    try:
        ray.init(**where, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise Failed(f"Ray cannot be reached or started: {str(error)[:300]}.", code="ray") from error
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)  # Ray has one of its own, which ends the process at once
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _settings_of(context: Any) -> Iterator[None]:
    """Ray Data with our settings."""
    before = {name: getattr(context, name) for name in OWN}
    loud = logging.getLogger("ray.data")
    level = loud.level
    for name, value in OWN.items():
        setattr(context, name, value)
    loud.setLevel(logging.ERROR)
    try:
        yield
    finally:
        loud.setLevel(level)
        for name, value in before.items():
            setattr(context, name, value)


ENGINES.add("ray", ray_data)
