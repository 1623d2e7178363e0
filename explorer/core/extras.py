"""Groups of packages that an installation has or has not, besides what the default encoder needs."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable


def not_importable(modules: Iterable[str]) -> tuple[str, ...]:
    """Those of some modules that are not on this machine, found out without importing them."""
    return tuple(name for name in modules if not _importable(name))


def _importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # somebody has barred it
        return False


def how_to_install(extra: str) -> str:
    """What to do for a group of packages, of those of pyproject.toml."""
    return f'make run EXTRAS={extra}, or pip install "distance-explorer[{extra}]"'
