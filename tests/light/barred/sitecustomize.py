"""Found by a Python whose PYTHONPATH has this folder: what ``make run`` does not install is not there for it."""

import importlib.metadata
import sys

BARRED = {
    "torch": "torch",
    "timm": "timm",
    "transformers": "transformers",
    "open_clip": "open-clip-torch",
    "tensorflow": "tensorflow",
    "keras": "keras",
    "captum": "captum",
    "torchvision": "torchvision",
    "safetensors": "safetensors",
    "sentence_transformers": "sentence-transformers",
    "scipy": "scipy",
    "h5py": "h5py",
}
"""Modules, and what they are installed as."""


class Bar:
    """Finds none of them."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        """Called before anybody else looks for a module."""
        if name.partition(".")[0] in BARRED:
            raise ModuleNotFoundError(f"No module named {name!r}: barred by the test", name=name)


def distribution(name, _real=importlib.metadata.distribution):
    """Whether something is installed."""
    if name.lower().replace("_", "-") in BARRED.values():
        raise importlib.metadata.PackageNotFoundError(name)
    return _real(name)


sys.meta_path.insert(0, Bar)
importlib.metadata.distribution = distribution
