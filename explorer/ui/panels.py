"""What the server says in words, as HTML."""

from __future__ import annotations

from html import escape

from .workbench import Step


def status_panel(step: Step) -> str:
    """Where a run is: for the eye a bar, for a screen reader a sentence."""
    if step.text:
        return f'<p class="status">{escape(step.text)}</p>'
    share = step.done / step.wanted if step.wanted else 0
    bar = (
        f'<span class="bar" role="progressbar" aria-label="masks done" aria-valuemin="0" aria-valuemax="{step.wanted}" '
        f'aria-valuenow="{step.done}"><i style="width:{share:.1%}"></i></span>'
    )
    return f'<p class="status">{"" if step.final else bar}{escape(_sentence(step))}</p>'


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
