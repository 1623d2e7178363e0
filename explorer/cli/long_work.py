"""Long work on a terminal: a bar while it goes on, and a clean stop on Ctrl-C."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from explorer.cli.output import bar_size
from explorer.core.steps import Steps, run

if TYPE_CHECKING:
    from explorer.core.price import Price


def work_off(
    begin: Callable[[Callable[[str], None]], Steps[Any]], costs: Sequence[Price], *, quiet: bool = False
) -> bool:
    """Do long work to its end; False if Ctrl-C stopped it.

    Args:
        begin: Begins it, given what names on the bar the part it is at.
        costs: Its price.
        quiet: No bar.
    """
    from tqdm import tqdm

    total = sum(cost.left for cost in costs)
    with tqdm(total=total, unit="pass", disable=quiet or None, **bar_size()) as bar:
        work, shown = begin(bar.set_description), 0

        def show(done: int) -> None:
            nonlocal shown
            bar.update(done - shown)
            shown = done

        try:
            run(work, show)
        except KeyboardInterrupt:
            work.close()  # keeps what it has reached
            print("\nexplorer: stopped; the same command goes on from here.", file=sys.stderr)
            return False
    return True
