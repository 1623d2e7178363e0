"""The features that any timm network pools before its classifier; ``timm_models`` does the work."""

from __future__ import annotations

from explorer.encoders.timm_models import load, missing

__all__ = ["load", "missing"]
