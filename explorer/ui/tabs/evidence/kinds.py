"""What the Evidence tab can ask of a map."""

from __future__ import annotations

from explorer.ui.tabs.evidence.answer import Evidence
from explorer.ui.tabs.evidence.deletion import Faithfulness
from explorer.ui.tabs.evidence.planted_patch import Planting
from explorer.ui.tabs.evidence.randomization import Dependence
from explorer.ui.tabs.evidence.sensitivity import Calmness
from explorer.ui.tabs.evidence.stability import Steadiness

_ALL: tuple[type[Evidence], ...] = (Faithfulness, Steadiness, Calmness, Dependence, Planting)
KINDS = {kind.key: kind for kind in _ALL}
"""In the order in which they are shown."""
