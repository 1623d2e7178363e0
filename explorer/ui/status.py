"""Where a run is, and what the server says of it in words, as HTML."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Step:
    """One moment of a run, for the status line.

    Attributes:
        text: What is happening, when nothing can be shown yet.
        done: Masks embedded.
        wanted: Masks asked for.
        seconds: Time spent embedding in this run.
        embedded: Masks embedded in this run; the others were known.
        agreement: How far two runs like this one would agree, where the run ends on that.
        final: Whether the run is over.
    """

    text: str = ""
    done: int = 0
    wanted: int = 0
    seconds: float = 0.0
    embedded: int = 0
    agreement: float | None = None
    final: bool = False

    @property
    def left(self) -> float | None:
        """Seconds to the end; None where nothing was embedded yet."""
        return self.seconds / self.embedded * (self.wanted - self.done) if self.embedded else None


def status_panel(step: Step) -> str:
    """Where a run is: for the eye a bar, for a screen reader a sentence."""
    if step.text or step.final:
        return f'<p class="status">{escape(step.text or _sentence(step))}</p>'
    return progress_panel(step.done, step.wanted, "masks done", _sentence(step))


def progress_panel(done: int, wanted: int, what: str, said: str) -> str:
    """How much of something is done, as a bar and in words."""
    share = done / wanted if wanted else 0
    bar = (
        f'<span class="bar" role="progressbar" aria-label="{escape(what)}" aria-valuemin="0" aria-valuemax="{wanted}" '
        f'aria-valuenow="{done}"><i style="width:{share:.1%}"></i></span>'
    )
    return f'<p class="status">{bar}{escape(said)}</p>'


def turn_panel(runs: int, seconds: float) -> str:
    """How many runs come first, and how long they take."""
    others = "1 run comes" if runs == 1 else f"{runs} runs come"
    said = f"{others} before yours, about {seconds:.0f} s. Stop takes you out of the queue."
    return status_panel(Step(said))


def _sentence(step: Step) -> str:
    agreement = "" if step.agreement is None else f"; agreement {step.agreement:.2f}"
    if not step.final:
        most = "at most " if step.agreement is not None else ""
        return f"{step.done} of {step.wanted} masks, {most}about {step.left or 0:.0f} s left{agreement}"
    early = " of at most " + str(step.wanted) if step.done < step.wanted else ""
    if step.embedded:
        return f"{step.done}{early} masks; {step.embedded} embedded in {step.seconds:.1f} s{agreement}"
    return f"{step.done}{early} masks, known from an earlier run{agreement}"
