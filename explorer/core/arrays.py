"""What users give as arrays: numpy's, lists, and the tensors of any framework, none of which is imported here."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.errors import InvalidInput, UnusableEmbedding

UNREADABLE = (TypeError, ValueError, RuntimeError, AttributeError)
"""How numpy and the frameworks say that something is no array."""


def as_numpy(given: Any) -> NDArray[Any]:
    """Anything array-like as numpy, without a copy where there is no need of one.

    Tensors may require gradients, lie on another device, or be of a type that numpy has not (bfloat16 becomes float32).

    Raises:
        InvalidInput: It holds no array that can be read.
    """
    if _hides(given):
        raise InvalidInput(
            "A masked array with hidden values cannot be read; put numbers in their place with array.filled(...).",
            code="array_masked",
        )
    try:
        array = _read(given)
        return array.astype(np.float32) if array.dtype.isbuiltin == 2 else array  # a type of another package
    except UNREADABLE as error:
        on_meta = str(getattr(given, "device", "")) == "meta"
        hint = " (on the device meta, where there are no numbers)" if on_meta else ""
        raise InvalidInput(
            f"A {type(given).__name__:.40}{hint} cannot be read as an array; give numbers of one shape: a numpy array, "
            "a dense tensor, or a list of rows of one length.",
            code="array_unreadable",
        ) from error


def _hides(given: Any, depth: int = 4) -> bool:
    """Whether it, or what it is a list of, is a masked array with hidden values."""
    if isinstance(given, list | tuple) and depth:
        return any(_hides(part, depth - 1) for part in given)
    return isinstance(given, np.ma.MaskedArray) and bool(np.ma.is_masked(given))


def _read(given: Any) -> NDArray[Any]:
    try:
        return np.asarray(given)
    except UNREADABLE:
        if isinstance(given, list | tuple):  # of tensors, it may be
            return np.asarray([_read(part) for part in given])
        if not hasattr(given, "detach"):
            raise
    tensor = given.detach().cpu().resolve_conj().resolve_neg()
    try:
        return np.asarray(tensor)
    except TypeError:  # a type that numpy has not
        return np.asarray(tensor.float())


def array_hash(array: NDArray[Any]) -> str:
    """The sha256 of an array's type, shape and numbers, in hex."""
    digest = hashlib.sha256(f"{array.dtype}:{array.shape}".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def check_rows(rows: NDArray[Any], count: int) -> NDArray[Any]:
    """The answer of a network; raises UnusableEmbedding unless it is one vector for each of so many items."""
    if rows.ndim != 2 or len(rows) != count:
        raise UnusableEmbedding(
            f"The model returned {rows.shape} for {count} images; expected ({count}, d), one vector for each.",
            code="embedding_shape",
        )
    if rows.dtype.kind not in "fiub":
        raise UnusableEmbedding(
            f"The model returned {rows.dtype} values; expected real numbers.", code="embedding_dtype"
        )
    return rows
