"""Settings that choose themselves: how many masks are enough, and which share kept carries a signal.

What is chosen depends on the pair, the encoder and the other settings alone, never on the size of a batch or how busy a
machine is: everything is judged at fixed numbers of masks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from explorer.core.agreement import expected_agreement, split_half
from explorer.core.embedder import Embedder, Input
from explorer.core.errors import UnusableEmbedding
from explorer.core.explanation import Explanation, with_second
from explorer.core.limits import AGREEMENT, P_KEEP
from explorer.core.masks import MaskSettings
from explorer.core.pilot import EVERY_MASK, MASKS_EACH, P_KEEPS, Trial, recommended, trial, two_stories
from explorer.core.probe import Probe, Progress, complete, enlarge, first, grow, keeping, start
from explorer.core.rank import rank_against
from explorer.core.references import Reference
from explorer.core.selections import SelectionSettings

CHECK_EVERY = 100
"""Masks between two looks at the agreement: by count, not by time, so that load never changes a result."""
MOST = 4000
"""Masks of a run that never becomes stable: four times the default."""
ITSELF = "the picture itself"


def at_most(masking: MaskSettings) -> MaskSettings:
    """The same settings with the most masks, and the usual share kept, where they are left open: for prices."""
    values = {"n_masks": MOST, "p_keep": P_KEEP.default}
    return masking.but(**{name: values[name] for name in masking.open})


def most_passes(masking: MaskSettings) -> int:
    """How many masked copies a run embeds at most, its pilot included."""
    return at_most(masking).n_masks + MASKS_EACH * len(P_KEEPS) * ("p_keep" in masking.open)


class Stability:
    """Looks at the agreement of every so many masks, and finds the first number that reaches a target.

    It judges the first 100, 200, ... masks, never the batch at hand, so that what was known before, the size of a
    batch or a busy machine cannot change where a run ends.

    Args:
        until: The agreement to reach.
        targets: What the picture is compared with; of several, all have to reach it.
        selection: Which masks count.

    Attributes:
        until: As given.
        agreement: The lowest at the last look; None before the first.
    """

    def __init__(self, until: float, targets: Sequence[Reference], selection: SelectionSettings) -> None:
        self.agreement: float | None = None
        self.until, self._targets, self._selection, self._next = until, targets, selection, CHECK_EVERY

    def reached(self, probe: Probe) -> Probe | None:
        """The probe cut where the target was reached, or None."""
        while self._next <= len(probe):
            part = first(probe, self._next)
            self.agreement = min(
                expected_agreement(split_half(part, target, self._selection)) for target in self._targets
            )
            if self.agreement >= self.until:
                return part
            self._next += CHECK_EVERY
        return None


@dataclass(frozen=True, eq=False)
class Run:
    """A run whose share kept is settled, with what choosing it has embedded already.

    Attributes:
        start: The probe to go on with, at most so many masks.
        until: The agreement at which it ends; None where the number of masks was given.
        targets: What it is compared with.
        selection: Which masks count.
        second: Another, of another p_keep, where the two tell two stories.
        spent: Masks that the pilot embedded, beside those of the start.
    """

    start: Probe
    until: float | None
    targets: Sequence[Reference]
    selection: SelectionSettings
    second: Run | None = None
    spent: int = 0

    def watch(self) -> Stability | None:
        """What ends it, where anything does before its last mask."""
        return None if self.until is None else Stability(self.until, self.targets, self.selection)

    def complete(self, on_progress: Progress | None = None) -> Probe:
        """Embed what is missing; errors are those of ``core.probe.complete``."""
        watch = self.watch()
        tell = None if on_progress is None else lambda done, total: on_progress(self.spent + done, self.spent + total)
        probe = complete(self.start, tell, None if watch is None else watch.reached, self.targets)
        return self.settled(probe, watch)

    def grow(self, on_progress: Progress | None = None) -> Iterator[Probe]:
        """Embed what is missing, yielding the probe after every batch; the last one is what ``complete`` gives."""
        watch = self.watch()
        for grown in grow(self.start):
            ended = watch.reached(grown) if watch else None
            if ended is not None or grown.complete:
                grown = self.settled(ended or grown, watch)
            if on_progress is not None and len(grown) > len(self.start):
                on_progress(self.spent + len(grown), self.spent + grown.wanted)
            yield grown
            if ended is not None:
                return

    def settled(self, probe: Probe, watch: Stability | None) -> Probe:
        """The probe at which a run ended, with why it did."""
        if watch is None:
            return probe
        whom = f" beside {ITSELF}" if [one.label for one in self.targets] == [ITSELF] else ""
        said = f"n_masks auto: {len(probe)} masks were taken, with which two runs{whom} would agree at about "
        said += f"{watch.agreement or 0.0:.2f}"
        if watch.agreement is None or watch.agreement < watch.until:
            said += f", short of {watch.until:g}: it is the most that auto takes, so look at what is not settled"
        embeddings = probe.embeddings.copy()  # so that the room for the most is given back
        embeddings.flags.writeable = False
        return replace(probe, embeddings=embeddings, chosen={**probe.chosen, "n_masks": f"{said}."})


def explain_run(run: Run, on_progress: Progress | None = None) -> Explanation:
    """Embed what a run with one reference lacks, and rank it; the second story is with it where there is one.

    Raises:
        ExplorerError: As ``explorer.explain``.
    """
    (target,) = run.targets
    done = run.complete(on_progress)
    with keeping(done):
        explained = rank_against(done, target, run.selection)
    if run.second is None:
        return explained
    with keeping(done):
        other = replace(run.second, spent=run.spent + len(done) - len(run.second.start)).complete(on_progress)
        return with_second(explained, rank_against(other, target, run.selection))


def itself(probe: Probe) -> Reference:
    """The whole picture as a stand-in for references that are not known yet."""
    return Reference(probe.unmasked(), ITSELF)


def plan_run(
    seen: Input,
    encoder: Embedder,
    masking: MaskSettings,
    targets: Sequence[Reference] = (),
    selection: SelectionSettings | None = None,
    on_progress: Progress | None = None,
    until: float = AGREEMENT.default,
) -> Run:
    """Settle what a run needs before it starts: the pilot, where ``p_keep`` is ``"auto"``.

    Args:
        seen: The picture, read.
        encoder: Embeds it.
        masking: ``n_masks`` or ``p_keep`` or both ``"auto"``, or neither.
        targets: What it will be compared with; the picture itself where nobody knows yet.
        selection: Which masks will count; the paper's when None.
        on_progress: Called with (masks done, masks in all) of the pilot after every batch.
        until: The agreement to reach.

    Raises:
        ExplorerError: As ``explorer.probe``.
    """
    selection = selection or SelectionSettings()
    left = masking.open
    most = MOST if "n_masks" in left else masking.n_masks
    ends = until if "n_masks" in left else None
    if "p_keep" not in left:
        probe = start(seen, encoder, replace(masking, n_masks=most))
        return Run(probe, ends, targets or ([] if ends is None else [itself(probe)]), selection)
    trials = _pilot(seen, encoder, masking, targets, selection, on_progress)
    lead = [one[0] for one in trials]  # the first reference, which is the only one but in a batch
    best, why = recommended(lead, P_KEEP.default) if len(trials[0]) == 1 else _best_of_many(trials)
    probe = trials[best][0].explanation.probe
    targets = targets or ([] if ends is None else [itself(probe)])
    other, differ = two_stories(lead, best) if len(trials[0]) == 1 else (None, "")
    chosen = {"p_keep": f"p_keep auto: {probe.masking.p_keep:g} was taken. {why}{f' {differ}' if differ else ''}"}

    def run(one: Probe, second: Run | None = None) -> Run:
        wanted = enlarge(one, most) if most >= len(one) else first(one, most)
        return Run(replace(wanted, chosen=chosen), ends, targets, selection, second, spent)

    spent = MASKS_EACH * (len(P_KEEPS) - 1)
    return run(probe, None if other is None else run(lead[other].explanation.probe))


def _pilot(
    seen: Input,
    encoder: Embedder,
    masking: MaskSettings,
    targets: Sequence[Reference],
    selection: SelectionSettings,
    on_progress: Progress | None,
) -> list[list[Trial]]:
    """For each of ``P_KEEPS`` whose copies have distances, a trial beside each reference."""
    every = replace(EVERY_MASK, distance=selection.distance)
    total, trials = MASKS_EACH * len(P_KEEPS), []
    unusable: UnusableEmbedding | None = None
    for number, p_keep in enumerate(P_KEEPS):
        before = number * MASKS_EACH

        def tell(done: int, _: int, before: int = before) -> None:
            if on_progress is not None:
                on_progress(before + done, total)

        begun = start(seen, encoder, replace(masking, n_masks=MASKS_EACH, p_keep=p_keep))
        probe = complete(begun, tell, targets=targets)
        try:
            trials.append([trial(probe, target, every) for target in targets or [itself(probe)]])
        except UnusableEmbedding as error:  # copies of which too little is left have no angle to anything
            if error.code != "embedding_zero":
                raise
            unusable = error
    if not trials and unusable is not None:
        raise unusable
    return trials


def _best_of_many(trials: Sequence[Sequence[Trial]]) -> tuple[int, str]:
    """The share kept whose halves agree best on average, for a batch that has one probe for many references."""
    means = [sum(one.half for one in row) / len(row) for row in trials]
    best = max(range(len(means)), key=lambda number: means[number])
    listed = ", ".join(f"{row[0].p_keep:g}: {mean:.2f}" for row, mean in zip(trials, means, strict=True))
    return best, f"Its halves agree best on average over {len(trials[0])} references ({listed})."
