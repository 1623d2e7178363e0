"""What is explained or compared with, as an encoder sees it, and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.views import shape, short


@dataclass(frozen=True)
class Box:
    """The part of the picture an encoder sees, as shares of its width and height.

    A centre crop lies inside 0..1; padding (letterbox) reaches outside.
    """

    left: float = 0.0
    top: float = 0.0
    right: float = 1.0
    bottom: float = 1.0


WHOLE = Box()


@dataclass(frozen=True)
class Origin:
    """What a picture was called where it came from.

    Attributes:
        name: Of its file, without the folders; empty for what had none.
        size: (H, W) of the whole picture; (0, 0) where there is none.
    """

    name: str = ""
    size: tuple[int, int] = (0, 0)


NOWHERE = Origin()


@dataclass(frozen=True, eq=False, repr=False)
class Input:
    """What is explained or compared with, as an encoder sees it.

    Attributes:
        pixels: (h, w, c) what is masked and embedded.
        box: Where in the picture ``pixels`` lies.
        picture: (H, W, 3) uint8 for the screen; None where an array went through as it was.
        notices: What the user should know about it.
        sha256: ``Picture.sha256`` of the whole picture; empty where there is none.
        origin: What the picture was called.
    """

    pixels: NDArray[Any]
    box: Box = WHOLE
    picture: NDArray[np.uint8] | None = None
    notices: tuple[str, ...] = ()
    sha256: str = ""
    origin: Origin = NOWHERE

    def __repr__(self) -> str:
        return f"<Input {short(self.origin.name) if self.origin.name else 'of no name'}: {shape(self.pixels)}>"
