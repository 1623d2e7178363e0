"""Distance Explorer: why are these two things close, or far, in an embedding space?

    >>> import explorer
    >>> e = explorer.explain("bee.jpg", reference="fly.jpg")      # or caption="a fly", or embedding=vector
    >>> e.attribution                                             # (h, w), positive = brings the pair closer

Importing this package loads numpy and nothing heavier; encoders bring their framework when loaded.
"""

# Now and not when first used: `encoders` is also the name of a folder, which importing it later would put in its place.
from explorer.core.errors import CannotWrite, ExplorerError, InvalidInput, UnusableEmbedding, WeightsMissing
from explorer.core.explanation import Explanation
from explorer.core.masks import MaskSettings, masks_from_array
from explorer.core.probe import Probe
from explorer.core.selections import SelectionSettings
from explorer.core.truth import truth
from explorer.encoders.base import Encoder
from explorer.encoders.cards import encoders, load_encoder
from explorer.encoders.functions import from_function
from explorer.encoders.onnx_models import from_onnx
from explorer.encoders.torch_layers import from_torch
from explorer.verbs import explain, explain_classes, explain_words, extend, probe, rank, stream

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
    "encoders",
    "explain",
    "explain_classes",
    "explain_words",
    "extend",
    "from_function",
    "from_onnx",
    "from_torch",
    "load_encoder",
    "masks_from_array",
    "probe",
    "rank",
    "stream",
    "truth",
]
__version__ = "0.1.0"
