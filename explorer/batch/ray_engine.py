"""The engine ray: the same work by workers of Ray Data, which starts them, feeds them and replaces those that are lost.

Each worker is an actor that loads the encoder once. The only place that imports ray.
"""

from __future__ import annotations

import io
import logging
import os
import pickle
import secrets
import signal
import threading
import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from explorer.batch.engines import ENGINES, Answer, Cluster, Engine, Task
from explorer.batch.items import Caught
from explorer.core.errors import ExplorerError, Failed

PROCESSORS = 2
"""For a worker, where there is no GPU: an encoder keeps that many busy."""
MOST_BLOCKS = 4096
"""Pieces that units are given out in; a lost worker's piece is done again from its beginning."""
RETRIES = 3
"""Of a piece whose worker was lost; a picture that ends every worker must not do so for ever."""
ENCODER = "encoder"
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
    """Ray, which tells nobody that it runs."""
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
        with Caught() as caught:
            for data in units["unit"]:
                yield from self._rows(data)
        if caught.error is not None:
            yield _row(self._task, 0, caught.error)

    def _rows(self, data: bytes) -> Iterator[dict[str, list[Any]]]:
        passes, found = 0, list[tuple[int, Any]]()
        for answer in self._task(_read(self._task, data)):
            if isinstance(answer, int):
                passes += answer
            else:
                found.append(answer)
            if len(found) == TOGETHER:
                yield _row(self._task, passes, found)
                passes, found = 0, []
        yield _row(self._task, passes, found)


def _row(task: Task, passes: int, found: Any) -> dict[str, list[Any]]:
    return {"passes": [passes], "found": [_written(task, found)]}


def _written(task: Task, thing: Any) -> bytes:
    """A thing as bytes, without the encoder, which is at both ends."""
    file = io.BytesIO()
    pickler = pickle.Pickler(file, pickle.HIGHEST_PROTOCOL)
    pickler.persistent_id = lambda one: ENCODER if one is task.encoder else None  # type: ignore[method-assign]
    pickler.dump(thing)
    return file.getvalue()


def _read(task: Task, data: bytes) -> Any:
    """What ``_written`` wrote, at one end or the other."""
    reader = pickle.Unpickler(io.BytesIO(data))  # noqa: S301
    reader.persistent_load = lambda name: task.encoder  # type: ignore[method-assign]
    return reader.load()


def ray_data(task: Task, units: Sequence[Any], cluster: Cluster) -> Generator[Answer, None, None]:
    """Units in any order, by as many workers as the cluster has room for."""
    if not units:
        return
    ray = import_ray()
    ray.cloudpickle.dumps(task.encoder)  # one that cannot be is refused before anything is started
    with _connected(ray, cluster), _settings_of(ray.data.DataContext.get_current()):
        lying = ray.put(task)
        resources = ray.cluster_resources()
        gpus, processors = int(resources.get("GPU", 0)), int(resources.get("CPU", 1))
        size = min(cluster.workers or gpus or max(1, processors // PROCESSORS), len(units))
        share = {"num_gpus": min(1, gpus / size)} if gpus else {"num_cpus": min(PROCESSORS, processors / size)}
        rows = [{"unit": _written(task, unit)} for unit in units]
        given = ray.data.from_items(rows, override_num_blocks=min(len(rows), MOST_BLOCKS))
        with warnings.catch_warnings():  # of the limit of retries, which has no other name before Ray 2.64
            warnings.simplefilter("ignore", DeprecationWarning)
            done = given.map_batches(
                Worker,
                fn_constructor_args=([lying],),
                batch_size=1,
                compute=ray.data.ActorPoolStrategy(size=size, max_tasks_in_flight_per_actor=2),
                max_task_retries=RETRIES,
                **share,
            )
        batches = done.iter_batches(batch_size=None, prefetch_batches=0)
        with closing(iter(batches)) as steps:
            try:
                for step in steps:
                    for passes, found in zip(step["passes"], step["found"], strict=True):
                        yield int(passes)
                        answers = _read(task, found)
                        if isinstance(answers, ExplorerError):
                            raise answers
                        yield from answers
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
    if not cluster.address and not _has_home():
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))  # of this cluster, which Ray keeps at home else
    alone = {"address": "local", "include_dashboard": False}
    where = {"address": cluster.address} if cluster.address else alone
    try:
        ray.init(**where, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        said = f"Ray cannot be {'reached' if cluster.address else 'started'}: {str(error).rstrip('.')[:300]}."
        hint = " If the cluster asks for a token, set RAY_AUTH_MODE=token here too." if cluster.address else ""
        raise Failed(said + hint, code="ray") from error
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)  # Ray has one of its own, which ends the process at once
    try:
        yield
    finally:
        ray.shutdown()


def _has_home() -> bool:
    try:
        return os.access(Path.home(), os.W_OK)
    except RuntimeError:  # this user has none
        return False


@contextmanager
def _settings_of(context: Any) -> Iterator[None]:
    """Ray Data with our settings."""
    before = {name: getattr(context, name) for name in OWN}
    loud = logging.getLogger("ray.data")
    level = loud.level
    for name, value in OWN.items():
        setattr(context, name, value)
    loud.setLevel(logging.CRITICAL + 1)  # what is lost is told of by its rows
    try:
        yield
    finally:
        loud.setLevel(level)
        for name, value in before.items():
            setattr(context, name, value)


ENGINES.add("ray", Engine(ray_data, needs=("ray", "pyarrow"), extra="ray"))
