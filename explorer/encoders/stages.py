"""Stages of torch networks: the modules that end them, found by what passes through the network."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from explorer.core.errors import InvalidInput
from explorer.encoders.attention import TAP
from explorer.encoders.torch_autograd import gradients

SIZE_OF_MAP = 4
"""Dimensions of a convolution's output: batch, channels, rows, columns."""

RECOMPUTES = (
    "The network could not be looked into: it runs parts of itself again for their gradients; turn its gradient "
    "checkpointing off."
)
"""What is said of a network whose gradients would be those of another run."""

Step = tuple[Any, int]
"""A step of a graph of gradients, and which of its outputs."""


@dataclass(frozen=True, eq=False)
class Shown:
    """What a module returned.

    Attributes:
        path: Of the module.
        shape: Of its output.
        whole: Whether all of the embedding comes through it: no path from the pixels leads past.
    """

    path: str
    shape: tuple[int, ...]
    whole: bool


def run_shown(module: Any, pixels: Any) -> list[Shown]:
    """What the modules return, in the order in which they end.

    Only those outputs count that the pixels make a difference to: an encoding of positions is no map of the picture.

    Raises:
        InvalidInput: None does that reaches the embedding, or the network would run again for its gradients.
    """
    import torch

    try:
        with _noting(module) as (noted, _), torch.autograd.graph.disable_saved_tensors_hooks(RECOMPUTES):
            rows = module(pixels.clone().requires_grad_())
    except (InvalidInput, RuntimeError) as error:
        if RECOMPUTES not in str(error):
            raise
        raise InvalidInput(RECOMPUTES, code="recomputes") from error
    if not rows.requires_grad:
        raise InvalidInput(
            "The network cuts its embedding off from the pixels (by no_grad or detach, say), so that there are no "
            "gradients; choose a method that only embeds pictures (Distance Explainer, RISE).",
            code="no_gradients",
        )
    if any("Checkpoint" in step.name() for step in _from_the_end(rows.grad_fn)):
        raise InvalidInput(RECOMPUTES, code="recomputes")
    necks = set(_necks(rows))
    return [Shown(path, shape, step in necks) for path, shape, step, alone in noted if alone]


def find_stages(module: Any, pixels: Any, shown: Sequence[Shown]) -> tuple[str, ...]:
    """The last module of each size of map, the smallest map first; of nested modules the outermost.

    A module that is used more than once ends no stage. Nor does attention, some of which is as square as the picture,
    nor one that something of the picture passes by: a shortcut, or one of several branches.

    Where the smallest map ends by pooling (VGG), so do the stages before it: their convolutions go on at a size until
    the next pooling, which already belongs to the next stage.

    Args:
        module: The network.
        pixels: (1, h, w, c) tensor it was run with; maps have its proportions.
        shown: What its modules returned.

    Returns:
        At most three paths: layer4, layer3 and layer2 of a ResNet. None where the network goes on after its last map
        with something else that spreads over the picture, such as tokens.
    """
    pooling, head = _poolings()
    chosen: dict[int, str] = {}
    pooled: dict[int, str] = {}
    runs = Counter(one.path for one in shown)
    for one in shown:
        path, part, cells = one.path, module.get_submodule(one.path), math.prod(one.shape[2:])
        if not is_map(one.shape, pixels.shape[1:3]) or isinstance(part, head) or path.endswith(f".{TAP}"):
            continue
        if runs[path] > 1 or not one.whole:
            continue
        if cells not in chosen or path.count(".") <= chosen[cells].count("."):
            chosen[cells] = path
        if isinstance(part, pooling):
            pooled[cells] = path
    sizes = sorted(chosen)[:3]
    if not sizes or _goes_on(module, pixels, chosen[sizes[0]]):
        return ()
    if isinstance(_last(module.get_submodule(chosen[sizes[0]])), pooling):
        chosen |= pooled
    return tuple(chosen[cells] for cells in sizes)


def _poolings() -> tuple[tuple[type, ...], tuple[type, ...]]:
    """What makes maps smaller by a factor, and what makes them as small as a head wants them."""
    from torch import nn

    return (nn.MaxPool2d, nn.AvgPool2d), (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)


def is_map(shape: tuple[int, ...], size: Sequence[int]) -> bool:
    """Whether an output is a map (1, c, rows, columns), each cell of it about as wide as high in a picture (h, w)."""
    if len(shape) != SIZE_OF_MAP or shape[0] != 1 or math.prod(shape[2:]) == 1:
        return False
    return abs(shape[2] * size[1] - shape[3] * size[0]) <= max(size)


def _last(part: Any) -> Any:
    """The last module of a sequence, which gives its output."""
    import torch

    while isinstance(part, torch.nn.Sequential) and len(part):
        part = part[-1]
    return part


