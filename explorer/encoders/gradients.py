"""Torch networks that can be looked into: gradients, the outputs of layers, attention.

A ``Differentiable`` is a private copy of an encoder's network: it shares every number with the encoder, but has its
own modules, so that hooks and changed attention code never reach whoever else is using the encoder.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.errors import InvalidInput
from explorer.encoders.attention import TAP, AttentionTaps, find_attention, open_attention
from explorer.encoders.torch_copies import a_copy, copied
from explorer.encoders.torch_state import settled

SIZE_OF_MAP = 4
"""Dimensions of a convolution's output: batch, channels, rows, columns."""


RECOMPUTES = "it runs parts of itself again for their gradients; turn its gradient checkpointing off"
"""What is said of a network whose gradients would be those of another run."""


@dataclass(frozen=True, eq=False)
class Differentiable:
    """A network from pixels to embeddings, with names for what attribution methods look at.

    Attributes:
        module: Frozen: (b, h, w, 3) float32 pixels as ``Encoder.view`` gives them -> (b, d).
        stages: Paths of the modules whose outputs are the maps (b, c, rows, columns) of the last stage, the one
            before it, and so on: the specification's L, L-1, L-2. Empty where there are none.
        attentions: Paths of the modules whose outputs are the attention (b, heads, t, t) after the softmax, from the
            first block to the last. Empty where there are none.
        prefix: How many tokens come before those of the patches.
        grid: (rows, columns) of the patches.
        pooled: Whether the embedding is read from the patches' tokens, not from the first token.
    """

    module: Any
    stages: tuple[str, ...] = ()
    attentions: tuple[str, ...] = ()
    prefix: int = 0
    grid: tuple[int, int] = (0, 0)
    pooled: bool = False


@settled(gradients=True)
def look_into(module: Any, pixels: NDArray[Any], stages: Sequence[str] | None = None) -> Differentiable:
    """Find out what a network shows.

    Args:
        module: (b, h, w, 3) pixels -> (b, d); it stays as it is.
        pixels: (h, w, 3) an example, for the sizes.
        stages: Paths of the stages, last first, where they are known better.

    Raises:
        InvalidInput: There is no module of such a path, or not one that gives one output for a picture; or gradients
            do not reach the pixels.
    """
    twin = private_copy(module)
    example = as_tensor(twin, pixels[None])
    paths = find_attention(twin) if stages is None else ()
    attentions = tuple(open_attention(twin, path) for path in paths)
    shapes = _shapes(twin, example)
    if attentions and (patches := _patches(shapes, attentions)):
        prefix, grid = patches
        pooled = _pooled(twin, attentions, example, prefix)
        return Differentiable(twin, (), attentions, prefix, grid, pooled)
    if stages is None:
        stages = find_stages(twin, shapes, pixels.shape[:2]) if "layers" in gives_of(module) else ()
    known = dict(twin.named_modules())
    if unknown := [path for path in stages if path not in known]:
        raise InvalidInput(f"The network has no module {unknown[0]!r:.60}.", code="unknown_layer")
    ran = [path for path, _ in shapes]
    if unfit := [path for path in stages if ran.count(path) != 1]:
        raise InvalidInput(
            f"The network's module {unfit[0]!r:.60} gives {ran.count(unfit[0])} outputs for one picture; "
            "name as a stage one that gives 1, such as the block it is part of.",
            code="unfit_layer",
        )
    return Differentiable(twin, tuple(stages))


def gives_of(module: Any) -> tuple[str, ...]:
    """What a torch network gives, as told by its modules; ``look_into`` runs it and so knows more."""
    import torch

    if find_attention(module):
        return ("gradients", "attention")
    convolutions = sum(isinstance(part, torch.nn.Conv2d) for part in module.modules())
    patches_only = convolutions == 1 and any(isinstance(part, torch.nn.LayerNorm) for part in module.modules())
    return ("gradients", "layers") if convolutions and not patches_only else ("gradients",)


