"""Networks as people have them, put to explain, randomise, Grad-CAM, DIX and the methods on attention.

Each works, and then its maps are those of the plain network it was made from, or it is refused by an error of ours
that says why. The network, and what torch is switched to, stay as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

import explorer
from explorer.attributions.method import offered
from explorer.core.errors import Exhausted, ExplorerError, InvalidInput, UnusableEmbedding
from explorer.encoders import gradients, torch_layers
from explorer.encoders.base import Encoder
from tests.attributions.networks import picture
from tests.contracts.odd_networks import COLUMNS, METHODS, ODD, PLAIN, Around, Cached, Odd, cnn

PICTURE, REFERENCE = picture(1), picture(2)
MASKING = explorer.MaskSettings(n_masks=16, feature_res=4)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def ask(encoder: Encoder, column: str) -> Any:
    """What a column has of an encoder: a map, or embeddings."""
    if column == "embed":
        return encoder.embed_pixels(np.stack((PICTURE, REFERENCE)))
    if column == "randomise":
        return explained(encoder.randomised(encoder.layers(), seed=1), "explain")
    return explained(encoder, column)


def explained(encoder: Encoder, method: str) -> np.ndarray:
    if method == "explain":
        return explorer.explain(PICTURE, reference=REFERENCE, encoder=encoder, masking=MASKING).attribution
    return explorer.explain(PICTURE, reference=REFERENCE, encoder=encoder, method=method).attribution


@cache
def expected(plain: str, column: str) -> Any:
    return ask(explorer.from_torch(PLAIN[plain]()), column)


def attributes(network: Any) -> list[tuple[Any, ...]]:
    """All that there is of a network, as far as it can be compared."""
    if not isinstance(network, torch.nn.Module) or isinstance(network, torch.jit.ScriptModule):
        return []
    found: list[tuple[Any, ...]] = [
        (path, part.training, *map(str, vars(part)), *part._forward_hooks, *part._forward_pre_hooks)
        for path, part in network.named_modules()
    ]
    for name, array in (*network.named_parameters(), *network.named_buffers()):
        empty = array.is_meta or torch.nn.parameter.is_lazy(array)
        gradient = None if array.is_meta or array.grad is None else array.grad.clone()
        found.append((name, id(array), array.requires_grad, gradient, None if empty else array.detach().clone()))
    return found


def switches() -> tuple[Any, ...]:
    return (
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_anomaly_enabled(),
    )


@contextmanager
def unchanged(network: Any) -> Iterator[None]:
    """The network and torch are as before."""
    before, state, random = attributes(network), switches(), torch.get_rng_state()
    yield
    assert switches() == state
    for old, new in zip(before, attributes(network), strict=True):
        for one, other in zip(old, new, strict=True):
            assert torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other
    assert torch.equal(torch.get_rng_state(), random)


def check(encoder: Encoder, odd: Odd, column: str) -> None:
    code = odd.fails.get(column, "")
    if column in METHODS and column not in offered(encoder):
        code = "method_encoder"  # known before anything is embedded
    if code:
        with pytest.raises(ExplorerError) as failed:
            ask(encoder, column)
        assert failed.value.code == code
        assert len(str(failed.value)) > 40
        return
    found = ask(encoder, column)
    assert np.isfinite(found).all()
    assert np.ptp(found) > 0
    if column == "randomise":
        assert np.abs(found - ask(encoder, "explain")).max() > 1e-3 * np.abs(found).max()
        check_each_layer(encoder)
    elif odd.plain:
        good = expected(odd.plain, column)
        if column == "embed":
            found, good = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (found, good))
        np.testing.assert_allclose(found, good, atol=odd.rtol * np.abs(good).max())


def check_each_layer(encoder: Encoder) -> None:
    """None of them can be randomised without a trace, as where something is kept of its weights."""
    before = ask(encoder, "embed")
    for layer in encoder.layers():
        assert np.abs(ask(encoder.randomised((layer,), seed=1), "embed") - before).max() > 0, layer


def test_there_are_many() -> None:
    assert len(ODD) >= 40


@pytest.mark.parametrize("name", ODD)
@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")  # of checkpoints that are only embedded
def test_it_works_or_says_why_not(name: str) -> None:
    odd = ODD[name]
    network = odd.make()
    with unchanged(network):
        if odd.refused:
            with pytest.raises(ExplorerError) as refused:
                explorer.from_torch(network)
            assert refused.value.code == odd.refused
            return
        encoder = explorer.from_torch(network)
        for column in odd.columns:
            check(encoder, odd, column)


SLOW = ("guided-ig", "blur-ig", "rise", "distance-explainer")

SWITCHES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "no gradients": lambda: torch.set_grad_enabled(False),
    "no_grad": torch.no_grad,
    "inference mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "float64": lambda: switched(torch.set_default_dtype, torch.get_default_dtype, torch.float64),
    "hooks on what is saved": lambda: torch.autograd.graph.saved_tensors_hooks(torch.zeros_like, torch.zeros_like),
    "save_on_cpu": torch.autograd.graph.save_on_cpu,
    "deterministic": lambda: switched(
        torch.use_deterministic_algorithms, torch.are_deterministic_algorithms_enabled, True
    ),
    "device": lambda: torch.device("meta"),
}


@contextmanager
def switched(switch: Callable[[Any], None], state: Callable[[], Any], value: Any) -> Iterator[None]:
    before = state()
    switch(value)
    yield
    switch(before)


@pytest.mark.parametrize("name", SWITCHES)
def test_what_torch_is_switched_to_changes_nothing(name: str) -> None:
    networks = {plain: make() for plain, make in PLAIN.items()}
    for plain, network in networks.items():
        with SWITCHES[name](), unchanged(network):
            encoder = explorer.from_torch(network)
            methods = offered(encoder) if name in ("inference mode", "device", "autocast") else [*METHODS]
            ways = (*COLUMNS[:3], *(method for method in methods if method in offered(encoder) and method not in SLOW))
            found = {column: ask(encoder, column) for column in ways}
        for column, answer in found.items():
            np.testing.assert_array_equal(answer, expected(plain, column))


def test_a_network_that_makes_numbers_of_torchs_type_is_counted_as_it_is_run() -> None:
    """Ablation-CAM asks it for its channels before there is a map."""
    network = ODD["makes zeros of torch's type"].make()
    with SWITCHES["float64"]():
        encoder = explorer.from_torch(network)
        found = ask(encoder, "ablation-cam")
    np.testing.assert_array_equal(found, ask(encoder, "ablation-cam"))


def test_what_becomes_of_a_network_later_changes_nothing() -> None:
    network = cnn()
    encoder = explorer.from_torch(network)
    before = {column: ask(encoder, column) for column in ("embed", "grad-cam")}
    network.train()
    with torch.no_grad():
        for array in (*network.parameters(), network[0][1].running_mean):
            array.mul_(2)
    network[5] = torch.nn.Identity()
    for column, answer in before.items():
        np.testing.assert_array_equal(ask(encoder, column), answer)


def test_a_network_that_keeps_something_can_be_trained_afterwards() -> None:
    network = Cached("attribute")
    encoder = explorer.from_torch(network)
    for column in ("explain", "randomise", "grad-cam"):
        ask(encoder, column)
    assert network.kept is None
    network.train()(torch.ones(2, 3, 32, 32)).sum().backward()
    assert network.last.weight.grad.abs().sum() > 0


def test_a_levit_that_has_run_forgets_its_attention_biases() -> None:
    """timm's keeps them of its weights; a copy with other weights answered as before."""
    import timm

    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(6)
        network = timm.models.levit.Levit(32, embed_dim=(16,), key_dim=8, depth=(2,), num_heads=(2,), num_classes=5)
        network.eval()
        for name, array in network.named_parameters():
            array.normal_(float(name.endswith("bn.weight")), 0.3)
        pictures = np.stack((PICTURE, REFERENCE))
        network(torch.from_numpy(pictures).permute(0, 3, 1, 2))
    encoder = explorer.from_torch(network)
    rows = encoder.embed_pixels(pictures)
    biases = [layer for layer in encoder.layers() if layer.endswith("attention_biases")]
    moved = encoder.randomised(biases, seed=1).embed_pixels(pictures) - rows
    assert np.abs(moved).max() > 1e-3 * np.abs(rows).max()


