"""The encoder of something that was saved: known by what the file says, and loaded when it is first asked."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import asdict, fields, replace
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from explorer.core.embedder import Card, Embedder, Input, Rows
from explorer.core.errors import InvalidInput
from explorer.core.masks import MaskSet
from explorer.encoders.base import Encoder
from explorer.encoders.cards import EncoderLike, find_card, load_encoder, loaded_as, resolve
from explorer.encoders.functions import FunctionEncoder

LOST = (
    "The picture was not kept with this result, so nothing more of it can be embedded; bring it along: "
    "explorer.load(path, image=...)."
)
PASSED_ON = (
    *("embed_pixels", "embed_images", "embed_texts", "exercise", "fit_text", "vocabulary", "view", "describe"),
    *("layers", "blocks", "weights", "replaced", "randomised", "gives", "differentiable", "classifier"),
)
"""What the saved encoder leaves to the one it stands for, besides what is written out below."""


def encoder_facts(encoder: Embedder) -> dict[str, Any]:
    """What a file says of an encoder, as plain values for JSON."""
    if isinstance(encoder, SavedEncoder):
        return dict(encoder.facts)
    named = loaded_as(encoder)
    key, precision = named or (encoder.card.key, "")
    card = asdict(encoder.card)
    return {
        "key": key,
        "precision": precision,
        "named": named is not None,
        "fingerprint": encoder.fingerprint,
        "card": {name: value for name, value in card.items() if name not in ("family", "packages", "weights")},
        "batch_size": encoder.batch_size,
        "input_size": encoder.input_size,
        "pads": encoder.pads,
        **_colour_facts(encoder),
    }


def _colour_facts(encoder: Embedder) -> dict[str, Any]:
    """Its zero colour; nothing of what stands for an encoder that a replay no longer has."""
    if not hasattr(encoder, "zero_colour"):
        return {}
    return {"zero_colour": np.asarray(encoder.zero_colour, np.float64).tolist()}


def saved_encoder(
    facts: Mapping[str, Any], given: EncoderLike | Embedder | None = None, *, lost: bool = False
) -> Embedder:
    """The encoder that something was made with: one that is given, if it is the same, or one that stands for it.

    Args:
        facts: From ``encoder_facts``.
        given: A key, an encoder, or a network or function that one is made of.
        lost: Whether the picture is not there, so that no masked copy of it can be embedded.

    Raises:
        InvalidInput: The one given is another.
    """
    if given is None:
        return SavedEncoder(facts, lost=lost)
    own = resolve(given)
    if own.fingerprint != facts["fingerprint"]:
        raise InvalidInput(
            f"This was made with the encoder {facts['fingerprint']}; the one given is {own.fingerprint}. Give the same "
            "one, or make a new probe with this one.",
            code="another_encoder",
        )
    return SavedEncoder(facts, own, lost=True) if lost else own


class SavedEncoder(Encoder):
    """Stands for the encoder that something was made with.

    Args:
        facts: From ``encoder_facts``; older files have only some of them.
        own: The encoder itself, where it is at hand.
        lost: As ``saved_encoder``.
    """

    def __init__(self, facts: Mapping[str, Any], own: Encoder | None = None, *, lost: bool = False) -> None:
        super().__init__()
        self.facts, self._own, self._lost = dict(facts), own, lost
        self.card = _card(self.facts)
        self.fingerprint, self.batch_size = str(facts["fingerprint"]), int(facts["batch_size"])
        rows_columns = facts.get("input_size")
        self.input_size = None if rows_columns is None else (int(rows_columns[0]), int(rows_columns[1]))
        self.zero_colour = np.asarray(facts.get("zero_colour", 0.0), np.float32)
        self.pads = bool(facts.get("pads", True))

    def _parts(self) -> Iterable[Any]:
        return ()

    def own(self) -> Encoder:
        """The encoder itself.

        Raises:
            InvalidInput: It cannot be named, or the one of that name here is another.
            WeightsMissing: Its weights are not here.
        """
        if self._own is None:
            if not self._is_named():
                raise InvalidInput(
                    f"This was made with an encoder that cannot be loaded by its name ({self.fingerprint}); bring it "
                    "along: explorer.load(path, encoder=...). Ranking by an embedding needs none.",
                    code="encoder_wanted",
                )
            found = load_encoder(self.card.key, precision=self.facts.get("precision") or "float32")
            if found.fingerprint != self.fingerprint:
                raise InvalidInput(
                    f"This was made with the encoder {self.fingerprint}; the one here is {found.fingerprint}. Install "
                    "the same versions, rank by an embedding, or make a new probe.",
                    code="another_encoder",
                )
            self._own = found
        return self._own

    def _is_named(self) -> bool:
        return bool(self.facts.get("named", True)) and _found(self.card.key) is not None

    def read(self, source: Any) -> Input:
        return self.own().read(source)

    def _forward(self, pixels: NDArray[np.float32]) -> NoReturn:
        raise AssertionError("embed_pixels is passed on")

    def embed_masked(
        self, pixels: NDArray[Any], background: NDArray[Any], masks: MaskSet, start: int, stop: int
    ) -> Generator[Rows]:
        self._check_here()
        return self.own().embed_masked(pixels, background, masks, start, stop)

    def embed_kept(self, pixels: NDArray[Any], kept: NDArray[np.bool_]) -> Rows:
        self._check_here()
        return self.own().embed_kept(pixels, kept)

    def patches(self) -> tuple[int, int]:
        known = self.facts.get("patches")
        return (int(known[0]), int(known[1])) if known else self.own().patches()

    def _check_here(self) -> None:
        if self._lost:
            raise InvalidInput(LOST, code="picture_lost")


def _passed_on(name: str) -> Callable[..., Any]:
    def ask(self: SavedEncoder, *arguments: Any, **options: Any) -> Any:
        return getattr(self.own(), name)(*arguments, **options)

    return ask


for _name in PASSED_ON:
    setattr(SavedEncoder, _name, _passed_on(_name))


def _found(key: str) -> Card | None:
    """The card of a key; None where no list has it, as of keys that name a folder or an address."""
    try:
        return find_card(key)
    except InvalidInput:
        return None


def _card(facts: Mapping[str, Any]) -> Card:
    """The card of the list, or what the file says of one that no list has."""
    key = str(facts["key"])
    if (found := _found(key)) is not None:
        return found
    plain = replace(FunctionEncoder.card, key=key, title=key)
    known = {field.name: getattr(plain, field.name) for field in fields(Card)}
    said = facts.get("card", {})
    alike: dict[str, Any] = {
        name: said[name] for name, value in known.items() if name in said and type(said[name]) is type(value)
    }
    listed: dict[str, Any] = {
        name: tuple(map(str, said[name]))
        for name, value in known.items()
        if isinstance(value, tuple) and isinstance(said.get(name), list)
    }
    return replace(plain, **alike, **listed)
