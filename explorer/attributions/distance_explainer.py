"""Distance Explainer (Meijer & Bos 2025) as one method among others."""

from __future__ import annotations

from ..case import DistanceExplainer
from ..registry import METHODS

METHODS.add("distance-explainer", DistanceExplainer)
