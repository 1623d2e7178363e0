"""The two repairs of the randomisation test (Hedström et al. 2024, arXiv:2401.06465), as Quantus has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.question import Method, Question
from explorer.core.errors import InvalidInput
from explorer.core.limits import SEED
from explorer.core.steps import Steps
from explorer.core.streams import Stream, generator
from explorer.evaluation.randomization import check_choices, names_of, pose


@dataclass(frozen=True)
class Smoothed:
    """A method's mean map over noisy copies of the picture; given to ``randomization`` it makes the smooth MPRT.

    The last copy is without noise, so that one sample is the method itself.

    Attributes:
        method: What is smoothed.
        n_samples: Copies, at least 1; the original's 50 cost 50 maps for every layer.
        magnitude: Standard deviation of the noise, as a share of the picture's own range.
        seed: Of the noise, which is the same for every network.
        noise: Gives the standard normal noise (h, w, c) of sample i, in place of the seed.
    """

    method: Method
    n_samples: int = 50
    magnitude: float = 0.1
    seed: int = 0
    noise: Callable[[int], NDArray[np.floating]] | None = None

    def __post_init__(self) -> None:
        if self.n_samples < 1:
            raise InvalidInput("n_samples must be at least 1.", code="n_samples_range")

    def passes(self, question: Question) -> int:
        """The method's, for every copy."""
        return self.n_samples * self.method.passes(question)

    def __call__(self, question: Question) -> Steps[NDArray[np.float32]]:
        """The mean attribution (h, w)."""
        pixels = question.pixels
        kind = pixels.dtype if pixels.dtype.kind == "f" else np.dtype(np.float32)
        spread = self.magnitude * (float(pixels.max()) - float(pixels.min()))
        total = np.zeros(pixels.shape[:2])
        for i in range(self.n_samples):
            last = i == self.n_samples - 1
            noisy = pixels if last else (pixels + spread * self._draw(i, pixels.shape)).astype(kind)
            total += yield from self.method(question.with_pixels(noisy))
        return (total / self.n_samples).astype(np.float32)

    def _draw(self, i: int, shape: tuple[int, ...]) -> NDArray[np.floating]:
        if self.noise is not None:
            return self.noise(i)
        random = generator(self.seed, Stream.SMOOTHING_NOISE, counter=[0, 0, 0, i])
        return random.standard_normal(shape)


@dataclass(frozen=True, eq=False)
class Efficient:
    """How much less ordered the map becomes when the whole network is random.

    Attributes:
        maps: (2, h, w) of the untouched and of the random network.
        complexity: (2,) entropy in nats of the histogram of each map.
    """

    maps: NDArray[np.float32]
    complexity: NDArray[np.float64]

    @property
    def rise(self) -> float:
        """Relative rise of the complexity; above 0 where the map depends on the network. NaN for a constant map."""
        before, after = (float(value) for value in self.complexity)
        return (after - before) / before if before else float("nan")


def efficient(
    question: Question,
    method: Method,
    *,
    how: str = "shuffle",
    layers: Sequence[str] | None = None,
    seed: int = 0,
    reference: str = "kept",
    bins: int = 100,
) -> Steps[Efficient]:
    """The efficient MPRT: two maps in place of one for every layer, since all layers are randomised at once.

    Arguments and errors are those of ``randomization``; ``bins`` are those of the histograms, equally wide from the
    smallest value of a map to the largest.
    """
    check_choices(how=how, reference=reference)
    names = names_of(question.encoder, layers)
    untouched = yield from method(question)
    random = question.encoder.randomised(names, how, SEED.check(seed))
    changed = yield from method(pose(question, random, reference))
    maps = np.stack([untouched, changed])
    return Efficient(maps, np.array([discrete_entropy(attribution, bins) for attribution in maps]))


def efficient_passes(question: Question, method: Method) -> int:
    """How many pictures ``efficient`` embeds."""
    return 2 * method.passes(question)


def discrete_entropy(attribution: NDArray[np.floating], bins: int = 100) -> float:
    """Entropy in nats of the histogram of a map's values."""
    counts, _ = np.histogram(attribution, bins=bins)
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())
