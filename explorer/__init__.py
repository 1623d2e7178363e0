"""Distance Explorer: why are these two things close, or far, in an embedding space?

    >>> import explorer
    >>> e = explorer.explain("bee.jpg", reference="fly.jpg")      # or caption="a fly", or embedding=vector
    >>> e.attribution                                             # (h, w), positive = brings the pair closer

Importing this package loads numpy and nothing heavier; encoders bring their framework when loaded.
"""

import importlib
from typing import TYPE_CHECKING, Any

__title__ = "Distance Explorer"  # before all else, by which explorer.core knows this package from another of its name

from explorer.core.errors import CannotWrite, ExplorerError, InvalidInput, UnusableEmbedding, WeightsMissing
from explorer.core.explanation import Explanation
from explorer.core.masks import MaskSettings, masks_from_array
from explorer.core.probe import Probe
from explorer.core.selections import SelectionSettings
from explorer.core.version import VERSION
from explorer.encoders.base import Encoder
from explorer.encoders.cards import load_encoder
from explorer.encoders.functions import from_function
from explorer.encoders.torch_layers import from_torch
from explorer.pictures.rules import allow_pictures
from explorer.verbs import explain, explain_classes, explain_words, extend, probe, rank, stream

if TYPE_CHECKING:  # at run time it is the room of that name, which answers when called
    from explorer.encoders.cards import encoders

if TYPE_CHECKING:  # and these are imported when they are first asked for
    from explorer.batch.many import explain_many
    from explorer.core.match import match
    from explorer.core.truth import truth
    from explorer.encoders.banks import embed
    from explorer.encoders.onnx_models import from_onnx
    from explorer.results.saved import load

LATE = {
    "embed": "encoders.banks",
    "explain_many": "batch.many",
    "from_onnx": "encoders.onnx_models",
    "load": "results.saved",
    "match": "core.match",
    "truth": "core.truth",
}
"""Where verbs are that a first map does without."""

__all__ = [
    "CannotWrite",
    "Encoder",
    "Explanation",
    "ExplorerError",
    "InvalidInput",
    "MaskSettings",
    "Probe",
    "SelectionSettings",
    "UnusableEmbedding",
    "WeightsMissing",
    "allow_pictures",
    "embed",
    "encoders",
    "explain",
    "explain_classes",
    "explain_many",
    "explain_words",
    "extend",
    "from_function",
    "from_onnx",
    "from_torch",
    "load",
    "load_encoder",
    "masks_from_array",
    "match",
    "probe",
    "rank",
    "stream",
    "truth",
]
__version__ = VERSION


def __getattr__(name: str) -> Any:
    if name not in LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(importlib.import_module(f"{__name__}.{LATE[name]}"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *LATE})
