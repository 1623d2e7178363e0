"""What a benchmark runs: which pictures, encoders, methods and metrics, and what of them goes together."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from explorer.attributions.method import METHODS, Attribution, in_menus, lack, masks_with
from explorer.attributions.question import Question, make_question, question_of_class
from explorer.benchmark.controls import CONTROLS
from explorer.benchmark.gallery import Gallery
from explorer.core.errors import InvalidInput
from explorer.core.limits import SEED
from explorer.core.masks import MaskSettings
from explorer.core.registry import Registry, T
from explorer.core.streams import Stream, generator
from explorer.datasets.items import DATASETS, Item
from explorer.encoders.base import Encoder
from explorer.evaluation.metrics import METRICS, Metric

QUESTIONS = ("distance", "class")
LABELS = ("predicted", "truth")
"""Which decision NEG and POS watch: the encoder's own, as the DIX paper says, or the true class, as Chefer's code."""

SCHEMA_VERSION = 2


@dataclass(frozen=True, eq=False)
class Plan:
    """A benchmark to run.

    Attributes:
        data: A key of DATASETS.
        items: The pictures.
        encoders: By the name they have in tables; one named as in the paper, or as its network's key
            (``explorer.benchmark.paper``), is taken to be the paper's.
        methods: By key.
        metrics: By key.
        question: Of QUESTIONS: does the map answer for a distance or for a class?
        label: Of LABELS, for questions about classes.
        seed: Of masks and ties.
        gallery: What references are retrieved from, for questions about distances; None for none.
        of: How many items the data set has, of which ``items`` may be a sample.
    """

    data: str
    items: Sequence[Item]
    encoders: Mapping[str, Encoder]
    methods: Mapping[str, Attribution]
    metrics: Mapping[str, Metric]
    question: str
    label: str = "predicted"
    seed: int = 0
    gallery: Gallery | None = None
    of: int = 0

    @cached_property
    def asked(self) -> dict[str, Encoder]:
        """The encoders that can be asked, by name: for a question about classes, those that tell classes apart."""
        return {name: encoder for name, encoder in self._tried.items() if isinstance(encoder, Encoder)}

    @cached_property
    def _tried(self) -> dict[str, Encoder | str]:
        """What is asked by name, or why it cannot be."""
        return {name: self._classes(encoder) for name, encoder in self.encoders.items()}

    def _classes(self, encoder: Encoder) -> Encoder | str:
        if self.question == "distance":
            return encoder
        try:
            return encoder.classifier()
        except InvalidInput as error:
            return str(error)

    @property
    def decides(self) -> bool:
        """Whether there are decisions to watch."""
        return self.question == "class" or self.gallery is not None

    def why_not(self, encoder: str, method: str) -> str:
        """Why a method does not run on an encoder, or an empty string."""
        tried = self._tried[encoder]
        if isinstance(tried, str):
            return tried
        return lack(type(self.methods[method]), tried)

    def lacks(self, metric: str) -> str:
        """What a metric needs that is not there, in words, or an empty string."""
        needs = self.metrics[metric].needs
        if "decision" in needs and not self.decides:
            return "a distance to one reference decides nothing; --gallery gives references to choose from"
        if "segmentation" in needs and all(item.mask is None for item in self.items):
            return "the data has no outlines of objects"
        return ""

    @property
    def measured(self) -> dict[str, Metric]:
        """One metric of each group of which at least one can be had."""
        found: dict[str, Metric] = {}
        for key, metric in self.metrics.items():
            if not self.lacks(key):
                found.setdefault(metric.group, metric)
        return found

    def question_of(self, encoder: str, item: Item) -> Question:
        """The question about one picture.

        Raises:
            InvalidInput: A picture, caption or reference that cannot be used.
            UnusableEmbedding: The encoder's answer is no embedding.
        """
        asked, picture = self.asked[encoder], item.load()
        if self.question == "class":
            return question_of_class(asked, picture)
        if not item.compared:
            raise InvalidInput("There is nothing to compare the picture with.", code="no_reference")
        return make_question(picture, reference=item.load_reference(), caption=item.caption, encoder=asked)

    def seed_of(self, item: Item) -> int:
        """Of one picture's ties and masks: its own, and the same for every method."""
        digest = hashlib.sha256(f"{self.seed}:{item.key}".encode()).digest()
        return int.from_bytes(digest[:4], "big")

    @property
    def recipe(self) -> dict[str, Any]:
        """Everything the results depend on, as plain values: the same recipe gives the same numbers.

        Of pictures and outlines that a data set's own code reads, only the place counts.
        """
        values = {
            "schema_version": SCHEMA_VERSION,
            "data": self.data,
            "items": hashlib.sha256("\n".join(item.fingerprint for item in self.items).encode()).hexdigest(),
            "count": len(self.items),
            "of": self.of,
            "encoders": {name: encoder.fingerprint for name, encoder in self.encoders.items()},
            "methods": {key: dataclasses.asdict(method) for key, method in self.methods.items()},  # type: ignore[call-overload]
            "metrics": list(self.metrics),
            "question": self.question,
            "label": self.label,
            "seed": self.seed,
            "gallery": None if self.gallery is None else self.gallery.name,
        }
        return dict(json.loads(json.dumps(values)))  # as it comes back from a file: tuples are lists there


