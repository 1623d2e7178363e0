"""What the server says in words, as HTML."""

from __future__ import annotations

from html import escape

from explorer.ui.probe_cache import Step


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
        left = step.seconds / step.embedded * (step.wanted - step.done) if step.embedded else 0
        most = "at most " if step.agreement is not None else ""
        return f"{step.done} of {step.wanted} masks, {most}about {left:.0f} s left{agreement}"
    early = " of at most " + str(step.wanted) if step.done < step.wanted else ""
    if step.embedded:
        return f"{step.done}{early} masks; {step.embedded} embedded in {step.seconds:.1f} s{agreement}"
    return f"{step.done}{early} masks, known from an earlier run{agreement}"
