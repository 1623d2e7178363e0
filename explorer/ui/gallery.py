"""The examples to start from, chosen by their pictures."""

from __future__ import annotations

from collections.abc import Sequence

import gradio as gr

from explorer.pictures.examples import Preset, asset_path
from explorer.pictures.images import as_picture, shrink
from explorer.results.wire import data_url
from explorer.ui.components import component

THUMBNAIL = 160
"""Pixels of the longer side; twice what is shown, for sharp screens."""


def gallery(examples: Sequence[Preset], start: Preset) -> gr.HTML:
    """A button for each example; its value is the chosen one's key, or None, and it triggers ``chosen``."""
    names = dict.fromkeys(name for each in examples for name in (each.image, each.reference) if name)
    return component(
        "preset",
        value=start.key,
        events=("chosen",),
        pictures={name: data_url(shrink(as_picture(asset_path(name)).pixels, THUMBNAIL)) for name in names},
        examples=[
            {
                "key": each.key,
                "question": each.question,
                "title": each.title,
                "image": each.image,
                "reference": each.reference,
                "caption": each.caption,
            }
            for each in examples
        ],
    )
