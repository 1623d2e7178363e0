"""Ways to hide parts of a picture and ways to make a map of what follows, for ``bench_schemes.py``.

Every map here is made of bits (what was hidden), of what one bit covers, and of distances.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from explorer.core.masks import ArrayMasks, GridMasks, MaskSet, MaskSettings, sample_masks
from explorer.core.selections import SelectionSettings, select

CELLS = 8
SEGMENTS, SIGMA = 64, 6.0
"""Superpixels asked for, and by how much each is blurred (Pihlgren & Främling 2024, arXiv:2409.04116), in pixels."""
RIDGES = np.logspace(-4, 4, 25)
LIME_WIDTH = 0.25
"""Of the kernel by which copies that hide much count less (Ribeiro et al. 2016, for pictures)."""


@dataclass(frozen=True, eq=False)
class Design:
    """Masks, and what they are made of.

    Attributes:
        masks: To be embedded.
        bits: (n, k) what each mask keeps of each cell or superpixel, 0 to 1.
        basis: (k, h, w) what each of those covers.
        shifted: Whether cells lie elsewhere in each mask, so that a map is no sum over ``basis``.
    """

    masks: MaskSet
    bits: NDArray[np.float64]
    basis: NDArray[np.float32]
    shifted: bool = False

    def map_of_weights(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sum of weight times mask over the first masks, (h, w)."""
        if self.shifted:
            return self.masks.weighted_sum(weights).astype(np.float64)
        return self.map_of_parts(weights @ self.bits[: len(weights)])

    def map_of_parts(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """A map (h, w) that has a value (k,) for each cell or superpixel."""
        return np.tensordot(values, self.basis.astype(np.float64), axes=1)

    def kept(self, maps: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sum of each map (m, h, w) over what each mask keeps, (m, n)."""
        if self.shifted:
            return self.masks.sums_kept(maps)
        flat = self.basis.reshape(len(self.basis), -1).astype(np.float64)
        return maps.reshape(len(maps), -1) @ flat.T @ self.bits.T


# Designs


def shifted_grid(scheme: str, n: int, seed: int, size: tuple[int, int]) -> Design:
    """The library's own masks."""
    masks = sample_masks(MaskSettings(n_masks=n, feature_res=CELLS, seed=seed, scheme=scheme), size)
    basis = cells(size)
    own = np.stack([cell > 0 for cell in hard_cells(size)]).astype(np.float64)
    bits = (masks.sums_kept(own) / own.sum((1, 2))[:, None]).T
    return Design(masks, bits, basis, shifted=True)


def fixed_grid(bits: NDArray[np.uint8], size: tuple[int, int]) -> Design:
    """Bits of cells that lie in the same place in every mask."""
    shifts = np.tile([side // CELLS // 2 for side in size], (len(bits), 1)).astype(np.int32)
    masks = GridMasks(np.packbits(bits, axis=1), shifts, CELLS, size)
    return Design(masks, bits.astype(np.float64), cells(size))


def superpixels(bits: NDArray[np.uint8], basis: NDArray[np.float32]) -> Design:
    """Bits of blurred superpixels; a bit for each of ``basis``."""
    own = bits[:, : len(basis)]
    h, w = basis.shape[1:]
    masks = own.astype(np.float32) @ basis.reshape(len(basis), -1)
    return Design(ArrayMasks(masks.clip(0, 1).reshape(-1, h, w)), own.astype(np.float64), basis)


def independent_bits(n: int, seed: int) -> NDArray[np.uint8]:
    """(n, 64), each 1 half of the time."""
    return np.random.default_rng([seed, 1]).integers(0, 2, (n, CELLS**2)).astype(np.uint8)


def complementary_bits(n: int, seed: int) -> NDArray[np.uint8]:
    """(n, 64), every other row the opposite of the one before."""
    half = np.random.default_rng([seed, 2]).integers(0, 2, (-(-n // 2), CELLS**2)).astype(np.uint8)
    return np.stack([half, 1 - half], axis=1).reshape(-1, CELLS**2)[:n]


def balanced_bits(n: int, seed: int) -> NDArray[np.uint8]:
    """(n, 64), those of the library's orthogonal scheme."""
    masks = sample_masks(MaskSettings(n_masks=n, feature_res=CELLS, seed=seed, scheme="orthogonal"), (224, 224))
    return masks.grids().reshape(n, -1).astype(np.uint8)


def shapley_bits(n: int, seed: int) -> NDArray[np.uint8]:
    """(n, 64) coalitions as often as the Shapley kernel weighs their size, in opposite pairs (Covert & Lee 2021)."""
    random, count = np.random.default_rng([seed, 3]), CELLS**2
    sizes = np.arange(1, count)
    weights = (count - 1) / (sizes * (count - sizes))
    drawn = random.choice(sizes, -(-n // 2), p=weights / weights.sum())
    half = np.zeros((len(drawn), count), np.uint8)
    for row, size in zip(half, drawn, strict=True):
        row[random.permutation(count)[:size]] = 1
    return np.stack([half, 1 - half], axis=1).reshape(-1, count)[:n]


def cells(size: tuple[int, int]) -> NDArray[np.float32]:
    """(64, h, w): each cell as a mask without a shift shows it."""
    one = np.eye(CELLS**2, dtype=np.uint8)
    shifts = np.tile([side // CELLS // 2 for side in size], (len(one), 1)).astype(np.int32)
    return GridMasks(np.packbits(one, axis=1), shifts, CELLS, size).render(0, len(one))


def hard_cells(size: tuple[int, int]) -> NDArray[np.bool_]:
    """(64, h, w): the pixels of each cell."""
    rows, columns = (np.arange(side) * CELLS // side for side in size)
    place = rows[:, None] * CELLS + columns
    return place == np.arange(CELLS**2)[:, None, None]


def blurred_superpixels(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(k, h, w) with k at most 64: SLIC's (Achanta et al. 2012), each blurred, summing to 1 in every pixel."""
    from skimage.segmentation import slic

    for wanted in range(SEGMENTS, 8, -4):
        labels = slic(pixels, n_segments=wanted, compactness=10, start_label=0, channel_axis=-1)
        if labels.max() < SEGMENTS:
            break
    return np.stack([gaussian_filter((labels == k).astype(np.float32), SIGMA) for k in np.unique(labels)])


# Read-outs: a design, the distances of its first copies, and those of the whole and of the empty picture -> a map

ReadOut = Callable[[Design, NDArray[np.float64], tuple[float, float]], NDArray[np.float64]]


def mirror(design: Design, distances: NDArray[np.float64], ends: tuple[float, float]) -> NDArray[np.float64]:
    """The paper's: the closest tenth less the farthest."""
    return design.map_of_weights(select(distances, SelectionSettings(mode="mirror", threshold=0.1)))


def rank(design: Design, distances: NDArray[np.float64], ends: tuple[float, float]) -> NDArray[np.float64]:
    """All by their rank."""
    return design.map_of_weights(select(distances, SelectionSettings(mode="rank_weighted")))


def ridge(design: Design, distances: NDArray[np.float64], ends: tuple[float, float]) -> NDArray[np.float64]:
    """Ridge regression on cells, its strength by generalised cross-validation (Golub et al. 1979)."""
    bits, closeness = design.bits[: len(distances)], -distances
    bits, closeness = bits - bits.mean(0), closeness - closeness.mean()
    u, s, vt = np.linalg.svd(bits, full_matrices=False)
    known, n = u.T @ closeness, len(closeness)
    scores = []
    for strength in RIDGES * float((s**2).mean()):
        shrunk = s**2 / (s**2 + strength)
        left = closeness - u @ (shrunk * known)
        scores.append((float(left @ left) / n / (1 - (1 + shrunk.sum()) / n) ** 2, strength))
    strength = min(scores)[1]
    return design.map_of_parts(vt.T @ (s / (s**2 + strength) * known))


def kernel_shap(design: Design, distances: NDArray[np.float64], ends: tuple[float, float]) -> NDArray[np.float64]:
    """Least squares on coalitions drawn by the kernel; the values add up to what the whole has over the empty one."""
    bits = design.bits[: len(distances)]
    whole, empty = (-end for end in ends)
    target, n, count = -distances - empty, len(distances), bits.shape[1]
    system = np.linalg.inv(bits.T @ bits / n + 1e-6 * np.eye(count))
    free = system @ (bits.T @ target / n)
    return design.map_of_parts(free - system.sum(1) * (free.sum() - (whole - empty)) / system.sum())


def hsic(design: Design, distances: NDArray[np.float64], ends: tuple[float, float]) -> NDArray[np.float64]:
    """HSIC of each bit and the distance (Novello et al. 2022, arXiv:2206.06219), with the sign of their correlation."""
    bits, n = 2 * design.bits[: len(distances)] - 1, len(distances)
    gaps = (distances[:, None] - distances[None]) ** 2
    kernel = np.exp(-gaps / (2 * max(float(np.median(gaps)), 1e-18)))
    kernel -= kernel.mean(0)
    kernel -= kernel.mean(1)[:, None]
    values = np.einsum("ik,ik->k", bits, kernel @ bits) / (2 * (n - 1) ** 2)
    return design.map_of_parts(values * np.sign((bits - bits.mean(0)).T @ -(distances - distances.mean())))


def lime(design: Design, distances: NDArray[np.float64], ends: tuple[float, float]) -> NDArray[np.float64]:
    """Ridge regression of strength 1, weighted by how much a copy keeps (Ribeiro et al. 2016, arXiv:1602.04938)."""
    bits, closeness = design.bits[: len(distances)], -distances
    gap = 1 - np.sqrt(bits.mean(1))  # cosine distance of a row of bits to ones
    weights = np.sqrt(np.exp(-((gap / LIME_WIDTH) ** 2)))
    total = weights / weights.sum()
    bits, closeness = bits - total @ bits, closeness - total @ closeness
    scale = closeness.std() or 1.0
    weighed = bits * weights[:, None]
    return design.map_of_parts(np.linalg.solve(weighed.T @ bits + np.eye(bits.shape[1]), weighed.T @ closeness / scale))