def make_plan(
    data: str,
    path: Path,
    encoders: Mapping[str, Encoder],
    *,
    methods: Sequence[str] = ("all",),
    metrics: Sequence[str] = ("all",),
    question: str | None = None,
    label: str = "predicted",
    limit: int | None = None,
    seed: int = 0,
    n_masks: int | None = None,
    gallery: Path | None = None,
) -> Plan:
    """A benchmark from what users say.

    Args:
        data: A key of DATASETS.
        path: Where it lies.
        encoders: By name.
        methods: Keys, ``"all"`` that menus offer, or ``"controls"``, which are wrong on purpose.
        metrics: Keys, or ``"all"``.
        question: Of QUESTIONS; the one the data set is made for if None.
        label: Of LABELS.
        limit: How many pictures, drawn by the seed; all of them if None.
        seed: Of masks, ties and the pictures drawn.
        n_masks: Of the methods that mask; their own default if None.
        gallery: A folder of pictures, or a text file with a caption on each line.

    Raises:
        InvalidInput: Something of the above that cannot be used.
        WeightsMissing: The package that reads the data set is not installed.
    """
    kind = DATASETS[data]
    question = question or kind.question
    if question not in QUESTIONS or label not in LABELS:
        raise InvalidInput(
            f"The question is one of: {', '.join(QUESTIONS)}; the label one of: {', '.join(LABELS)}.",
            code="benchmark_question",
        )
    if not encoders:
        raise InvalidInput("Name at least one encoder; explorer models lists them.", code="no_encoder")
    offered = {key: kind for key, kind in METHODS.items() if in_menus(kind)}
    named = [key for name in methods for key in (CONTROLS if name == "controls" else (name,))]
    real = [key for key in named if key not in CONTROLS]
    chosen_methods = _chosen("method", real, METHODS, offered) if real or not named else {}
    chosen_methods |= {key: CONTROLS[key] for key in named if key in CONTROLS}
    chosen_metrics = _chosen("metric", metrics, METRICS, dict(METRICS.items()))
    with _reading():
        everything = kind.load(path)
    if not everything:
        raise InvalidInput(f"{kind.title}: there is no picture to ask about.", code="dataset_layout")
    items = _drawn(everything, limit, SEED.check(seed))
    _check(items, question, label, gallery)
    with _reading():
        others = None if gallery is None else Gallery.read(gallery)
    masking = MaskSettings(seed=seed) if n_masks is None else MaskSettings(n_masks=n_masks, seed=seed)
    return Plan(
        data=data,
        items=items,
        encoders=dict(encoders),
        methods={key: masks_with(method, masking) for key, method in chosen_methods.items()},
        metrics=chosen_metrics,
        question=question,
        label=label,
        seed=seed,
        gallery=others,
        of=len(everything),
    )


@contextmanager
def _reading() -> Iterator[None]:
    """Tell of what the system does not let us read."""
    try:
        yield
    except OSError as error:
        name, reason = Path(str(error.filename)).name[:80], (error.strerror or "it failed").lower()
        raise InvalidInput(f"Cannot read {name}: {reason}.", code="data_unreadable") from error


def _check(items: Sequence[Item], question: str, label: str, gallery: Path | None) -> None:
    if question == "distance" and not any(item.compared for item in items):
        raise InvalidInput(
            "The data has neither references nor captions to be at a distance from; ask --question class, or list "
            "pairs in a folder (pairs:FOLDER).",
            code="benchmark_references",
        )
    if label == "truth" and (question == "distance" or any(item.class_index is None for item in items)):
        raise InvalidInput(
            "The label truth is for questions about classes, and for data that names the class of every picture.",
            code="benchmark_label",
        )
    if question == "class" and gallery is not None:
        raise InvalidInput("A gallery is for questions about distances; leave --gallery out.", code="gallery_class")


def _chosen(kind: str, names: Sequence[str], registry: Registry[T], offered: dict[str, T]) -> dict[str, T]:
    """Entries without repetition; ``all`` means those offered, in their order, and what else is named."""
    if not names:
        raise InvalidInput(f"Name at least one {kind}, or all.", code=f"no_{kind}")
    named = {name: registry[name] for name in names if name != "all"}
    return offered | named if "all" in names else named


def _drawn(items: list[Item], limit: int | None, seed: int) -> list[Item]:
    """So many of the items, in their order."""
    if limit is None or limit >= len(items):
        return items
    if limit < 1:
        raise InvalidInput("--limit must be at least 1.", code="limit_range")
    random = generator(seed, Stream.BENCHMARK_ITEMS)
    return [items[i] for i in sorted(random.choice(len(items), limit, replace=False).tolist())]
