"""The model parameter randomisation test: does the map depend on what the network has learnt (paper, section 4.3)?

Adebayo et al. 2018 (arXiv:1810.03292), in the three orders of Quantus' MPRT. Layers are taken from output to input
(``top_down``) or from input to output (``bottom_up``), each added to those before; or each by itself
(``independent``, from input to output). The similarity is Spearman's correlation of the maps.

What the paper's numbers mean was found by reading Quantus (0.6.0; the lines are the same in older ones):

* In the cascading orders it randomises a Keras network that ``clone_model`` has made, and never gives it the trained
  weights. So the paper's top-down and bottom-up columns begin with a network that is random in all its layers, and
  are low from the first row on. In the independent order the trained weights are loaded before each layer: that is
  why the first bottom-up and the first independent map differ at equal seeds. Here each layer has a random stream
  named by the seed and the layer, and the two are the same map.
* It shuffles with ``numpy.random.permutation``, which permutes along the first axis only. Of a Keras kernel that is
  the height: the same swap of three rows for every 3 x 3 convolution of VGG16, while dense layers get their inputs
  permuted and lose everything. That is why "randomised" convolutions keep the map. ``how="shuffle_rows"`` repeats
  it, ``how="shuffle"`` is what the paper says.
* The score is of absolute maps (``similarity_absolute``), which cannot tell what brings the pair closer from what
  pushes it apart.
* The paper's code embeds the reference once, by the untouched network; so do we, unless asked otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.question import Method, Question
from explorer.core.arrays import as_numpy
from explorer.core.distances import measure
from explorer.core.errors import InvalidInput, UnusableEmbedding
from explorer.core.limits import SEED
from explorer.core.spearman import spearman
from explorer.core.steps import Parts, Steps
from explorer.encoders.base import Encoder
from explorer.encoders.layers import HOW as WAYS

ORDERS = ("top_down", "bottom_up", "independent")
HOW = tuple(WAYS)
REFERENCES = ("kept", "re-embedded")
"""Whether the reference stays where the untouched network put it, as in the paper, or the randomised one embeds it."""

State = tuple[str, Encoder]
"""The layer randomised last, and the encoder with it."""


@dataclass(frozen=True, eq=False)
class Randomization:
    """Maps of more and more randomised networks; NaN where a partial result has not got to.

    Attributes:
        order: A key of ORDERS.
        how: A key of HOW.
        layers: (L,) names of layers or blocks in the order they were randomised.
        maps: (L + 1, h, w) the strip of figures 5 to 7; the first is the untouched network's.
        similarity: (L + 1,) Spearman of each map to the first, which is 1; 0 for a constant map.
        similarity_absolute: (L + 1,) the same of the maps' absolute values, as in the paper's table 1.
        shift: (L + 1,) cosine distance, 0 to 1, of the whole picture's embedding to the untouched network's.
        notices: Networks whose embeddings could not be used; their numbers stay NaN.
    """

    order: str
    how: str
    layers: tuple[str, ...]
    maps: NDArray[np.float32]
    similarity: NDArray[np.float64]
    similarity_absolute: NDArray[np.float64]
    shift: NDArray[np.float64]
    notices: tuple[str, ...] = ()

    @property
    def constant(self) -> NDArray[np.bool_]:
        """(L + 1,) whether a map is the same everywhere: it has no order, so that its 0 is no similarity measured."""
        return np.asarray(np.ptp(self.maps, axis=(1, 2)) == 0)


def randomization(
    question: Question,
    method: Method,
    *,
    order: str = "top_down",
    how: str = "shuffle",
    layers: Sequence[str] | None = None,
    seed: int = 0,
    reference: str = "kept",
) -> Parts[Randomization]:
    """Explain the picture with a network that is randomised layer by layer (paper, section 4.3).

    Yields a partial result after every map.

    Args:
        question: The question; its encoder must show its layers.
        method: Answers it.
        order: A key of ORDERS.
        how: A key of HOW.
        layers: Layers or blocks of the encoder; all its blocks where none are given.
        seed: Of all layers; each has its own stream.
        reference: A key of REFERENCES.

    Returns:
        Maps and similarities.

    Raises:
        InvalidInput: An encoder without layers, or a name that is none.
        UnusableEmbedding: The untouched encoder's answer is no embedding.
    """
    check_choices(order=order, how=how, reference=reference)
    names = names_of(question.encoder, layers, order)
    made = _states(question.encoder, names, order, how, SEED.check(seed))
    return follow(question, method, made, layers=names, order=order, how=how, reference=reference)


def randomization_passes(question: Question, method: Method, *, layers: Sequence[str] | None = None) -> int:
    """How many pictures ``randomization`` embeds: a map and the whole picture, before and for each state."""
    return (1 + len(names_of(question.encoder, layers))) * (method.passes(question) + 1)


def randomised_target(
    question: Question,
    method: Method,
    other: Question,
    *,
    attribution: NDArray[np.floating] | None = None,
    absolute: bool = False,
) -> Steps[float]:
    """Does the map depend on what is asked? Spearman's correlation with the map of a question about another target.

    In place of a network trained on permuted labels (data randomisation, Adebayo et al. 2018): the same network asked
    about a random other reference or class, as in the random logit test of Sixt et al. 2020 (arXiv:1912.09818).

    Args:
        question: The question.
        method: Answers both.
        other: The same picture and encoder with another reference, or another class.
        attribution: (h, w) the method's map for the question where there is one already.
        absolute: Whether the maps lose their signs first.

    Returns:
        -1 to 1; NaN where either map is constant and so has no order.
    """
    own = (yield from method(question)) if attribution is None else as_numpy(attribution)
    changed = yield from method(other)
    pair = [np.abs(values) if absolute else values for values in (own, changed)]
    return float("nan") if any(np.ptp(values) == 0 for values in pair) else spearman(*pair)


def follow(
    question: Question,
    method: Method,
    states: Iterable[State],
    *,
    layers: Sequence[str],
    order: str,
    how: str,
    reference: str = "kept",
) -> Parts[Randomization]:
    """``randomization`` over networks randomised in any way: as many as there are layers, made when asked for.

    The result says ``order`` and ``how`` as they are given.
    """
    untouched = yield from method(question)
    own = question.encoder.embed_pixels(question.pixels[None].copy())[0]
    yield 1
    maps = np.full((len(layers) + 1, *untouched.shape), np.nan, np.float32)
    scores = np.full((3, len(maps)), np.nan)
    maps[0], scores[:, 0] = untouched, (1, 1, 0)
    result = Randomization(order, how, tuple(layers), maps, *scores)
    yield _copy(result)
    for i, (name, encoder) in enumerate(states, start=1):
        try:
            maps[i], scores[2, i] = yield from _answer(pose(question, encoder, reference), method, own)
            scores[0, i] = spearman(maps[i], untouched)
            scores[1, i] = spearman(np.abs(maps[i]), np.abs(untouched))
        except UnusableEmbedding as error:
            result = replace(result, notices=(*result.notices, f"With {name} randomised: {error}"))
        yield _copy(result)
    return result


def _answer(question: Question, method: Method, own: NDArray[np.floating]) -> Steps[tuple[NDArray[np.float32], float]]:
    """The map, and how far the network moved the whole picture's embedding."""
    row = question.encoder.embed_pixels(question.pixels[None].copy())
    yield 1
    shift = float(measure("cosine", row, own)[0])
    return (yield from method(question)), shift


