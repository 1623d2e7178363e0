"""Which part of one thing goes with which part of another: every pair of cells, from two probes and no pass more.

A probe says how keeping a cell moves the embedding. The cosine similarity of two masked copies, one of each thing, is
bilinear in their embeddings of length 1, so what keeping cell p of the one and cell q of the other does together is
the dot product of the two moves: with u the embeddings of A, m what each mask keeps of each cell,

    e_p = sum_i (m_ip - mean_p) u_i / sum_i (m_ip - mean_p)^2        W[p, q] = e_p . g_q

That is the coefficient of the product (m_ip - mean_p) (n_jq - mean_q) in a regression on all pairs (i, j), and exactly
so where cells are kept independently: n + m passes answer n x m pairs. Kin: FIxLIP (Baniecki et al., NeurIPS 2025)
estimates such interactions of picture and caption from pairs that are embedded together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from explorer.core.arguments import check_kind, described
from explorer.core.bilinear import Copies, fit
from explorer.core.cells import MaskCells, pieces
from explorer.core.distances import lengths_of
from explorer.core.errors import InvalidInput, UnusableEmbedding
from explorer.core.explanation import Explanation
from explorer.core.masks import ArrayMasks
from explorer.core.places import place_name
from explorer.core.probe import Probe, complete
from explorer.core.regions import Cell, as_region
from explorer.core.sentences import MaskedSentence, WordsExplanation, prepare_words, tries_all

CELLS, MOST_CELLS = 16, 32
"""Rows and columns of a picture's cells, where nobody says otherwise and at most: then W has a million numbers."""
SOFT = 0.15
"""How wide a touch is, as a share of the side: the standard deviation of a Gaussian. By the scenes of cutouts in
tests/benchmarks/bench_match.py: narrower touches are noisier, wider ones cannot tell neighbours apart."""
ROUNDING = 1e-9
"""Weights nearer to zero are rounding."""
WORTH = 0.005
"""Share of the variance below which what two things do together is nothing to speak of."""
SURE = 0.05
"""So seldom, at most, may shuffled pairs do as well."""
HIDDEN = (
    "Class probabilities hide what goes with what: they name the likeliest class and nearly forget the rest. An "
    "encoder whose embeddings are features shows more."
)
PROBES = "a probe, as explorer.probe makes them, an explanation, or a caption"

Array = NDArray[np.float64]


class Pair(NamedTuple):
    """Two cells that go together.

    Attributes:
        a: (row, column) in A.
        b: (row, column) in B.
        weight: Of ``Match.weights``.
    """

    a: Cell
    b: Cell
    weight: float


@dataclass(frozen=True, eq=False)
class Match:
    """Which cells of A go with which cells of B; of a sentence, the cells are its words, in one row.

    Attributes:
        weights: (rows, columns, rows, columns) float32, A's rows and columns first: how much keeping a cell of A and a
            cell of B together changes their cosine similarity, beyond what each does by itself.
        r2_first: Share of the variance of the similarity of held-out pairs of masked copies, neither of which was
            looked at, that what each cell does by itself accounts for. -1 to 1. Of a sentence every way of hiding whose
            words was tried, nothing can be held out.
        r2: The same with the match.
        n: Held-out pairs.
        chance: How often shuffled pairs do as well.
        probe_a: Of A.
        probe_b: Of B.
    """

    weights: NDArray[np.float32] = field(repr=False)
    r2_first: float
    r2: float
    n: int
    chance: float
    probe_a: Probe = field(repr=False)
    probe_b: Probe = field(repr=False)

    def __str__(self) -> str:
        return self.says

    @cached_property
    def counterparts(self) -> NDArray[np.float32]:
        """(rows, columns, rows, columns) what ``touch`` and ``back`` read.

        Of drawn masks: the weights less what is the same whatever is touched, softened to the width of a touch, as a
        few hundred masks tell no finer. Of masks you gave: the weights as they are.
        """
        shape_a, shape_b = self.weights.shape[:2], self.weights.shape[2:]
        one, other = _reading(self.probe_a, shape_a), _reading(self.probe_b, shape_b)
        flat = self.weights.astype(np.float64).reshape(len(one), len(other))
        return (one @ flat @ other.T).astype(np.float32).reshape(self.weights.shape)

    def touch(self, region: Any) -> NDArray[np.float32]:
        """What a region of A lights in B: (rows, columns) of B, the sum of ``counterparts`` over the region.

        Args:
            region: A cell (row, column), a box (top, left, bottom, right) of cells with bottom and right left out, or a
                bool array of A's cells. Of a sentence: the number of a word, or a bool for each.

        Raises:
            InvalidInput: None of these, or outside the cells.
        """
        chosen = as_region(region, self.weights.shape[:2])
        return np.asarray(self.counterparts[chosen].sum(0, dtype=np.float64), np.float32)

    def back(self, region: Any) -> NDArray[np.float32]:
        """What a region of B lights in A; as ``touch``."""
        chosen = as_region(region, self.weights.shape[2:])
        return np.asarray(self.counterparts[:, :, chosen].sum(2, dtype=np.float64), np.float32)

    def pairs(self, k: int = 5) -> list[Pair]:
        """The k strongest pairs of cells, the strongest first; all of them where there are fewer.

        Raises:
            InvalidInput: k is no whole number of at least 1.
        """
        if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
            raise InvalidInput(f"k must be a whole number, at least 1, got {described(k)}.", code="match_pairs")
        flat = self.weights.ravel()
        best = np.argsort(-flat, kind="stable")[:k]
        places = np.stack(np.unravel_index(best, self.weights.shape), axis=1).tolist()
        return [Pair((p, q), (s, t), float(flat[i])) for (p, q, s, t), i in zip(places, best, strict=True)]

    @property
    def no_signal(self) -> str:
        """Why nothing can be said of what goes with what, or an empty string."""
        if np.abs(self.weights).max() <= ROUNDING:
            return "The two have nothing in common: what is kept of the one never changes what the other does."
        gain, shuffled = self.r2 - max(self.r2_first, 0), self.chance > SURE
        if gain >= WORTH and not shuffled:
            return ""
        adds, alone = (100 * max(share, 0) for share in (gain, self.r2_first))
        return (
            f"The two have nothing in common that shows: what both keep together adds {adds:.1f} % to the {alone:.0f} "
            f"% that what each keeps by itself accounts for{', no more than shuffled pairs do' * shuffled}."
        )

    @property
    def says(self) -> str:
        """What goes with what, in a sentence or two, or why nothing can be said."""
        return self.no_signal or " ".join([_sentence(self), _accounts(self)])

    @property
    def notices(self) -> tuple[str, ...]:
        """What the user should know."""
        hides = (HIDDEN,) if "class probabilities" in self.probe_a.encoder.card.embedding else ()
        return tuple(dict.fromkeys((*hides, *self.probe_a.notices, *self.probe_b.notices)))


