"""torch's gradients, which not every network has."""

from __future__ import annotations

from typing import Any

from explorer.core.errors import ExplorerError, Failed, InvalidInput, in_words


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
