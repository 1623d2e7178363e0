"""Torch networks that can be looked into: gradients, the outputs of layers, attention.

A ``Differentiable`` is a private copy of an encoder's network: it shares every number with the encoder, but has its
own modules, so that hooks and changed attention code never reach whoever else is using the encoder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.arguments import described
from explorer.core.errors import InvalidInput
from explorer.encoders.attention import AttentionTaps, find_attention, open_attention
from explorer.encoders.stages import SIZE_OF_MAP, Shown, find_stages, is_map, run_shown
from explorer.encoders.torch_copies import a_copy, copied
from explorer.encoders.torch_settings import settled

SAME = 1e-4
"""Of the largest number of an embedding: what is rounding where a network computes the same in another way."""


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
        reads: (prefix + 1,) where the embedding is read from after the last block, as shares that add up to 1: each of
            the tokens before the patches', all that are read alike, and the patches' tokens together.
    """

    module: Any
    stages: tuple[str, ...] = ()
    attentions: tuple[str, ...] = ()
    prefix: int = 0
    grid: tuple[int, int] = (0, 0)
    reads: tuple[float, ...] = (1.0,)


@settled(gradients=True)
def look_into(module: Any, pixels: NDArray[Any], stages: Sequence[str] | None = None) -> Differentiable:
    """Find out what a network shows.

    Args:
        module: (b, h, w, 3) pixels -> (b, d); it stays as it is.
        pixels: (h, w, 3) an example, for the sizes.
        stages: Paths of the stages, last first, where they are known better.

    Raises:
        InvalidInput: There is no module of such a path, or not one that gives one map for a picture; or gradients do
            not reach the pixels.
    """
    twin = private_copy(module)
    example = as_tensor(twin, pixels[None])
    _make_fit(twin, module, example)
    paths = find_attention(twin) if stages is None else ()
    attentions = tuple(open_attention(twin, path) for path in paths)
    shown = run_shown(twin, example)
    if attentions and (patches := _patches(shown, attentions)):
        prefix, grid = patches
        return Differentiable(twin, (), attentions, prefix, grid, _reads(twin, attentions, example, prefix))
    if stages is None:
        stages = find_stages(twin, example, shown) if "layers" in gives_of(module) else ()
    else:
        check_named(twin, stages)
        _check_maps(twin, shown, stages, pixels.shape[:2])
    return Differentiable(twin, tuple(stages))


def check_named(module: Any, stages: Any) -> None:
    """Refuse stages that name no modules.

    Raises:
        InvalidInput: Not a list of paths, or there is no module of such a path.
    """
    if not isinstance(stages, list | tuple) or not all(isinstance(path, str) for path in stages):
        raise InvalidInput(
            'stages must be a list of paths of modules, last stage first, such as ["layer4", "layer3"]; got '
            f"{described(stages)}{' that holds others' * isinstance(stages, list | tuple)}.",
            code="stages_type",
        )
    known = dict(module.named_modules())
    if unknown := [path for path in stages if path not in known]:
        raise InvalidInput(
            f"The network has no module {unknown[0]!r:.60}; its named_modules() lists those there are.",
            code="unknown_layer",
        )


def _check_maps(module: Any, shown: Sequence[Shown], stages: Sequence[str], size: tuple[int, ...]) -> None:
    """Refuse stages that somebody named and that are no maps."""
    for path in stages:
        shapes = [one.shape for one in shown if one.path == path]
        if len(shapes) != 1:
            raise InvalidInput(
                f"The network's module {path!r:.60} gives {len(shapes)} outputs for one picture; "
                "name as a stage one that gives 1, such as the block it is part of.",
                code="unfit_layer",
            )
        (shape,) = shapes
        channels_last = len(shape) == SIZE_OF_MAP and is_map((1, 1, *shape[1:3]), size) and not is_map(shape, size)
        if len(shape) != SIZE_OF_MAP or channels_last:
            raise InvalidInput(
                f"The network's module {path!r:.60} gives {shape}, which is no map (1, channels, rows, columns); "
                "name as a stage one that gives a map.",
                code="unfit_layer",
            )


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
    """A copy with modules of its own that shares all parameters, frozen.

    Whatever is in training mode stays in it, so that the copy computes what the original does.
    """
    import torch

    def numbers(given: Any) -> Any:
        frozen = isinstance(given, torch.nn.Parameter)
        return torch.nn.Parameter(given.detach(), requires_grad=False) if frozen else a_copy(given)

    return copied(module, numbers)


