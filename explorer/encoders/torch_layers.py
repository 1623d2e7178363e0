"""The layers of torch networks, and any torch network as an encoder."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.arrays import as_numpy
from explorer.core.errors import InvalidInput
from explorer.encoders.base import Encoder
from explorer.encoders.functions import FunctionEncoder
from explorer.encoders.gradients import Differentiable, as_tensor, check_named, gives_of, look_into, private_copy
from explorer.encoders.layers import Arrays
from explorer.encoders.own_drawing import own_drawing
from explorer.encoders.preprocessing import Drawing, as_drawing
from explorer.encoders.torch_admission import admitted, ask, check_steady
from explorer.encoders.torch_caches import Caches
from explorer.encoders.torch_copies import a_copy, copied, leaves
from explorer.encoders.torch_devices import as_device, as_dtype, other_dtype
from explorer.encoders.torch_masks import MaskingEncoder
from explorer.encoders.torch_settings import random_numbers, same_random_numbers, settled

CHECKED = 2
"""How many batches are looked at for whether a network's embeddings are of the picture alone."""

NUMBERED = re.compile(r"(.*?(?:\.\d+)+)\.")
"""A path up to its first number or run of numbers."""


class TorchLayers:
    """The layers of a torch module.

    A module inside which no other has arrays is one layer with all of its own. Of any other module each array is a
    layer (a class token, a positional embedding), but an attention's joint input projection is one, ``in_proj``.
    Quantus 0.6.0 randomises the modules that have ``reset_parameters`` and so leaves those out.

    Args:
        module: In evaluation mode.
        part: Path of the submodule whose layers are meant, with names relative to it; empty for all of them.
        first: Layers that come before all others, whatever torch's order.
        last: Layers that come after them.
        without: Layers that what is embedded does not depend on.
    """

    def __init__(
        self,
        module: Any,
        part: str = "",
        *,
        first: tuple[str, ...] = (),
        last: tuple[str, ...] = (),
        without: tuple[str, ...] = (),
    ) -> None:
        self.module = module
        self._owners: dict[str, Any] = {}
        self._arrays: dict[str, list[str]] = {}
        for path, owner in module.get_submodule(part).named_modules():
            for name in _own_arrays(owner):
                layer = _layer_name(path, owner, name)
                if layer in without:
                    continue
                self._owners[layer] = owner
                self._arrays.setdefault(layer, []).append(name)
        places = {
            **{name: i - len(first) for i, name in enumerate(first)},
            **{name: i + 1 for i, name in enumerate(last)},
        }
        self.names = tuple(sorted(self._arrays, key=lambda layer: places.get(layer, 0)))

    def arrays(self, layer: str) -> dict[str, NDArray[Any]]:
        """Copies of a layer's arrays, float32."""
        return {name: _numbers(self._owners[layer], name) for name in self._arrays[layer]}

    def fresh(self, layer: str, random: np.random.Generator) -> dict[str, NDArray[Any]]:
        """What torch, or the layer's own ``reset_parameters``, starts it with; see ``start``."""
        owner = self._owners[layer]
        shape = tuple(getattr(owner, "weight", np.empty(0)).shape)
        return {name: start(owner, name, array, shape, random) for name, array in self.arrays(layer).items()}

    def row_axis(self, layer: str, name: str) -> int:
        """The axis that Keras puts first: a kernel's height, the inputs of a dense layer."""
        owner = self._owners[layer]
        kind, dimensions = type(owner).__name__, getattr(owner, name).ndim
        if dimensions > 2 and "Conv" in kind:
            return 2
        return 1 if dimensions == 2 and ("Linear" in kind or name == "in_proj_weight") else 0

    def replaced(self, weights: Mapping[str, Arrays]) -> Any:
        """A copy of the module with other arrays in some layers; it shares all other parameters with it."""
        import torch

        with settled(gradients=False):
            twin = copied(self.module, lambda given: given if isinstance(given, torch.nn.Parameter) else a_copy(given))
            twins = dict(zip(self.module.modules(), twin.modules(), strict=True))
            for layer, arrays in weights.items():
                owner = self._owners[layer]
                for name, array in arrays.items():
                    old, new = getattr(owner, name), torch.from_numpy(array.copy())
                    new = (torch.view_as_complex(new) if old.is_complex() else new).to(old.device, old.dtype)
                    if isinstance(old, torch.nn.Parameter):
                        new = torch.nn.Parameter(new, requires_grad=old.requires_grad)
                    setattr(twins[owner], name, new)
        return twin


