"""A question in torch: the score that is differentiated, and the runs of the network that methods are made of.

The score is higher where the pair is closer: for the cosine distance the similarity s itself, for the dot product the
dot product, for the others minus the distance. A class is a question too (``make_class_question``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.question import Question
from explorer.core.arrays import as_numpy
from explorer.core.distances import DISTANCES, check_reference, fair, lengths_of
from explorer.core.errors import InvalidInput, UnusableEmbedding, WeightsMissing
from explorer.core.extras import how_to_install
from explorer.core.steps import Steps
from explorer.encoders.gradients import Differentiable, Tap, as_tensor
from explorer.encoders.torch_autograd import gradients
from explorer.encoders.torch_settings import settled

TARGETS = ("cos", "proj")
"""The score itself, or the embedding's projection on the reference with the length held at that of the picture's own
embedding: the same value for the picture, but linear in the embedding, so that contributions add up to it."""

ROUNDING = 1e-6
"""A map whose values differ by no more than this share of the largest says nothing."""

NOTHING = 1e-30
"""Nor does one whose values differ by no more than this: products of maps of small gradients are small themselves."""


Answer = TypeVar("Answer", bound=Callable[..., Steps[NDArray[np.float32]]])


def in_torch(answer: Answer) -> Answer:
    """Let each step of a method have gradients, wherever torch's switches stand; between steps they are as before."""

    @wraps(answer)
    def steps(*args: Any) -> Steps[NDArray[np.float32]]:
        inner = answer(*args)
        while True:
            with settled(gradients=True):
                try:
                    step = next(inner)
                except StopIteration as end:
                    return np.asarray(end.value)
            yield step

    return steps  # type: ignore[return-value]


