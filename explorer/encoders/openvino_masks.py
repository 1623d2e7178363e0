"""Masked copies made by OpenVINO for the network that reads them, with some batches under way at any time.

With ``W`` of ``explorer.core.masks.windows``, a mask is ``W[sy] @ grid @ W[sx].T``: a grid and two shifts go over for
a copy, and the picture and its background once a probe. The copies are made by a small model of its own, in float32
whatever the network computes in, and as planes, which is how networks want pixels.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Generator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.embedder import RECALL, Embedder, Rows
from explorer.core.masks import GridMasks, MaskSet, windows
from explorer.encoders.openvino_runtime import HINTS, import_openvino

WAITING = 2
"""Batches that wait beside those under way, so that no core does."""
MODELS = 4
"""Models of masks that are kept, one for each ``feature_res``."""

Answer = Callable[[], Rows]


class MasksInOpenVINO(Embedder):
    """An encoder whose masked copies OpenVINO makes, where its network runs there."""

    @abstractmethod
    def _masked(self) -> MaskedNetwork | None:
        """Its network behind masks; None where it runs elsewhere. Called by one thread at a time."""

    def embed_masked(
        self, pixels: NDArray[Any], background: NDArray[Any], masks: MaskSet, start: int, stop: int
    ) -> Generator[Rows]:
        with self._lock:
            network = self._masked()
        if network is None or not isinstance(masks, GridMasks):
            yield from super().embed_masked(pixels, background, masks, start, stop)
            return
        copies, under_way = MaskedCopies(network, pixels, background, masks), deque[Answer]()
        try:
            while start < stop or under_way:
                if start < stop and len(under_way) < network.batches:
                    end = min((start // network.rows + 1) * network.rows, stop)
                    under_way.append(self._asked(copies, start, end))
                    start = end
                else:
                    yield under_way.popleft()()
        finally:
            copies.end()

    def _asked(self, copies: MaskedCopies, start: int, stop: int) -> Answer:
        """Ask for a batch, unless long work has had it already."""
        memory = RECALL.get()
        if memory is None:
            return copies.ask(start, stop)
        name = self.name_of(start % copies.rows, *copies.named(start, stop))
        remembered = memory.get(name)
        if remembered is not None:
            return lambda: remembered
        answer = copies.ask(start, stop)

        def kept() -> Rows:
            rows = answer()
            memory.keep(name, rows)
            return rows

        return kept


class MaskedNetwork:
    """A network compiled to read masked copies, a stream of batches for each core. Safe to share between threads.

    A row has the same bits whatever else is under way: a batch always has as many rows, and one stream computes it.

    Args:
        model: The network, of one input (b, h, w, c) of fixed shape.
        precision: What it computes in; masks are float32.
        after: (d, e) what its answers are multiplied by, in float32.
    """

    def __init__(self, model: Any, precision: str, after: NDArray[np.float32] | None = None) -> None:
        self._core = import_openvino().Core()
        self.rows, *self.size = model.input(0).shape
        self._network = self._compiled(_reading_planes(model), precision, "THROUGHPUT")
        self.batches = self._network.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS") + WAITING
        self.masking = lru_cache(MODELS)(lambda f: self._compiled(_masking(self.rows, self.size, f)))
        self.after = None if after is None else self._compiled(_product(self.rows, after))

    def _compiled(self, model: Any, precision: str = "float32", hint: str = "LATENCY") -> Any:
        """A small model runs in one thread; threads that may not move would wait for whoever else is on their core."""
        hints = {"PERFORMANCE_HINT": hint, "INFERENCE_PRECISION_HINT": HINTS[precision], "ENABLE_CPU_PINNING": False}
        if hint == "LATENCY":
            hints["INFERENCE_NUM_THREADS"] = 1
        return self._core.compile_model(model, "CPU", hints)

    def requests(self) -> list[Any]:
        """As many as there may be batches under way, each with memory for a batch of copies."""
        return [self._network.create_infer_request() for _ in range(self.batches)]


class MaskedCopies:
    """The masked copies of one picture on their way through a network; for one thread.

    Args:
        network: Embeds them.
        pixels: (h, w, c) float32.
        background: What hidden pixels become; broadcasts to (h, w, c).
        masks: Of size (h, w).
    """

    def __init__(
        self, network: MaskedNetwork, pixels: NDArray[Any], background: NDArray[Any], masks: GridMasks
    ) -> None:
        f = masks.feature_res
        self.rows, self._masks, self._pixels, self._background = network.rows, masks, pixels, background
        self._grids, self._shifts = np.zeros((self.rows, f, f), np.float32), np.zeros((self.rows, 2), np.int32)
        planes = (_planes(picture, network.size) for picture in (pixels - background, background))
        self._inputs = self._grids, self._shifts, *planes  # kept, as OpenVINO only has their addresses
        self._masking = network.masking(f).create_infer_request()
        for number, array in enumerate(self._inputs):
            self._masking.set_input_tensor(number, import_openvino().Tensor(array, shared_memory=True))
        self._after = network.after and network.after.create_infer_request()
        self._free, self._busy = network.requests(), deque[Any]()

    def named(self, start: int, stop: int) -> tuple[NDArray[Any], ...]:
        """All that the embeddings of some masks depend on, beside the encoder and their places."""
        masks = self._masks
        cells = np.array(masks.feature_res)
        return self._pixels, self._background, masks.packed[start:stop], masks.shifts[start:stop], cells

    def ask(self, start: int, stop: int) -> Answer:
        """Begin to embed masks of one batch; answers are to be read in the order of the questions."""
        request, place = self._free.pop(), start % self.rows
        part = slice(place, place + stop - start)
        self._grids[:], self._shifts[:] = 0, 0
        self._grids[part], self._shifts[part] = self._masks.grids(start, stop), self._masks.shifts[start:stop]
        self._masking.set_output_tensor(request.get_input_tensor())
        self._masking.infer()
        request.start_async()
        self._busy.append(request)
        return lambda: self._answer(part)

    def _answer(self, part: slice) -> Rows:
        request = self._busy[0]
        request.wait()
        answers = request.get_output_tensor()
        if self._after:
            self._after.set_input_tensor(answers)
            self._after.infer()
            answers = self._after.get_output_tensor()
        rows = np.array(answers.data[part], np.float32)
        self._free.append(self._busy.popleft())
        return rows

    def end(self) -> None:
        """Wait for what is under way, since its memory goes with these copies."""
        for request in self._busy:
            request.wait()


def _planes(picture: NDArray[Any], size: list[int]) -> NDArray[np.float32]:
    """A picture (1, c, h, w) of what broadcasts to (h, w, c)."""
    return np.ascontiguousarray(np.broadcast_to(picture, size).transpose(2, 0, 1)[None], np.float32)


def _masking(rows: int, size: list[int], feature_res: int) -> Any:
    """Grids (b, f, f), shifts (b, 2), picture - background and background (1, c, h, w) -> copies (b, c, h, w)."""
    openvino = import_openvino()
    op, (h, w, c), f = openvino.opset13, size, feature_res
    grids, shifts = op.parameter([rows, f, f], np.float32), op.parameter([rows, 2], np.int32)
    difference, background = (op.parameter([1, c, h, w], np.float32) for _ in range(2))
    axis = op.constant(np.int64(0))
    down, across = (
        op.gather(op.constant(np.ascontiguousarray(table)), op.gather(shifts, op.constant(np.int64(i)), one), axis)
        for one in (op.constant(np.int64(1)),)
        for i, table in enumerate((windows(h, f), windows(w, f).transpose(0, 2, 1)))
    )
    masks = op.matmul(op.matmul(down, grids, False, False), across, False, False)
    copies = op.add(op.multiply(op.unsqueeze(masks, op.constant(np.int64(1))), difference), background)
    return openvino.Model([copies], [grids, shifts, difference, background], "masked copies")


def _reading_planes(model: Any) -> Any:
    """The network with an input (b, c, h, w) in place of its own (b, h, w, c)."""
    openvino = import_openvino()
    op, twin = openvino.opset13, model.clone()
    (own,) = twin.get_parameters()
    rows, h, w, c = twin.input(0).shape
    planes = op.parameter([rows, c, h, w], np.float32)
    pixels = op.transpose(planes, op.constant(np.array([0, 2, 3, 1])))
    for reader in own.output(0).get_target_inputs():
        reader.replace_source_output(pixels.output(0))
    return openvino.Model([twin.output(0).get_node().input_value(0)], [planes], model.get_name())


def _product(rows: int, matrix: NDArray[np.float32]) -> Any:
    """Rows (b, d) times a matrix (d, e)."""
    openvino = import_openvino()
    op = openvino.opset13
    answers = op.parameter([rows, len(matrix)], np.float32)
    return openvino.Model([op.matmul(answers, op.constant(matrix), False, False)], [answers], "product")
