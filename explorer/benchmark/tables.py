"""A benchmark's results as tables: all of them in one, and in the layout of the paper's tables 1 to 5.

No gap is without its reason. The paper's own figures are rows of their own, and ours stand below them only where the
network, the data, the metric and the question are the same.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from explorer.benchmark.cells import Cell
from explorer.benchmark.paper import PAPER_DATA, PAPER_METHODS, PAPER_METRICS, PAPER_NETWORKS, TABLES, PaperTable
from explorer.benchmark.plan import Plan
from explorer.datasets.items import DATASETS
from explorer.evaluation.bootstrap import ENOUGH, Interval, total_difference, total_interval
from explorer.evaluation.metrics import METRICS, Metric, why_dropped

ARROWS = {"higher": "↑", "lower": "↓"}
NOT_ASKED = "not asked for"
NOT_RUN = "paper; not run here"


@dataclass(frozen=True)
class Entry:
    """One place in a table.

    Attributes:
        text: Words, where it is no number.
        value: The number, or None.
        why: Why there is no number, or what is left out of it.
        interval: 95 % of the number over the pictures, where it has one.
        place: 1 for the best of those it is compared with, 2 for the second, else 0. Where there are intervals, 1 for a
            method that is better than every other by more than theirs, 2 for those that may be the best.
        digits: How many after the point are shown.
    """

    text: str = ""
    value: float | None = None
    why: str = ""
    interval: tuple[float, float] | None = None
    place: int = 0
    digits: int = 2

    @property
    def shown(self) -> str:
        """As people read it."""
        if self.value is None:
            return self.text or "–"
        between = "" if self.interval is None else f" [{', '.join(f'{end:.{self.digits}f}' for end in self.interval)}]"
        return f"{self.value:.{self.digits}f}{between}"


@dataclass(frozen=True)
class Sheet:
    """One table; its key names its file, ``about`` stands below the title, and rows are as long as the header."""

    key: str
    title: str
    about: str
    header: tuple[str, ...]
    rows: tuple[tuple[Entry, ...], ...]


class Results:
    """The cells of a benchmark that are done, looked up."""

    def __init__(self, plan: Plan, cells: Iterable[Cell]) -> None:
        self.plan = plan
        self._by_answer: dict[tuple[str, str], list[Cell]] = defaultdict(list)
        wanted = {item.key for item in plan.items}
        for cell in cells:
            if cell.item in wanted:
                self._by_answer[cell.encoder, cell.method].append(cell)

    def cells(self, encoder: str, method: str) -> list[Cell]:
        """One method's on one encoder."""
        return self._by_answer[encoder, method]

    def entry(self, encoder: str, method: str, metric: str) -> Entry:
        """One number, or why there is none."""
        plan = self.plan
        if method not in plan.methods or metric not in plan.metrics:
            return Entry(why=NOT_ASKED)
        reason = plan.why_not(encoder, method) or plan.lacks(metric)
        if reason:
            return Entry(why=reason)
        asked, cells = plan.metrics[metric], self.cells(encoder, method)
        reasons = Counter(why for cell in cells if (why := _why_not_counted(cell, asked)))
        records = [cell.measured[asked.group] for cell in cells if asked.group in cell.measured]
        value, counted = asked.total(records), len(cells) - reasons.total()
        if not math.isfinite(value):
            return Entry(why=self._left_out(reasons, len(cells)))
        found = total_interval(asked.of(records), len(records)) if counted > 1 else None
        interval = (found.low, found.high) if found and math.isfinite(found.low) else None
        return Entry(value=value, why=self._left_out(reasons, len(cells)), interval=interval)

    def difference(self, encoder: str, one: str, other: str, metric: str) -> Interval:
        """How much higher one method's number is than another's, of the pictures for which both have one."""
        asked = self.plan.metrics[metric]
        records = [
            {c.item: c.measured[asked.group] for c in self.cells(encoder, method) if not _why_not_counted(c, asked)}
            for method in (one, other)
        ]
        both = [item for item in records[0] if item in records[1]]
        totals = [asked.of([own[item] for item in both]) for own in records]
        return total_difference(totals[0], totals[1], len(both))

    def maps(self, encoder: str, method: str) -> Entry:
        """How many maps count, and why others do not."""
        if reason := self.plan.why_not(encoder, method):
            return Entry(why=reason)
        cells = self.cells(encoder, method)
        reasons = Counter(cell.dropped for cell in cells if cell.dropped)
        return Entry(value=len(cells) - reasons.total(), why=self._left_out(reasons, len(cells)), digits=0)

    def cost(self, encoder: str, method: str) -> tuple[Entry, Entry]:
        """Seconds and passes of a map, the mean."""
        cells = [cell for cell in self.cells(encoder, method) if not cell.dropped]
        if not cells:
            reason = self.plan.why_not(encoder, method) or "there is no map"
            return Entry(why=reason), Entry(why=reason)
        return Entry(value=fmean(c.seconds for c in cells)), Entry(value=fmean(c.passes for c in cells), digits=0)

    def _left_out(self, reasons: Counter[str], done: int) -> str:
        """In words, which pictures do not count."""
        said = []
        if waiting := len(self.plan.items) - done:
            said.append(f"{waiting} of {len(self.plan.items)} not run yet")
        if reasons:
            (reason, _), *others = reasons.most_common()
            said.append(f"{reasons.total()} of {done} dropped{', for example' if others else ''}: {reason.rstrip('.')}")
        return "; ".join(said)