def as_tensor(module: Any, pixels: NDArray[Any]) -> Any:
    """Pixels (b, h, w, c) as a float32 tensor where the module is."""
    import torch

    device = next((array.device for array in (*module.parameters(), *module.buffers())), None)
    return torch.from_numpy(np.array(pixels, np.float32)).to(device)


@settled(gradients=False)
def private_copy(module: Any) -> Any:
    """A copy with modules of its own that shares all parameters, frozen, and overwrites none of its outputs.

    Whatever is in training mode stays in it, so that the copy computes what the original does.
    """
    import torch

    def numbers(given: Any) -> Any:
        frozen = isinstance(given, torch.nn.Parameter)
        return torch.nn.Parameter(given.detach(), requires_grad=False) if frozen else a_copy(given)

    twin = copied(module, numbers)
    for part in twin.modules():
        if getattr(part, "inplace", False):
            part.inplace = False  # what was recorded of a layer would change afterwards
        for name, value in vars(part).items():
            if value is True and ("checkpoint" in name or name in ("memory_efficient", "with_cp")):
                vars(part)[name] = False  # parts would be run again for their gradients, past what looks at them
    return twin


def find_stages(module: Any, shapes: Sequence[tuple[str, tuple[int, ...]]], size: tuple[int, int]) -> tuple[str, ...]:
    """The last module of each size of map, the smallest map first; of nested modules the outermost.

    A module that is used more than once ends no stage. Nor does attention, some of which is as square as the picture.

    Where the smallest map ends by pooling (VGG), so do the stages before it: their convolutions go on at a size until
    the next pooling, which already belongs to the next stage.

    Args:
        module: The network.
        shapes: Paths of modules and the shapes of their outputs, in the order in which those came.
        size: (h, w) of the picture, which maps have the proportions of.

    Returns:
        At most three paths: layer4, layer3 and layer2 of a ResNet.
    """
    import torch

    pooling = (torch.nn.MaxPool2d, torch.nn.AvgPool2d)
    head = (torch.nn.AdaptiveAvgPool2d, torch.nn.AdaptiveMaxPool2d)
    chosen: dict[int, str] = {}
    pooled: dict[int, str] = {}
    runs = Counter(path for path, _ in shapes)
    for path, shape in shapes:
        part, cells = module.get_submodule(path), math.prod(shape[2:])
        if not _is_map(shape, size) or isinstance(part, head) or path.endswith(f".{TAP}") or runs[path] > 1:
            continue
        if cells not in chosen or path.count(".") <= chosen[cells].count("."):
            chosen[cells] = path
        if isinstance(part, pooling):
            pooled[cells] = path
    sizes = sorted(chosen)[:3]
    if sizes and isinstance(_last(module.get_submodule(chosen[sizes[0]])), pooling):
        chosen |= pooled
    return tuple(chosen[cells] for cells in sizes)


def _is_map(shape: tuple[int, ...], size: tuple[int, int]) -> bool:
    """Whether an output is a map (1, c, rows, columns), each cell of it about as wide as high in the picture."""
    if len(shape) != SIZE_OF_MAP or shape[0] != 1 or math.prod(shape[2:]) == 1:
        return False
    return abs(shape[2] * size[1] - shape[3] * size[0]) <= max(size)


def _last(part: Any) -> Any:
    """The last module of a sequence, which gives its output."""
    import torch

    while isinstance(part, torch.nn.Sequential) and len(part):
        part = part[-1]
    return part


