"""What pictures are taken: less from visitors of a server than from people's own disks."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

from explorer.core.errors import InvalidInput
from explorer.core.limits import MAX_MEGAPIXELS, MAX_UPLOAD_BYTES

FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
OWN_FORMATS = (*FORMATS, "TIFF", "BMP", "PPM", "AVIF")
VARIABLES = {"megabytes": "EXPLORER_MAX_MB", "megapixels": "EXPLORER_MAX_MEGAPIXELS"}
"""The environment's, so that processes that are started inherit what was allowed."""


@dataclass(frozen=True)
class Rules:
    """What pictures are taken.

    Attributes:
        formats: As Pillow calls them.
        max_bytes: Of a file.
        max_megapixels: Of a picture.
        own: Whether they are the user's own: then messages name whole paths, and limits can be raised.
    """

    formats: tuple[str, ...] = FORMATS
    max_bytes: int = MAX_UPLOAD_BYTES
    max_megapixels: float = MAX_MEGAPIXELS
    own: bool = False

    def remedy(self, what: str, wanted: int) -> str:
        """What to do about a picture over a limit, a key of ``VARIABLES``."""
        if not self.own:
            return "Save it smaller."
        option = VARIABLES[what].removeprefix("EXPLORER_").lower().replace("_", "-")
        return (
            f"Save it smaller, or raise the limit: explorer.allow_pictures({what}={wanted}), --{option} {wanted}, or "
            f"{VARIABLES[what]}={wanted} in the environment."
        )


SERVED = Rules()
"""From visitors; no setting changes them."""


def own_rules() -> Rules:
    """What people read from their own disks, in the library and on the command line.

    Raises:
        InvalidInput: The environment names a limit that is none.
    """
    megabytes, megapixels = _limit("megabytes", MAX_UPLOAD_BYTES / 1e6), _limit("megapixels", MAX_MEGAPIXELS)
    return Rules(OWN_FORMATS, round(megabytes * 1e6), megapixels, own=True)


def _limit(what: str, otherwise: float) -> float:
    text = os.environ.get(VARIABLES[what], "").strip()
    return _checked(VARIABLES[what], text) if text else otherwise


def _checked(name: str, value: object) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not 0 < number <= 1e6:
        raise InvalidInput(f"{name} must be a number above 0, at most 1000000.", code="picture_limit")
    return number


def allow_pictures(*, megabytes: float | None = None, megapixels: float | None = None) -> None:
    """Let the library read larger pictures in this process and those it starts; the app keeps its own limits.

    Args:
        megabytes: Of a file; 10 unless said otherwise.
        megapixels: Of a picture; 25 unless said otherwise.

    Raises:
        InvalidInput: Not a number above 0.
    """
    for what, value in (("megabytes", megabytes), ("megapixels", megapixels)):
        if value is not None:
            os.environ[VARIABLES[what]] = f"{_checked(what, value):.15g}"
