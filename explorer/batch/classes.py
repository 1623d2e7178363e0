"""The public verb for several classes of one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from explorer.attributions.method import METHODS, OWN_METHOD
from explorer.attributions.question import question_of_class
from explorer.core.arguments import check_kind, described
from explorer.core.bars import check_progress, told
from explorer.core.errors import InvalidInput
from explorer.core.explanation import Explanation, MethodExplanation
from explorer.core.masks import MaskSet, MaskSettings
from explorer.core.probe import Progress, keeping
from explorer.core.rank import rank_against
from explorer.core.selections import SelectionSettings
from explorer.encoders.cards import DEFAULT_ENCODER, EncoderLike, resolve
from explorer.verbs import WANTED, explain_by, probe


def explain_classes(
    image: Any,
    classes: Sequence[int],
    *,
    encoder: EncoderLike = DEFAULT_ENCODER,
    method: str = OWN_METHOD,
    masking: MaskSettings | None = None,
    masks: MaskSet | NDArray[Any] | None = None,
    selection: SelectionSettings | None = None,
    on_progress: Progress | None = None,
    progress: bool = False,
) -> list[Explanation | MethodExplanation]:
    """Explain which regions of a picture speak for each of some classes; the masked copies are embedded once for all.

    "Closer" is a higher score before the softmax, of an encoder that tells classes apart, or a network or function of
    your own that gives the scores.

    Args:
        image: As for ``explain``.
        classes: Their numbers, counted from 0.
        encoder: As for ``explain``.
        method: A key of the methods.
        masking: How to mask, for methods that do.
        masks: Masks of your own in place of random ones, for methods that mask.
        selection: Which masks count; its distance is always ``"dot"`` here.
        on_progress: Called with (passes done, passes in all) after every batch; of each class by itself for methods
            other than Distance Explainer.
        progress: Whether to show a progress bar.

    Returns:
        An explanation for each class, in their order.

    Raises:
        InvalidInput: As ``explain``; an encoder without classes, or no such class.
    """
    for name, value in (("masking", masking), ("selection", selection)):
        if value is not None:
            check_kind(name, value, *WANTED[name])
    check_progress(on_progress, progress)
    if not isinstance(classes, list | tuple | range) or not classes:
        raise InvalidInput(
            f"classes must be a list of numbers of classes, such as [207, 281]; got {described(classes)}.",
            code="classes_type",
        )
    scores, own = resolve(encoder).classifier(), METHODS.check(method) == OWN_METHOD
    settings = {name: value for name, value in {"masking": masking, "masks": masks}.items() if value is not None}
    seen, chosen = scores.read(image), replace(selection or SelectionSettings(), distance="dot")
    questions = [question_of_class(scores, seen, class_index=number) for number in classes]
    if not own:
        with told(on_progress, progress, "pass") as tell:
            return [explain_by(method, one, seen, settings, chosen, tell) for one in questions]
    done = probe(image, encoder=scores, masking=masking, masks=masks, on_progress=on_progress, progress=progress)
    with keeping(done):
        return [rank_against(done, one.target, chosen) for one in questions]
