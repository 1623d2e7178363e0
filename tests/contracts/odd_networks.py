"""Networks as people have them: a table of kinds, and what becomes of each where it is explained."""

from __future__ import annotations

import functools
import threading
import types
import warnings
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint

from tests.attributions.networks import tiny_cnn
from tests.attributions.vits import vit

METHODS = ("integrated-gradients", "grad-cam", "dix2", "gae", "t-attr")
COLUMNS = ("embed", "explain", "randomise", *METHODS)


def cnn() -> Any:
    return tiny_cnn(normalised=True)


def relu() -> Any:
    return torch.nn.Sequential(cnn(), torch.nn.ReLU()).eval()


PLAIN: dict[str, Callable[[], Any]] = {"cnn": cnn, "vit": vit, "relu": relu}


@dataclass(frozen=True)
class Odd:
    """A kind of network.

    Attributes:
        make: Makes one.
        plain: The network whose maps it must have; empty where there is none to compare with.
        refused: The code of the error that ``from_torch`` raises.
        fails: The codes of errors by column; the other columns work.
        rtol: Of maps, as a share of the largest value.
        columns: Those that are tried.
    """

    make: Callable[[], Any]
    plain: str = "cnn"
    refused: str = ""
    fails: dict[str, str] = field(default_factory=dict)
    rtol: float = 1e-4
    columns: tuple[str, ...] = COLUMNS


class Around(torch.nn.Module):
    """A network around the plain one."""

    def __init__(self, network: Any = None, **attributes: Any) -> None:
        super().__init__()
        self.network = cnn() if network is None else network
        for name, value in attributes.items():
            setattr(self, name, value)
        self.eval()

    def forward(self, planes: Any) -> Any:
        return self.network(planes)


def around(forward: Callable[[Any, Any], Any], network: Any = None, **attributes: Any) -> Callable[[], Any]:
    """Makes a network with a forward of its own, a function of the module and the planes."""
    made = type("Odd", (Around,), {"forward": forward})
    return lambda: made(network() if network else None, **attributes)


def changed(change: Callable[[Any], Any], network: Callable[[], Any] = cnn) -> Callable[[], Any]:
    """Makes a plain network with a change; what the change returns takes its place, unless it is None."""

    def make() -> Any:
        made = network()
        other = change(made)
        return made if other is None else other

    return make


# What is kept


def stored(network: Any) -> Any:
    """With an activation of its last run that is part of a graph."""
    network.register_forward_hook(lambda module, _inputs, output: setattr(module, "last", output))
    network(torch.ones(1, 3, 32, 32))
    assert not network.last.is_leaf


class Cached(torch.nn.Module):
    """Computes something of its weights once, and keeps it in an attribute or a dict."""

    def __init__(self, kind: str, ran: AbstractContextManager[Any] | None = None) -> None:
        super().__init__()
        self.network, self.last = cnn(), torch.nn.Linear(5, 5)
        with torch.random.fork_rng():
            torch.manual_seed(3)
            torch.nn.init.normal_(self.last.weight)
        self.deep, self.box = {"a": [{"one": torch.ones(())}]}, types.SimpleNamespace(w=None, one=torch.ones(()))
        if kind == "buffer":
            self.register_buffer("kept", None, persistent=False)
        elif kind != "gone":
            self.kept: Any = {} if kind == "dict" else None
        self.constant, self.eye = torch.ones(()), {"eye": torch.eye(5)}
        self.kind = kind
        self.eval()
        if ran is not None:
            with ran:
                self(torch.ones(1, 3, 32, 32))

    def weight(self) -> Any:
        if self.kind == "deep":
            return self.deep["a"][0].setdefault("w", self.last.weight * 2)
        if self.kind == "box":
            self.box.w = self.last.weight * 2 if self.box.w is None else self.box.w
            return self.box.w
        if self.kind == "dict":
            if "cpu" not in self.kept:
                self.kept["cpu"] = self.last.weight * 2
            return self.kept["cpu"]
        if getattr(self, "kept", None) is None:
            self.kept = self.last.weight * 2
        return self.kept

    def forward(self, planes: Any) -> Any:
        rows = self.network(planes) * self.constant * self.deep["a"][0]["one"] * self.box.one
        return rows @ self.eye["eye"] @ self.weight()


class Helper:
    """Holds what has no copy, and the network."""

    def __init__(self, network: Any) -> None:
        self.network, self.lock, self.seen = network, threading.Lock(), [torch.ones(2, requires_grad=True) * 2]

    def __call__(self, planes: Any) -> Any:
        with self.lock:
            return self.network[:3](planes)


