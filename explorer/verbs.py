"""The public verbs: what a user calls, with pictures, encoders and references in whatever form they have them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal, overload

from numpy.typing import NDArray

from explorer.attributions.answers import check_method, check_target, explain_by
from explorer.attributions.method import METHODS, OWN_METHOD, Attribution, is_method
from explorer.attributions.question import make_question, question_of_class
from explorer.core.arguments import check_kind, described
from explorer.core.bars import check_progress, told
from explorer.core.distances import check_reference
from explorer.core.embedder import Input
from explorer.core.errors import InvalidInput
from explorer.core.explanation import Explanation, MethodExplanation
from explorer.core.masks import MaskSet, MaskSettings
from explorer.core.probe import Probe, Progress, complete, enlarge, keeping, start
from explorer.core.rank import rank_against
from explorer.core.references import Reference, References, embed_reference, named
from explorer.core.selections import SelectionSettings
from explorer.core.sentences import ALL_COUNT, SENTENCE_ENCODER, HideKey, WordsExplanation, prepare_words, rank_words
from explorer.core.settling import Run, explain_run, plan_run
from explorer.encoders.base import Encoder
from explorer.encoders.cards import DEFAULT_ENCODER, EncoderLike, resolve
from explorer.pictures.images import Picture

WANTED = {
    "masking": (MaskSettings, "MaskSettings, such as MaskSettings(n_masks=500); MaskSettings.from_dict reads a dict"),
    "selection": (SelectionSettings, 'SelectionSettings, such as SelectionSettings(mode="closest"); '
                                     "SelectionSettings.from_dict reads a dict"),
}  # fmt: skip
"""The kinds of arguments that may be left out."""
MASKS = "an array (n, height, width), or what masks_from_array made of one"
PICTURES = (str, os.PathLike, bytes, bytearray, memoryview, list, tuple, Picture, Reference)
ARRAYS = ("__array__", "__array_interface__", "__dlpack__")
"""What the arrays, tensors and pictures of other packages have, one or the other."""


def _check(**given: Any) -> None:
    """Refuse arguments that are of another kind than ``WANTED``.

    Raises:
        InvalidInput: One is; the message names it.
    """
    for name, value in given.items():
        if value is not None:
            check_kind(name, value, *WANTED[name])


def _check_masks(masks: Any) -> None:
    if masks is not None and not any(hasattr(type(masks), mark) for mark in ("weighted_sum", *ARRAYS)):
        check_kind("masks", masks, list | tuple, MASKS)


def _check_pictures(**given: Any) -> None:
    """Refuse what can be no picture, whichever encoder it is for; as ``_check``."""
    for name, value in given.items():
        if not any(hasattr(type(value), mark) for mark in ARRAYS):
            check_kind(name, value, PICTURES, "a path, a PIL image or an array")


def _check_probe(probe: Any) -> None:
    check_kind("probe", probe, Probe, "a probe, as explorer.probe makes them")


def probe(
    image: Any,
    *,
    encoder: EncoderLike = DEFAULT_ENCODER,
    masking: MaskSettings | None = None,
    masks: MaskSet | NDArray[Any] | None = None,
    on_progress: Progress | None = None,
    progress: bool = False,
) -> Probe:
    """Embed every masked copy of a picture.

    Args:
        image: A path, PIL image or array (H, W, 3), uint8 or float in [0, 1]. With an encoder made by
            ``from_function``, any array (h, w, c); it goes through as it is.
        encoder: A key of the cards, an encoder, or a network or function of your own, see ``from_torch`` and
            ``from_function``.
        masking: How to mask; the defaults are the paper's.
        masks: Masks of your own (``masks_from_array``) in place of random ones.
        on_progress: Called with (masks done, masks in all) after every batch.
        progress: Show a bar of it, in a terminal or a notebook.

    Returns:
        The complete probe.

    Raises:
        InvalidInput: A picture, setting or mask that cannot be used.
        UnusableEmbedding: The encoder's answer is not one vector for each copy.
        WeightsMissing: The encoder's weights are not here.
        ExplorerError: The encoder failed. The ``probe`` of this error, and of an UnusableEmbedding, is what was
            embedded before; give it to ``extend`` to go on.
    """
    check_progress(on_progress, progress)
    seen, by = _checked(image, encoder, masking, masks)
    with told(on_progress, progress) as tell:
        return _run(seen, by, masking, masks, tell).complete(tell)


def stream(
    image: Any,
    *,
    encoder: EncoderLike = DEFAULT_ENCODER,
    masking: MaskSettings | None = None,
    masks: MaskSet | NDArray[Any] | None = None,
    on_progress: Progress | None = None,
    progress: bool = False,
) -> Iterator[Probe]:
    """Yield the probe as it grows, after every batch; stop iterating to stop embedding.

    Every probe yielded is whole: it can be ranked, saved, and continued with ``extend``.
    Arguments and errors are those of ``probe``.
    """
    check_progress(on_progress, progress)
    seen, by = _checked(image, encoder, masking, masks)
    settled = None if masking is not None and masking.open else _run(seen, by, masking, masks)  # refused now, not later

    def streamed() -> Iterator[Probe]:
        with told(on_progress, progress) as tell:
            yield from (settled or _run(seen, by, masking, masks, tell)).grow(tell)

    return streamed()


def _checked(
    image: Any, encoder: EncoderLike, masking: MaskSettings | None, masks: MaskSet | NDArray[Any] | None
) -> tuple[Input, Encoder]:
    _check(masking=masking)
    _check_masks(masks)
    _check_pictures(image=image)
    by = resolve(encoder)
    return by.read(image), by


def _run(
    seen: Input,
    encoder: Encoder,
    masking: MaskSettings | None,
    masks: MaskSet | NDArray[Any] | None,
    on_progress: Progress | None = None,
    targets: Sequence[Reference] = (),
    selection: SelectionSettings | None = None,
) -> Run:
    """What embeds the masked copies; settings that are left open are chosen for the targets."""
    if masks is None and masking is not None and masking.open:
        return plan_run(seen, encoder, masking, targets, selection, on_progress)
    return Run(start(seen, encoder, masking, masks), None, targets, selection or SelectionSettings())


def extend(probe: Probe, *, n_masks: int, on_progress: Progress | None = None, progress: bool = False) -> Probe:
    """Continue a probe; only the masks it does not have yet are embedded.

    The result equals a probe that was never interrupted, bit for bit on the same machine.

    Args:
        probe: Complete or stopped early.
        n_masks: How many masks there shall be.
        on_progress: Called with (masks done, masks in all) after every batch.
        progress: Show a bar of it, in a terminal or a notebook.

    Raises:
        InvalidInput: Fewer masks than there are, or more from masks that cannot grow.
        ExplorerError: The encoder failed; as ``probe``.
    """
    check_progress(on_progress, progress)
    _check_probe(probe)
    larger = enlarge(probe, n_masks)
    with told(on_progress, progress) as tell:
        return complete(larger, tell)


@overload
def rank(
    probe: Probe,
    *,
    reference: References,
    caption: None = None,
    embedding: None = None,
    selection: SelectionSettings | None = None,
) -> list[Explanation]: ...


@overload
def rank(
    probe: Probe,
    *,
    reference: Any = None,
    caption: str | None = None,
    embedding: Any = None,
    selection: SelectionSettings | None = None,
) -> Explanation: ...


def rank(
    probe: Probe,
    *,
    reference: Any = None,
    caption: str | None = None,
    embedding: Any = None,
    selection: SelectionSettings | None = None,
) -> Explanation | list[Explanation]:
    """Rank a probe's masked copies by their distance to a reference and map what separates them.

    No masked copy is embedded and no mask is rendered.

    Args:
        probe: From ``probe``, ``stream`` or ``extend``; complete or not.
        reference: Another picture, one that ``explorer.embed`` has embedded, or all that it has; give exactly one of
            this and the next two.
        caption: A sentence, for encoders with a text side.
        embedding: (d,) vector.
        selection: Mode, threshold and distance; the defaults are the paper's.

    Returns:
        The explanation; its ``no_signal`` says why a map is all zero. A list of them, in their order, for all the
        references of ``explorer.embed``.

    Raises:
        InvalidInput: No mask done yet, or a reference that cannot be used.
        UnusableEmbedding: Non-finite or zero-length embeddings.
    """
    _check(selection=selection)
    _check_probe(probe)
    if isinstance(reference, References) and caption is None and embedding is None:
        return [rank(probe, reference=one, selection=selection) for one in reference]
    if reference is not None:
        _check_pictures(reference=reference)
    target = embed_reference(probe.encoder, reference=reference, caption=caption, embedding=embedding)
    return rank_against(probe, target, selection or SelectionSettings())


@overload
def explain(
    image: Any,
    *,
    method: Literal["distance-explainer"] = ...,
    reference: Any = None,
    caption: str | None = None,
    embedding: Any = None,
    encoder: EncoderLike = DEFAULT_ENCODER,
    masking: MaskSettings | None = None,
    masks: MaskSet | NDArray[Any] | None = None,
    selection: SelectionSettings | None = None,
    on_progress: Progress | None = None,
    progress: bool = False,
) -> Explanation: ...


@overload
def explain(
    image: Any,
    *,
    method: str | Attribution,
    reference: Any = None,
    caption: str | None = None,
    embedding: Any = None,
    encoder: EncoderLike = DEFAULT_ENCODER,
    masking: MaskSettings | None = None,
    masks: MaskSet | NDArray[Any] | None = None,
    selection: SelectionSettings | None = None,
    on_progress: Progress | None = None,
    progress: bool = False,
) -> Explanation | MethodExplanation: ...


def explain(
    image: Any,
    *,
    method: str | Attribution = OWN_METHOD,
    reference: Any = None,
    caption: str | None = None,
    embedding: Any = None,
    encoder: EncoderLike = DEFAULT_ENCODER,
    masking: MaskSettings | None = None,
    masks: MaskSet | NDArray[Any] | None = None,
    selection: SelectionSettings | None = None,
    on_progress: Progress | None = None,
    progress: bool = False,
) -> Explanation | MethodExplanation:
    """Explain which regions of a picture bring it closer to a reference, and which push it away.

    The method is Distance Explainer (Meijer & Bos 2025, arXiv:2505.15516, section 2.3) unless another is named.

    Args:
        image: The picture: a path, PIL image or array (H, W, 3), uint8 or float in [0, 1].
        method: A key of the methods, such as ``"rise"``, ``"dix3"`` or ``"grad-cam"``; one that fits the encoder. Or
            one with settings of your own, such as ``explorer.attributions.dix.Dix3(steps=20)``.
        reference: Another picture; give exactly one of this and the next two.
        caption: A sentence, for encoders with a text side.
        embedding: (d,) vector.
        encoder: A key of the cards, an encoder, or a network or function of your own, see ``from_torch`` and
            ``from_function``.
        masking: How to mask, for methods that do.
        masks: Masks of your own in place of random ones, for methods that mask.
        selection: Which masks count; other methods take the distance of it.
        on_progress: Called with (passes done, passes in all) after every batch.
        progress: Show a bar of it, in a terminal or a notebook.

    Returns:
        The map with everything it was made from.

    Raises:
        InvalidInput: A picture, setting, method or reference that cannot be used.
        UnusableEmbedding: The encoder's answer is no embedding.
        WeightsMissing: The encoder's weights are not here.
        ExplorerError: The encoder failed; where copies were embedded before, they are the error's ``probe``.
    """
    _check(masking=masking, selection=selection)
    check_progress(on_progress, progress)
    _check_masks(masks)
    _check_pictures(image=image)
    if reference is not None:
        _check_pictures(reference=reference)
    encoder = resolve(encoder)
    selection = selection or SelectionSettings()
    if is_method(method) or METHODS.check(method) != OWN_METHOD:
        given = {"masking": masking, "masks": masks}
        settings = {name: value for name, value in given.items() if value is not None}
        check_method(METHODS[method] if isinstance(method, str) else type(method), encoder, settings, selection)
        seen = named(encoder.read(image))
        asked = make_question(
            seen,
            reference=reference,
            caption=caption,
            embedding=embedding,
            encoder=encoder,
            distance=selection.distance,
        )
        check_target(asked, own=embedding is not None)
        with told(on_progress, progress, "pass") as tell:
            return explain_by(method, asked, seen, settings, selection, tell)
    seen = encoder.read(image)
    target = embed_reference(encoder, reference=reference, caption=caption, embedding=embedding)
    check_reference(selection.distance, target.embedding)
    with told(on_progress, progress) as tell:
        return explain_run(_run(seen, encoder, masking, masks, tell, [target], selection), tell)


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
    _check(masking=masking, selection=selection)
    check_progress(on_progress, progress)
    _check_masks(masks)
    _check_pictures(image=image)
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
    targets = [one.target for one in questions]
    with told(on_progress, progress) as tell:
        done = _run(seen, scores, masking, masks, tell, targets, chosen).complete(tell)
    with keeping(done):
        return [rank_against(done, one, chosen) for one in targets]


def explain_words(
    sentence: str,
    *,
    reference: Any = None,
    caption: str | None = None,
    embedding: Any = None,
    encoder: EncoderLike = SENTENCE_ENCODER,
    masking: MaskSettings | None = None,
    selection: SelectionSettings | None = None,
    hide: HideKey = "drop",
    on_progress: Progress | None = None,
    progress: bool = False,
) -> WordsExplanation:
    """Explain which words of a sentence bring it closer to a reference, and which push it away.

    Distance Explainer (Meijer & Bos 2025, arXiv:2505.15516, section 2.3) with words hidden in place of regions.

    Args:
        sentence: At most 500 characters.
        reference: A picture; give exactly one of this and the next two.
        caption: Another sentence.
        embedding: (d,) vector.
        encoder: A key of the cards with a text side, or such an encoder.
        masking: ``n_masks``, ``p_keep`` and ``seed``.
        selection: Which masks count; every one by its rank when None.
        hide: What a hidden word becomes, a key of ``HIDINGS``.
        on_progress: Called with (masks done, masks in all) after every batch.
        progress: Show a bar of it, in a terminal or a notebook.

    Returns:
        The values of the words with everything they were made from.

    Raises:
        InvalidInput: A sentence, setting or reference that cannot be used.
        UnusableEmbedding: The encoder's answer is no embedding.
        WeightsMissing: The encoder's weights are not here.
    """
    _check(masking=masking, selection=selection)
    check_progress(on_progress, progress)
    if reference is not None:
        _check_pictures(reference=reference)
    begun = prepare_words(sentence, encoder=(by := resolve(encoder)), masking=masking, hide=hide)
    target = embed_reference(by, reference=reference, caption=caption, embedding=embedding)
    check_reference((selection or ALL_COUNT).distance, target.embedding)
    with told(on_progress, progress, "sentence") as tell:
        return rank_words(complete(begun, tell, targets=[target]), target, selection)
