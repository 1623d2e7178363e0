"""torch's switches, which whoever uses it may have turned anywhere, and its gradients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from explorer.core.errors import ExplorerError, Failed, InvalidInput, in_words
from explorer.encoders.torch_settings import default_dtype


@contextmanager
def settled(*, gradients: bool) -> Iterator[None]:
    """Gradients on or off, no inference mode, no autocast, and float32 by default, whatever was switched before.

    Not inference mode even where there are no gradients, as a network may keep what it computes in it for later, when
    no gradient could be taken through it.
    """
    import torch

    with (
        torch.inference_mode(False),
        torch.set_grad_enabled(gradients),
        torch.autocast("cpu", enabled=False),
        torch.autocast("cuda", enabled=False),
        default_dtype()(),
    ):
        yield


def gradients(total: Any, inputs: Any, *more: Any, **settings: Any) -> tuple[Any, ...]:
    """``torch.autograd.grad``.

    Raises:
        InvalidInput: The network has a step that cannot be differentiated.
        Exhausted: The machine ran out of memory.
    """
    import torch

    try:
        return tuple(torch.autograd.grad(total, inputs, *more, **settings))
    except RuntimeError as error:
        raise without_gradient(error) from error


def without_gradient(error: RuntimeError) -> ExplorerError:
    """What it means that torch failed on its way back through a network."""
    known = in_words(error)
    if not isinstance(known, Failed):
        return known
    return InvalidInput(
        f"torch has no gradient through this network ({error!s:.200}); choose a method that only embeds pictures "
        "(Distance Explainer, RISE).",
        code="no_gradients",
    )