def _why_not_counted(cell: Cell, metric: Metric) -> str:
    """Why a cell has no part in a metric, or an empty string."""
    if cell.dropped:
        return cell.dropped
    if metric.group not in cell.measured:
        return cell.lacking[metric.group]
    return why_dropped(cell.measured[metric.group], metric.key) or ""


def sheets(results: Results) -> list[Sheet]:
    """All tables."""
    return [everything(results), *(_like_paper(results, table) for table in TABLES)]


def everything(results: Results) -> Sheet:
    """Every method on every encoder by every metric."""
    plan = results.plan
    rows: list[tuple[Entry, ...]] = []
    for encoder in plan.encoders:
        columns = [_led(results, encoder, key) for key in plan.metrics]
        for place, (key, method) in enumerate(plan.methods.items()):
            facts = (Entry(encoder), Entry(type(method).title), results.maps(encoder, key))
            rows.append((*facts, *results.cost(encoder, key), *(column[place] for column in columns)))
    return Sheet(
        "results",
        "Every method, every metric",
        f"{DATASETS[plan.data].title}, {count(plan)}. {_asked(plan)} ↑ higher is better, ↓ lower is better; in "
        "brackets 95 % of each number over the pictures, by bootstrap. Bold: better than every other method of its "
        f"encoder by more than the interval of their difference on the same pictures, of which there must be {ENOUGH}.",
        ("encoder", "method", "maps", "seconds", "passes", *(_heading(metric) for metric in plan.metrics.values())),
        tuple(rows),
    )


def winners(sheet: Sheet) -> list[tuple[str, str, str, str]]:
    """Encoder, metric, the best methods and their number, from the sheet of everything."""
    first = sheet.header.index("passes") + 1
    found = []
    for encoder in dict.fromkeys(row[0].text for row in sheet.rows):
        for place, heading in enumerate(sheet.header[first:], first):
            best = [row for row in sheet.rows if row[0].text == encoder and row[place].place == 1]
            if best:
                found.append((encoder, heading, ", ".join(row[1].text for row in best), best[0][place].shown))
    return found


