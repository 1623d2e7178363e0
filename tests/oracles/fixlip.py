"""FIxLIP (Baniecki et al., NeurIPS 2025, arXiv:2508.05430), from the paper: the interactions of two sets of players.

A coalition keeps each cell of A and of B with probability p; its value is the similarity of the two masked things. The
weighted Banzhaf interactions of second order are the coefficients, by least squares over coalitions, of 1, of each
player and of each two of them. Cross-modal sampling embeds n coalitions of A and m of B and uses all n x m values.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def design(a: Array, b: Array) -> Array:
    """(n * m, terms) of coalitions (n, p) and (m, q): 1, the players, pairs in A, pairs in B, and A's with B's."""
    one, other = (_with_pairs(side) for side in (a, b))
    n, m = len(a), len(b)
    cross = np.einsum("ip,jq->ijpq", a, b).reshape(n * m, -1)
    return np.concatenate([np.ones((n * m, 1)), np.repeat(one, m, 0), np.tile(other, (n, 1)), cross], axis=1)


def _with_pairs(side: Array) -> Array:
    pairs = [side[:, i] * side[:, j] for i, j in combinations(range(side.shape[1]), 2)]
    return np.concatenate([side, np.stack(pairs, axis=1)], axis=1) if pairs else side


def interactions(a: Array, b: Array, values: Array) -> tuple[Array, Array]:
    """Fit the values (n, m) of coalitions: all coefficients, and those of A's players with B's (p, q)."""
    products, moments = np.zeros(()), np.zeros(())
    for own, row in zip(a, values, strict=True):  # all at once would be large
        part = design(own[None], b)
        products, moments = products + part.T @ part, moments + part.T @ row
    terms = np.linalg.lstsq(products, moments, rcond=1e-10)[0]
    cross = a.shape[1] * b.shape[1]
    return terms, terms[-cross:].reshape(a.shape[1], b.shape[1])


def predict(a: Array, b: Array, terms: Array) -> Array:
    """(n, m) what the coefficients say of coalitions."""
    return (design(a, b) @ terms).reshape(len(a), len(b))
