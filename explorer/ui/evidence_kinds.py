"""What the Evidence tab can ask of a map."""

from __future__ import annotations

from .evidence_deletion import Faithfulness
from .evidence_planting import Planting
from .evidence_randomization import Dependence
from .evidence_sensitivity import Calmness
from .evidence_stability import Steadiness
from .judged import Evidence

_ALL: tuple[type[Evidence], ...] = (Faithfulness, Steadiness, Calmness, Dependence, Planting)
KINDS = {kind.key: kind for kind in _ALL}
"""In the order in which they are shown."""
