"""A user's own torch network: which ones can be used, the private copy that is used, and what it must answer."""

from __future__ import annotations

import inspect
from contextlib import suppress
from typing import Any

from explorer.core.errors import ExplorerError, Failed, InvalidInput, UnusableEmbedding, in_words
from explorer.encoders.pooled_features import is_of_transformers, pooled
from explorer.encoders.torch_copies import copied
from explorer.encoders.torch_settings import settled

MODELESS = ("container", "linear", "conv", "flatten", "pooling", "normalization", "padding", "module")
"""torch.nn's files of modules that do the same in training mode."""

REPEATED = 2e-6
"""Of the largest of a number over the pictures of a batch: by how much it may move when the batch is asked again."""

CHANCE = 1e-4
"""Of how far pictures lie apart: by how much, at least, it has to move to be called chance."""

SHARE, OF_SPREAD = 1e-3, 0.05
"""Of an embedding's length, and of how far pictures lie apart: by how much it may move in another batch."""

ROUNDING = 1e-5
"""Of an embedding's length: what is rounding in any case; more where the numbers of all are half precision's."""


def admitted(network: Any) -> Any:
    """A private copy of a network, in evaluation mode: what becomes of the original does not matter to it.

    Half precision is widened to float32, which holds the same numbers and computes with all of them everywhere.

    Raises:
        InvalidInput: A network that embeddings, gradients and randomised layers cannot all be had of.
    """
    import torch

    while isinstance(network, torch.nn.Module):
        inner = getattr(network, "_orig_mod", None)  # what torch.compile was given
        if isinstance(network, torch.nn.DataParallel | torch.nn.parallel.DistributedDataParallel):
            inner = network.module
        if inner is None:
            break
        network = inner
    if not isinstance(network, torch.nn.Module):
        raise InvalidInput(
            f"from_torch needs a network, a torch.nn.Module, but was given a {type(network).__name__:.40}; "
            "from_function takes anything else that can be called.",
            code="not_a_network",
        )
    _check_kind(network)
    _check_arrays(network)
    _check_inputs(network)
    _check_mode(network)
    with settled(gradients=False):
        return _own(network)


def _check_kind(network: Any) -> None:
    import torch

    for part in network.modules():
        kind, home = type(part).__name__, type(part).__module__
        exported = any(base.__module__.startswith("torch.export.") for base in type(part).__mro__)
        if exported or isinstance(part, torch.jit.ScriptModule):
            raise InvalidInput(
                "The network is scripted, traced or exported, which hides what is inside; give the module it was made "
                "from, or use from_function, for methods that only embed pictures.",
                code="network_scripted",
            )
        if ".quantized" in home or home.startswith(("torchao", "bitsandbytes")):
            raise InvalidInput(
                f"The network is quantised (its {kind:.40}), so its layers cannot be randomised and give no gradients; "
                "give the network before quantisation, or use from_function, for methods that only embed pictures.",
                code="network_quantised",
            )


def _check_arrays(network: Any) -> None:
    import torch

    for name, array in (*network.named_parameters(), *network.named_buffers()):
        fault = ""
        if torch.nn.parameter.is_lazy(array):
            fault = "gets its shape when the network first runs; run it on a batch of pictures once"
        elif array.is_meta:
            fault = "is on the device meta, where there are no numbers; load its weights first"
        elif isinstance(array, torch.nn.Parameter) and not (array.is_floating_point() or array.is_complex()):
            fault = "holds integers, as quantised networks do; give the network before quantisation"
        elif array.layout is not torch.strided:
            fault = "is sparse; make it dense (to_dense) first"
        if fault:
            raise InvalidInput(f"The network's {name:.60} {fault}.", code="network_arrays")


def _check_inputs(network: Any) -> None:
    import torch

    if getattr(network.forward, "__func__", None) is torch.nn.Module.forward:
        raise InvalidInput(
            f"A {type(network).__name__:.40} has no forward, so it embeds nothing; put its modules in a "
            "torch.nn.Sequential, or in a module of your own.",
            code="network_inputs",
        )
    try:
        inspect.signature(network.forward).bind(None)
    except TypeError as error:
        raise InvalidInput(
            f"The network's forward cannot be called with a batch of pictures alone ({error}); wrap it in a "
            "torch.nn.Module whose forward takes (b, c, h, w).",
            code="network_inputs",
        ) from error
    except ValueError:  # no signature
        return


def _check_mode(network: Any) -> None:
    """Refuse training mode, but not where it makes no difference, as of a Linear put in the place of another."""
    for path, part in network.named_modules():
        home, _, file = type(part).__module__.rpartition(".")
        if part.training and not (path and home == "torch.nn.modules" and file in MODELESS):
            which = f"'s module {path!r:.60}" if path else ""
            raise InvalidInput(f"The network{which} is in training mode; call its eval() first.", code="training_mode")


def _own(network: Any) -> Any:
    import torch

    met: list[Any] = []

    def numbers(given: Any) -> Any:
        if isinstance(given, torch.dtype):
            return torch.float32 if given in (torch.float16, torch.bfloat16) else given
        met.append(given)
        array = given.detach().clone()
        if array.is_floating_point() and array.itemsize < 4:
            array = array.float()
        return torch.nn.Parameter(array, requires_grad=False) if isinstance(given, torch.nn.Parameter) else array

    twin = copied(network, numbers)
    known = {id(array) for array in network.parameters()}
    if any(isinstance(array, torch.nn.Parameter) and id(array) not in known for array in met):
        raise InvalidInput(
            "The network keeps parameters where torch does not find them, in a plain list or dict, so that they could "
            "not be randomised; use torch.nn.ModuleList, ModuleDict or ParameterList, or take them out.",
            code="network_hidden",
        )
    return twin


