"""torch and TensorFlow in one process."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys


def settle_triton() -> None:
    """Load torch's compiler so that TensorFlow, there already or to come, does not end the process.

    Both bring an LLVM, and TensorFlow lays its own open to all that is loaded later: triton then calls into that,
    and crashes. Deep binding keeps it to its own. torchvision, and so timm and open_clip, would load it any other way.
    """
    if "triton" in sys.modules or importlib.util.find_spec("triton") is None:
        return
    flags = sys.getdlopenflags()
    sys.setdlopenflags(flags | os.RTLD_DEEPBIND)
    try:
        importlib.import_module("triton")
    finally:
        sys.setdlopenflags(flags)
