"""FullGrad (Srinivas & Fleuret 2019, arXiv:1905.00780): the input's share of the score, and that of every bias."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.method import METHODS
from explorer.attributions.question import Question
from explorer.attributions.scored import Scored, blank_if_flat, in_torch
from explorer.core.errors import InvalidInput
from explorer.core.fills import make_background
from explorer.core.steps import Steps
from explorer.encoders.gradients import Differentiable, as_tensor
from explorer.encoders.torch_autograd import gradients

CURVED = ("GELU", "SiLU", "Swish", "Mish", "ELU", "SELU", "Sigmoid", "Tanh", "Softplus", "Hardswish", "HardSwish",
          "LayerNorm", "LayerNorm2d", "GroupNorm", "InstanceNorm2d")  # fmt: skip
"""Modules that are not straight piece by piece, so that input and biases do not make up the score."""


@METHODS.register("full-grad")
@dataclass(frozen=True)
class FullGrad:
    """Gradient times input, and gradient times bias of every convolution and batch normalisation, added up.

    For a network of ReLUs and a score that is linear in the embedding, the terms and those of the dense layers' biases,
    which have no place in the picture, add up to the score. Saturated ReLU6s, and a softmax, are left out of account.

    Attributes:
        signed: Add the terms as they are. As published, absolute values are added, each layer's rescaled to 0 to 1.
        target: A key of ``explorer.attributions.scored.TARGETS``.
    """

    title: ClassVar[str] = "FullGrad"
    about: ClassVar[str] = "gradients times input, and times the bias of each layer"
    source: ClassVar[str] = "Srinivas & Fleuret 2019, arXiv:1905.00780"
    needs: ClassVar[tuple[str, ...]] = ("layers",)

    signed: bool = True
    target: str = "proj"

    def passes(self, question: Question) -> int:
        """One, and back."""
        return 1

    @in_torch
    def __call__(self, question: Question) -> Steps[NDArray[np.float32]]:
        """The attribution (h, w).

        Raises:
            InvalidInput: A network that is not made of ReLUs and batch normalisation.
        """
        scored = Scored(question, target=self.target)
        zero = as_tensor(scored.looked.module, make_background("zero", question.pixels, question.encoder, 0))
        found = yield from terms(scored, zero)
        maps = [scored.resized((term if self.signed else rescaled(term)).sum(0)) for term in found]
        return blank_if_flat(np.sum(maps, axis=0))


def terms(scored: Scored, zero: Any) -> Steps[list[Any]]:
    """Parts of the score, each (c, rows, columns): of the input, then of each layer with a bias.

    Args:
        scored: The question.
        zero: The pixels that are zero for the network; broadcasts to (h, w, c).
    """
    leaf = scored.pixels.clone().requires_grad_()
    run: list[tuple[Any, Any]] = []  # a layer that is used twice is there twice

    def see(bias: Any, output: Any) -> Any:
        run.append((output, bias.view(-1, 1, 1)))
        return output.clone()  # what follows may write in it

    with ExitStack() as hooks:
        for path, bias in biases_of(scored.looked):
            part = scored.looked.module.get_submodule(path)
            hook = part.register_forward_hook(lambda _part, _inputs, output, bias=bias: see(bias, output))
            hooks.callback(hook.remove)
        score = scored.run(leaf)
    yield 1
    first, *slopes = gradients(score.sum(), [leaf, *(output for output, _ in run)], allow_unused=True)
    shares = [slope[0] * bias for slope, (_, bias) in zip(slopes, run, strict=True) if slope is not None]
    return [(first * (scored.pixels - zero))[0].permute(2, 0, 1), *shares]


def biases_of(looked: Differentiable) -> Iterator[tuple[str, Any]]:
    """Paths of what adds a bias to maps, and the biases (c,); that of a batch normalisation includes its mean.

    Raises:
        InvalidInput: A network that is not made of ReLUs and batch normalisation.
    """
    import torch

    parts = list(looked.module.named_modules())
    if not any(isinstance(part, torch.nn.Conv2d) for _, part in parts):
        raise InvalidInput(
            "FullGrad needs torch's own layers, whose biases it can see; networks of Keras hide theirs.",
            code="full_grad_network",
        )
    for path, part in parts:
        if type(part).__name__ in CURVED or getattr(part, "running_mean", 0) is None:
            raise InvalidInput(
                f"FullGrad needs a network of ReLUs and batch normalisation; this one has {type(part).__name__}.",
                code="full_grad_network",
            )
        if isinstance(part, torch.nn.Conv2d) and part.bias is not None:
            yield path, part.bias
        elif isinstance(part, torch.nn.BatchNorm2d):
            slope = (part.running_var + part.eps).rsqrt() * (1 if part.weight is None else part.weight)
            # timm's also holds its activation, behind a place to drop things, where the normalised maps pass.
            inner = f"{path}.drop" if hasattr(part, "drop") else path
            yield inner, (0 if part.bias is None else part.bias) - part.running_mean * slope


def rescaled(term: Any) -> Any:
    """Absolute values from 0 to 1."""
    term = term.abs() - term.abs().min()
    return term / largest if (largest := term.max()) > 0 else term