def _numbers(owner: Any, name: str) -> NDArray[np.float32]:
    """A copy; complex numbers have their parts along a last axis."""
    import torch

    array = getattr(owner, name).detach()
    return np.array(as_numpy(torch.view_as_real(array.resolve_conj()) if array.is_complex() else array), np.float32)


def start(
    owner: Any, name: str, array: NDArray[Any], kernel: tuple[int, ...], random: np.random.Generator
) -> NDArray[np.float32]:
    """One array as torch would start a new layer with it, drawn from a generator of ours.

    ``reset_parameters`` itself draws from torch's global generator, which other threads draw from too; the laws
    are its own. A bare parameter, and what no ``reset_parameters`` sets, has none, so it gets a normal law with its own
    mean and standard deviation.

    Args:
        owner: The module.
        name: Of the array.
        array: What it is now.
        kernel: Shape of the module's weight, on which the law of the bias depends as well.
        random: What is drawn from.

    Raises:
        InvalidInput: A kind of module that cannot be started anew.
    """
    import torch

    norms = (torch.nn.modules.batchnorm._NormBase, torch.nn.LayerNorm, torch.nn.GroupNorm, torch.nn.RMSNorm)
    dense = (torch.nn.modules.conv._ConvNd, torch.nn.Linear)
    if isinstance(owner, norms):
        return np.full(array.shape, name in ("weight", "running_var"), np.float32)
    if isinstance(owner, torch.nn.Embedding):
        return random.standard_normal(array.shape, np.float32)
    if isinstance(owner, torch.nn.MultiheadAttention):
        bound = (6 / sum(array.shape)) ** 0.5 if array.ndim == 2 else 0.0  # Glorot's uniform law
    elif isinstance(owner, torch.nn.modules.linear.NonDynamicallyQuantizableLinear) and name == "bias":
        bound = 0.0  # an attention's output
    elif isinstance(owner, dense):
        bound = math.prod(kernel[1:]) ** -0.5  # Kaiming's, with a = sqrt(5)
    else:
        made = _reset(owner, name, random) if hasattr(owner, "reset_parameters") else array
        is_left = np.array_equal(made, array)
        return random.normal(array.mean(), array.std(), array.shape).astype(np.float32) if is_left else made
    return random.uniform(-bound, bound, array.shape).astype(np.float32)


