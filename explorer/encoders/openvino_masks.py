"""Masked copies made by OpenVINO for the network that reads them, with some batches under way at any time.

With ``W`` of ``explorer.core.masks.windows``, a mask is ``W[sy] @ grid @ W[sx].T``: a grid and two shifts go over for
a copy, and the picture and its background once a probe. The copies are made by a small model of its own, in float32
whatever the network computes in: in bfloat16 the masks themselves would be rounded, and a colour to whole numbers.
"""

from __future__ import annotations

import hashlib
import math
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Generator
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.embedder import RECALL, Embedder, Rows
from explorer.core.masks import GridMasks, MaskSet, windows
from explorer.encoders.openvino_runtime import HINTS, Network, bfloat16_here, import_openvino

WAITING = 1
"""Batches that wait beside those under way, so that no core does."""
MODELS = 4
"""Models of masks that are kept, one for each ``feature_res``."""

Answer = Callable[[], Rows]
Piece = tuple[Any, list[Any]]


def rows_at_once(precision: str) -> int:
    """Copies in a batch: what is fastest for the processor, by its kind, and fits in 100 MB for two cores.

    Fixed, and not timed when a network is loaded, since an embedding's last bits depend on it: the same settings make
    the same map on one machine, also where it was busy while it was timed, or forgot what it had found.
    """
    if precision == "bfloat16":
        return 8
    return 4 if bfloat16_here() else 2  # those with bfloat16 have more cache, and are faster than their memory


