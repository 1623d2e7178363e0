"""What randomising one layer does to weights, embeddings, distances and map (the open question of section 4.3).

The paper asks why some layers can be randomised without the map changing much, and guesses that shuffling weights of
low variance has a small effect. Four numbers a layer tell the guesses apart. ``moved`` is the relative change of the
weights: shuffling W gives sqrt(2 var W / mean W^2) on average, so near 0 if their variance is low, and sqrt(2) if their
mean is negligible. ``shift`` says how far the whole picture's embedding went, ``agreement`` whether the masked copies
are still ranked alike, and ``similarity`` whether the map, which is made of that ranking, is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.question import DistanceExplainer, Question
from explorer.core.distances import measure
from explorer.core.explanation import Explanation
from explorer.core.limits import SEED
from explorer.core.spearman import spearman
from explorer.core.steps import Parts
from explorer.encoders.base import Encoder
from explorer.evaluation.randomization import check_choices, names_of, pose


@dataclass(frozen=True)
class LayerFact:
    """One layer or block, randomised while all others are untouched.

    Attributes:
        layer: Its name.
        n_parameters: Numbers in it, running statistics included.
        mean: Of the numbers of its largest array.
        deviation: Their standard deviation.
        moved: Relative change of its arrays, each ``|W' - W| / |W|``, as the root of the mean square over the numbers.
        still: Share of the numbers that kept their value.
        shift: Cosine distance, 0 to 1, between the whole picture's embeddings before and after.
        agreement: Spearman of the masked copies' distances before and after.
        similarity: Spearman of the maps.
        similarity_absolute: Spearman of the maps' absolute values.
    """

    layer: str
    n_parameters: int
    mean: float
    deviation: float
    moved: float
    still: float
    shift: float
    agreement: float
    similarity: float
    similarity_absolute: float


def layer_facts(
    question: Question,
    explainer: DistanceExplainer,
    *,
    layers: Sequence[str] | None = None,
    how: str = "shuffle",
    seed: int = 0,
    reference: str = "kept",
) -> Parts[tuple[LayerFact, ...]]:
    """Randomise layers one by one, as the independent order does, and measure what changes: a row for each, in order.

    Arguments and errors are those of ``randomization``.
    """
    check_choices(how=how, reference=reference)
    names = names_of(question.encoder, layers)
    whole = question.pixels[None]
    before = yield from explainer.explain(question)
    own = question.encoder.embed_pixels(whole.copy())[0]
    yield 1
    rows: tuple[LayerFact, ...] = ()
    for name in names:
        changed = question.encoder.randomised((name,), how, SEED.check(seed))
        shift = float(measure("cosine", changed.embed_pixels(whole.copy()), own)[0])
        yield 1
        after = yield from explainer.explain(pose(question, changed, reference))
        rows = (*rows, _fact(name, question.encoder, changed, shift, before, after))
        yield rows
    return rows


def layer_facts_passes(question: Question, explainer: DistanceExplainer, *, layers: Sequence[str] | None = None) -> int:
    """How many pictures ``layer_facts`` embeds: a map and the whole picture before, and after for each layer."""
    return (1 + len(names_of(question.encoder, layers))) * (explainer.passes(question) + 1)


def _fact(
    name: str, encoder: Encoder, changed: Encoder, shift: float, before: Explanation, after: Explanation
) -> LayerFact:
    inner = encoder.blocks().get(name, (name,))
    old = [array.astype(np.float64).ravel() for layer in inner for array in encoder.weights(layer).values()]
    new = [array.astype(np.float64).ravel() for layer in inner for array in changed.weights(layer).values()]
    sizes = np.array([array.size for array in old])
    moves = np.array([_change(a, b) for a, b in zip(old, new, strict=True)])
    largest = old[int(sizes.argmax())]
    same = sum(int((a == b).sum()) for a, b in zip(old, new, strict=True))
    return LayerFact(
        layer=name,
        n_parameters=int(sizes.sum()),
        mean=float(largest.mean()),
        deviation=float(largest.std()),
        moved=float(np.sqrt((sizes * moves**2).sum() / sizes.sum())),
        still=same / float(sizes.sum()),
        shift=shift,
        agreement=spearman(before.distances, after.distances),
        similarity=spearman(before.attribution, after.attribution),
        similarity_absolute=spearman(np.abs(before.attribution), np.abs(after.attribution)),
    )


def _change(old: NDArray[np.float64], new: NDArray[np.float64]) -> float:
    """Relative change of one array; of one that was all zero, 0 if it still is and else 1."""
    size = float(np.linalg.norm(old))
    moved = float(np.linalg.norm(new - old))
    return moved / size if size else float(moved > 0)
