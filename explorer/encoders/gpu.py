"""Whether torch may use a GPU in this process."""

from __future__ import annotations

import multiprocessing
import os


def zero_gpu() -> bool:
    """Whether this is a Hugging Face Space that is lent a GPU for seconds at a time."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")


def gpu_here() -> bool:
    """Whether torch, which is imported, can use a GPU.

    On ZeroGPU it says so everywhere, but only the processes that are forked for it have one.
    """
    if zero_gpu() and multiprocessing.parent_process() is None:
        return False
    import torch

    return bool(torch.cuda.is_available())