class MasksInOpenVINO(Embedder):
    """An encoder whose masked copies OpenVINO makes, where its network runs there."""

    @abstractmethod
    def _masked(self) -> MaskedNetwork | None:
        """Its network behind masks; None where it runs elsewhere. Called by one thread at a time."""

    def embed_masked(
        self, pixels: NDArray[Any], background: NDArray[Any], masks: MaskSet, start: int, stop: int
    ) -> Generator[Rows]:
        network = self._rested() if isinstance(masks, GridMasks) else None
        if network is None or not isinstance(masks, GridMasks):
            yield from super().embed_masked(pixels, background, masks, start, stop)
            return
        copies, under_way = MaskedCopies(network, pixels, background, masks), deque[Answer]()
        try:
            while start < stop or under_way:
                if start < stop and len(under_way) < network.pieces:
                    end = min((start // self.batch_size + 1) * self.batch_size, stop)
                    under_way.append(self._asked(copies, start, end))
                    start = end
                else:
                    yield under_way.popleft()()
        finally:
            copies.end()

    def exercise(self, pixels: NDArray[Any], count: int) -> None:
        network = self._rested()
        if network is None:
            super().exercise(pixels, count)
        else:
            network.exercise(pixels, count)

    def _rested(self) -> MaskedNetwork | None:
        """The network behind masks; the one that reads pixels has given its memory back."""
        with self._lock:
            network = self._masked()
            if network is not None:
                network.rest()
            return network

    def _asked(self, copies: MaskedCopies, start: int, stop: int) -> Answer:
        """Ask for some masks, unless long work has had them already."""
        memory = RECALL.get()
        if memory is None:
            return copies.ask(start, stop)
        name = self.name_of(start % self.batch_size, *copies.named(start, stop))
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
        network: Reads pixels (b, h, w, c), the encoder's batch, and gives back the memory it needs for that while
            masked copies are embedded.
        after: (d, e) what its answers are multiplied by, in float32.
    """

    def __init__(self, network: Network, after: NDArray[np.float32] | None = None) -> None:
        self._core, self._pixels = import_openvino().Core(), network
        self.rows, (self.most, *self.size) = rows_at_once(network.precision), network.model.input(0).shape
        model = network.model.clone()
        model.reshape([self.rows, *self.size])
        self._network = self._compiled(model, network.precision, "THROUGHPUT")
        streams = self._network.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        self.pieces = max(2, math.ceil((streams + WAITING) * self.rows / self.most))
        self.masking = lru_cache(MODELS)(lambda f: self._compiled(_masking(self.most, self.size, f)))
        self.after = None if after is None else self._compiled(_product(self.rows, after))

    def _compiled(self, model: Any, precision: str = "float32", hint: str = "LATENCY") -> Any:
        """A small model runs in one thread, which may move, so that it never waits for a stream on its core."""
        hints: dict[str, Any] = {"PERFORMANCE_HINT": hint, "INFERENCE_PRECISION_HINT": HINTS[precision]}
        if hint == "LATENCY":
            hints |= {"INFERENCE_NUM_THREADS": 1, "ENABLE_CPU_PINNING": False}
        return self._core.compile_model(model, "CPU", hints)

    def rest(self) -> None:
        """Give back the memory of the network that reads pixels; not while it does."""
        self._pixels.rest()

    def piece(self) -> Piece:
        """Memory for copies, and what embeds them batch by batch."""
        openvino = import_openvino()
        copies = openvino.Tensor(openvino.Type.f32, [self.most, *self.size])
        requests = []
        for start in range(0, self.most, self.rows):
            requests.append(self._network.create_infer_request())
            batch = openvino.Tensor(copies, [start, 0, 0, 0], [start + self.rows, *self.size])
            requests[-1].set_input_tensor(batch)
        return copies, requests

    def exercise(self, pixels: NDArray[Any], count: int) -> None:
        """Run the network on the same pixels (h, w, c) so many times, with every stream at work."""
        pieces = [self.piece() for _ in range(self.pieces)]
        requests = [request for _, own in pieces for request in own]
        for copies, _ in pieces:
            copies.data[:] = pixels
        for turn in range(math.ceil(count / self.rows)):
            request = requests[turn % len(requests)]
            request.wait()
            request.start_async()
        for request in requests:
            request.wait()


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
        self._rows, self._most, self._masks = network.rows, network.most, masks
        self._grids, self._shifts = np.zeros((self._most, f, f), np.float32), np.zeros((self._most, 2), np.int32)
        pictures = (np.broadcast_to(picture, network.size)[None] for picture in (pixels - background, background))
        # kept, as OpenVINO only has their addresses
        self._inputs = self._grids, self._shifts, *(np.array(one, np.float32, order="C") for one in pictures)
        self._masking = network.masking(f).create_infer_request()
        for number, array in enumerate(self._inputs):
            self._masking.set_input_tensor(number, import_openvino().Tensor(array, shared_memory=True))
        self._after = network.after and network.after.create_infer_request()
        self._free, self._busy = [network.piece() for _ in range(network.pieces)], deque[Piece]()

    def named(self, start: int, stop: int) -> tuple[NDArray[Any], ...]:
        """All that the embeddings of some masks depend on, beside the encoder and their places."""
        masks = self._masks
        return self._pictures, masks.packed[start:stop], masks.shifts[start:stop], np.array(self._grids.shape)

    @cached_property
    def _pictures(self) -> NDArray[np.uint8]:
        """Names the picture and its background."""
        digest = hashlib.sha256()
        for picture in self._inputs[2:]:
            digest.update(picture.data)
        return np.frombuffer(digest.digest(), np.uint8)

    def ask(self, start: int, stop: int) -> Answer:
        """Begin to embed masks of one piece, each in its place there; answers are read in the order of the questions.

        The copies are made at once, as the pictures they are made of are then read from memory once.
        """
        copies, requests = self._free.pop()
        first, last = start % self._most, start % self._most + stop - start
        self._grids[:], self._shifts[:] = 0, 0
        self._grids[first:last], self._shifts[first:last] = (
            self._masks.grids(start, stop),
            self._masks.shifts[start:stop],
        )
        self._masking.set_output_tensor(copies)
        self._masking.infer(share_outputs=True)  # else the copies are copied
        batches = slice(first // self._rows, math.ceil(last / self._rows))
        for request in requests[batches]:
            request.start_async()
        self._busy.append((copies, requests))
        first, last = (place - batches.start * self._rows for place in (first, last))
        return lambda: self._answered(requests[batches])[first:last]

    def _answered(self, requests: list[Any]) -> Rows:
        rows = np.concatenate([self._answer(request) for request in requests])
        self._free.append(self._busy.popleft())
        return rows

    def _answer(self, request: Any) -> Rows:
        request.wait()
        answers = request.get_output_tensor()
        if self._after:
            self._after.set_input_tensor(answers)
            self._after.infer(share_outputs=True)
            answers = self._after.get_output_tensor()
        return np.array(answers.data, np.float32)

    def end(self) -> None:
        """Wait for what is under way, since its memory goes with these copies."""
        for _, requests in self._busy:
            for request in requests:
                request.wait()


def _masking(rows: int, size: list[int], feature_res: int) -> Any:
    """Grids (b, f, f), shifts (b, 2), picture - background and background (1, h, w, c) -> copies (b, h, w, c)."""
    openvino = import_openvino()
    op, (h, w, _), f = openvino.opset13, size, feature_res
    grids, shifts = op.parameter([rows, f, f], np.float32), op.parameter([rows, 2], np.int32)
    difference, background = (op.parameter([1, *size], np.float32) for _ in range(2))
    first, second, last = (op.constant(np.int64(number)) for number in (0, 1, 3))
    tables = windows(h, f), windows(w, f).transpose(0, 2, 1)
    down, across = (
        op.gather(op.constant(np.ascontiguousarray(table)), op.gather(shifts, which, second), first)
        for which, table in zip((first, second), tables, strict=True)
    )
    masks = op.unsqueeze(op.matmul(op.matmul(down, grids, False, False), across, False, False), last)
    copies = op.add(op.multiply(masks, difference), background)
    return openvino.Model([copies], [grids, shifts, difference, background], "masked copies")


def _product(rows: int, matrix: NDArray[np.float32]) -> Any:
    """Rows (b, d) times a matrix (d, e)."""
    openvino = import_openvino()
    op = openvino.opset13
    answers = op.parameter([rows, len(matrix)], np.float32)
    return openvino.Model([op.matmul(answers, op.constant(matrix), False, False)], [answers], "product")
