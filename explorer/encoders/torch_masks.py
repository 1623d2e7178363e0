"""Masked copies made where a torch network is: on its device, from grids and shifts.

A mask is two small products (``explorer.core.masks``), so that the picture, what hidden pixels become and the two
interpolation matrices go over once, and of each copy a few bits. Normalisation is an affine map of each channel and so
is done once, too. Masks and copies are float32, whatever the network computes in.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.arrays import as_numpy, check_rows
from explorer.core.embedder import RECALL, Rows
from explorer.core.masks import GridMasks, MaskSet, interpolation
from explorer.encoders.layers import LayeredEncoder
from explorer.encoders.torch_settings import settled

ON_GPU = 64
"""Rows at once on a GPU, which waits for work when it is given fewer."""


class Copies:
    """The masked copies of one picture.

    Args:
        pixels: (h, w, c) in the network's input space.
        background: What hidden pixels become, there, too; broadcasts to (h, w, c).
        masks: Of size (h, w).
        device: Where the network is.
    """

    def __init__(
        self, pixels: NDArray[np.float32], background: NDArray[np.float32], masks: GridMasks, device: Any
    ) -> None:
        self._device, self._masks = device, masks
        self._background, self._difference = map(self._there, (background, pixels - background))
        self._sides = [
            (self._there(np.arange(side)), self._there(interpolation(side, masks.feature_res, masks.blocks)))
            for side in masks.size
        ]

    def _there(self, array: NDArray[Any]) -> Any:
        import torch

        return torch.from_numpy(np.array(array)).to(self._device)

    def make(self, start: int, stop: int, place: int, count: int) -> Any:
        """Copies (count, c, h, w) in channels-last order; those of no mask are the background.

        Args:
            start: The first mask.
            stop: After the last one.
            place: Row of the first.
            count: Rows in all.
        """
        import torch

        f, end = self._masks.feature_res, place + stop - start
        grids, shifts = np.zeros((count, f, f), np.float32), np.zeros((count, 2), np.int64)
        grids[place:end], shifts[place:end] = self._masks.grids(start, stop), self._masks.shifts[start:stop]
        down, across = (  # (count, side, f) the rows that each mask sees
            matrix[first[:, None] + along]
            for first, (along, matrix) in zip(self._there(shifts.T), self._sides, strict=True)
        )
        masks = down @ self._there(grids) @ across.transpose(1, 2)
        return torch.addcmul(self._background, masks[..., None], self._difference).permute(0, 3, 1, 2)


class MaskingEncoder(LayeredEncoder):
    """An encoder in torch that makes masked copies on its device."""

    @abstractmethod
    def _as_input(self, colours: NDArray[np.float32]) -> NDArray[np.float32]:
        """Pixels (..., c) in the network's input space."""

    @abstractmethod
    def _place(self) -> Any:
        """The device of the network."""

    @abstractmethod
    def _embed_planes(self, planes: Any) -> Any:
        """Embed (b, c, h, w) in the network's input space as a tensor (b, d)."""

    def embed_masked(
        self, pixels: NDArray[Any], background: NDArray[Any], masks: MaskSet, start: int, stop: int
    ) -> Generator[Rows]:
        if not isinstance(masks, GridMasks) or pixels.dtype not in (np.float32, np.float64):
            yield from super().embed_masked(pixels, background, masks, start, stop)
            return
        memory, size, waiting = RECALL.get(), self.batch_size, list[tuple[Any, int, int, int]]()
        device, ahead = self._place(), int(self._place().type != "cpu")
        there, behind = (self._as_input(np.asarray(given, np.float32)) for given in (pixels, background))
        with settled(gradients=False):
            copies = Copies(there, behind, masks, device)
        while start < stop:
            place, end = start % size, min((start // size + 1) * size, stop)
            name = ""
            if memory is not None:
                bits = masks.packed[start:end], masks.shifts[start:end], np.array(masks.feature_res)
                name = self.name_of(place, pixels, background, *bits)
                if (known := memory.get(name)) is not None:
                    yield known
                    start = end
                    continue
            with self._lock, settled(gradients=False):
                row, count = (place, size) if self.pads else (0, end - start)
                waiting.append((self._embed_planes(copies.make(start, end, row, count)), row, end - start, count))
            start = end
            if memory is not None or len(waiting) > ahead:
                rows = self._back(*waiting.pop(0))
                if memory is not None:
                    memory.keep(name, rows)
                yield rows
        for batch in waiting:
            yield self._back(*batch)

    def _back(self, tensor: Any, row: int, wanted: int, count: int) -> Rows:
        """The rows asked for, once the device has them."""
        return check_rows(np.array(as_numpy(tensor)), count)[row : row + wanted]
