"""What the Evidence tab can ask of a map."""

from __future__ import annotations

from explorer.ui.tabs.evidence.deletion import DeletionEvidence
from explorer.ui.tabs.evidence.evidence import Evidence
from explorer.ui.tabs.evidence.planted_patch import PlantedPatchEvidence
from explorer.ui.tabs.evidence.randomization import RandomizationEvidence
from explorer.ui.tabs.evidence.sensitivity import SensitivityEvidence
from explorer.ui.tabs.evidence.stability import StabilityEvidence

_ALL: tuple[type[Evidence], ...] = (
    DeletionEvidence,
    StabilityEvidence,
    SensitivityEvidence,
    RandomizationEvidence,
    PlantedPatchEvidence,
)
KINDS = {kind.key: kind for kind in _ALL}
"""In the order in which they are shown."""