def _make_fit(twin: Any, module: Any, example: Any) -> None:
    """Make a copy keep its outputs as they are, and run no part of it again for its gradients.

    Raises:
        InvalidInput: It would compute something else than the module then.
    """
    import torch

    changed = []
    for path, part in twin.named_modules():
        for name, value in [*vars(part).items()]:
            # what was recorded of a layer would change afterwards; parts would be run past what looks at them
            if value is True and ("checkpoint" in name or name in ("inplace", "memory_efficient", "with_cp")):
                vars(part)[name] = False
                changed.append(f"{path}.{name}".lstrip("."))
    if not changed:
        return
    with torch.no_grad():
        before, after = (private_copy(one)(example.clone()) for one in (module, twin))
    largest = float(before.nan_to_num().abs().max())
    is_same = after.shape == before.shape
    if not is_same or not torch.allclose(after, before, rtol=SAME, atol=SAME * largest, equal_nan=True):
        raise InvalidInput(
            "The network cannot be looked into: steps in place and gradient checkpointing have to be switched off for "
            f"that, but it answers otherwise without {', '.join(changed):.100}. Use what a module with inplace=True "
            "returns, and give other attributes another name; or choose a method that only embeds pictures "
            "(Distance Explainer, RISE).",
            code="inplace",
        )


def _patches(shown: Sequence[Shown], attentions: tuple[str, ...]) -> tuple[int, tuple[int, int]] | None:
    """How many of the tokens come before the patches', and the grid of those: the last map before the first block.

    Returns:
        None where there is no such map, or the blocks are not run once each, one after another, or not every token
        of every block looks at all of them: in CaiT's last blocks only the first one does, and XCiT's attention is
        between channels.
    """
    if [one.path for one in shown if one.path in attentions] != [*attentions]:
        return None
    places = {one.path: place for place, one in enumerate(shown)}
    tokens = {count for path in attentions for count in shown[places[path]].shape[-2:]}
    count = tokens.pop()
    before = [one.shape for one in shown[: places[attentions[0]]]]
    maps = [shape[2:] for shape in before if len(shape) == SIZE_OF_MAP and shape[0] == 1]
    maps = [(rows, columns) for rows, columns in maps if rows * columns <= count]
    is_between_tokens = any(len(one.shape) == 3 and {*one.shape[:2]} == {1, count} for one in shown)
    if tokens or not maps or not is_between_tokens:
        return None
    rows, columns = maps[-1]
    return count - rows * columns, (rows, columns)


def _reads(module: Any, attentions: tuple[str, ...], pixels: Any, prefix: int) -> tuple[float, ...]:
    """See ``Differentiable``: by how strongly the embedding changes with where each token looks in the last block."""
    import torch

    with AttentionTaps(module, attentions).recording() as taps:
        rows = module(pixels)
    weights = torch.linspace(1, 2, rows.shape[1], device=rows.device, dtype=rows.dtype)  # else probabilities add to 1
    reads = taps.slopes((rows * weights).sum())[-1].abs().sum((0, 1, 3)).double()
    before = (reads[:prefix] > 0).double()
    parts = torch.cat([before * reads[:prefix].sum() / before.sum().clamp(min=1), reads[prefix:].sum(0, keepdim=True)])
    return tuple((parts / parts.sum()).tolist()) if parts.sum() > 0 else (*[0.0] * prefix, 1.0)


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