@contextmanager
def _noting(module: Any, cut: str = "") -> Iterator[tuple[list[tuple[str, tuple[int, ...], Step, bool]], list[Any]]]:
    """Note what the modules return: path, shape, the step that made it, and whether it was all they returned.

    Args:
        module: The network.
        cut: Path of a module at whose output the graph begins; the output comes second.
    """
    import torch

    found: list[tuple[str, tuple[int, ...], Step, bool]] = []
    leaves: list[Any] = []

    def note(path: str, output: Any) -> Any:
        if path == cut:
            leaves.append(output.detach().clone().requires_grad_())
            return leaves[-1].clone()  # what follows may write in it
        for one in output if isinstance(output, tuple | list) else (output,):
            if isinstance(one, torch.Tensor) and one.grad_fn is not None:
                found.append((path, tuple(one.shape), (one.grad_fn, one.output_nr), one is output))
        return None

    def hook(path: str) -> Callable[..., Any]:
        return lambda _module, _inputs, output: note(path, output)

    hooks = [part.register_forward_hook(hook(path)) for path, part in module.named_modules() if path]
    try:
        yield found, leaves
    finally:
        for one in hooks:
            one.remove()


def _necks(rows: Any) -> list[Step]:
    """The steps that every path through the graph of a tensor comes by, from its end.

    Taken in order, a step is one if at its turn no path leads past it.
    """
    order = _from_the_end(rows.grad_fn)
    used: dict[Any, list[int]] = {step: [] for step in order}
    used[rows.grad_fn].append(rows.output_nr)
    necks, ahead = [], 1
    for step in order:
        if ahead == len(used[step]) and len(set(used[step])) == 1:
            necks.append((step, used[step][0]))
        ahead -= len(used[step])
        for before, number in step.next_functions:
            if before is not None:
                used[before].append(number)
                ahead += 1
    return necks


def _from_the_end(last: Any) -> list[Any]:
    """The steps of a graph, each before those it was computed from."""
    done: dict[Any, None] = {}
    opened, stack = set(), [last]
    while stack:
        step = stack[-1]
        if step in opened:
            done.setdefault(stack.pop())
            continue
        opened.add(step)
        stack += [before for before, _ in step.next_functions if before is not None and before not in opened]
    return list(done)[::-1]


def _goes_on(module: Any, pixels: Any, path: str) -> bool:
    """Whether behind a map there is a smaller one, or something else over the picture in which places look far.

    Tokens after a stem of convolutions do, and maps whose channels come last; attention that only reads a vector out
    of the map does not, nor do convolutions of its own size. Asked are the outputs of modules, and additions, by which
    blocks end.
    """
    import torch

    with _noting(module, path) as (noted, leaves):
        rows = module(pixels)
    order = _from_the_end(rows.grad_fn)
    cells = math.prod(leaves[0].shape[2:])
    pooled = {name for name, part in module.named_modules() if isinstance(part, sum(_poolings(), ()))}
    for name, shape, (step, _), _ in noted:
        if is_map(shape, pixels.shape[1:3]) and math.prod(shape[2:]) < cells and step in order and name not in pooled:
            return True
    asked = {step for _, _, step, _ in noted} | {(step, 0) for step in order if step.name() == "AddBackward0"}
    score = (rows * torch.linspace(1, 2, rows.shape[1], device=rows.device, dtype=rows.dtype)).sum()

    def slopes(share: float, put: Mapping[Step, Callable[[Any], Any]]) -> Any:
        """Slopes of a share of the score by the map, others being put in the place of those at some steps."""
        hooks = [step.register_prehook(_putting(number, change)) for (step, number), change in put.items()]
        try:
            return gradients(score, leaves[0], score.new_tensor(share), retain_graph=True)[0]
        finally:
            for hook in hooks:
                hook.remove()

    own: dict[Step, Any] = {}
    slopes(1, {step: partial(own.setdefault, step) for step in asked})
    for step in sorted(own, key=lambda step: order.index(step[0])):
        if _spreads(own[step], leaves[0]):
            axes = (axis for axis, length in enumerate(own[step].shape) if length > 1)
            if min(_reach(slopes(0, {step: partial(_end, axis=axis)})) for axis in axes) > 0.5:
                return True
    return False


def _putting(number: int, change: Callable[[Any], Any]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    return lambda given: tuple(change(one) if place == number else one for place, one in enumerate(given))


def _spreads(slopes: Any, leaf: Any) -> bool:
    """Whether what has these slopes spreads out, is read at more than one place, and is no map of the same size."""
    lengths = [length for length in slopes.shape if length > 1]
    if len(lengths) < 2 or (slopes.dim() == leaf.dim() and slopes.shape[2:] == leaf.shape[2:]):
        return False
    return all(_read(slopes, axis) != 1 for axis, length in enumerate(slopes.shape) if length > 1)


def _read(slopes: Any, axis: int) -> int:
    """How many places along an axis make a difference."""
    return int((slopes.abs().movedim(axis, 0).flatten(1).sum(1) > 0).sum())


def _end(slopes: Any, axis: int) -> Any:
    """Slopes of what lies at the end of an axis alone: along one of them the places are."""
    import torch

    put = torch.zeros_like(slopes)
    part = put.select(axis, -1)
    part.copy_(torch.linspace(1, 2, part.numel(), device=part.device, dtype=part.dtype).view(part.shape))
    return put


def _reach(slopes: Any) -> float:
    """The share of a map's cells that slopes (1, c, rows, columns) are not 0 at."""
    return float((slopes.abs().sum(1) > 0).float().mean())
