"""What a benchmark costs, before anything is run."""

from __future__ import annotations

from collections.abc import Iterable

from explorer.attributions.question import Question
from explorer.benchmark.cells import Name
from explorer.benchmark.plan import Plan
from explorer.core.errors import InvalidInput, UnusableEmbedding
from explorer.core.price import FINISHED, TO_DO, Price


def prices(plan: Plan, done: Iterable[Name]) -> list[Price]:
    """What is left to do, where these encoders, methods and items are done."""
    finished = set(done)
    found = []
    for name in plan.encoders:
        example = _example(plan, name) if name in plan.asked else ""
        judging = 0 if isinstance(example, str) else sum(metric.passes(example) for metric in plan.measured.values())
        for key, method in plan.methods.items():
            reason = plan.why_not(name, key)
            if reason or isinstance(example, str):
                reason = reason or f"no picture can be used, for example: {example}"
                found.append(Price((name, key), (name,), state=reason))
                continue
            left = sum((name, key, item.key) not in finished for item in plan.items)
            each = method.passes(example) + judging
            state = TO_DO if left else FINISHED
            found.append(Price((name, key), (name,), len(plan.items) * each, left * each, state, left))
    return found


def _example(plan: Plan, encoder: str) -> Question | str:
    """The first question that can be asked, or why the first cannot."""
    reason = ""
    for item in plan.items:
        try:
            return plan.question_of(encoder, item)
        except (InvalidInput, UnusableEmbedding) as error:  # told of each when its turn comes
            reason = reason or str(error)
    return reason
