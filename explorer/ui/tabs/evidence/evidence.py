"""What is judged and by what: the map on screen, and the form of a question put to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from explorer.attributions.method import METHODS, has_masks, lack, masks_with
from explorer.attributions.question import DistanceExplainer, Method, Question, make_question
from explorer.attributions.rise import Rise
from explorer.core.errors import InvalidInput
from explorer.core.explanation import Explanation
from explorer.core.fills import pixel_fill
from explorer.core.probe import first
from explorer.core.rank import rank_against
from explorer.core.selections import CLOSER, MODES, SelectionSettings
from explorer.core.steps import Parts, Steps
from explorer.encoders.base import Encoder
from explorer.results.plots import picture_of
from explorer.results.recipe import Recipe
from explorer.ui.components import Look
from explorer.ui.jobs import MASKED
from explorer.ui.session import RunRequest, Session, on_screen
from explorer.ui.zero_gpu import load_encoder

Report = dict[str, Any]
Part = tuple[str, int]
"""A kind of pass, which has a rate of its own, and how many."""

OWN = "distance-explainer"
"""The method whose map is on screen."""
FROM_MASKS = (OWN, "rise")
"""Made of the masks on screen, which are embedded already."""


@dataclass(frozen=True, eq=False)
class Subject:
    """The map that is judged.

    Attributes:
        question: What it answers, with as many masks as it has.
        explanation: The map; its encoder may be one that only replays.
        shown: The ``id`` of the result on screen.
    """

    request: RunRequest
    explanation: Explanation
    shown: str

    @property
    def recipe(self) -> Recipe:
        """What names the map."""
        return self.request.recipe(self.request.masking.n_masks, self.explanation.selection)

    @property
    def picture(self) -> NDArray[np.uint8]:
        """(h, w, 3) for people to look at."""
        return picture_of(self.explanation.probe)

    def question(self, encoder: Encoder | None = None) -> Question:
        """The question as evaluations take it; embeds the reference.

        Args:
            encoder: In place of the question's own.
        """
        request = self.request
        return make_question(
            request.picture,
            reference=request.reference,
            caption=request.caption,
            encoder=encoder or load_encoder(request.encoder, precision=request.precision),
            distance=self.explanation.selection.distance,
        )

    def sketch(self) -> Question:
        """The same for asking prices: it has the size of the question, and may be unable to embed."""
        probe, reference = self.explanation.probe, self.explanation.reference
        assert isinstance(probe.encoder, Encoder)
        return Question(probe.encoder, probe.pixels, lambda _: reference, self.explanation.selection.distance)

    def method(self, key: str, n_masks: int, encoder: Encoder | None = None) -> Method:
        """What makes another map by a method, with masks as those on screen.

        Args:
            key: Of the method.
            n_masks: Where it has masks.
            encoder: In place of the question's own.

        Raises:
            InvalidInput: The encoder cannot give what the method needs.
        """
        masking = replace(self.request.masking, n_masks=n_masks)
        if key == OWN:
            return DistanceExplainer(masking, self.explanation.selection)
        kind = METHODS[key]
        # where nothing is needed, the encoder need not be loaded
        if kind.needs and (lacking := lack(kind, encoder or self.encoder())):
            raise InvalidInput(f"{lacking}.", code="method_unsupported")
        return masks_with(kind, masking)

    def encoder(self) -> Encoder:
        """The question's own."""
        return load_encoder(self.request.encoder, precision=self.request.precision)

    def answer(self, key: str, question: Question) -> Steps[NDArray[np.float32]]:
        """A method's map (h, w); made of the masks on screen where it is made of masks."""
        explanation = self.explanation
        if key == OWN:
            return explanation.relative
        if key in FROM_MASKS:
            return Rise(explanation.probe.masking).of_distances(explanation.probe.masks, explanation.distances)
        return (yield from self.method(key, len(explanation.weights), question.encoder)(question))

    def answer_passes(self, key: str) -> int:
        """How many pictures ``answer`` embeds."""
        if key in FROM_MASKS:
            return 0
        encoder = self.encoder()
        question = replace(self.sketch(), encoder=encoder)
        return self.method(key, len(self.explanation.weights), encoder).passes(question)

    def made(self, method: str, n_masks: int) -> str:
        """How a method makes its map, in words."""
        made = method_words(self.explanation.selection) if method == OWN else METHODS[method].title
        return f"{made}, {n_masks} masks" if has_masks(METHODS[method]) else made

    def fill(self, chosen: str = "auto") -> str:
        """What deleted pixels become by a fill, for this encoder; see ``pixel_fill``."""
        encoder = self.explanation.probe.encoder
        assert isinstance(encoder, Encoder)
        return pixel_fill(chosen, encoder)

    def wire(self, method: str = OWN) -> dict[str, Any]:
        """For the browser, which map this is, and for people.

        Args:
            method: Whose map of the pair.
        """
        recipe, selection = self.recipe, self.explanation.selection
        made = self.made(method, self.request.masking.n_masks)
        picture = recipe.picture or "your picture"
        compared = f"“{recipe.caption}”" if recipe.caption is not None else recipe.reference or "your reference"
        return {
            "id": self.shown,
            "selection": selection.to_dict(),
            "masks": self.request.masking.n_masks,
            "method": method,
            "of_masks": has_masks(METHODS[method]),
            "label": f"{picture} against {compared}, {made}",
        }


def method_words(selection: SelectionSettings) -> str:
    """A selection in words."""
    if selection.free:
        return "slices"
    mode = MODES[selection.mode]
    return f"{mode.label} {100 * selection.threshold:g} %" if mode.has_threshold else mode.label