def pose(question: Question, encoder: Encoder, reference: str = "kept") -> Question:
    """The same question put to a randomised encoder, with a key of REFERENCES."""
    if reference == "re-embedded":
        return question.with_encoder(encoder)
    target = question.target
    return replace(question, encoder=encoder, refer=lambda _: target)


def names_of(encoder: Encoder, layers: Sequence[str] | None, order: str = "bottom_up") -> tuple[str, ...]:
    """The layers in the order they are randomised; all blocks where none are given.

    Raises:
        InvalidInput: The encoder shows no layers, or none is chosen.
    """
    if not encoder.layers():
        encoder.randomised(())  # raises, and says what would help
    names = tuple(encoder.blocks()) if layers is None else tuple(layers)
    if not names:
        raise InvalidInput("Choose at least one layer to randomise.", code="layers_empty")
    return names[::-1] if order == "top_down" else names


def check_choices(*, order: str = "top_down", how: str = "shuffle", reference: str = "kept") -> None:
    """Raise InvalidInput where one of the keys is none."""
    for name, key, keys in (("order", order, ORDERS), ("how", how, HOW), ("reference", reference, REFERENCES)):
        if key not in keys:
            raise InvalidInput(f"Unknown {name}; choose one of: {', '.join(keys)}.", code=f"unknown_{name}")


def _states(encoder: Encoder, names: tuple[str, ...], order: str, how: str, seed: int) -> Iterator[State]:
    for i, name in enumerate(names):
        yield name, encoder.randomised((name,) if order == "independent" else names[: i + 1], how, seed)


def _copy(result: Randomization) -> Randomization:
    arrays = ("maps", "similarity", "similarity_absolute", "shift")
    return replace(result, **{name: getattr(result, name).copy() for name in arrays})
