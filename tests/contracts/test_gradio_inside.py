"""What the app rides on inside Gradio, as it was when it was read: fails first when a new version changes it."""

from __future__ import annotations

import ast
import hashlib
import importlib
from pathlib import Path

import gradio
import pytest

READ = {
    "gradio.queueing:Queue": "115d8a14bd3f1f5c",
    "gradio.queueing:Event": "e1e4ba3c17d9e037",
    "gradio.server_messages:ProcessCompletedMessage": "3268173f1a860794",
    "gradio.state_holder:SessionState": "d917b63814c22c46",
    "gradio.state_holder:StateHolder": "1ee87dba44b94fe5",
    "gradio.events:EventData": "f25d43b15b5d2d58",
    "gradio.block_function:BlockFunction": "00f4714b268efd86",
    "gradio.blocks:Block": "ba55e75cabb0bf4c",
    "gradio.data_classes:ImageData": "93a74c261c7c4424",
    "gradio.processing_utils:async_ssrf_protected_get": "53b3e790242a5108",
    "gradio.processing_utils:async_ssrf_protected_download": "4b5781350faded7f",
    "gradio.processing_utils:ssrf_protected_download": "46135d7b2dc9c221",
    "gradio.processing_utils:unsafe_download": "b696017d1fdf5c3f",
}
"""What is overridden or reached into, and a hash of its source."""


def digest(name: str) -> str:
    """Of the file's text, as the app puts other functions in the place of some."""
    module, wanted = name.split(":")
    text = Path(str(importlib.import_module(module).__file__)).read_text(encoding="utf-8")
    (found,) = (node for node in ast.parse(text).body if getattr(node, "name", None) == wanted)
    return hashlib.sha256(str(ast.get_source_segment(text, found)).encode()).hexdigest()[:16]


@pytest.mark.parametrize("name", READ)
def test_it_is_as_it_was_when_it_was_read(name: str) -> None:
    assert digest(name) == READ[name], (
        f"{name} is another in Gradio {gradio.__version__}: read what changed against explorer/ui/gate and "
        "explorer/ui/memory, then put its new hash here"
    )
