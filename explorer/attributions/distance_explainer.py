"""Distance Explainer (Meijer & Bos 2025) as one method among others."""

from __future__ import annotations

from explorer.attributions.question import DistanceExplainer
from explorer.core.registry import METHODS

METHODS.add("distance-explainer", DistanceExplainer)
