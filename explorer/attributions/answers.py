"""The answer of a method that is not Distance Explainer, as a result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from explorer.attributions.method import (
    METHODS,
    Attribution,
    has_masks,
    is_signed,
    key_of,
    lack,
    offered,
    plain_settings,
)
from explorer.attributions.question import Question
from explorer.core.distances import check_reference, check_shape
from explorer.core.embedder import Input
from explorer.core.errors import InvalidInput
from explorer.core.explanation import MethodExplanation
from explorer.core.probe import Progress
from explorer.core.selections import SelectionSettings
from explorer.core.steps import run
from explorer.encoders.base import Encoder


def check_method(
    kind: type[Attribution], encoder: Encoder, settings: Mapping[str, Any], selection: SelectionSettings
) -> None:
    """Refuse a method that is not Distance Explainer where it does not go with the rest.

    Args:
        kind: The method.
        encoder: The one asked.
        settings: ``masking`` and ``masks`` where they are given.
        selection: What was chosen.

    Raises:
        InvalidInput: It does not go with the encoder, or has no such settings.
    """
    if lacking := lack(kind, encoder):
        raise InvalidInput(f"{lacking}; choose one of: {', '.join(offered(encoder))}.", code="method_encoder")
    if settings and not has_masks(kind):
        raise InvalidInput(f"{kind.title} has no masks; leave out {' and '.join(settings)}.", code="method_masks")
    if selection != SelectionSettings(distance=selection.distance):
        raise InvalidInput(
            f"{kind.title} selects no masks; leave mode, threshold and slices out.", code="method_selection"
        )


def check_target(question: Question, *, own: bool) -> None:
    """Refuse a reference that nothing has a distance to, before it costs more than a pass.

    Args:
        question: The question.
        own: Whether the reference is an embedding of somebody's own, which may be of another length.

    Raises:
        InvalidInput: It is.
        UnusableEmbedding: It holds non-finite values, or has no length where the distance needs one.
    """
    check_reference(question.distance, question.target.embedding)
    if own:
        row = question.encoder.embed_pixels(question.pixels[None].copy())  # a function may write in what it is shown
        check_shape(question.target.embedding, row.shape[1:])


def explain_by(
    method: str | Attribution,
    question: Question,
    seen: Input,
    settings: Mapping[str, Any],
    selection: SelectionSettings,
    on_progress: Progress | None = None,
) -> MethodExplanation:
    """``explain`` for a question that is made already and a method that is not Distance Explainer.

    Args:
        method: A key of the methods, or one with settings of your own.
        question: From ``make_question``.
        seen: Its picture.
        settings: ``masking`` and ``masks`` where they are given.
        selection: What was chosen, of which nothing but the distance can matter.
        on_progress: Called with (passes done, passes in all) after every batch.

    Raises:
        InvalidInput: The method does not go with the encoder, or has no such settings.
    """
    kind, encoder = METHODS[method] if isinstance(method, str) else type(method), question.encoder
    check_method(kind, encoder, settings, selection)
    if settings and not isinstance(method, str):
        raise InvalidInput(
            f"This {kind.title} has its settings already; give {' and '.join(settings)} to it.", code="method_masks"
        )
    chosen = kind(**settings) if isinstance(method, str) else method
    total = chosen.passes(question)
    tell = None if on_progress is None else lambda done: on_progress(min(done, total), total)
    attribution = run(chosen(question), tell)
    return MethodExplanation(
        attribution=attribution,
        method=key_of(kind),
        settings=plain_settings(chosen),
        encoder=encoder,
        seen=seen,
        reference=question.target,
        distance=question.distance,
        signed=is_signed(kind),
        no_signal="" if attribution.any() else "The method's map is the same everywhere: it says nothing here.",
    )
