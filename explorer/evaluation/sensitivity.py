"""Average and maximal sensitivity: does a little noise in the picture change the map (paper, section 4.2)?

Yeh et al. 2019 (arXiv:1901.09392), as in Quantus' AvgSensitivity and MaxSensitivity: the norm of the difference
between the map of a noisy picture and that of the picture itself, over the norm of the latter. The masks are frozen,
so that nothing but the noise can change the map.

The paper's 0.06 and 0.04 were not measured with the noise it describes. Its notebooks give the standard deviation of
25.5 to Quantus but not the function that would use it, so Quantus drew its own default, uniform noise within 0.2 of
255 grey levels; the twenty values printed there have these means. ``law="uniform", spread=0.2`` repeats that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.question import Method, Question
from explorer.core.errors import InvalidInput
from explorer.core.limits import SEED
from explorer.core.steps import Parts
from explorer.core.streams import Stream, generator

LAWS = ("gaussian", "uniform")
"""What ``spread`` means: the standard deviation, or how far at most a value is moved."""

NOISES = {"described": ("gaussian", 25.5), "measured": ("uniform", 0.2)}
"""Law and spread of what section 4.2 describes, and of what its software did."""

PAPER = (0.06, 0.04)
"""Section 4.2: bee and fly, and two bees; with 500 masks and the noise of ``measured``."""


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """How much noise changed the map; NaN where a partial result has not got to.

    Attributes:
        values: (n,) relative change of the map, one for each noisy picture; 0 = none.
        attribution: (h, w) the map of the picture itself.
    """

    values: NDArray[np.float64]
    attribution: NDArray[np.float32]

    @property
    def done(self) -> int:
        """How many noisy pictures there are values of."""
        return int(np.isfinite(self.values).sum())

    @property
    def mean(self) -> float:
        """Average sensitivity."""
        return float(np.nanmean(self.values)) if self.done else float("nan")

    @property
    def max(self) -> float:
        """Maximal sensitivity."""
        return float(np.nanmax(self.values)) if self.done else float("nan")


def sensitivity(
    question: Question,
    method: Method,
    *,
    n_samples: int = 20,
    spread: float = 25.5,
    seed: int = 0,
    clip: bool | tuple[float, float] = False,
    law: str = "gaussian",
    noise: Callable[[int], NDArray[Any]] | None = None,
) -> Parts[Sensitivity]:
    """Explain the picture, then the picture with noise again and again (paper, section 4.2).

    Yields a partial result after every map but the first. The reference stays as it is.

    Args:
        question: The question.
        method: Answers it; must give the same map whenever it is asked the same.
        n_samples: Noisy pictures, at least 1.
        spread: Size of the noise, in units of the picture; see ``law``. 25.5 is 10 % of the range of pixels.
        seed: Of the noise, 0 to 2**32 - 1; picture i depends on seed and i alone.
        clip: Whether noisy values are cut off at 0 and 255, or at a range of your own. The paper lets them leave
            the range and expects little of it.
        law: A key of LAWS.
        noise: Gives the noise (h, w, c) of sample i, in place of law, spread and seed.

    Returns:
        The relative changes.

    Raises:
        InvalidInput: A number outside its range, no such law, or a map that is all zero.
        UnusableEmbedding: The encoder's answer is no embedding.
    """
    sensitivity_passes(question, method, n_samples)
    draw = noise or _noise(question.pixels.shape, law, spread, int(SEED.check(seed)))
    base = yield from method(question)
    size = float(np.linalg.norm(base.astype(np.float64)))
    if not size:
        raise InvalidInput(
            "The map is all zero, so its relative change means nothing; choose a pair with a signal.", code="zero_map"
        )
    values = np.full(n_samples, np.nan)
    for i in range(n_samples):
        changed = yield from method(question.with_pixels(_noisy(question.pixels, draw(i), clip)))
        values[i] = np.linalg.norm(changed.astype(np.float64) - base) / size
        yield Sensitivity(values.copy(), base)
    return Sensitivity(values, base)


def sensitivity_passes(question: Question, method: Method, n_samples: int = 20) -> int:
    """How many pictures ``sensitivity`` embeds: one map, and one for each sample, of which there must be one."""
    if n_samples < 1:
        raise InvalidInput("n_samples must be at least 1.", code="n_samples_range")
    return (n_samples + 1) * method.passes(question)


def _noise(shape: tuple[int, ...], law: str, spread: float, seed: int) -> Callable[[int], NDArray[np.float64]]:
    if law not in LAWS:
        raise InvalidInput(f"Unknown law of the noise; choose one of: {', '.join(LAWS)}.", code="unknown_law")
    if not 0 < spread < np.inf:  # also refuses NaN
        raise InvalidInput("The spread of the noise must be above 0; 25.5 is the paper's.", code="spread_range")

    def draw(i: int) -> NDArray[np.float64]:
        random = generator(seed, Stream.SENSITIVITY_NOISE, counter=[0, 0, 0, i])
        return spread * (random.standard_normal(shape) if law == "gaussian" else random.uniform(-1, 1, shape))

    return draw


def _noisy(pixels: NDArray[Any], noise: NDArray[Any], clip: bool | tuple[float, float]) -> NDArray[Any]:
    """The picture with noise, in its own dtype where that has fractions."""
    noisy = pixels + noise
    if clip is not False:
        low, high = (0.0, 255.0) if clip is True else clip
        noisy = np.clip(noisy, low, high)
    return np.asarray(noisy, pixels.dtype if pixels.dtype.kind == "f" else np.float32)
