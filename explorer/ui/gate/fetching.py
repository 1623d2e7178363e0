"""What Gradio may bring to the server by itself: nothing.

Any input of any event would do to make it fetch an address or copy a file, whatever the component does with it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import gradio as gr
from gradio import processing_utils
from gradio.blocks import Block

from explorer.core.errors import InvalidInput
from explorer.ui.gate.upload_store import REFUSED, SERVED, find


def fetch_nothing() -> None:
    """Let Gradio neither fetch an address nor copy a file of this machine, for any component of the process."""

    def inside(_: Block, path: str | Path | None) -> str | None:
        return None if path is None else str(_find_as_gradio(path))

    async def inside_async(_: Block, path: str | Path | None) -> str | None:
        return None if path is None else str(_find_as_gradio(path))

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise gr.Error(REFUSED, print_exception=False)

    async def refuse_async(*_: Any, **__: Any) -> NoReturn:
        refuse()

    methods = {"move_resource_to_block_cache": inside, "async_move_resource_to_block_cache": inside_async}
    for name, method in methods.items():
        setattr(Block, name, method)
    for name in ("async_ssrf_protected_get", "async_ssrf_protected_download"):
        setattr(processing_utils, name, refuse_async)
    for name in ("ssrf_protected_download", "save_url_to_cache", "unsafe_download"):
        setattr(processing_utils, name, refuse)


def _find_as_gradio(path: str | Path) -> Path:
    """The same as ``find``, for files that the server itself shows as well, in the words of Gradio."""
    try:
        return find(str(path), SERVED)
    except InvalidInput as error:
        raise gr.Error(str(error), print_exception=False) from error