def _shapes(module: Any, pixels: Any) -> list[tuple[str, tuple[int, ...]]]:
    """Paths of modules and the shapes of their outputs, in the order in which they ended.

    Only those outputs count that the pixels make a difference to: an encoding of positions is no map of the picture.

    Raises:
        InvalidInput: None does that reaches the embedding.
    """
    import torch

    found: list[tuple[str, tuple[int, ...]]] = []

    def note(path: str) -> Callable[..., None]:
        return lambda _module, _inputs, output: (
            found.append((path, tuple(output.shape)))
            if isinstance(output, torch.Tensor) and output.requires_grad
            else None
        )

    hooks = [part.register_forward_hook(note(path)) for path, part in module.named_modules() if path]
    try:
        with torch.autograd.graph.disable_saved_tensors_hooks(RECOMPUTES):
            rows = module(pixels.clone().requires_grad_())
    except (InvalidInput, RuntimeError) as error:
        if RECOMPUTES not in str(error):
            raise
        raise InvalidInput(f"The network could not be looked into: {RECOMPUTES}.", code="recomputes") from error
    finally:
        for hook in hooks:
            hook.remove()
    if _has_step(rows, "Checkpoint"):
        raise InvalidInput(f"The network could not be looked into: {RECOMPUTES}.", code="recomputes")
    if not rows.requires_grad:
        raise InvalidInput(
            "The network cuts its embedding off from the pixels (by no_grad or detach, say), so that there are no "
            "gradients; choose a method that only embeds pictures (Distance Explainer, RISE).",
            code="no_gradients",
        )
    return found


def _has_step(rows: Any, name: str) -> bool:
    """Whether there is a step of such a name among those that autograd has recorded."""
    seen, ahead = set(), [rows.grad_fn]
    while ahead:
        step = ahead.pop()
        if step is not None and step not in seen:
            seen.add(step)
            ahead += [before for before, _ in step.next_functions]
    return any(name in step.name() for step in seen)


def _patches(
    shapes: Sequence[tuple[str, tuple[int, ...]]], attentions: tuple[str, ...]
) -> tuple[int, tuple[int, int]] | None:
    """How many of the tokens come before the patches', and the grid of those: the last map before the first block.

    Returns:
        None where there is no such map, or the blocks are not run once each, one after another, or not every token
        of every block looks at all of them: in CaiT's last blocks only the first one does.
    """
    if [path for path, _ in shapes if path in attentions] != [*attentions]:
        return None
    places = {path: place for place, (path, _) in enumerate(shapes)}
    tokens = {count for path in attentions for count in shapes[places[path]][1][-2:]}
    count = tokens.pop()
    before = [shape for _, shape in shapes[: places[attentions[0]]] if len(shape) == SIZE_OF_MAP and shape[0] == 1]
    maps = [(shape[2], shape[3]) for shape in before if shape[2] * shape[3] <= count]
    if tokens or not maps:
        return None
    rows, columns = maps[-1]
    return count - rows * columns, (rows, columns)


def _pooled(module: Any, attentions: tuple[str, ...], pixels: Any, prefix: int) -> bool:
    """Whether the embedding is read from the patches' tokens: it changes with where they look in the last block."""
    import torch

    with AttentionTaps(module, attentions).recording() as taps:
        rows = module(pixels)
    weights = torch.linspace(1, 2, rows.shape[1], device=rows.device, dtype=rows.dtype)  # else probabilities add to 1
    reads = taps.slopes((rows * weights).sum())[-1].abs().sum((0, 1, 3)) > 0
    return bool(reads[prefix:].any())


class Tap:
    """Sees, and can replace, what one module of a ``Differentiable`` returns.

    Attributes:
        output: What the module last returned.
    """

    def __init__(self, looked: Differentiable, path: str) -> None:
        self._part = looked.module.get_submodule(path)
        self.output: Any = None

    def recording(self, *, leaf: bool = False) -> AbstractContextManager[Tap]:
        """Record the output, as a copy that later layers cannot overwrite.

        Args:
            leaf: Cut the graph here, so that the rest of the network is differentiated by this output alone.
        """

        def see(_module: Any, _inputs: Any, output: Any) -> Any:
            self.output = output.detach().clone().requires_grad_() if leaf else output
            return self.output.clone()

        return self._hooked(see)

    def replacing(self, tensor: Any) -> AbstractContextManager[Tap]:
        """Put a tensor in the place of the output; a copy of it, since what follows may write in what it is given."""
        return self._hooked(lambda _module, _inputs, _output: tensor.clone())

    def _hooked(self, hook: Callable[..., Any]) -> AbstractContextManager[Tap]:
        @contextmanager
        def hooked() -> Iterator[Tap]:
            handle = self._part.register_forward_hook(hook)
            try:
                yield self
            finally:
                handle.remove()

        return hooked()