class Scored:
    """A question in torch.

    Args:
        question: The question.
        target: A key of TARGETS; the second for the cosine distance, and for the dot product, which is linear already.
        scale: The score is multiplied by it. Only methods that add an identity, or take a power of a gradient, care:
            Chefer's notebooks explain CLIP's logits, which is 100.

    Attributes:
        looked: The network.
        pixels: (1, h, w, c) tensor.
        batch: How many pictures are run at once.

    Raises:
        InvalidInput: The encoder gives no gradients, or there is no such target or distance.
        UnusableEmbedding: The reference has no distance to anything.
    """

    def __init__(self, question: Question, *, target: str = "cos", scale: float = 1.0) -> None:
        import torch

        if target not in TARGETS:
            raise InvalidInput(f"Unknown target; choose one of: {', '.join(TARGETS)}.", code="unknown_target")
        distance = DISTANCES[question.distance]
        if target == "proj" and not distance.linear:
            raise InvalidInput(
                "The target proj goes with the cosine distance and the dot product; use target='cos' with others.",
                code="target_distance",
            )
        reference = np.array(question.target.embedding, np.float64)
        check_reference(question.distance, reference)
        if distance.needs_length:
            reference = fair(reference[None])[0]
            reference /= np.linalg.norm(reference)  # here, as float32 does not hold the square of every number
        self.looked: Differentiable = question.encoder.differentiable(question.pixels)
        self.pixels = as_tensor(self.looked.module, question.pixels[None])
        self.batch = question.encoder.batch_size
        self._distance = distance
        self._scale = scale
        self._reference = torch.from_numpy(reference)
        self._reference_length = float(lengths_of(reference[None])[0])
        self._size: tuple[int, int] = (question.pixels.shape[0], question.pixels.shape[1])
        self._follows: dict[str, bool] = {}
        self._length: Any = None
        if target == "proj":
            with torch.no_grad():
                rows = self.looked.module(self.pixels)
            power = _fair_scale(rows)
            self._length = rows.norm() if power is None else (rows * power).norm() / power[0, 0]

    def score(self, embeddings: Any) -> Any:
        """Scores (b,) of embeddings (b, d), differentiable.

        Raises:
            InvalidInput: The reference has another length.
        """
        if embeddings.shape[1:] != self._reference.shape:
            raise InvalidInput(
                f"The reference embedding has shape {tuple(self._reference.shape)}, the picture's "
                f"{tuple(embeddings.shape[1:])}; give one of the same length, made by the same encoder.",
                code="reference_shape",
            )
        reference = self._reference.to(embeddings.device, embeddings.dtype)
        if not reference.isfinite().all():
            raise InvalidInput(
                "The reference is too long for the numbers of this network; make it shorter, or use the cosine "
                "distance.",
                code="reference_range",
            )
        return self._scale * self._closeness(embeddings, reference)

    def _closeness(self, rows: Any, reference: Any) -> Any:
        """Of rows (b, d), also where they are so long or short that the numbers of a network hold no square of them.

        Those are scaled by powers of two, which every distance but the dot product, which needs no squares, allows.
        """
        import torch

        length, back = self._length, 1.0
        if self._distance.needs_length and (scale := _fair_scale(rows)) is not None:
            rows, length = rows * scale, None if length is None else length * scale[:, 0]
        elif not self._distance.of_product and (scale := _fair_scale(rows, self._reference_length)) is not None:
            rows, reference, back = rows * scale, reference * scale, scale[:, 0]
        lengths = rows.norm(dim=1) if length is None else length
        return self._distance.closeness(torch, rows, lengths, reference) / back

    def run(self, pixels: Any) -> Any:
        """Scores (b,) of pictures (b, h, w, c), differentiable by whatever requires it."""
        return self.score(self.looked.module(pixels))

    def slopes(self, pixels: Any) -> Steps[Any]:
        """Gradients of the scores by the pixels of pictures (n, h, w, c)."""
        import torch

        found = []
        for part in pixels.split(self.batch):
            leaf = part.detach().clone().requires_grad_()
            found.append(self._slopes(self.run(leaf), leaf))
            yield len(part)
        return torch.cat(found)

    def layer(self, path: str) -> Steps[tuple[Any, Any]]:
        """A layer's output for the picture, and the gradient of the score by it, each (1, ...)."""
        with Tap(self.looked, path).recording(leaf=True) as tap:
            score = self.run(self.pixels)
            slopes = self._slopes(score, tap.output)
        yield 1
        return tap.output.detach(), slopes

    def seen(self, path: str) -> Steps[tuple[Any, Any]]:
        """A layer's output for the picture (1, ...) and the score (1,), without gradients."""
        import torch

        with torch.no_grad(), Tap(self.looked, path).recording() as tap:
            score = self.run(self.pixels)
        yield 1
        return tap.output, score

    def from_layer(self, path: str, outputs: Any) -> Steps[tuple[Any, Any]]:
        """The rest of the network after a layer, with other outputs in the place of the layer's own.

        Args:
            path: Of the layer.
            outputs: (n, ...) tensor.

        Returns:
            Scores (n,) and their gradients (n, ...) by the outputs.
        """
        import torch

        scores, slopes = [], []
        for part in outputs.split(self.batch):
            leaf = part.detach().clone().requires_grad_()
            score = self.rest(path, leaf)
            slopes.append(self._slopes(score, leaf))
            scores.append(score.detach())
            yield len(part)
        return torch.cat(scores), torch.cat(slopes)

    def scores_from_layer(self, path: str, batches: Iterable[Any]) -> Steps[Any]:
        """Scores (n,) of other outputs in the place of a layer's own, given a batch (b, ...) at a time."""
        import torch

        found = []
        for part in batches:
            with torch.no_grad():
                found.append(self.rest(path, part))
            yield len(part)
        return torch.cat(found)

    def rest(self, path: str, outputs: Any) -> Any:
        """Scores (n,) of outputs (n, ...) in the place of a layer's own, differentiable.

        What comes before the layer is run for one picture only, unless the network wants as many rows there.
        """
        pictures = 1 if self._rows_follow(path, outputs) else len(outputs)
        with Tap(self.looked, path).replacing(outputs):
            return self.run(self.pixels.expand(pictures, -1, -1, -1))

    def _rows_follow(self, path: str, outputs: Any) -> bool:
        """Whether what comes after a layer takes its number of rows from the layer; tried out once for each."""
        import torch

        if path not in self._follows:
            two = outputs[:1].detach().expand(2, *[-1] * (outputs.dim() - 1))
            with torch.no_grad(), Tap(self.looked, path).replacing(two):
                try:
                    self._follows[path] = len(self.run(self.pixels)) == len(two)
                except (RuntimeError, ValueError):  # shapes that do not fit
                    self._follows[path] = False
        return self._follows[path]

    def _slopes(self, scores: Any, leaf: Any) -> Any:
        """Gradients of scores (b,) by what they were computed from (b, ...).

        They are 0 where a picture lies at the reference, by any distance that has its end there.
        """
        import torch

        slopes = gradients(scores.sum(), leaf)[0]
        return torch.where(self.at_reference(scores).view(-1, *[1] * (slopes.dim() - 1)), 0, slopes)

    def at_reference(self, scores: Any) -> Any:
        """Whether pictures with these scores (b,) lie at the reference, where slopes are only rounding: (b,) bool."""
        import torch

        closeness = scores.detach() / self._scale
        if self._distance.at_reference is None or self._length is not None:
            return torch.zeros_like(closeness, dtype=torch.bool)
        return self._distance.at_reference(torch, closeness, self._reference_length)

    def stage(self, number: int) -> str:
        """The path of the last stage (1), the one before it (2), and so on.

        Raises:
            InvalidInput: There are fewer.
        """
        if not self.looked.stages:
            raise InvalidInput(
                "This network shows no map of its last stage: rows and columns of the picture that all of the "
                "embedding comes through, with nothing behind them but a read-out. Choose a method that looks at "
                "pixels, or name the modules that end its stages: from_torch(network, stages=...).",
                code="no_stages",
            )
        if not 1 <= number <= len(self.looked.stages):
            raise InvalidInput(
                f"The network has {len(self.looked.stages)} stages of maps; stage {number} was asked for. "
                "Choose a method, or a number, that needs no more than there are.",
                code="stage_range",
            )
        return self.looked.stages[number - 1]

    def spread(self, small: Any, mode: str = "bilinear") -> NDArray[np.float32]:
        """A map (rows, columns) at the size of the picture (h, w); see ``blank_if_flat``."""
        return blank_if_flat(self.resized(small, mode))

    def resized(self, small: Any, mode: str = "bilinear") -> NDArray[np.float32]:
        """A map (rows, columns) at the size of the picture (h, w)."""
        import torch

        large = torch.nn.functional.interpolate(small[None, None].float(), self._size, mode=mode, align_corners=False)
        return as_numpy(large[0, 0])


