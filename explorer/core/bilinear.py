"""How the similarity of two masked things follows from what masks keep of both: coefficients, and a held-out test.

Both things are described by what each mask keeps of each cell (n, cells) and by the embeddings of length 1 (n, d).
Nothing of the size of all pairs, or of cells times d, is kept; embeddings are looked at piece by piece.

The test deals the masks of either thing into folds by their numbers and predicts the similarity of each two copies of
a fold from the others. Ridge regression predicts the embeddings (A. E. Hoerl and R. W. Kennard 1970, Technometrics 12,
55-67), its strength chosen by generalised cross-validation (G. Golub, M. Heath and G. Wahba 1979, Technometrics 21,
215-223) among the others as well; the dot product of two predictions has the terms of first order and the match.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.core.cells import MaskCells, pieces
from explorer.core.streams import Stream, generator

Array = NDArray[np.float64]

FOLDS, FEW = 5, 20
"""Folds; of fewer masks each is held out by itself."""
MOST_HELD = 256
"""Copies of a fold that are held out: hundreds of thousands of pairs tell enough."""
COLUMNS = 2048
"""Numbers of each embedding looked at in one go."""
STRENGTHS = np.logspace(-8, 3, 45)
"""Of the ridge, in units of the mean variance."""
SHUFFLES = 99
ROUNDING = 1e-6
"""Similarities that differ by no more, on a scale of 1, are the same."""


@dataclass(frozen=True, eq=False)
class Copies:
    """One thing's masked copies.

    Attributes:
        cells: What masks keep.
        embeddings: (n, d).
        lengths: (n,) of them.
        all: Whether there are no others, since every way of hiding was tried: then none can be held out.
    """

    cells: MaskCells
    embeddings: NDArray[np.floating]
    lengths: Array
    all: bool = False

    def __len__(self) -> int:
        return len(self.embeddings)

    def pieces(self, columns: slice) -> Iterator[tuple[int, Array, Array]]:
        """Where a piece starts, what its masks keep (b, cells), and some columns of the units (b, c)."""
        for start, stop in pieces(len(self)):
            rows = self.embeddings[start:stop, columns].astype(np.float64)
            yield start, self.cells(start, stop), rows / self.lengths[start:stop, None]


@dataclass(frozen=True, eq=False)
class Fitted:
    """What pairs of cells do together, and how much of the similarity that accounts for.

    Attributes:
        weights: (cells of A, cells of B) float64.
        r2_first: Held out, of the terms of first order alone.
        r2: With the products.
        n: Pairs held out.
        chance: Share of shuffled pairings that do as well; 0 where nothing can be shuffled.
    """

    weights: Array
    r2_first: float
    r2: float
    n: int
    chance: float


def fit(a: Copies, b: Copies) -> Fitted:
    """Regress the similarity of every two copies on what their masks keep, and test it."""
    fewest = min((len(side) for side in (a, b) if not side.all), default=1)
    folds = FOLDS if fewest >= FEW else fewest
    one, other = _Side(a, folds), _Side(b, folds)
    weights, tests = (
        np.zeros((len(one.mean), len(other.mean))),
        [_Test(*parts) for parts in zip(one.parts, other.parts, strict=True)],
    )
    for low, high in pieces(a.embeddings.shape[1], COLUMNS):
        one.look(slice(low, high))
        other.look(slice(low, high))
        weights += one.moves() @ other.moves().T
        for test in tests:
            test.look()
    return Fitted(weights, *_judged([test.end() for test in tests]))


class _Side:
    """Sums over one thing's copies, by fold, and what follows from all and from all but one fold."""

    def __init__(self, copies: Copies, folds: int) -> None:
        asked, self._copies = folds, copies
        self._folds = folds = 1 if copies.all else folds
        self._out = 0 if copies.all else 1
        self._zero = copies.cells(0, min(len(copies), 256)).mean(0)  # near the mean, so that sums stay small
        kept = [np.zeros(len(self._zero)) for _ in range(folds)]
        products = [np.zeros((len(self._zero),) * 2) for _ in range(folds)]
        held: list[list[Array]] = [[] for _ in range(folds)]
        counts = np.zeros(folds, int)
        for start, stop in pieces(len(copies)):
            cells = copies.cells(start, stop) - self._zero
            for fold in range(folds):
                own = cells[self._own(start, fold)]
                room = max(0, MOST_HELD - int(counts[fold]))
                kept[fold] += own.sum(0)
                products[fold] += own.T @ own
                held[fold].append(own[:room].copy())  # a view would keep all of it
                counts[fold] += len(own)
        total, squares = np.sum(kept, axis=0), np.sum(products, axis=0)
        n = len(copies)
        self.mean = total / n
        self._spread = np.diag(squares) - n * self.mean**2
        self._spread[self._spread <= 1e-12 * n] = np.inf  # a cell that all masks keep alike moves nothing
        out = self._out
        self._parts = [
            _Part(n - out * int(counts[k]), total - out * kept[k], squares - out * products[k], np.concatenate(held[k]))
            for k in range(folds)
        ]
        self.parts = self._parts * (asked // folds)

    def _own(self, start: int, fold: int) -> slice:
        return slice((fold - start) % self._folds, None, self._folds)

    def look(self, columns: slice) -> None:
        """Sum some columns of the embeddings up."""
        folds, cells = self._folds, len(self.mean)
        width = len(range(*columns.indices(self._copies.embeddings.shape[1])))
        sums, products = np.zeros((folds, width)), np.zeros((folds, cells, width))
        held: list[list[Array]] = [[] for _ in range(folds)]
        seen = np.zeros(folds, int)
        for start, kept, rows in self._copies.pieces(columns):
            kept = kept - self._zero
            for fold in range(folds):
                own = self._own(start, fold)
                sums[fold] += rows[own].sum(0)
                products[fold] += kept[own].T @ rows[own]
                held[fold].append(rows[own][: max(0, MOST_HELD - int(seen[fold]))].copy())
                seen[fold] += len(rows[own])
        self._sum, self._product = sums.sum(0), products.sum(0)
        for k, part in enumerate(self._parts):
            rest = self._sum - self._out * sums[k], self._product - self._out * products[k]
            part.look(*rest, np.concatenate(held[k]))

    def moves(self) -> Array:
        """(cells, c) how keeping each cell moves the embedding."""
        return np.asarray((self._product - np.outer(self.mean, self._sum)) / self._spread[:, None])


class _Part:
    """All folds but one, which is held out: a ridge regression in the directions of what masks keep together."""

    def __init__(self, n: int, kept: Array, products: Array, held: Array) -> None:
        self.n, self._mean = n, kept / n
        values, vectors = np.linalg.eigh(products - n * np.outer(self._mean, self._mean))
        real = values > max(1e-9 * values.max(initial=0), 1e-12 * n)
        self.values, self._vectors = values[real], vectors[:, real]
        self.held = (held - self._mean) @ self._vectors
        self._energy, self._off = np.zeros(len(self.values)), 0.0

    def look(self, rows: Array, products: Array, held: Array) -> None:
        """Take some columns: the sum of the rows, of cells times rows, and the rows held out."""
        self.centre, self.held_rows = rows / self.n, held
        self.moved = self._vectors.T @ (products - np.outer(self._mean, rows))
        self._energy += np.square(self.moved).sum(1)
        self._off += float(self.centre @ self.centre)

    def shrink(self) -> Array:
        """(directions,) what ``moved`` is divided by."""
        if not len(self.values):
            return np.empty(0)
        whole, best = self.n * (1 - self._off), np.inf
        strength = STRENGTHS[-1] * self.values.mean()
        for tried in STRENGTHS * self.values.mean():
            free = self.n - 1 - float((self.values / (self.values + tried)).sum())
            if free < 0.02 * self.n:
                continue
            left = whole - float((self._energy * (self.values + 2 * tried) / (self.values + tried) ** 2).sum())
            least = max(left, 1e-14 * self.n) / free**2
            if least < best:
                best, strength = least, tried
        return np.asarray(self.values + strength)


class _Test:
    """What the parts of two things say of the copies held out of both."""

    def __init__(self, a: _Part, b: _Part) -> None:
        self._a, self._b = a, b
        self._both = np.zeros((len(a.values), len(b.values)))
        self._first_a, self._first_b = np.zeros(len(a.values)), np.zeros(len(b.values))
        self._truth, self._base = np.zeros((len(a.held), len(b.held))), 0.0

    def look(self) -> None:
        """Take the columns that the parts have taken."""
        a, b = self._a, self._b
        self._both += a.moved @ b.moved.T
        self._first_a += a.moved @ b.centre
        self._first_b += b.moved @ a.centre
        self._base += float(a.centre @ b.centre)
        self._truth += a.held_rows @ b.held_rows.T

    def end(self) -> tuple[Array, Array, Array]:
        """(held of A, held of B) the similarities, what the terms of first order say of them, and the products."""
        one, other = (part.held / part.shrink() for part in (self._a, self._b))
        first = self._base + (one @ self._first_a)[:, None] + other @ self._first_b
        return self._truth, first, one @ self._both @ other.T


def _judged(found: list[tuple[Array, Array, Array]]) -> tuple[float, float, int, float]:
    """R2 of first order and with the products, pairs, and how often shuffled pairings do as well."""
    truth, first, both = (np.concatenate([part[i].ravel() for part in found]) for i in range(3))
    whole = float(np.square(truth - truth.mean()).sum())
    if whole <= ROUNDING**2 * truth.size:  # all pairs are alike
        return 0.0, 0.0, truth.size, 1.0
    r2_first, r2 = (max(-1.0, 1 - float(np.square(truth - said).sum()) / whole) for said in (first, first + both))
    pairs = [(real - said, product) for real, said, product in found]
    if pairs[0][0].shape[0] > pairs[0][0].shape[1]:  # shuffle those that are more
        pairs = [(rest.T, product.T) for rest, product in pairs]
    together = [rest.T @ product for rest, product in pairs]
    if max(len(part) for part in together) < 2:
        return r2_first, r2, truth.size, 0.0
    lots = generator(0, Stream.SHUFFLED_PAIRS)
    reached = sum(float(np.trace(part)) for part in together)
    better = 0
    for _ in range(SHUFFLES):
        shuffled = sum(float(part[np.arange(len(part)), lots.permutation(len(part))].sum()) for part in together)
        better += shuffled >= reached
    return r2_first, r2, truth.size, (1 + better) / (1 + SHUFFLES)
