"""What a study needs embedded: probes and other costly pieces of work, named by everything they depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from numpy.typing import NDArray

from explorer.core.limits import N_MASKS
from explorer.core.masks import SCHEMES, MaskSettings
from explorer.core.steps import Parts, Steps, Work

T = TypeVar("T")
Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class ProbeNeed:
    """The masked copies of one picture, by its file name, embedded by the encoder of a role.

    Attributes:
        encoder: Its fingerprint where the setup's identity leaves it out.
    """

    image: str
    role: str
    masking: MaskSettings
    encoder: str = ""

    @property
    def passes(self) -> int:
        """How many copies are embedded."""
        return self.masking.n_masks

    @property
    def facts(self) -> dict[str, Any]:
        """What names it, but for the number of masks where one probe holds those of a smaller."""
        values = self.masking.to_dict()
        if SCHEMES[self.masking.scheme].grows:
            values["n_masks"] = "any"
        beyond = {"encoder": self.encoder} if self.encoder else {}
        return {"image": self.image, "role": self.role, "masking": values, **beyond}


@dataclass(frozen=True)
class WorkNeed:
    """Another costly piece of work, kept as arrays.

    Attributes:
        name: What it is, e.g. ``"deletion"``.
        settings: Everything it depends on besides the encoders and the pictures, as plain values for JSON.
        passes: How many pictures it embeds.
        work: Does it, on a setup whose probes named earlier are ready.
    """

    name: str
    settings: Mapping[str, Any]
    passes: int
    work: Callable[[Any], Steps[Arrays]] = field(compare=False, repr=False)

    @property
    def facts(self) -> dict[str, Any]:
        """What names it."""
        return {"work": self.name, "settings": dict(self.settings)}


Need = ProbeNeed | WorkNeed


def slug(facts: Mapping[str, Any]) -> str:
    """A short name for files, made of plain values."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:20]


def plan(needs: Iterable[Need]) -> tuple[Need, ...]:
    """The needs without repetition, in order; of probes that differ in ``n_masks`` alone the largest.

    Masks of the dianna scheme depend on how many there are, so there every number is a probe of its own.
    """
    merged: dict[str, Need] = {}
    for need in needs:
        name = slug(need.facts)
        before = merged.get(name)
        if isinstance(need, ProbeNeed) and isinstance(before, ProbeNeed):
            need = replace(need, masking=max(need.masking, before.masking, key=lambda masking: masking.n_masks))
        merged[name] = need
    return tuple(merged.values())


def counted(parts: Parts[T]) -> Steps[T]:
    """Costly work without its partial results."""
    work = Work(parts)
    for part in work:
        if isinstance(part, int):
            yield part
    return work.result


def few_masks(n_masks: int, share: float) -> int:
    """A share of a number of masks, never below the least there may be."""
    return max(int(N_MASKS.low), round(n_masks * share))