FAIR = (1e-10, 1e15)
"""Lengths whose squares, and those of their parts, float32 holds."""


def _fair_scale(rows: Any, length: float = 0.0) -> Any:
    """(b, 1) powers of two that make rows (b, d), and a vector of some length, fair together; None where they are."""
    import torch

    rows = rows.detach()
    lengths = rows.norm(dim=1, keepdim=True)
    is_fair = (lengths > FAIR[0]) & (lengths < FAIR[1])
    if is_fair.all() and (length == 0 or FAIR[0] < length < FAIR[1]):
        return None
    largest = rows.abs().amax(1, keepdim=True).clamp(min=length)
    most = int(math.log2(torch.finfo(rows.dtype).max)) - 1
    powers = torch.frexp(largest)[1].clamp(-most, most)
    return torch.where(largest > 0, torch.ldexp(torch.ones_like(largest), -powers), 1)


def blank_if_flat(attribution: NDArray[Any]) -> NDArray[np.float32]:
    """The map as float32; all zero where it varies no more than rounding does.

    Raises:
        UnusableEmbedding: It holds what is no number.
    """
    found = np.asarray(attribution, np.float32)
    if bad := int((~np.isfinite(found)).sum()):
        raise UnusableEmbedding(
            f"The map has {bad} non-finite values of {found.size}, as the network's embedding or its gradient has; "
            "check the encoder's weights, or choose a method that only embeds pictures (Distance Explainer, RISE).",
            code="map_finite",
        )
    return np.zeros_like(found) if is_blank(found) else found


def is_blank(attribution: NDArray[Any]) -> bool:
    """Whether a map says nothing: it is the same everywhere but for rounding."""
    return float(np.ptp(attribution)) <= max(NOTHING, ROUNDING * float(np.abs(attribution).max()))


def at_least(low: float, **settings: float) -> None:
    """Check settings of a method.

    Raises:
        InvalidInput: One is below.
    """
    for name, value in settings.items():
        if not value >= low:
            raise InvalidInput(f"{name} must be at least {low}, got {value}.", code=f"{name}_range")


def captum() -> Any:
    """The module ``captum.attr``.

    Raises:
        WeightsMissing: It is not installed.
    """
    try:
        import captum.attr
    except ModuleNotFoundError as error:
        raise WeightsMissing(
            f"This method needs captum: {how_to_install('methods')}.", code="packages_missing"
        ) from error
    return captum.attr


def steps_between(start: Any, end: Any, n: int) -> Any:
    """(n, ...) points from just after the start to the end: the right Riemann sum's of n steps."""
    import torch

    shares = torch.arange(1, n + 1, device=end.device, dtype=end.dtype) / n
    return start + shares.view(-1, *[1] * end.dim()) * (end - start)
