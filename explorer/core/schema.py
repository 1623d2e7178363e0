"""Settings and results that cross a module line.

Array shapes, everywhere in the project:
    n  masks        b  items of one batch    f  feature_res    d  embedding length
    h, w  height and width of what the encoder sees            c  channels

The sign convention, everywhere: an attribution is **positive where keeping the
region brings the pair closer**, and a mask is 1 where the picture is kept.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from explorer.core.errors import InvalidInput
from explorer.core.limits import FEATURE_RES, N_MASKS, P_KEEP, SEED, THRESHOLD
from explorer.core.registry import DISTANCES, FILLS, MODES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from explorer.encoders.base import Encoder

    Masks = NDArray[np.float32]
    """Rendered masks (b, h, w) in [0, 1], 1 = kept."""


SCHEMES = ("philox", "orthogonal", "dianna")


class _Settings:
    """What the two settings share: plain dicts in and out, unknown fields refused."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Any:
        """Build from plain values, as read from JSON.

        Raises:
            InvalidInput: An unknown field, or a value its range refuses.
        """
        known = {f.name for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
        unknown = sorted(set(values) - known)
        if unknown:
            raise InvalidInput(
                f"Unknown {cls.__name__} field; the fields are: {', '.join(sorted(known))}.", code="unknown_field"
            )
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """The same settings as plain values for JSON."""
        return dict(dataclasses.asdict(self))  # type: ignore[call-overload]


@dataclass(frozen=True)
class MaskSettings(_Settings):
    """How the picture is masked: everything the costly stage depends on besides picture and encoder.

    Attributes:
        n_masks: Number of random masks, 10 to 100000 (10000 in the app).
        feature_res: Cells along each side of a mask's grid, 1 to 128 (64 in the app).
        p_keep: Probability that a cell is kept, 0.01 to 0.99.
        seed: Names the random masks, 0 to 2**32 - 1.
        fill: What a hidden pixel becomes, a key of ``explorer.core.fills``.
        scheme: ``"philox"`` (mask i depends only on seed, i, size, feature_res and p_keep), ``"orthogonal"``
            (so too; fewer masks needed) or ``"dianna"`` (the stream DIANNA draws, for exact comparison).
    """

    n_masks: int = int(N_MASKS.default)
    feature_res: int = int(FEATURE_RES.default)
    p_keep: float = P_KEEP.default
    seed: int = int(SEED.default)
    fill: str = "auto"
    scheme: str = "philox"

    def __post_init__(self) -> None:
        for cap in (N_MASKS, FEATURE_RES, P_KEEP, SEED):
            object.__setattr__(self, cap.name, cap.check(getattr(self, cap.name)))
        FILLS.check(self.fill)
        if self.scheme not in SCHEMES:
            raise InvalidInput(f"Unknown scheme; choose one of: {', '.join(SCHEMES)}.", code="unknown_scheme")


Slice = tuple[float, float]


@dataclass(frozen=True)
class SelectionSettings(_Settings):
    """Which masks count, and how the distance between embeddings is measured.

    Attributes:
        mode: ``closest``, ``farthest``, ``mirror`` (paper, section 2.1) or ``rank_weighted``.
        threshold: Share of the masks taken at each chosen end, 0.01 to 0.5.
        distance: A key of ``explorer.core.distances``.
        closest: A slice (low, high) of the ranking, as shares in [0, 1], whose masks count
            positively. Giving either slice overrides mode and threshold.
        farthest: The same for the masks that count negatively.
    """

    mode: str = "mirror"
    threshold: float = THRESHOLD.default
    distance: str = "cosine"
    closest: Slice | None = None
    farthest: Slice | None = None

    def __post_init__(self) -> None:
        MODES.check(self.mode)
        DISTANCES.check(self.distance)
        object.__setattr__(self, "threshold", THRESHOLD.check(self.threshold))
        for name in ("closest", "farthest"):
            object.__setattr__(self, name, _check_slice(name, getattr(self, name)))

    @property
    def free(self) -> bool:
        """Whether slices are given, so that mode and threshold do not apply."""
        return self.closest is not None or self.farthest is not None


def _check_slice(name: str, value: Any) -> Slice | None:
    if value is None:
        return None
    wrong = InvalidInput(
        f"{name} must be two shares (low, high) with 0 <= low <= high <= 1, e.g. (0.2, 0.5).", code="slice"
    )
    if isinstance(value, (str, bytes, Mapping)):
        raise wrong
    try:
        shares = tuple(value)
        if any(isinstance(v, (str, bytes, bool)) for v in shares):
            raise wrong
        low, high = (float(v) for v in shares)
    except (TypeError, ValueError, OverflowError) as error:
        raise wrong from error
    if not 0 <= low <= high <= 1:  # also refuses NaN
        raise wrong
    return low, high


class MaskSet(Protocol):
    """Masks that can be rendered and summed; see ``explorer.core.masks``."""

    @property
    def size(self) -> tuple[int, int]:
        """(h, w) of a rendered mask."""

    def __len__(self) -> int: ...

    def render(self, start: int, stop: int) -> Masks:
        """Masks ``start`` to ``stop`` as (b, h, w) float32 in [0, 1]."""

    def weighted_sum(self, weights: NDArray[np.float64]) -> NDArray[np.float32]:
        """Sum of weight times mask over the first ``len(weights)`` masks, (h, w) float32."""

    def first(self, n: int) -> MaskSet:
        """The first n masks."""


@dataclass(frozen=True)
class Box:
    """The part of the picture an encoder sees, as shares of its width and height.

    A centre crop lies inside 0..1; padding (letterbox) reaches outside.
    """

    left: float = 0.0
    top: float = 0.0
    right: float = 1.0
    bottom: float = 1.0


WHOLE = Box()


@dataclass(frozen=True, eq=False)
class Probe:
    """The costly stage's result: the masks and the embeddings of the masked copies.

    Attributes:
        encoder: The encoder that embedded the copies.
        masking: The settings asked for; ``len(probe)`` says how many masks were done.
        masks: Compact masks; ``.render(start, stop)``, ``.weighted_sum(weights)``.
        embeddings: (n, d) embeddings of the masked copies, in mask order; read-only.
        pixels: (h, w, c) what was masked, as the encoder sees it.
        background: What hidden pixels become; broadcasts to (h, w, c).
        unmasked: Embeds the whole picture, once, when first called.
        picture: (H, W, 3) uint8 for the screen (``images.SCREEN_SIDE``); None where an array went through as it was.
        box: Where in the picture ``pixels`` lies.
        notices: What the user should know (animated picture, ...).
        picture_sha256: ``images.Picture.sha256`` of the whole picture; empty where there is none.
    """

    encoder: Encoder
    masking: MaskSettings
    masks: MaskSet
    embeddings: NDArray[np.floating]
    pixels: NDArray[Any]
    background: NDArray[Any]
    unmasked: Callable[[], NDArray[np.floating]] = field(repr=False)
    picture: NDArray[np.uint8] | None = None
    box: Box = WHOLE
    notices: tuple[str, ...] = ()
    picture_sha256: str = ""

    def __len__(self) -> int:
        return len(self.embeddings)

    @property
    def wanted(self) -> int:
        """How many masks were asked for."""
        return len(self.masks)

    @property
    def complete(self) -> bool:
        """Whether every mask asked for is embedded."""
        return len(self) == self.wanted


@dataclass(frozen=True, eq=False)
class Reference:
    """What the picture is compared with, embedded.

    Attributes:
        embedding: (d,).
        label: What it was, in words.
        picture: (H, W, 3) uint8 for the screen, where it was a picture.
        notices: What the user should know about it.
        picture_sha256: As of a probe.
    """

    embedding: NDArray[np.floating]
    label: str
    picture: NDArray[np.uint8] | None = None
    notices: tuple[str, ...] = ()
    picture_sha256: str = ""


@dataclass(frozen=True, eq=False)
class Explanation:
    """The map and everything it was made from.

    Attributes:
        attribution: (h, w) float32, positive where keeping the region brings the pair closer.
        distances: (n,) float64 distance of each masked copy to the reference, in mask order.
        weights: (n,) float64 signed weight of each mask in the map, 0 = not selected.
        selection: The settings used.
        reference: What the picture was compared with.
        probe: The probe that was ranked.
        no_signal: Why the map is all zero, or an empty string when there is a signal.
        notices: What the user should know.
    """

    attribution: NDArray[np.float32]
    distances: NDArray[np.float64]
    weights: NDArray[np.float64]
    selection: SelectionSettings
    reference: Reference
    probe: Probe = field(repr=False)
    no_signal: str = ""
    notices: tuple[str, ...] = ()

    @cached_property
    def relative(self) -> NDArray[np.float32]:
        """The map to look at, (h, w): the attribution less what the mean of all masks gives a one-sided mode.

        A one-sided map is a mean of masks, so it lies around ``p_keep`` and has no zero of its own.
        Seen this way the maps of ``closest`` and ``farthest`` add up to that of ``mirror``.
        """
        import numpy as np

        balance, n = self.weights.sum(), len(self.weights)
        if abs(balance) < 1e-9:
            return self.attribution
        return self.probe.masks.weighted_sum(self.weights - np.full(n, balance / n))

    @cached_property
    def unmasked_distance(self) -> float:
        """Distance of the whole picture to the reference; embeds it when first asked."""
        from explorer.core.distances import measure

        return float(measure(self.selection.distance, self.probe.unmasked()[None], self.reference.embedding)[0])

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write ``attribution.npy``, ``distances.csv``, ``overlay.png`` and ``manifest.json``: all or nothing.

        Args:
            folder: Where to, also what is returned; made when absent.
            overwrite: Replace results already there.

        Raises:
            InvalidInput: Results are there already and ``overwrite`` is false.
            CannotWrite: The folder cannot be written; nothing was kept.
        """
        from explorer.results.folders import save_explanation

        return save_explanation(self, Path(folder), overwrite=overwrite)
