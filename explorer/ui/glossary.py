"""The glossary: each word of ``core.terms`` with its meaning, beside the places where it stands and as a list."""

from __future__ import annotations

import gradio as gr

from explorer.core.terms import TERMS
from explorer.ui.components import component

PLACES = {
    "#n-masks [data-testid=block-info]": "n_masks",
    "#p-keep [data-testid=block-info]": "p_keep",
    "#words-p-keep [data-testid=block-info]": "p_keep",
    "#feature-res [data-testid=block-info]": "feature_res",
    "#seed [data-testid=block-info]": "seed",
    "#fill [data-testid=block-info]": "fill",
    "#scheme [data-testid=block-info]": "scheme",
    "#precision [data-testid=block-info]": "precision",
    "#encoder [data-testid=block-info]": "encoder",
    "#kind [data-testid=block-info]": "reference",
    "#mode > legend": "mode",
    "#instrument [data-control=threshold] > label": "threshold",
    "#instrument [data-control=scrubber] > label": "build_up",
    "#mode [data-mode=mirror] .name": "mirror",
    "#mode [data-mode=rank_weighted] .name": "rank_weighted",
    "#instrument .free > label": "settled",
    "#instrument [data-control=distance] > label": "distance",
    "#instrument [data-control=rank] > label": "ranking",
    "#instrument #noise-title": "agreement_of_runs",
    "#instrument #truth-title": "truth",
    "#histogram > h2": "copy",
    "#pair .seen small": "nearest",
}
"""Where a word stands, by a CSS selector: the key of its term."""


def glossary() -> gr.HTML:
    """Lay the list out; its script puts a mark beside each word of ``PLACES``."""
    terms = [{"key": key, "title": term.title, "about": term.about} for key, term in TERMS.items()]
    return component("glossary", terms=terms, places=list(PLACES.items()))
