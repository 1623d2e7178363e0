"""Relevance propagation through transformers, by the rules of Chefer et al. 2021 (arXiv:2012.09838) with alpha = 1.

In the context of ``recorder``, every step a network takes is recorded with a backward rule that hands on relevance in
the place of the gradient, so that ``torch.autograd.grad`` returns relevance. Steps without a rule are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from explorer.core.errors import InvalidInput

SMALL = 1e-9
"""Added to what is divided by."""

MOVES = {"reshape", "view", "permute", "transpose", "unbind", "chunk", "split", "__getitem__", "select", "flatten",
         "unflatten", "contiguous", "expand", "unsqueeze", "squeeze", "cat", "stack", "clone", "to", "float", "type",
         "detach", "__get__"}  # fmt: skip
"""Steps that only move numbers about: relevance moves with them, as the gradient does."""

PASSES = ("softmax", "layer_norm", "gelu", "silu", "relu", "tanh", "dropout", "normalize", "mul", "__mul__", "__rmul__",
          "div", "__truediv__")  # fmt: skip
"""Steps that hand relevance on as it is: activations, normalisations, and scaling by what relevance does not reach."""

SCALES = ("sigmoid", "norm")
"""Steps whose result only scales something else: the gate in QuickGELU, a vector's length. They get no relevance."""


def share(a: Any, b: Any) -> Any:
    """One divided by the other; 0 where the other is."""
    return a / (b + SMALL) * (b != 0)


def recorder() -> Any:
    """A context in which a network's steps are recorded with the rules of relevance.

    Raises:
        InvalidInput: In the context, at a step that has no rule.
    """
    from torch.overrides import TorchFunctionMode

    rules = _rules()

    class Relevance(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            name = getattr(func, "__name__", "")
            rule = rules.get(name)
            if rule is not None and any(_in_graph(value) for value in args):
                return rule(func, args, kwargs)
            found = func(*args, **kwargs)
            made = found if isinstance(found, tuple | list) else (found,)
            if name not in MOVES and any(_in_graph(value) and not value.is_leaf for value in made):
                raise InvalidInput(f"There is no rule for relevance through the step {name!r:.40}.", code="no_rule")
            return found

    return Relevance()


def _in_graph(value: Any) -> bool:
    """Whether relevance reaches it."""
    import torch

    return isinstance(value, torch.Tensor) and value.requires_grad


def _rules() -> dict[str, Callable[..., Any]]:  # noqa: C901 - a table
    """What is done in place of a step, by its name; called as (function, args, kwargs)."""
    import torch

    class Pass(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, source: Any, value: Any) -> Any:
            return value.view_as(value)

        @staticmethod
        def backward(ctx: Any, relevance: Any) -> Any:
            return relevance, None

    class Linear(torch.autograd.Function):
        """x and weights of the same sign."""

        @staticmethod
        def forward(ctx: Any, x: Any, weight: Any, value: Any) -> Any:
            ctx.save_for_backward(x, weight)
            return value.view_as(value)

        @staticmethod
        def backward(ctx: Any, relevance: Any) -> Any:
            x, weight = ctx.saved_tensors
            parts = [(x.clamp(min=0), weight.clamp(min=0)), (x.clamp(max=0), weight.clamp(max=0))]
            each = share(relevance, sum(part @ weights.T for part, weights in parts))
            return sum(part * (each @ weights) for part, weights in parts), None, None

    class Product(torch.autograd.Function):
        """Half to each factor."""

        @staticmethod
        def forward(ctx: Any, a: Any, b: Any) -> Any:
            ctx.save_for_backward(a, b)
            return a @ b

        @staticmethod
        def backward(ctx: Any, relevance: Any) -> Any:
            a, b = ctx.saved_tensors
            each = share(relevance, a @ b)
            return a * (each @ b.transpose(-1, -2)) / 2, b * (a.transpose(-1, -2) @ each) / 2

    class Sum(torch.autograd.Function):
        """To each its share, and of the whole in proportion to the sizes of the shares' sums."""

        @staticmethod
        def forward(ctx: Any, a: Any, b: Any) -> Any:
            ctx.save_for_backward(a, b)
            return a + b

        @staticmethod
        def backward(ctx: Any, relevance: Any) -> Any:
            a, b = ctx.saved_tensors
            each = share(relevance, a + b)
            parts = a * each, b * each
            sizes = [part.sum().abs() for part in parts]
            wholes = [share(size, sizes[0] + sizes[1]) * relevance.sum() for size in sizes]
            return tuple(part * share(whole, part.sum()) for part, whole in zip(parts, wholes, strict=True))

    class Mean(torch.autograd.Function):
        """To each as much as it adds to the mean."""

        @staticmethod
        def forward(ctx: Any, x: Any, dim: int) -> Any:
            ctx.save_for_backward(x)
            ctx.dim = dim
            return x.mean(dim)

        @staticmethod
        def backward(ctx: Any, relevance: Any) -> Any:
            (x,) = ctx.saved_tensors
            return x * share(relevance, x.sum(ctx.dim)).unsqueeze(ctx.dim), None

    def no_rule(func: Any) -> InvalidInput:
        return InvalidInput(f"There is no rule for relevance through this {func.__name__:.40}.", code="no_rule")

    def passed(func: Any, args: Any, kwargs: Any) -> Any:
        sources = [value for value in args if _in_graph(value)]
        value = func(*args, **kwargs)
        if len(sources) != 1 or sources[0].shape != value.shape:
            raise no_rule(func)
        return Pass.apply(sources[0], value.detach())

    def linear(func: Any, args: Any, kwargs: Any) -> Any:
        return Linear.apply(args[0], args[1], func(*args, **kwargs).detach())

    def matmul(func: Any, args: Any, kwargs: Any) -> Any:
        a, b = args
        is_layer = b.dim() == 2 and not _in_graph(b)
        return Linear.apply(a, b.T, (a @ b).detach()) if is_layer else Product.apply(a, b)

    def add(func: Any, args: Any, kwargs: Any) -> Any:
        if len(args) != 2 or kwargs:  # a factor, say
            raise no_rule(func)
        a, b = args
        return Sum.apply(a, b) if _in_graph(a) and _in_graph(b) else passed(func, args, kwargs)

    def mean(func: Any, args: Any, kwargs: Any) -> Any:
        dim = kwargs.get("dim", *args[1:2])
        if not isinstance(dim, int) or len(args) > 2 or kwargs.keys() - {"dim"}:
            raise no_rule(func)
        return Mean.apply(args[0], dim)

    def scale(func: Any, args: Any, kwargs: Any) -> Any:
        return func(*args, **kwargs).detach()

    return {
        **dict.fromkeys(PASSES, passed),
        **dict.fromkeys(SCALES, scale),
        **dict.fromkeys(("matmul", "__matmul__"), matmul),
        **dict.fromkeys(("add", "__add__", "__radd__", "__iadd__", "add_"), add),
        "linear": linear,
        "mean": mean,
    }