def ask(network: Any, pixels: Any) -> Any:
    """Embeddings (b, d) of pictures (b, h, w, c), by a network that takes (b, c, h, w).

    Raises:
        InvalidInput: The network fails.
        UnusableEmbedding: It answers with something that is no embedding.
        Exhausted: The machine does.
    """
    import torch

    kinds = {array.dtype for array in network.parameters() if array.is_floating_point()}
    planes = pixels.clone().permute(0, 3, 1, 2)  # a network may write in what it is shown
    if len(kinds) == 1 and kinds != {torch.float32}:
        planes = planes.to(*kinds)
    try:
        rows = pooled(network, planes) if is_of_transformers(network) else network(planes)
    except Exception as error:
        raise _failure(error, planes) from error
    return _answer(rows)


def _failure(error: Exception, planes: Any) -> ExplorerError:
    known = in_words(error)
    if not isinstance(known, Failed):
        return known
    return InvalidInput(
        f"The network failed at a batch of shape {tuple(planes.shape)}: {type(error).__name__}: {error!s:.200} - give "
        "pictures of the size and channels it is made for, or wrap it in a torch.nn.Module that takes such batches.",
        code="network_failed",
    )


def _answer(rows: Any) -> Any:
    import torch

    wanted = ""
    if not isinstance(rows, torch.Tensor):
        wanted = f"a {type(rows).__name__:.40}"
    elif rows.is_complex():
        wanted = "complex numbers"
    elif rows.layout is not torch.strided or rows.is_quantized or rows.is_meta:
        wanted = "a tensor that is sparse, quantised or on the device meta"
    elif rows.dim() != 2:
        wanted = f"a tensor of shape {tuple(rows.shape)}"
    if wanted:
        raise UnusableEmbedding(
            f"The network returned {wanted}; wrap it in a torch.nn.Module that returns a tensor (b, d) of real "
            "numbers, one row for each picture.",
            code="embedding_shape",
        )
    rows = rows.clone()  # the network may answer in the same memory every time
    return rows if rows.dtype == torch.float64 else rows.float()


def check_steady(network: Any, pixels: Any, rows: Any) -> None:
    """Refuse a network whose embedding of a picture depends on chance, or on the other pictures of its batch.

    Args:
        network: As for ``ask``.
        pixels: (b, h, w, c); one picture is tried beside paler copies of it.
        rows: (b, d) what the network answered.

    Raises:
        UnusableEmbedding: It answers otherwise when it is asked again, or to each picture by itself.
    """
    import torch

    if len(rows) != len(pixels):  # which is refused for what it is
        return
    if len(pixels) == 1:
        with suppress(InvalidInput):  # it takes one picture at a time, it may be
            paler = pixels * pixels.new_tensor([1, 2 / 3, 1 / 3]).view(3, 1, 1, 1)
            rows, pixels = ask(network, paler), paler
    again = ask(network, pixels)
    try:
        alone = [ask(network, one[None]) for one in pixels]
    except InvalidInput:  # it takes no picture alone, as a normalisation by the batch does not
        others = torch.zeros_like(pixels[1:])
        alone = [ask(network, torch.cat((pixels[:1], others)))[:1]]
    is_alike = again.shape == (len(pixels), *rows.shape[1:]) and all(one.shape == rows[:1].shape for one in alone)
    if not is_alike or _is_chance(again, rows) or _is_of_batch(torch.cat(alone), rows):
        raise UnusableEmbedding(
            "The network's embedding of a picture changes from one time to the next, or with the other pictures of a "
            "batch, so that distances would be chance: look for dropout outside of torch.nn.Dropout, random numbers, "
            "numbers that are counted on, or a batch normalisation without running statistics.",
            code="embedding_unsteady",
        )


def _is_chance(again: Any, rows: Any) -> bool:
    """Whether the same batch was answered otherwise in any number of the embedding; on a GPU sums are, by rounding."""
    moved, spread = (again - rows).abs(), (rows - rows[:1]).abs().max()
    return bool((moved > REPEATED * rows.abs().amax(0)).any() and moved.max() > CHANCE * spread)


def _is_of_batch(alone: Any, rows: Any) -> bool:
    """Whether pictures were answered otherwise in another batch by more than rounding, which differs between sizes."""
    import torch

    coarse = [kind for kind in (torch.bfloat16, torch.float16) if torch.equal(rows.to(kind).to(rows.dtype), rows)]
    rounding = max([ROUNDING, *(torch.finfo(kind).eps for kind in coarse)])
    rows = rows[: len(alone)].double()
    lengths, moved, spread = (one.norm(dim=1) for one in (rows, alone - rows, rows - rows[:1]))
    allowed = SHARE * lengths
    if (spread > rounding * lengths).any():  # else the pictures are the same
        allowed = allowed.clamp(max=OF_SPREAD * spread.max()).maximum(rounding * lengths)
    return bool((moved > allowed).any())
