"""Results as HTML: semantic figures with text alternatives, and nothing left behind on the server's disk."""

from __future__ import annotations

import base64
import io
from html import escape

import numpy as np
from numpy.typing import NDArray

from ..describe import describe
from ..plots import colour_limit, masked_copies, paint, picture_of, shrink
from ..registry import DISTANCES, MODES
from ..schema import Explanation, Reference
from .workbench import Step

THUMBNAILS = 6
"""Masked copies shown at each end of the ranking."""


def pair_panel(explanation: Explanation) -> str:
    """The two items and the distance between them."""
    label = escape(DISTANCES[explanation.selection.distance].label)
    explained = _img(shrink(picture_of(explanation.probe), 220), "the picture being explained")
    return (
        f'<div class="pair"><figure>{explained}<figcaption>explained</figcaption></figure>'
        f'<div class="gap"><b>{explanation.unmasked_distance:.4f}</b><span>{label}</span>{_scale(explanation)}</div>'
        f"<figure>{_item(explanation.reference)}<figcaption>compared with</figcaption></figure></div>"
    )


def _scale(explanation: Explanation) -> str:
    """Where the distance lies between its ends, for those that have ends."""
    distance = DISTANCES[explanation.selection.distance]
    if not np.isfinite([distance.low, distance.high]).all():
        return ""
    share = (explanation.unmasked_distance - distance.low) / (distance.high - distance.low)
    ends = f"<span>{distance.low:g} same</span><span>{distance.high:g} opposite</span>"
    return f'<div class="scale"><i style="left:{share:.1%}"></i></div><div class="ends">{ends}</div>'


def _item(reference: Reference) -> str:
    if reference.picture is None:
        return f"<blockquote>{escape(reference.label)}</blockquote>"
    return _img(shrink(reference.picture, 220), "the picture it is compared with")


def maps_panel(explanations: dict[str, Explanation], chosen: str) -> str:
    """The maps side by side on one colour scale, the chosen mode marked."""
    limit = colour_limit(*(e.relative for e in explanations.values()))
    figures = "".join(_map_figure(mode, e, limit, mode == chosen) for mode, e in explanations.items())
    flat = explanations[chosen].no_signal
    note = f'<p class="flat" role="alert"><b>No signal.</b> {escape(flat)}</p>' if flat else ""
    words = "" if flat else f'<p class="words">{escape(describe(explanations[chosen]))}</p>'
    scale = (
        f'<div class="colour-bar" aria-hidden="true"><span>pushes apart −{limit:.2f}</span><i></i>'
        f"<span>+{limit:.2f} brings closer</span></div>"
    )
    return f'{note}<div class="maps n{len(explanations)}">{figures}</div>{scale}{words}'


def _map_figure(mode: str, explanation: Explanation, limit: float, chosen: bool) -> str:
    probe = explanation.probe
    painted = paint(explanation.relative, shrink(picture_of(probe)), box=probe.box, limit=limit)
    label = MODES[mode].label
    mark = ' <span class="mark">chosen</span>' if chosen else ""
    image = _img(painted, f"{label} map: {describe(explanation)}")
    return (
        f'<figure class="{"chosen" if chosen else ""}" data-mode="{mode}">'
        f"{image}<figcaption>{escape(label)}{mark}</figcaption></figure>"
    )


def contact_sheet(explanation: Explanation) -> str:
    """The masked copies at both ends of the ranking, with their distances."""
    order = np.argsort(explanation.distances, kind="stable")
    ends = (
        ("closest", "Closest copies", order[:THUMBNAILS]),
        ("farthest", "Farthest copies", order[::-1][:THUMBNAILS]),
    )
    return "".join(
        f'<section class="sheet {name}"><h2>{title}</h2><div>{_thumbnails(explanation, chosen)}</div></section>'
        for name, title, chosen in ends
    )


def _thumbnails(explanation: Explanation, chosen: NDArray[np.intp]) -> str:
    figures = []
    for i, copy in zip(chosen, masked_copies(explanation.probe, chosen), strict=True):
        distance = explanation.distances[i]
        image = _img(_in_shape(shrink(copy, 112), explanation), f"masked copy {i + 1}, distance {distance:.4f}")
        figures.append(f"<figure>{image}<figcaption>{distance:.4f}</figcaption></figure>")
    return "".join(figures)


def _in_shape(copy: NDArray[np.uint8], explanation: Explanation) -> NDArray[np.uint8]:
    """A copy in the picture's own shape; the encoder may have seen it squashed."""
    from ..images import resize

    probe = explanation.probe
    h, w = picture_of(probe).shape[:2]
    seen_h, seen_w = h * (probe.box.bottom - probe.box.top), w * (probe.box.right - probe.box.left)
    factor = 112 / max(seen_h, seen_w)
    return resize(copy, (max(1, round(seen_h * factor)), max(1, round(seen_w * factor))))


def status_panel(step: Step) -> str:
    """Where a run is: for the eye a bar, for a screen reader a sentence."""
    if step.text:
        return f'<p class="status">{escape(step.text)}</p>'
    share = step.done / step.wanted if step.wanted else 0
    if step.done < step.wanted:
        left = step.seconds / step.embedded * (step.wanted - step.done) if step.embedded else 0
        text = f"{step.done} of {step.wanted} masks, about {left:.0f} s left"
    elif step.embedded:
        text = f"{step.wanted} masks; {step.embedded} embedded in {step.seconds:.1f} s"
    else:
        text = f"{step.wanted} masks, known from an earlier run"
    bar = (
        f'<span class="bar" role="progressbar" aria-label="masks done" aria-valuemin="0" aria-valuemax="{step.wanted}" '
        f'aria-valuenow="{step.done}"><i style="width:{share:.1%}"></i></span>'
    )
    return f'<p class="status">{bar}{escape(text)}</p>'


def notices_panel(explanation: Explanation) -> str:
    """What the visitor should know, if anything."""
    items = "".join(f"<li>{escape(notice)}</li>" for notice in explanation.notices)
    return f'<ul class="notices" role="status">{items}</ul>' if items else ""


def _img(pixels: NDArray[np.uint8], words: str) -> str:
    from PIL import Image

    data = io.BytesIO()
    Image.fromarray(pixels).save(data, format="JPEG", quality=88)
    source = base64.b64encode(data.getvalue()).decode()
    h, w = pixels.shape[:2]
    return f'<img alt="{escape(words)}" width="{w}" height="{h}" src="data:image/jpeg;base64,{source}">'
