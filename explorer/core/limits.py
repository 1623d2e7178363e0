"""The limits, in one place: the app, the API, the command line and the library obey the same."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from typing import Any

from explorer.core.errors import InvalidInput
from explorer.core.terms import SETTINGS


@dataclass(frozen=True)
class Range:
    """The values one number may take; the sliders are built from it.

    Attributes:
        name: The setting's, a key of ``terms.SETTINGS``.
        low: Smallest value, included.
        high: Largest value from the library and the command line.
        default: The value nobody chose.
        step: What a slider moves by.
        app_high: Largest value in the app, where one server is shared by many.
        whole: Whether only integers are meant.
        why: What lies beyond the ends, for the message.
    """

    name: str
    low: float
    high: float
    default: float
    step: float
    app_high: float
    whole: bool = True
    why: str = ""

    def check(self, value: Any, *, app: bool = False) -> Any:
        """Return ``value`` as an int or a float inside the range.

        Raises:
            InvalidInput: Not a number of the right kind, or outside the range.
        """
        high = self.app_high if app else self.high
        number = self._number(value, high)
        if not self.low <= number <= high:
            why = f" ({self.why})" if self.why else ""
            raise InvalidInput(
                f"{self.name} must be {self.low:{self._spec}} to {high:{self._spec}}, got {_short(number)}{why}.",
                code=f"{self.name}_range",
            )
        return number

    @property
    def default_number(self) -> int | float:
        """The default, an int where whole numbers are meant."""
        return int(self.default) if self.whole else self.default

    @property
    def title(self) -> str:
        """What it is called wherever a person is asked for it; messages name it as code, links and files do."""
        return SETTINGS[self.name].title

    @property
    def _spec(self) -> str:
        return ".0f" if self.whole else "g"

    def _number(self, value: Any, high: float) -> int | float:
        kind = "a whole number" if self.whole else "a number"
        wrong = InvalidInput(
            f"{self.name} must be {kind} from {self.low:{self._spec}} to {high:{self._spec}}.",
            code=f"{self.name}_type",
        )
        if isinstance(value, bool) or not hasattr(value, "__float__"):
            raise wrong
        try:
            if self.whole:
                return operator.index(value)
            number = float(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise wrong from error
        if not math.isfinite(number):
            raise wrong
        return number


def _short(number: float) -> str:
    try:
        return f"{number:.10g}"
    except OverflowError:  # an integer beyond every float
        return "a number with hundreds of digits"


N_MASKS = Range("n_masks", 10, 100_000, 1000, 10, app_high=10_000)
FEATURE_RES = Range("feature_res", 1, 128, 8, 1, app_high=64)
P_KEEP = Range("p_keep", 0.01, 0.99, 0.5, 0.01, app_high=0.99, whole=False, why="0 hides all, 1 hides nothing")
SEED = Range("seed", 0, 2**32 - 1, 0, 1, app_high=2**32 - 1)
THRESHOLD = Range("threshold", 0.01, 0.5, 0.1, 0.01, app_high=0.5, whole=False)
AGREEMENT = Range("agreement", 0.5, 0.99, 0.9, 0.01, app_high=0.99, whole=False, why="1 would never be reached")

MAX_UPLOAD_BYTES = 10_000_000
MAX_MEGAPIXELS = 25
MIN_SIDE = 16
MAX_ASPECT = 8
MAX_CAPTION = 500
MAX_CAPTIONS = 10
"""Ranked at once in the app."""
MAX_PASSES = 40_000
"""Of one press in the app, where others wait for the same network."""


def check_passes(count: int) -> None:
    """Refuse what would keep a shared server from everybody else for long.

    Raises:
        InvalidInput: It needs more than ``MAX_PASSES``.
    """
    if count > MAX_PASSES:
        raise InvalidInput(
            f"This takes {count} passes through the network; the app makes at most {MAX_PASSES} at a press. Use fewer "
            "masks, or the command line.",
            code="too_many_passes",
        )