def match(probe_a: Any, probe_b: Any, r: int | tuple[int, int] = CELLS) -> Match:
    """Which part of A goes with which part of B; embeds nothing but a caption that is given.

    Args:
        probe_a: Of A: a probe, complete or not; an explanation, whose probe is taken; or a caption, whose words are
            hidden in turn.
        probe_b: Of B, by the same encoder; the two need not have the same masks, or size.
        r: Rows and columns of a picture's cells, 1 to 32; or one number for each of the two. Cells finer than those of
            the masks say no more.

    Returns:
        The match.

    Raises:
        InvalidInput: Probes of two encoders, without masks, or something else than probes.
        UnusableEmbedding: Non-finite or zero-length embeddings.
    """
    a, b = _as_probes(probe_a, probe_b)
    _check_alike(a, b)
    sides = check_cells(r)
    grids = [_grid(probe, side) for probe, side in zip((a, b), sides, strict=True)]
    one, other = (_copies(probe, grid, name) for probe, grid, name in zip((a, b), grids, "AB", strict=True))
    found = fit(one, other)
    return Match(
        weights=found.weights.astype(np.float32).reshape(*grids[0], *grids[1]),
        r2_first=found.r2_first,
        r2=found.r2,
        n=found.n,
        chance=found.chance,
        probe_a=a,
        probe_b=b,
    )


def _as_probes(*given: Any) -> tuple[Probe, Probe]:
    found: list[Any] = []
    for name, value in zip(("probe_a", "probe_b"), given, strict=True):
        check_kind(name, value, (Probe, Explanation, WordsExplanation, str), PROBES)
        explained = value.ranked if isinstance(value, WordsExplanation) else value
        found.append(explained.probe if isinstance(explained, Explanation) else explained)
    probes = [probe for probe in found if isinstance(probe, Probe)]
    if not probes:
        raise InvalidInput(
            "Two captions name no encoder; give a probe for one of them, such as explorer.explain_words(...) made.",
            code="match_captions",
        )
    by = probes[0].encoder
    by = by.by if isinstance(by, MaskedSentence) else by
    one, other = (probe if isinstance(probe, Probe) else complete(prepare_words(probe, encoder=by)) for probe in found)
    return one, other


def _check_alike(a: Probe, b: Probe) -> None:
    for name, probe in (("A", a), ("B", b)):
        if len(probe) < 2:
            raise InvalidInput(
                f"The probe of {name} has {len(probe) or 'no'} mask{'' if len(probe) == 1 else 's'} yet; a match takes "
                "two at least, and some hundreds to say much.",
                code="match_masks",
            )
    names = [(probe.encoder.card.key, probe.encoder.fingerprint) for probe in (a, b)]
    if names[0] != names[1]:
        titles = " and ".join(probe.encoder.card.title for probe in (a, b))
        raise InvalidInput(
            f"The two probes are of different encoders ({titles}), whose embeddings cannot be compared; make both with "
            "the same one.",
            code="match_encoders",
        )
    lengths = [probe.embeddings.shape[1] for probe in (a, b)]
    if lengths[0] != lengths[1]:
        raise InvalidInput(
            f"The embeddings of the two probes have {lengths[0]} and {lengths[1]} numbers, so they cannot be compared; "
            "make both with one encoder that gives as many.",
            code="match_dims",
        )