def subject_of(session: Session, seen: Look) -> Subject:
    """The map on screen, as the visitor looks at it.

    Raises:
        InvalidInput: There is none, or the server has another.
    """
    if seen.result is None or seen.result != session.shown():
        raise InvalidInput(
            "The server no longer has the map on screen; press Run or choose an example, then ask again.",
            code="evidence_screen",
        )
    explanation = session.explanation(seen.selection)
    if explanation.meaning != CLOSER:
        raise InvalidInput(
            "The map on screen is of slices that do not go from nearer to farther copies, so it does not say what "
            "brings the pair closer and there is nothing to test; choose a selection mode first.",
            code="evidence_meaning",
        )
    count = seen.upto or seen.masks or len(explanation.weights)
    if count < len(explanation.weights):
        explanation = rank_against(first(explanation.probe, count), explanation.reference, seen.selection)
    request = on_screen(session)
    masking = replace(request.masking, n_masks=len(explanation.weights))
    return Subject(replace(request, masking=masking), explanation, seen.result)


@dataclass(frozen=True)
class Option:
    """A setting of a piece of evidence.

    Attributes:
        name: What its value is sent as.
        label: What it is called on screen.
        choices: (value, what it is called).
        value: The one chosen at first.
        folded: Whether it is out of sight until asked for. Only what makes an answer more exact may be; what can turn
            it is in sight, and named by ``Evidence.under``.
    """

    name: str
    label: str
    choices: tuple[tuple[str, str], ...]
    value: str
    folded: bool = True

    def read(self, value: object) -> str:
        """The value sent, which anyone can send, or the first one where none is.

        Raises:
            InvalidInput: It is not among the choices.
        """
        if value is None:
            return self.value
        if value not in [choice for choice, _ in self.choices]:
            raise InvalidInput(f"Unknown {self.label.lower()}; choose one of those listed.", code="evidence_option")
        return str(value)


def kind_of(method: str) -> str:
    """What a method's passes are timed as: masked pictures are all alike, gradients are each method's own."""
    return method if METHODS[method].needs else MASKED


def numbers(*values: int) -> tuple[tuple[str, str], ...]:
    """Choices that are numbers."""
    return tuple((str(value), str(value)) for value in values)


class Evidence(ABC):
    """One question put to the map on screen; an instance is that question with its settings.

    Args:
        subject: The map.
        options: Settings by name; the others are as at first. ``method``, a key of METHODS, is the one that is put to
            the test in place of the map on screen.

    Attributes:
        method: Whose map is judged.
        key: Names it.
        title: The question, in plain words.
        read: How to read the answer.
        limits: What the answer does not say.
        verb: What its button says.
        options: What can be set.
        slow: Whether to find its price takes seconds, because the network has to be taken apart for it.
    """

    key: ClassVar[str]
    title: ClassVar[str]
    read: ClassVar[str]
    limits: ClassVar[str]
    verb: ClassVar[str]
    options: ClassVar[tuple[Option, ...]] = ()
    slow: ClassVar[bool] = False

    def __init__(self, subject: Subject, options: Mapping[str, object]) -> None:
        self.subject = subject
        self.chosen = {option.name: option.read(options.get(option.name)) for option in self.options}
        self.method = METHODS.check(options.get("method", OWN))
        self.chosen["method"] = self.method

    def sketch(self) -> Question:
        """The question for asking prices; its encoder is loaded only for methods that look inside it."""
        question = self.subject.sketch()
        return replace(question, encoder=self.subject.encoder()) if METHODS[self.method].needs else question

    def _method(self) -> Method:
        """What makes its maps, with as many masks as are chosen."""
        return self.subject.method(self.method, int(self.chosen["masks"]))

    def about(self) -> str:
        """What its answer is about, for people; by default the map that is judged."""
        return str(self.subject.wire(self.method)["label"])

    def passes(self) -> int:
        """How many pictures it embeds."""
        return sum(count for _, count in self.parts())

    def _with_masks(self) -> str:
        """For ``under``: of how many masks its maps are made, where they are made of masks."""
        return f" and maps of {self.chosen['masks']} masks" if has_masks(METHODS[self.method]) else ""

    @abstractmethod
    def parts(self) -> tuple[Part, ...]:
        """What it embeds, in order; embeds nothing itself, but a method may have to look at the network."""

    @abstractmethod
    def under(self) -> str:
        """Which choices the verdict was made with and could hang on, in plain words after "tested with"."""

    @abstractmethod
    def steps(self) -> Parts[Any]:
        """Do it; yields 0 once all is there that it begins with, and the first pass is made."""

    def report(self, result: Any, stopped: bool) -> Report:
        """``findings``, their verdict naming what it was tested with; ``under`` says that by itself."""
        found, under = self.findings(result, stopped), self.under()
        head, *rest = found["verdict"]
        return {"outcome": None} | found | {"verdict": [f"{head} Tested with {under}.", *rest], "under": under}

    @abstractmethod
    def findings(self, result: Any, stopped: bool) -> Report:
        """``verdict``, ``charts`` and ``table`` of a result, whole or in part, and ``sheet`` or ``strip``.

        And ``outcome``: the verdict without its numbers, to be compared with that of other settings; None for none.
        """

    @classmethod
    def wire(cls) -> dict[str, Any]:
        """For the browser."""
        texts = {name: getattr(cls, name) for name in ("key", "title", "read", "limits", "verb", "slow")}
        return texts | {"options": [vars(option) for option in cls.options]}
