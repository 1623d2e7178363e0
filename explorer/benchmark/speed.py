"""``explorer bench``: what a map costs, here and with the peers, on one pair and one network.

Machines are shared and clocks differ, so all take turns in one process, round after round, and what is compared is the
median of the ratios of a round; the seconds of the processor stand beside those of the clock.
"""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.question import Question
from explorer.benchmark.contenders import Contender
from explorer.core.agreement import correlation
from explorer.core.steps import run
from explorer.evaluation.deletion import symmetric_gain

LOOK_SECONDS = 0.005
LEAST = 64
"""The shortest run on the way to an agreement or a faithfulness; each of the others is twice as long."""


@dataclass(frozen=True)
class Cost:
    """What one run took.

    Attributes:
        wall: Seconds by the clock.
        cpu: Seconds of all processors.
        first: Seconds until there was a map to show; the whole where that is only at the end.
        peak: Resident bytes above those before, at most; NaN where the system does not tell.
    """

    wall: float
    cpu: float
    first: float
    peak: float


@dataclass
class Standing:
    """A contender's costs, a round each, and what longer and longer runs of it give."""

    contender: Contender
    costs: list[Cost] = field(default_factory=list)
    ladder: dict[int, float] = field(default_factory=dict)
    """Seconds by passes."""
    agreements: dict[int, float] = field(default_factory=dict)
    """By passes: correlation of the maps of two seeds."""
    gains: dict[int, float] = field(default_factory=dict)
    """By passes: area between the deletion curves of the least and of the most important pixels first."""

    def median(self, what: str) -> float:
        """Of ``Cost``."""
        return float(np.median([getattr(cost, what) for cost in self.costs])) if self.costs else float("nan")

    def ratio(self, other: Standing, what: str) -> float:
        """The median over rounds of how many times the other's cost this one's is."""
        pairs = zip(self.costs, other.costs, strict=True)
        return float(np.median([getattr(own, what) / getattr(its, what) for own, its in pairs]))

    def reached(self, found: dict[int, float], least: float) -> float | None:
        """Seconds of the shortest run from which on all longer ones are as good."""
        enough = None
        for n in sorted(found, reverse=True):
            if not found[n] >= least:
                break
            enough = n
        return None if enough is None else self.ladder[enough]


def measured(act: Callable[[Callable[[], None]], Any]) -> tuple[Cost, Any]:
    """Run once; the argument is to be called when there is something to show."""
    told: list[float] = []
    peak = PeakMemory()
    cpu, start = time.process_time(), time.perf_counter()  # the former of all threads
    with peak:
        found = act(lambda: told.append(time.perf_counter()))
    end = time.perf_counter()
    return Cost(end - start, time.process_time() - cpu, (told[0] if told else end) - start, peak.above), found


def race(standings: Sequence[Standing], n: int, rounds: int) -> Iterator[int]:
    """All of them in turn, round after round, the order turned by one each time; a short run of each comes first.

    Yields:
        How many rounds are done.
    """
    for standing in standings:
        standing.contender.run(LEAST, 0, lambda: None)
    for turn in range(rounds):
        for i in range(len(standings)):
            standing = standings[(turn + i) % len(standings)]
            standing.costs.append(measured(partial(standing.contender.run, n, turn))[0])
        yield turn + 1


def climb(question: Question, standing: Standing, most: int) -> None:
    """Runs of 64, 128 ... ``most`` passes by two seeds: what they cost, how far they agree, how faithful they are."""
    n = LEAST
    while n <= most:
        (first, one), (second, other) = (measured(partial(standing.contender.run, n, seed)) for seed in (0, 1))
        if one is None:
            return
        standing.ladder[n] = float(np.mean([first.wall, second.wall]))
        standing.agreements[n] = correlation(one, other)
        standing.gains[n] = float(np.mean([_srg(question, found) for found in (one, other)]))
        n *= 2


def _srg(question: Question, attribution: NDArray[Any]) -> float:
    return run(symmetric_gain(question, attribution))


def table(standings: Sequence[Standing], agreement: float, faithfulness: float) -> list[dict[str, Any]]:
    """A row for each contender, as it goes into the JSON file.

    Args:
        standings: The network alone and ours come first.
        agreement: Wanted of two runs, -1 to 1.
        faithfulness: Wanted area between the deletion curves, as a share of the best that anyone reached.
    """
    alone, ours = standings[:2]
    best = max((value for each in standings for value in each.gains.values()), default=float("nan"))
    return [
        {
            "title": each.contender.title,
            **{what: each.median(what) for what in ("wall", "cpu", "first", "peak")},
            "times_network_wall": each.ratio(alone, "wall"),
            "times_network_cpu": each.ratio(alone, "cpu"),
            "times_ours_wall": each.ratio(ours, "wall"),
            "times_ours_cpu": each.ratio(ours, "cpu"),
            "seconds_to_agreement": each.reached(each.agreements, agreement),
            "seconds_to_faithfulness": each.reached(each.gains, faithfulness * best),
            "costs": [asdict(cost) for cost in each.costs],
            "ladder": [
                {"passes": n, "seconds": s, "agreement": each.agreements[n], "srg": each.gains[n]}
                for n, s in each.ladder.items()
            ],
        }
        for each in standings
    ]


def machine() -> dict[str, Any]:
    """Where this is measured."""
    model = next((line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "")
    return {
        "processor": model or platform.processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan"),
    }


class PeakMemory:
    """Resident bytes before the block, and how many more it had at most while it ran; NaN where nobody tells."""

    above = float("nan")

    def __enter__(self) -> PeakMemory:
        self._done, self.before = threading.Event(), _resident()
        self._most = self.before
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self.above = max(self._most, _resident()) - self.before

    def _watch(self) -> None:
        while not self._done.wait(LOOK_SECONDS):
            self._most = max(self._most, _resident())


def _resident() -> float:
    pages = next(iter(_lines("/proc/self/statm")), "")
    return float(pages.split()[1]) * os.sysconf("SC_PAGE_SIZE") if pages else float("nan")


def _lines(path: str) -> list[str]:
    """Of a file that only Linux has."""
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        return file.read().splitlines()
