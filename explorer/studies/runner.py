"""Studies one after another: what they cost together, doing them, taking them up again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from explorer.core.price import FINISHED, Price, refuse
from explorer.core.registry import Registry
from explorer.core.steps import Steps
from explorer.studies.needs import Need, plan, slug
from explorer.studies.results import finished, read_result, write_result
from explorer.studies.setup import Setup
from explorer.studies.study import STUDIES, Study


def chosen(names: Sequence[str], registry: Registry[Study] = STUDIES) -> list[Study]:
    """The studies of names; ``all`` names every one.

    Raises:
        InvalidInput: No such study.
    """
    if "all" in names:
        return [entry for _, entry in registry.items()]
    return [registry[name] for name in dict.fromkeys(names)]


def prices(studies: Sequence[Study], setup: Setup, out: Path) -> list[Price]:
    """What each study costs, in order; what one has embedded costs the next nothing."""
    costs: list[Price] = []
    promised: list[Need] = []
    for study in studies:
        part = (study.key,), study.roles
        if reason := why_not(study, setup):
            costs.append(Price(*part, state=reason))
            continue
        outline = study.outline(setup)
        if finished(study, setup, out):
            costs.append(Price(*part, outline.passes, state=FINISHED))
            continue
        before = _lacking(promised, setup)
        promised += outline.needs
        costs.append(Price(*part, outline.passes, _lacking(promised, setup) - before))
    return costs


def why_not(study: Study, setup: Setup) -> str:
    """Why a study cannot be made on this setup, or an empty string."""
    return setup.lacks(study.roles) or study.lacks(setup)


def refuse_others(studies: Sequence[Study], setup: Setup, out: Path, overwrite: bool) -> None:
    """Raise InvalidInput where results of other encoders, pictures or settings lie and nobody asked to replace them."""
    for study in studies:
        if overwrite or why_not(study, setup):
            continue
        if read_result(out, study.key) is not None and not finished(study, setup, out):
            made = f"{study.key} made with another encoder, other pictures or other settings"
            refuse(out, made, "study_differs")


def run_studies(
    studies: Sequence[Study],
    setup: Setup,
    out: Path,
    *,
    keep: bool = False,
    on_study: Callable[[str], None] = lambda _: None,
) -> Steps[list[Study]]:
    """Make what is not finished; yields the number of pictures embedded since it last yielded.

    Stopped anywhere, it goes on where it was when called again with the same setup.

    Args:
        studies: In the order they are made.
        setup: Encoders, pictures and store.
        out: Gets a folder for each.
        keep: Whether to keep what was embedded when no study to come needs it.
        on_study: Called with the key of each study before it is made.

    Returns:
        The studies made now.

    Raises:
        CannotWrite: A folder cannot be written.
        UnusableEmbedding: An encoder's answer is no embedding.
    """
    waiting = [study for study in studies if not why_not(study, setup) and not finished(study, setup, out)]
    outlines = [study.outline(setup) for study in waiting]
    for place, (study, outline) in enumerate(zip(waiting, outlines, strict=True)):
        on_study(study.key)
        started, passes = time.monotonic(), 0
        for need in plan(outline.needs):
            for step in setup.store.fill(need, setup):
                passes += step
                yield step
        findings = outline.make(setup)
        write_result(study, setup, findings, out, passes=passes, seconds=time.monotonic() - started)
        if keep:
            continue
        to_come = {slug(need.facts) for later in outlines[place + 1 :] for need in later.needs}
        setup.store.drop(need for need in outline.needs if slug(need.facts) not in to_come)
    return waiting


def _lacking(needs: Sequence[Need], setup: Setup) -> int:
    return sum(setup.store.lacking(need) for need in plan(needs))
