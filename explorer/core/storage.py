"""Where things that can be had again are kept on this machine."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from explorer.core.errors import CannotWrite


def cache_folder() -> Path:
    """The user's cache folder of this project; it may not exist yet.

    ``$EXPLORER_CACHE`` when set; otherwise ``distance-explorer`` inside ``$XDG_CACHE_HOME`` or ``~/.cache``.

    Raises:
        CannotWrite: No variable is set and the user has no home folder.
    """
    if own := os.environ.get("EXPLORER_CACHE"):
        return Path(own).absolute()
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():  # the XDG rule: a relative path is ignored
        try:
            base = Path.home() / ".cache"
        except RuntimeError as error:
            raise CannotWrite(
                "This user has no home folder to cache files in; set EXPLORER_CACHE to a folder.",
                code="no_cache_folder",
            ) from error
    return base / "distance-explorer"


def file_hash(path: Path) -> str:
    """The sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