def _led(results: Results, encoder: str, metric: str) -> list[Entry]:
    """A column, and in it who leads: the best alone, or all that may be, since no interval parts them from it."""
    plan = results.plan
    methods, better = list(plan.methods), plan.metrics[metric].better
    entries = [results.entry(encoder, method, metric) for method in methods]
    known = [place for place, entry in enumerate(entries) if entry.value is not None]
    if len(known) < 2:
        return entries

    def beats(one: str, other: str) -> bool:
        found = results.difference(encoder, one, other, metric)  # of their common pictures, where it may be the worse
        return found.sure and (found.low > 0) == (better == "higher")

    best = (max if better == "higher" else min)(known, key=lambda place: entries[place].value or 0.0)
    level = [place for place in known if place == best or not beats(methods[best], methods[place])]
    if len(level) < len(known):
        for place in level:
            entries[place] = replace(entries[place], place=1 if len(level) == 1 else 2)
    return entries


def _like_paper(results: Results, table: PaperTable) -> Sheet:
    plan = results.plan
    ours = [name for name in plan.encoders if table.attention in (None, _attends(plan, name))]
    rows: list[tuple[Entry, ...]] = []
    told: set[str] = set()
    for data, network in dict.fromkeys((data, network) for data, network, _ in table.figures):
        same = [name for name in ours if name in (network, PAPER_NETWORKS.get(network))] if _same(plan, data) else []
        for metric in table.metrics:
            numbers = [Entry(value=number) for number in table.figures[data, network, metric]]
            labels = (data, network, metric, "paper" if same else NOT_RUN)
            rows.append((*map(Entry, labels), *_placed(numbers, METRICS[PAPER_METRICS[metric]].better)))
            rows += [_our_row(results, table, encoder, metric, data) for encoder in same]
        told.update(same)
    for encoder in ours:
        if encoder not in told:
            rows += [_our_row(results, table, encoder, metric) for metric in table.metrics]
    whose = "The paper's networks are not those of this run unless a row says so."
    bold = " Bold and underlined: the best and the second best of a row by value alone, as in the paper."
    sizes = " The paper's code squeezes whole pictures to 224 x 224; here each network sees its usual part of them."
    return Sheet(
        f"table-{table.number}",
        f"Table {table.number} of the paper: {table.title}",
        f"{_asked(plan)} {whose}{sizes * bool(told)}{bold}",
        ("data", "network", "metric", "whose", *table.methods),
        tuple(rows),
    )


def _our_row(results: Results, table: PaperTable, encoder: str, metric: str, data: str = "") -> tuple[Entry, ...]:
    plan, key = results.plan, PAPER_METRICS[metric]
    found = [results.entry(encoder, PAPER_METHODS[name], key) for name in table.methods]
    labels = (data or DATASETS[plan.data].title, encoder, metric, f"here, {count(plan)}")
    return (*map(Entry, labels), *_placed(found, METRICS[key].better))


def _same(plan: Plan, data: str) -> bool:
    """Whether the paper asked the same of the same pictures."""
    return PAPER_DATA[data] == plan.data and plan.question == "class" and plan.label == "predicted"


def _attends(plan: Plan, encoder: str) -> bool:
    return "attention" in plan.encoders[encoder].gives()


def _placed(entries: Sequence[Entry], better: str) -> list[Entry]:
    """The same, the best and the second best marked; equals share a place."""
    numbers = sorted({entry.value for entry in entries if entry.value is not None}, reverse=better == "higher")
    places = {number: place for place, number in enumerate(numbers[:2], 1)}
    if len(numbers) < 2:
        return list(entries)
    return [entry if entry.value is None else replace(entry, place=places.get(entry.value, 0)) for entry in entries]


def _heading(metric: Metric) -> str:
    return f"{metric.title} {ARROWS[metric.better]}"


def count(plan: Plan) -> str:
    """How many pictures, and of how many."""
    number = len(plan.items)
    return f"{number} of {plan.of} pictures" if number < plan.of else f"{number} picture{'s' * (number != 1)}"


def _asked(plan: Plan) -> str:
    if plan.question == "class":
        watched = "the likeliest class" if plan.label == "predicted" else "the true class"
        return f"The maps answer for the likeliest class of each picture; decisions are compared with {watched}."
    scored = "the reference's probability in a gallery" if plan.gallery is not None else "the anchored similarity"
    return f"The maps answer for the distance to a reference; {scored} takes the place of the class's probability."