def test_a_network_may_answer_in_the_same_memory_every_time() -> None:
    class Reusing(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network, self.rows = cnn(), torch.zeros(16, 5)
            self.eval()

        def forward(self, planes: Any) -> Any:
            if torch.is_grad_enabled():
                return self.network(planes)
            return self.rows[: len(planes)].copy_(self.network(planes))

    encoder = explorer.from_torch(Reusing())
    np.testing.assert_array_equal(ask(encoder, "explain"), expected("cnn", "explain"))
    np.testing.assert_array_equal(ask(encoder, "grad-cam"), expected("cnn", "grad-cam"))


def test_a_network_that_fails_for_want_of_memory_is_not_blamed() -> None:
    def fail(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    network = cnn()
    network.register_forward_pre_hook(fail)
    with pytest.raises(Exhausted, match="not enough memory"):
        explorer.from_torch(network).embed_pixels(PICTURE[None])


def test_a_twin_forgets_what_its_base_kept_and_nothing_else() -> None:
    """The constants of a network stay, which it cannot make again."""
    network = Cached("attribute", nullcontext())
    changed = explorer.from_torch(network).randomised(("last",), seed=1)
    twice = changed.randomised(("network.5",), seed=1)
    ask(twice, "embed")
    kept = vars(twice._access.module)  # type: ignore[attr-defined]
    assert kept.get("kept") is None
    assert torch.equal(kept["constant"], torch.ones(()))
    assert kept["eye"]["eye"].shape == (5, 5)
    both = explorer.from_torch(Cached("attribute")).randomised(("last", "network.5"), seed=1)
    np.testing.assert_array_equal(ask(twice, "embed"), ask(both, "embed"))


def test_what_has_no_copy_is_left_as_it_is() -> None:
    class Uncopied:
        def __reduce_ex__(self, _: Any) -> Any:
            raise TypeError("no copy")

    network = Cached("box", nullcontext())
    network.held = Uncopied()
    network.held.kept = kept = torch.ones(3)
    ask(explorer.from_torch(network).randomised(("last",), seed=1), "embed")
    assert vars(network.held) == {"kept": kept}


def test_what_hooks_write_stays_with_the_copy() -> None:
    network, seen, known = cnn(), [], {}  # type: ignore[var-annotated]

    def see(_module: Any, _inputs: Any, output: Any) -> None:
        seen.append(output)
        known[len(seen)] = output

    network.register_forward_hook(see)
    network(torch.ones(1, 3, 32, 32))
    encoder = explorer.from_torch(network)
    for column in ("explain", "randomise", "grad-cam"):
        ask(encoder, column)
    assert len(seen) == len(known) == 1


def test_a_network_is_copied_once_to_be_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that says it is empty."""

    class Empty(Around):
        def __len__(self) -> int:
            return 0

    copies = []
    monkeypatch.setattr(
        torch_layers, "private_copy", lambda module: (copies.append(module), gradients.private_copy(module))[1]
    )
    encoder = explorer.from_torch(Empty())
    for _ in range(3):
        ask(encoder, "embed")
    assert len(copies) == 1


def test_a_class_of_networks_is_no_encoder() -> None:
    for given in (torch.nn.Linear, 3):
        with pytest.raises(InvalidInput, match=r"encoder must be a key .* from_torch and from_function make them"):
            explorer.explain(PICTURE, reference=REFERENCE, encoder=given)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [name for name, odd in ODD.items() if "embedding_unsteady" in odd.fails.values()])
def test_an_unsteady_network_is_refused_where_only_gradients_are_asked_for(name: str) -> None:
    encoder = explorer.from_torch(ODD[name].make())
    with pytest.raises(UnusableEmbedding, match="changes from one time to the next, or with the other pictures"):
        explorer.explain(PICTURE, embedding=np.arange(5.0), encoder=encoder, method="integrated-gradients")
