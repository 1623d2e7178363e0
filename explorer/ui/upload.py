"""A picture input that takes uploaded files and nothing else.

Gradio would also fetch a link that a caller names, decode a picture written into the request, and
open any format Pillow knows. Here the server fetches nothing, and ``explorer.images`` alone decodes.
"""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.data_classes import ImageData


def picture_input(value: Any = None, **options: Any) -> gr.Image:
    """A ``gr.Image`` whose value is the path of an uploaded file, or of the pixels it starts with.

    The two methods are replaced on the instance: a subclass would make Gradio write a stub file
    beside this one whenever it is imported.
    """
    component = gr.Image(
        value,
        type="filepath",
        image_mode=None,
        format="png",
        sources=["upload", "clipboard"],
        buttons=["fullscreen"],  # the others would download it, or send it elsewhere
        **options,
    )
    move = component.async_move_resource_to_block_cache

    async def only_uploads(source: Any) -> str | None:
        if isinstance(source, str) and "://" in source[:12]:
            raise gr.Error("Image links are not accepted; upload the file.", print_exception=False)
        return await move(source)

    vars(component).update(preprocess=_uploaded_path, async_move_resource_to_block_cache=only_uploads)
    return component


def _uploaded_path(payload: ImageData | None) -> str | None:
    if payload is None:
        return None
    if payload.url and payload.url.startswith("data:"):
        raise gr.Error("Pictures inside a request are not accepted; upload the file.", print_exception=False)
    return payload.path
