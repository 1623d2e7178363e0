"""Small pictures, and methods and metrics whose answers are known, for the tests of the benchmark."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from explorer.attributions.method import METHODS
from explorer.attributions.question import Question
from explorer.core.errors import InvalidInput
from explorer.core.masks import MaskSettings
from explorer.core.registry import Registry
from explorer.core.steps import Steps
from explorer.evaluation.metrics import METRICS, Metric, mean_of

NAMES = ("a.png", "b.png", "c.png")


def pictures(folder: Path, *, masks: bool = False) -> Path:
    """Three pictures of blobs, each compared with the next; with masks, the upper half of the first is an object."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(NAMES):
        coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3))
        Image.fromarray(np.kron(coarse, np.ones((8, 8, 1))).astype(np.uint8)).save(folder / name)
    if masks:
        upper = np.zeros((32, 32, 3), np.uint8)
        upper[:16] = 255
        Image.fromarray(upper).save(folder / "upper.mask", "PNG")
        rows = "\n".join(
            f"{name},{NAMES[(i + 1) % 3]},{'upper.mask' if i == 0 else ''}" for i, name in enumerate(NAMES)
        )
        (folder / "pairs.csv").write_text(f"picture,reference,mask\n{rows}\n", encoding="utf-8")
    return folder


class Fake:
    """What the methods below share."""

    about: ClassVar[str] = "a known answer"
    source: ClassVar[str] = "this test"
    needs: ClassVar[tuple[str, ...]] = ()

    def passes(self, question: Question) -> int:
        return 2


@dataclass(frozen=True)
class Brightness(Fake):
    """How bright each pixel is, less the mean."""

    title: ClassVar[str] = "Brightness"

    def __call__(self, question: Question) -> Steps[np.ndarray]:
        yield 1
        yield 1
        bright = question.pixels.mean(axis=2, dtype=np.float32)
        return (bright - bright.mean()) / 255


@dataclass(frozen=True)
class Masked(Fake):
    """Draws from its seed."""

    title: ClassVar[str] = "Masked"

    masking: MaskSettings = field(default_factory=MaskSettings)

    def passes(self, question: Question) -> int:
        return self.masking.n_masks

    def __call__(self, question: Question) -> Steps[np.ndarray]:
        yield self.masking.n_masks
        random = np.random.default_rng(self.masking.seed)
        return random.normal(size=question.pixels.shape[:2]).astype(np.float32)


@dataclass(frozen=True)
class Sometimes(Fake):
    """Blank for dark pictures, not finite for bright ones, refuses the rest."""

    title: ClassVar[str] = "Sometimes"

    def __call__(self, question: Question) -> Steps[np.ndarray]:
        yield 2
        size = question.pixels.shape[:2]
        place = round(float(question.pixels.mean())) % 3
        if place == 0:
            return np.zeros(size, np.float32)
        if place == 1:
            return np.full(size, np.nan, np.float32)
        raise InvalidInput("This picture is not to its taste.", code="taste")


@dataclass(frozen=True)
class Deep(Fake):
    """Wants what the tiny encoder does not give."""

    title: ClassVar[str] = "Deep"
    needs: ClassVar[tuple[str, ...]] = ("layers", "attention")

    def __call__(self, question: Question) -> Steps[np.ndarray]:
        raise AssertionError("it was called though the encoder gives no layers")


def fake_metric(key: str, group: str, needs: tuple[str, ...] = (), better: str = "higher") -> Metric:
    """The sum of the map, and what there was to judge it by; two copies are embedded."""

    def measure(question: Question, attribution: Any, scorer: Any, mask: Any, seed: int) -> Steps[dict[str, Any]]:
        rows = yield from question.embeddings([question.pixels, question.pixels])
        return {
            "value": float(np.abs(attribution).sum()),
            "scorer": scorer and scorer.key,
            "score": None if "segmentation" in needs else float(scorer.score(rows)[0]),
            "object": None if mask is None else int(mask.sum()),
            "seed": seed,
        }

    def value(record: dict[str, Any]) -> float:
        return float(record["value"])

    return Metric(
        key=key, title=key.upper(), better=better, about="a known number", source="this test", needs=needs, group=group,
        passes=lambda question: 2, measure=measure, value=value, total=mean_of(value),
        scored="segmentation" not in needs,
    )  # fmt: skip


FAKE_METHODS: dict[str, type] = {"brightness": Brightness, "masked": Masked, "sometimes": Sometimes, "deep": Deep}
FAKE_METRICS = {
    metric.key: metric
    for metric in (
        fake_metric("sum", "sums"),
        fake_metric("same-sum", "sums", better="lower"),
        fake_metric("outlined", "outlines", ("segmentation",)),
        fake_metric("decided", "decisions", ("decision",)),
    )
}


@contextmanager
def registered() -> Iterator[None]:
    """Add the fakes for a while."""
    pairs: tuple[tuple[Registry[Any], dict[str, Any]], ...] = ((METHODS, FAKE_METHODS), (METRICS, FAKE_METRICS))
    for registry, entries in pairs:
        len(registry)  # fills it
        for key, entry in entries.items():
            registry.add(key, entry)
    try:
        yield
    finally:
        for registry, entries in pairs:
            for key in entries:
                del registry._entries[key]