def helped(network: Any) -> Any:
    made = Around(network)
    made.helper = Helper(network)
    made.forward = lambda planes: made.network[3:](made.helper(planes))
    return made


def nested() -> Any:
    network = cnn()
    for _ in range(160):
        network = Around(network)
    return network


def open_file() -> Any:
    return open(__file__, encoding="utf-8")


# What is called


def by_closure(network: Any) -> None:
    network.forward = lambda planes: network[5](network[:5](planes))


def by_default(network: Any) -> None:
    network.forward = functools.partial(type(network).forward, network)


def by_cached_function(network: Any) -> Any:
    made = Around(network)
    made.weight = functools.lru_cache(maxsize=None)(lambda: network[5].weight * 1)
    made.forward = lambda planes: torch.nn.functional.linear(network[:5](planes), made.weight(), network[5].bias)
    with torch.no_grad():
        made(torch.ones(1, 3, 32, 32))
    return made


def by_partial_of_a_closure(network: Any) -> None:
    network.forward = functools.partial(lambda planes, times: network[5](network[:5](planes)) * times, times=1)


def by_method(network: Any) -> None:
    network.forward = types.MethodType(lambda self, planes: self[5](self[:5](planes)), network)


def by_weak_reference(network: Any) -> Any:
    made = Around(network)
    made.there = weakref.ref(network)
    made.forward = lambda planes: made.there()(planes)
    return made


GLOBAL = Around()


def by_global() -> Any:
    GLOBAL.forward = lambda planes: GLOBAL.network(planes)
    return GLOBAL


class Delegating(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = cnn()
        self.eval()

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("inner"), name)

    def forward(self, planes: Any) -> Any:
        return self.inner(planes)


class Slotted(Around):
    __slots__ = ("times",)

    def __init__(self) -> None:
        super().__init__()
        self.times = 2.0

    def forward(self, planes: Any) -> Any:
        return self.network(planes) * self.times


class Hidden(torch.nn.Module):
    def __init__(self, *, known: bool) -> None:
        super().__init__()
        self.parts = [*cnn()]
        if known:
            self.inner = torch.nn.ModuleList(self.parts)
        for part in self.parts:
            part.eval()
        self.eval()

    def forward(self, planes: Any) -> Any:
        return torch.nn.Sequential(*self.parts)(planes)


