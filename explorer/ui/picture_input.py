"""A picture input that takes files uploaded here and nothing else.

Gradio would also open any file of the machine, fetch a link that a caller names, decode a picture written into the
request, and open any format Pillow knows. Here ``uploads`` says which files there are, and ``as_picture`` alone
decodes.
"""

from __future__ import annotations

from abc import ABCMeta
from typing import Any

import gradio as gr
from gradio.data_classes import ImageData

from explorer.core.errors import InvalidInput
from explorer.ui.gate.upload_store import find


class _Unstubbed(type(gr.Image)):  # type: ignore[misc]
    """Makes a component's class without the stub file that Gradio writes beside its module."""

    def __new__(cls, name: str, bases: tuple[type, ...], members: dict[str, Any]) -> Any:
        return ABCMeta.__new__(cls, name, bases, members)


class PictureInput(gr.Image, metaclass=_Unstubbed):
    """A ``gr.Image`` whose value is the path of a file that was uploaded, or of an example.

    A class of ours, as Gradio makes the component anew from its class whenever an event has changed it.
    """

    is_template = True  # drawn as what it is derived from

    def preprocess(self, payload: ImageData | None) -> str | None:
        """The file's path."""
        if payload is None:
            return None
        try:
            return str(find(payload.path))
        except InvalidInput as error:
            raise gr.Error(str(error), print_exception=False) from error


def picture_input(value: str | None = None, **options: Any) -> gr.Image:
    """A ``PictureInput``.

    Args:
        value: The path of an example's copy, as ``folders.example_copy`` gives it.
        options: More of ``gr.Image``.
    """
    return PictureInput(
        value,
        type="filepath",
        image_mode=None,
        sources=["upload", "clipboard"],
        buttons=[],  # they would download it, or send it elsewhere, and cover its label
        **options,
    )
