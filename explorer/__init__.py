"""Distance Explorer: why are these two things close, or far, in an embedding space?

    >>> import explorer
    >>> e = explorer.explain("bee.jpg", reference="fly.jpg")      # or caption="a fly", or embedding=vector
    >>> e.attribution                                             # (h, w), positive = brings the pair closer

Importing this package loads numpy and nothing heavier; encoders bring their framework when loaded.
"""

# The verbs are imported here and now because two share their name with the module they live in:
# importing the module later would put the module in the verb's place.
from explorer.core.errors import CannotWrite, ExplorerError, InvalidInput, UnusableEmbedding, WeightsMissing
from explorer.core.masks import masks_from_array
from explorer.core.probe import extend, probe, stream
from explorer.core.rank import explain, rank
from explorer.core.schema import Explanation, MaskSettings, Probe, SelectionSettings
from explorer.core.words import explain_words
from explorer.encoders.base import Encoder
from explorer.encoders.cards import encoders, load_encoder
from explorer.encoders.functions import from_function
from explorer.encoders.torch_layers import from_torch

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
    "explain_words",
    "extend",
    "from_function",
    "from_torch",
    "load_encoder",
    "masks_from_array",
    "probe",
    "rank",
    "stream",
]
__version__ = "0.1.0"
