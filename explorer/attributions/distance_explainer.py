"""Distance Explainer (Meijer & Bos 2025) as one method among others."""

from __future__ import annotations

from explorer.attributions.method import METHODS
from explorer.attributions.question import DistanceExplainer

METHODS.add("distance-explainer", DistanceExplainer)
