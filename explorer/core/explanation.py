"""The map, and everything it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.arguments import as_folder
from explorer.core.distances import measure
from explorer.core.embedder import Embedder, Input, Origin
from explorer.core.probe import Probe
from explorer.core.references import Reference
from explorer.core.selections import CLOSER, MATTERS, SelectionSettings, meaning
from explorer.core.views import Painted, shape, short
from explorer.core.writers import WRITERS


def _pair(origin: Origin, reference: Reference) -> str:
    """What was compared with what, as far as they have names."""
    return f"{short(origin.name) if origin.name else 'a picture'} against {reference.named}"


@dataclass(frozen=True, eq=False, repr=False)
class Explanation(Painted):
    """The map and everything it was made from.

    Attributes:
        attribution: (h, w) float32, positive where keeping the region brings the pair closer; but see ``meaning``.
        distances: (n,) float64 distance of each masked copy to the reference, in mask order.
        weights: (n,) float64 signed weight of each mask in the map, 0 = not selected.
        selection: The settings used.
        reference: What the picture was compared with.
        probe: The probe that was ranked.
        no_signal: Why the map is all zero, or an empty string when there is a signal.
        notices: What the user should know.
        second: The map of another p_keep, where the pilot of ``p_keep="auto"`` found that the two tell two stories.
    """

    attribution: NDArray[np.float32]
    distances: NDArray[np.float64]
    weights: NDArray[np.float64]
    selection: SelectionSettings
    reference: Reference
    probe: Probe
    no_signal: str = ""
    notices: tuple[str, ...] = ()
    second: Explanation | None = None

    def __repr__(self) -> str:
        probe, chosen, n = self.probe, self.selection, len(self.distances)
        how = "slices" if chosen.free else f"{chosen.mode} {chosen.threshold:g}"
        return (
            f"<Explanation {_pair(probe.origin, self.reference)}: {shape(self.attribution)}, {n} masks, "
            f"{how}, {chosen.distance}, {probe.encoder.card.key}{', no signal' if self.no_signal else ''}>"
        )

    @cached_property
    def relative(self) -> NDArray[np.float32]:
        """The map to look at, (h, w): the attribution less what the mean of all masks gives a one-sided mode.

        A one-sided map is a mean of masks, so it lies around ``p_keep`` and has no zero of its own.
        Seen this way the maps of ``closest`` and ``farthest`` add up to that of ``mirror``.
        """
        balance, n = self.weights.sum(), len(self.weights)
        if abs(balance) < 1e-9:
            return self.attribution
        return self.probe.masks.weighted_sum(self.weights - np.full(n, balance / n))

    @cached_property
    def meaning(self) -> str:
        """What its signs say, a key of ``selections.MEANINGS``; slices in no order only say what they kept."""
        return meaning(self.weights, self.distances)

    @cached_property
    def unmasked_distance(self) -> float:
        """Distance of the whole picture to the reference; embeds it when first asked."""
        return float(measure(self.selection.distance, self.probe.unmasked()[None], self.reference.embedding)[0])

    def save(self, folder: str | Path, *, overwrite: bool = False, keep: bool = False) -> Path:
        """Write ``attribution.npy``, ``distances.csv``, ``overlay.png`` and ``manifest.json``: all or nothing.

        ``explorer.load(folder)`` gives it back.

        Args:
            folder: Where to, also what is returned; made when absent.
            overwrite: Replace results already there.
            keep: Write the probe beside them, as ``Probe.save`` does, so that it can be ranked again later.

        Raises:
            InvalidInput: Results are there already and ``overwrite`` is false.
            CannotWrite: The folder cannot be written, and nothing was kept; or ``overlay.png`` cannot be drawn, and
                all else was kept.
        """
        return WRITERS["picture"](self, as_folder(folder), overwrite, keep)


def with_second(explained: Explanation, other: Explanation) -> Explanation:
    """An explanation that has another beside it, and says so."""
    p_keep, more = explained.probe.masking.p_keep, other.probe.masking.p_keep
    said = f"This is the map of p_keep {p_keep:g}; that of p_keep {more:g} is its second."
    return replace(explained, second=other, notices=(*explained.notices, said))


@dataclass(frozen=True, eq=False, repr=False)
class MethodExplanation(Painted):
    """The map of another attribution method, and what it was made from.

    Attributes:
        attribution: (h, w) float32, positive where keeping the region brings the pair closer.
        method: A key of the methods.
        settings: The method's, as plain values.
        encoder: Whom it explains.
        seen: What was explained, as the encoder sees it.
        reference: What it was compared with.
        distance: A key of ``DISTANCES``.
        signed: Whether the map tells what brings closer from what pushes apart.
        no_signal: Why the map is all zero, or an empty string.
    """

    attribution: NDArray[np.float32]
    method: str
    settings: Mapping[str, Any]
    encoder: Embedder
    seen: Input
    reference: Reference
    distance: str
    signed: bool = True
    no_signal: str = ""

    def __repr__(self) -> str:
        return (
            f"<MethodExplanation {_pair(self.seen.origin, self.reference)}: {shape(self.attribution)}, {self.method}, "
            f"{self.distance}, {self.encoder.card.key}{', no signal' if self.no_signal else ''}>"
        )

    @property
    def relative(self) -> NDArray[np.float32]:
        """The map to look at: the attribution itself."""
        return self.attribution

    @property
    def meaning(self) -> str:
        """What its signs say, a key of ``selections.MEANINGS``."""
        return CLOSER if self.signed else MATTERS

    @property
    def notices(self) -> tuple[str, ...]:
        """What the user should know."""
        return self.seen.notices + self.reference.notices

    @cached_property
    def unmasked_distance(self) -> float:
        """Distance of the whole picture to the reference; embeds it when first asked."""
        row = self.encoder.embed_pixels(self.seen.pixels[None].copy())
        return float(measure(self.distance, row, self.reference.embedding)[0])

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write ``attribution.npy``, ``overlay.png`` and ``manifest.json``: all or nothing; as ``Explanation.save``."""
        return WRITERS["method"](self, as_folder(folder), overwrite)