def check_cells(r: Any) -> tuple[int, int]:
    """The rows and columns of A's cells and of B's, from one number or two.

    Raises:
        InvalidInput: None that can be.
    """
    sides = r if isinstance(r, tuple | list) else (r, r)
    fine = len(sides) == 2 and all(
        isinstance(side, int | np.integer) and not isinstance(side, bool) and 1 <= side <= MOST_CELLS for side in sides
    )
    if not fine:
        got = f"{r}" if isinstance(r, int | float) else described(r)
        raise InvalidInput(
            f"r must be a whole number of rows and columns, 1 to {MOST_CELLS}, or two such numbers, one for A and one "
            f"for B; got {got}.",
            code="match_cells",
        )
    return int(sides[0]), int(sides[1])


def _grid(probe: Probe, side: int) -> Cell:
    words = isinstance(probe.encoder, MaskedSentence)
    return probe.masks.size if words else (side, side)


def _copies(probe: Probe, grid: Cell, name: str) -> Copies:
    lengths = np.concatenate(
        [lengths_of(probe.embeddings[start:stop].astype(np.float64)) for start, stop in pieces(len(probe))]
    )
    for bad, what in ((~np.isfinite(lengths), "non-finite values"), (lengths == 0, "zero length")):
        if bad.any():
            raise UnusableEmbedding(
                f"{int(bad.sum())} of {len(lengths)} embeddings of {name} have {what}, so that they point nowhere; "
                "check the encoder, or use another fill.",
                code="embedding_finite" if what[0] == "n" else "embedding_zero",
            )
    words = probe.masks.size[1]
    every = isinstance(probe.encoder, MaskedSentence) and probe.complete and tries_all(words, probe.masking)
    return Copies(MaskCells(probe.masks, grid), probe.embeddings, lengths, every)


def _reading(probe: Probe, grid: Cell) -> Array:
    """(cells, cells) what ``counterparts`` does with the cells of one side."""
    count, words = grid[0] * grid[1], isinstance(probe.encoder, MaskedSentence)
    if count == 1 or (isinstance(probe.masks, ArrayMasks) and not words):
        return np.eye(count)
    centred = np.eye(count) - 1 / count
    return centred if words else centred @ np.kron(*(_softened(cells) for cells in grid)) @ centred


def _softened(cells: int) -> Array:
    """(cells, cells) a Gaussian about each cell; what would lie outside is left out, or edges would stand out."""
    apart = np.subtract.outer(np.arange(cells), np.arange(cells)) / (SOFT * cells)
    soft = np.exp(-np.square(apart) / 2)
    return np.asarray(soft / soft.sum(1).max())


def _sentence(found: Match) -> str:
    """The pair of places that go together most, and the one that goes together most besides."""
    reads = found.counterparts
    p, q, s, t = np.unravel_index(np.argmax(reads), reads.shape)
    apart = (reads[:, :, s, t] < 0)[:, :, None, None] & (reads[p, q] < 0)
    parts = [" goes with ".join(_named(found, (p, q, s, t)))]
    others = np.where(apart, reads, 0)
    if others.max() > 0:
        parts.append(" with ".join(_named(found, np.unravel_index(np.argmax(others), reads.shape))))
    whole = ", and ".join(parts)
    return f"{whole[0].upper()}{whole[1:]}."


def _named(found: Match, pair: Any) -> tuple[str, str]:
    """What a cell of A and one of B are called."""
    shape = found.weights.shape
    return (
        _cell_name(found.probe_a, pair[:2], shape[:2], "A"),
        _cell_name(found.probe_b, pair[2:], shape[2:], "B"),
    )


def _cell_name(probe: Probe, cell: Any, grid: Any, name: str) -> str:
    if isinstance(probe.encoder, MaskedSentence):
        return f"“{probe.encoder.sentence.words[int(cell[1])]}”"
    box = probe.box
    row, column = (
        int(np.clip(3 * (low + (at + 0.5) / cells * (high - low)), 0, 2.9))
        for at, cells, low, high in zip(cell, grid, (box.top, box.left), (box.bottom, box.right), strict=True)
    )
    return f"the {place_name(row, column)} of {name}"


def _accounts(found: Match) -> str:
    first, both = (100 * max(share, 0) for share in (found.r2_first, found.r2))
    return (
        f"Of how alike {found.n:,} other pairs of masked copies are, what each keeps by itself accounts for "
        f"{first:.0f} %, and with the match {both:.0f} %."
    )
