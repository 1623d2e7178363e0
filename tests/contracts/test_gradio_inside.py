"""What the app rides on inside Gradio, as it was when it was read: fails first when a new version changes it."""

from __future__ import annotations

import ast
import hashlib
import importlib
from pathlib import Path

import gradio
import pytest

READ = {
    "gradio.queueing:Queue": "d0f712468217414c",
    "gradio.queueing:Event": "3f200ce6a594431f",
    "gradio.server_messages:ProcessCompletedMessage": "150ac51497412393",
    "gradio.state_holder:SessionState": "cf7fe46100804541",
    "gradio.state_holder:StateHolder": "7a180698da5191bc",
    "gradio.events:EventData": "c4703de66f6c5acf",
    "gradio.block_function:BlockFunction": "b33b7547d15ea7e8",
    "gradio.blocks:Block": "c3f0906ead660db2",
    "gradio.data_classes:ImageData": "8d25ea9aab57aa43",
    "gradio.processing_utils:async_ssrf_protected_get": "b9487a858d83f68c",
    "gradio.processing_utils:async_ssrf_protected_download": "01dca5b9abc47af9",
    "gradio.processing_utils:ssrf_protected_download": "17a69323facc5711",
    "gradio.processing_utils:save_url_to_cache": "17a69323facc5711",
    "gradio.processing_utils:unsafe_download": "6b302241f307de68",
}
"""What is overridden or reached into, and a hash of its source."""


def digest(name: str) -> str:
    """Of the file's text, as the app puts other functions in the place of some."""
    module, wanted = name.split(":")
    text = Path(str(importlib.import_module(module).__file__)).read_text(encoding="utf-8")
    (found,) = (node for node in ast.walk(ast.parse(text)) if getattr(node, "name", None) == wanted)
    return hashlib.sha256(str(ast.get_source_segment(text, found)).encode()).hexdigest()[:16]


@pytest.mark.parametrize("name", READ)
def test_it_is_as_it_was_when_it_was_read(name: str) -> None:
    assert digest(name) == READ[name], (
        f"{name} is another in Gradio {gradio.__version__}: read what changed against explorer/ui/gate and "
        "explorer/ui/memory, then put its new hash here"
    )