def _reset(owner: Any, name: str, random: np.random.Generator) -> NDArray[np.float32]:
    """One array of a module after its ``reset_parameters``, made to draw from a generator of ours."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    class Drawing(TorchDispatchMode):
        def __torch_dispatch__(self, step: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if torch.Tag.nondeterministic_seeded not in step.tags:
                return step(*args, **(kwargs or {}))
            name = step.overloadpacket.__name__
            laws: dict[str, Callable[..., Any]]
            laws = {
                "uniform_": random.uniform,
                "rand": random.uniform,
                "normal_": random.normal,
                "randn": random.normal,
            }
            if name.endswith("_"):
                array, numbers = args[0], args[1:]
            else:
                array, numbers = torch.empty(*args), ()
            return array.copy_(torch.from_numpy(np.asarray(laws[name](*numbers, size=tuple(array.shape)))))

    try:
        twin = copied(owner, a_copy).cpu().float()
        with torch.no_grad(), Drawing():
            twin.reset_parameters()
        made = _numbers(twin, name)
        if made.shape != tuple(getattr(owner, name).shape):
            raise ValueError("another shape")
    except Exception as error:
        raise InvalidInput(
            f"A layer of the kind {type(owner).__name__:.40} cannot be started anew by its reset_parameters() "
            f"({type(error).__name__}); shuffle it instead.",
            code="layer_start",
        ) from error
    return made


def _own_arrays(part: Any) -> list[str]:
    """Names of the floating-point and complex arrays that a module itself holds and saves."""
    named = {**part._parameters, **part._buffers}.items()
    saved = [(name, tensor) for name, tensor in named if name not in part._non_persistent_buffers_set]
    return [name for name, array in saved if array is not None and (array.is_floating_point() or array.is_complex())]


def _layer_name(path: str, part: Any, name: str) -> str:
    if name.startswith("in_proj_"):
        name = "in_proj"
    elif path and not any(_own_arrays(inner) for inner in part.modules() if inner is not part):
        return path
    return f"{path}.{name}" if path else name


def numbered_block(layer: str, names: Sequence[str]) -> str:
    """The numbered module a layer lies in; ``stem`` for what comes before the first of them, ``head`` after."""
    numbered = [name for name in names if NUMBERED.match(name)]
    if found := NUMBERED.match(layer):
        return found[1]
    return "stem" if not numbered or names.index(layer) < names.index(numbered[0]) else "head"


class TorchEncoder(MaskingEncoder, FunctionEncoder):
    """Any torch network as an encoder; arrays reach it as they are, or as pictures are drawn, channels first.

    Args:
        module: A private copy, in evaluation mode, which nobody runs: copies of it are.
        batch_size: Rows in a call.
        fingerprint: Names its numbers.
        stages: See ``from_torch``.
        stale: What it may still hold of a network with other weights, which it is a copy of.
        drawing: How pictures are drawn for it.
        dtype: What it embeds in, where that is not its own; what lies inside is looked at in its own.
    """

    def __init__(
        self,
        module: Any,
        batch_size: int,
        fingerprint: str,
        stages: tuple[str, ...] | None = None,
        stale: Caches | None = None,
        *,
        drawing: Drawing | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(module, batch_size, drawing=drawing)
        self._access, self._caches = TorchLayers(module), Caches(module)
        self.fingerprint, self._stages, self._stale, self._dtype = fingerprint, stages, stale, dtype
        self._running: Any = None
        self._unchecked = CHECKED
        self._draws = True

    def _forward(self, pixels: NDArray[Any]) -> NDArray[np.floating]:
        with settled(gradients=False):
            shown = as_tensor(self._access.module, self._as_input(pixels))
            return as_numpy(self._embed_planes(shown.permute(0, 3, 1, 2)))

    def _embed_planes(self, planes: Any) -> Any:
        given = planes.permute(0, 2, 3, 1)
        with same_random_numbers() if self._draws else nullcontext():
            if self._running is None:
                self._running = private_copy(self._own_module(given[0].cpu().numpy())).to(self._dtype)
            network = self._running
            drawn = random_numbers()
            rows = ask(network, given)
            if self._unchecked:
                check_steady(network, given, rows)
                self._unchecked -= 1
            self._draws = given.is_cuda or random_numbers() != drawn
        return rows

    def _as_input(self, colours: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._shown(colours)

    def _place(self) -> Any:
        import torch

        module = self._access.module
        arrays = (*module.parameters(), *module.buffers())
        return arrays[0].device if arrays else torch.device("cpu")

    def _own_module(self, pixels: NDArray[Any]) -> Any:
        """The network, rid of what it holds of other weights; ``pixels`` as it is shown them."""
        if self._stale is not None:
            self._stale.take_from(self._access.module, pixels)
            self._stale = None
        return self._access.module

    def _layers(self) -> TorchLayers:
        return self._access

    def _parts(self) -> Iterable[Any]:
        return self._access.module.modules()  # type: ignore[no-any-return]

    def _replaced(self, weights: Mapping[str, Arrays], label: str) -> TorchEncoder:
        network, stale = self._access.replaced(weights), self._stale or self._caches
        made = type(self)(
            network,
            self.batch_size,
            f"{self.fingerprint}+{label}",
            self._stages,
            stale,
            drawing=self._drawing,
            dtype=self._dtype,
        )
        made.card, made.pads = self.card, self.pads
        return made

    def gives(self) -> tuple[str, ...]:
        return gives_of(self._access.module) if self._stages is None else ("gradients", "layers")

    def differentiable(self, pixels: NDArray[Any]) -> Differentiable:
        if self._unchecked == CHECKED:
            self._embed(pixels[None], 0)
        stages = None if self._stages is None else tuple(f"network.{path}" for path in self._stages)
        module = _from_pixels(self._own_module(self._as_input(pixels)), self._drawing, draws=self._draws)
        return look_into(module, pixels, stages)


def _from_pixels(module: Any, drawing: Drawing | None, *, draws: bool) -> Any:
    import torch

    def shown(pixels: Any) -> Any:
        if drawing is None:
            return pixels
        mean, std = (pixels.new_tensor(colour) for colour in (drawing.mean, drawing.std))
        return (pixels / 255 - mean) / std

    class FromPixels(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = module

        def forward(self, pixels: Any) -> Any:
            with same_random_numbers() if draws else nullcontext():
                return ask(self.network, shown(pixels))

    return FromPixels()


def _digest(module: Any) -> str:
    """Hash of the kinds of a network's modules and of all the numbers they hold, saved or not.

    Not of what functions do, nor of hooks: two networks that differ in the code of a class or a lambda have the same.
    """
    import torch

    found = hashlib.sha256()
    torchs_own = {*vars(torch.nn.Module())} - {"_parameters", "_buffers"}
    for name, part in module.named_modules():
        found.update(f"{name}:{type(part).__qualname__};".encode())
        held = {name: value for name, value in vars(part).items() if name not in torchs_own}
        for path, value in leaves(held):
            found.update(f"{[*map(_spelt, path)]}:{_spelt(value)};".encode())
            if isinstance(value, torch.Tensor) and value.layout is torch.strided and not value.is_meta:
                array = value.detach().resolve_conj().resolve_neg().cpu().contiguous()
                found.update(array.view(-1).view(torch.uint8).numpy())
            elif isinstance(value, np.ndarray) and value.dtype != object:
                found.update(value.tobytes())
    return found.hexdigest()


def _spelt(value: Any) -> str:
    """A number or text as it is, the type of an array, the name of all else: the same in every process."""
    import torch

    if isinstance(value, torch.Tensor | np.ndarray):
        return f"{value.dtype}:{tuple(value.shape)}"
    if value is None or isinstance(value, bool | int | float | complex | str | bytes | torch.dtype):
        return repr(value)
    return str(getattr(value, "__qualname__", type(value).__qualname__))


def from_torch(
    module: Any,
    *,
    batch_size: int = 10,
    stages: Sequence[str] | None = None,
    size: int | tuple[int, int] | str | None = None,
    mean: Any = None,
    std: Any = None,
    device: Any = None,
    dtype: Any = None,
) -> Encoder:
    """Make an encoder of a torch network, with layers that can be randomised, gradients, and what lies inside.

    The encoder has a copy of its own: the network stays as it is, and what becomes of it later changes nothing.

    Args:
        module: In evaluation mode; (b, c, h, w) -> (b, d), or a network of Hugging Face's transformers, whose pooled
            features are the embedding. It sees the array given to ``probe`` times each mask, in that array's range
            and size, as float64 where all its parameters are, else as float32. One in half precision is computed in
            float32.
        batch_size: Rows in a call.
        stages: Paths of the modules that end the last stage, the one before it, and so on, for the methods that look
            at layers; found by the sizes of their outputs where none are given.
        size: (h, w) of pictures, or one number for both; the encoder then takes paths, PIL images and arrays of uint8
            or floats in [0, 1], all of them drawn at that size, and the network sees float32 from 0 to 1.
            ``"auto"``: size and colours as a network of timm or transformers says itself.
        mean: Of each colour, 0 to 1, which is taken off then; three numbers, or one for all.
        std: By which that is divided.
        device: ``"cpu"``, ``"cuda"`` (or ``"cuda:1"``) or ``"mps"``; where the network is if none is given.
        dtype: ``"float32"``, ``"bfloat16"`` or ``"float16"``, what it embeds in; gradients and layers are float32.

    Returns:
        An encoder without a text side. Its embedding also counts as the scores of classes before the softmax.

    Raises:
        InvalidInput: A network in training mode, or of a kind that cannot be looked into (scripted, quantised, lazy,
            without numbers, with more than one input); a batch size below 1; stages that name no modules; a size,
            mean, std, device or dtype that is none, or that is not here.
    """
    place, kind = as_device(device), as_dtype(dtype)
    drawing = None if isinstance(size, str) else as_drawing(size, mean, std)
    network = admitted(module).to(place)
    kind = other_dtype(network, kind)
    if isinstance(size, str):
        drawing = own_drawing(network, size, mean, std)
    if stages is not None:
        check_named(network, stages)
    facts = (drawing.name if drawing else "", str(kind).removeprefix("torch.") if kind else "")
    fingerprint = ":".join(("torch", type(network).__qualname__, _digest(network)[:12], *filter(None, facts)))
    return TorchEncoder(
        network, batch_size, fingerprint, None if stages is None else tuple(stages), drawing=drawing, dtype=kind
    )