class Recurrent(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(4)
            self.rows, self.head = torch.nn.LSTM(96, 8, batch_first=True), torch.nn.Linear(8, 5)
        self.eval()

    def forward(self, planes: Any) -> Any:
        return self.head(self.rows(planes.transpose(1, 2).flatten(2))[0][:, -1])


class Frequencies(torch.nn.Module):
    """With complex parameters."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        self.filter = torch.nn.Parameter(torch.randn(3, 32, 17, dtype=torch.cfloat, generator=generator))
        self.network = cnn()
        self.eval()

    def forward(self, planes: Any) -> Any:
        return self.network(torch.fft.irfft2(torch.fft.rfft2(planes) * self.filter))


def in_half(network: Any, planes: Any) -> Any:
    """Nearly parallel, with a number that rounding, which differs with the size of a batch, decides how to round."""
    between = torch.full((len(planes), 1), 1 + 2**-11 + 1e-6 * (len(planes) - 1.5))
    return torch.cat((1 + 0.01 * network.network(planes), between), 1).half()


def parted(rows: Any) -> tuple[Any, Any]:
    """Of the imaginary part minus the rows."""
    return torch.zeros_like(rows), -rows


class NoBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Any) -> Any:
        return rows * 2


def normalised_by_batch(network: Any) -> None:
    network[0][1] = torch.nn.BatchNorm2d(8, track_running_stats=False)
    network.eval()


def moded(network: Any, kind: Any) -> Any:
    made = Around(torch.nn.Sequential(network, kind).eval())
    made.network[1].train()
    return made


def pruned(network: Any) -> None:
    from torch.nn.utils import prune

    prune.l1_unstructured(network[5], "weight", 0.3)


def hooked(network: Any) -> None:
    network.register_forward_hook(lambda _module, _inputs, output: output * 2)
    network.register_forward_pre_hook(lambda _module, inputs: (inputs[0] * 1,))


def frozen(network: Any) -> None:
    network.requires_grad_(False)


def with_gradients(network: Any) -> None:
    network(torch.ones(1, 3, 32, 32)).sum().backward()


def under(context: Callable[[], AbstractContextManager[Any]], network: Callable[[], Any] = cnn) -> Callable[[], Any]:
    def make() -> Any:
        with context():
            return network()

    return make


def quiet(make: Callable[[], Any]) -> Callable[[], Any]:
    """torch says that some of these are old."""

    def made() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return make()

    return made


@functools.cache
def exported() -> Any:
    return torch.export.export(cnn(), (torch.zeros(1, 3, 32, 32),))


GRADIENTS = ("integrated-gradients", "grad-cam", "dix2")
NO_GRADIENTS = dict.fromkeys(GRADIENTS, "no_gradients")
NO_RUN = dict.fromkeys(COLUMNS, "network_failed")
NO_EMBEDDING = dict.fromkeys(COLUMNS, "embedding_shape")
UNSTEADY = dict.fromkeys(COLUMNS, "embedding_unsteady")
RECOMPUTES = dict.fromkeys(GRADIENTS, "recomputes")
HALF = 2e-2

ODD: dict[str, Odd] = {
    "plain": Odd(cnn),
    "transformer": Odd(vit, "vit"),
    # Numbers
    "half": Odd(lambda: cnn().half(), rtol=HALF),
    "half, transformer": Odd(lambda: vit().half(), "vit", rtol=HALF),
    "half by an attribute": Odd(around(lambda self, x: self.network(x.to(self.kind)), lambda: cnn().half(),
                                       kind=torch.float16), rtol=HALF),
    "bfloat16": Odd(lambda: cnn().bfloat16(), rtol=0.1),
    "double": Odd(lambda: cnn().double()),
    "double, transformer": Odd(lambda: vit().double(), "vit"),
    "double behind a cast": Odd(around(lambda self, x: self.network(x.double()), lambda: cnn().double())),
    "single behind a cast, transformer": Odd(around(lambda self, x: self.network(x.float()), vit), "vit",
                                             fails={"t-attr": "float64"}),
    "frozen": Odd(changed(frozen)),
    "with gradients from training": Odd(changed(with_gradients)),
    "made in inference mode": Odd(under(torch.inference_mode)),
    "complex parameters": Odd(Frequencies, ""),
    "no parameters": Odd(lambda: torch.nn.Sequential(torch.nn.AvgPool2d(8), torch.nn.Flatten()).eval(), "",
                         fails={"randomise": "no_layers"}),
    "recurrent": Odd(Recurrent, ""),
    # Copies
    "stored activation": Odd(changed(stored)),
    "stored activations": Odd(around(lambda self, x: (self.all.append(self.network(x)), self.all[-1])[1], all=[])),
    "old weight norm": Odd(quiet(changed(lambda net: torch.nn.utils.weight_norm(net[5]) and None))),
    "weight norm": Odd(changed(lambda net: parametrizations.weight_norm(net[5]).eval() and None)),
    "old spectral norm": Odd(changed(lambda net: torch.nn.utils.spectral_norm(net[5]).eval() and None), ""),
    "spectral norm": Odd(changed(lambda net: parametrizations.spectral_norm(net[5]).eval() and None), ""),
    "pruned": Odd(changed(pruned), ""),
    "lock": Odd(lambda: Around(lock=threading.Lock())),
    "open file": Odd(lambda: Around(log=open_file())),
    "generator": Odd(lambda: Around(numbers=(number for number in range(3)))),
    "Python module": Odd(lambda: Around(torch=torch)),
    "helper with a lock and the network": Odd(changed(helped)),
    "160 nested modules": Odd(nested, columns=("explain", "randomise", "grad-cam")),
    # Caches
    "cache, not filled": Odd(lambda: Cached("attribute"), ""),
    "cache in an attribute": Odd(lambda: Cached("attribute", nullcontext()), ""),
    "cache in an attribute that comes later": Odd(lambda: Cached("gone", torch.no_grad()), ""),
    "cache in a dict": Odd(lambda: Cached("dict", torch.no_grad()), ""),
    "cache deep in containers, beside a constant": Odd(lambda: Cached("deep", torch.no_grad()), ""),
    "cache in an object, beside a constant": Odd(lambda: Cached("box", torch.no_grad()), ""),
    "cache in a buffer": Odd(lambda: Cached("buffer", torch.no_grad()), ""),
    "cache of a function": Odd(changed(by_cached_function)),
    "cache filled in inference mode": Odd(lambda: Cached("attribute", torch.inference_mode()), ""),
    # Modes
    "training": Odd(lambda: cnn().train(), refused="training_mode"),
    "dropout in training mode": Odd(lambda: moded(cnn(), torch.nn.Dropout(0.5)), refused="training_mode"),
    "normalisation in training mode": Odd(lambda: moded(cnn(), torch.nn.BatchNorm1d(5)), refused="training_mode"),
    "new head, for which the mode makes no difference": Odd(lambda: moded(cnn(), torch.nn.Identity())),
    "dropout that is always on": Odd(around(lambda self, x: self.network(torch.dropout(x, 0.5, train=True))),
                                     fails=UNSTEADY),
    "normalised by its batch": Odd(changed(normalised_by_batch), fails=UNSTEADY),
    "normalised by its batch, in its forward": Odd(
        around(lambda self, x: (self.network.train(), self.network(x))[1]), fails=UNSTEADY),
    "its batch's mean is taken off": Odd(around(lambda self, x: self.network(x) - 0.01 * self.network(x).mean(0)),
                                         fails=UNSTEADY),
    "by how bright its batch is": Odd(around(lambda self, x: self.network(x) * (1 if x.std() > 0.3 else -1)),
                                      fails=dict.fromkeys(COLUMNS[1:], "embedding_unsteady")),
    "chance beside a large constant": Odd(
        around(lambda self, x: torch.cat((torch.full((len(x), 1), 1e4), self.network(x) + torch.randn(len(x), 5)), 1)),
        fails=UNSTEADY),
    "batch beside a large constant": Odd(
        around(lambda self, x: torch.cat((torch.full((len(x), 1), 1e4), self.network(x) - self.network(x).mean(0)), 1)),
        fails=UNSTEADY),
    "chance in nearly parallel embeddings": Odd(
        around(lambda self, x: 1 + 1e-3 * self.network(x) + 2e-4 * torch.randn(len(x), 5)), fails=UNSTEADY),
    "a little chance": Odd(around(lambda self, x: self.network(x) + 1e-3 * torch.randn(1)), fails=UNSTEADY),
    "one embedding for a whole batch": Odd(around(lambda self, x: self.network(x).mean(0, keepdim=True)),
                                           fails=UNSTEADY | {"embed": "embedding_shape"}),
    "nearly parallel embeddings": Odd(around(lambda self, x: 1 + 1e-4 * self.network(x)), "", columns=("embed",)),
    "nearly parallel in half precision": Odd(around(in_half), "", columns=("embed",)),
    "draws without effect": Odd(around(lambda self, x: self.network(x) + 0 * torch.randn(1))),
    "makes zeros of torch's type": Odd(around(lambda self, x: self.network(x + torch.zeros(x.shape)))),
    "seeds torch in its forward": Odd(around(lambda self, x: (torch.manual_seed(1), self.network(x))[1])),
    "sets torch's type in its forward": Odd(
        around(lambda self, x: (torch.set_default_dtype(torch.float64), self.network(x))[1])),
    "takes one picture at a time": Odd(around(lambda self, x: self.network(x) if len(x) == 1 else {}[len(x)]),
                                       fails=dict.fromkeys((*COLUMNS[:3], "integrated-gradients"), "network_failed")),
    "counts its runs": Odd(around(lambda self, x: self.network(x) + self.runs.add_(1), runs=torch.zeros(())),
                           fails=UNSTEADY),
    # Answers
    "tuple": Odd(around(lambda self, x: (self.network(x), 0)), fails=NO_EMBEDDING),
    "list": Odd(around(lambda self, x: [self.network(x)]), fails=NO_EMBEDDING),
    "dict": Odd(around(lambda self, x: {"rows": self.network(x)}), fails=NO_EMBEDDING),
    "nothing": Odd(around(lambda self, x: None), fails=NO_EMBEDDING),
    "complex": Odd(around(lambda self, x: torch.fft.fft(self.network(x))), fails=NO_EMBEDDING),
    "maps": Odd(around(lambda self, x: self.network(x)[..., None, None]), fails=NO_EMBEDDING),
    "one number": Odd(around(lambda self, x: self.network(x)[:, 0]), fails=NO_EMBEDDING),
    "negative view": Odd(around(lambda self, x: torch.complex(*parted(self.network(x))).conj().imag)),
    "the same memory every time": Odd(
        around(lambda self, x: self.rows.setdefault(len(x), torch.zeros(len(x), 5)).copy_(self.network(x).detach()),
               rows={}), fails=NO_GRADIENTS),
    "sparse": Odd(around(lambda self, x: self.network(x).to_sparse()), fails=NO_EMBEDDING),
    "integers": Odd(around(lambda self, x: (self.network(x) * 100).int()), "", fails=NO_GRADIENTS),
    "numpy": Odd(around(lambda self, x: self.network(x).detach().numpy()), fails=NO_EMBEDDING),
    # Inputs
    "two inputs": Odd(around(lambda self, x, y: self.network(x + y)), refused="network_inputs"),
    "no input": Odd(around(lambda self: None), refused="network_inputs"),
    "list of modules": Odd(lambda: torch.nn.ModuleList(cnn()).eval(), refused="network_inputs"),
    "one channel": Odd(lambda: torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Flatten()).eval(), "",
                       fails=NO_RUN),
    "another size": Odd(lambda: torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.Flatten(), torch.nn.Linear(7, 2))
                        .eval(), "", fails=NO_RUN),
    "fails": Odd(around(lambda self, x: {}["weights"]), fails=NO_RUN),
    "writes in its input": Odd(around(lambda self, x: self.network(x.mul_(1)))),
    # Kinds
    "None": Odd(lambda: None, refused="not_a_network"),
    "lambda": Odd(lambda: lambda planes: planes.mean((2, 3)), refused="not_a_network"),
    "class": Odd(lambda: Around, refused="not_a_network"),
    "scripted": Odd(quiet(lambda: torch.jit.script(cnn())), refused="network_scripted"),
    "traced": Odd(quiet(lambda: torch.jit.trace(cnn(), torch.zeros(1, 3, 32, 32))), refused="network_scripted"),
    "exported": Odd(quiet(exported), refused="not_a_network"),
    "exported module": Odd(quiet(lambda: exported().module()), refused="network_scripted"),
    "scripted part": Odd(quiet(lambda: Around(torch.jit.script(cnn()))), refused="network_scripted"),
    "quantised": Odd(quiet(lambda: torch.ao.quantization.quantize_dynamic(cnn())), refused="network_quantised"),
    "on meta": Odd(lambda: cnn().to("meta"), refused="network_arrays"),
    "lazy": Odd(quiet(lambda: torch.nn.Sequential(torch.nn.LazyConv2d(2, 3), torch.nn.Flatten()).eval()),
                refused="network_arrays"),
    "compiled": Odd(lambda: torch.compile(cnn())),
    "compiled part": Odd(lambda: Around(torch.compile(cnn()))),
    "compiled in place": Odd(changed(lambda net: net.compile())),
    "data parallel": Odd(lambda: torch.nn.DataParallel(cnn()).eval()),
    "fx": Odd(lambda: torch.fx.symbolic_trace(cnn())),
    "parameters in a list": Odd(lambda: Hidden(known=False), refused="network_hidden"),
    "modules in a list, too": Odd(lambda: Hidden(known=True)),
    "slots": Odd(lambda: Slotted()),
    "delegates": Odd(Delegating),
    # Calls
    "forward replaced by a closure": Odd(changed(by_closure)),
    "forward replaced by a partial": Odd(changed(by_default)),
    "forward replaced by a partial of a closure": Odd(changed(by_partial_of_a_closure)),
    "forward replaced by a method": Odd(changed(by_method)),
    "forward of a weak reference": Odd(changed(by_weak_reference)),
    "forward of a global name": Odd(by_global),
    "hook that changes the answer": Odd(changed(hooked)),
    # Gradients
    "detached": Odd(around(lambda self, x: self.network(x).detach()), fails=NO_GRADIENTS),
    "no_grad inside": Odd(around(torch.no_grad()(lambda self, x: self.network(x))), fails=NO_GRADIENTS),
    "no backward": Odd(around(lambda self, x: NoBackward.apply(self.network(x))), fails=NO_GRADIENTS),
    "checkpoints": Odd(around(lambda self, x: checkpoint(self.network, x, use_reentrant=False)),
                       fails=RECOMPUTES),
    "reentrant checkpoints": Odd(around(lambda self, x: checkpoint(self.network, x, use_reentrant=True)),
                                 fails=RECOMPUTES),
    "made from a checkpoint, and says so": Odd(
        around(lambda self, x: self.network(x) * (1 if self.from_checkpoint else -1), from_checkpoint=True),
        fails=dict.fromkeys(GRADIENTS, "inplace")),
    "in place, its result unused": Odd(
        around(lambda self, x: (y := self.network(x), self.relu(y), y)[2], relu=torch.nn.ReLU(inplace=True)), "relu",
        fails=dict.fromkeys(GRADIENTS, "inplace")),
    "in place, its result used": Odd(around(lambda self, x: self.relu(self.network(x)),
                                            relu=torch.nn.ReLU(inplace=True)), "relu"),
    "checkpointing switched on": Odd(changed(lambda net: net.set_grad_checkpointing(), vit), "vit"),
}  # fmt: skip
