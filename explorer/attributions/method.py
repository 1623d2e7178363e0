"""What every attribution method is, and which of them go together with an encoder."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Protocol, TypeGuard

from explorer.attributions.question import Method
from explorer.core.embedder import Card
from explorer.core.masks import MaskSettings
from explorer.core.registry import Registry
from explorer.core.settings import Settings
from explorer.encoders.base import Encoder


class Attribution(Method, Protocol):
    """A method that users can choose: a frozen dataclass whose fields are its settings, all with defaults.

    Its map (h, w) is float32, finite and signed (but see ``is_signed``): positive where keeping the region brings the
    pair closer. It is all zero where there is nothing to say, so that nobody divides by nothing.

    Attributes:
        title: What users call it.
        about: A few words: what it looks at.
        source: The paper.
        needs: What an encoder must give (``Card.gives``), any one of them; empty where embeddings will do.
        signed: Whether its maps tell what brings closer from what pushes apart; True where a kind does not say.
        in_menus: Whether people are offered it; True where a kind does not say. Others are for checks.
    """

    title: ClassVar[str]
    about: ClassVar[str]
    source: ClassVar[str]
    needs: ClassVar[tuple[str, ...]]


OWN_METHOD = "distance-explainer"

METHODS: Registry[type[Attribution]] = Registry("method", "explorer.attributions")


def is_method(given: object) -> TypeGuard[Attribution]:
    """Whether somebody gave a method with its settings, rather than a key or a kind."""
    return (
        not isinstance(given, str | type) and callable(given) and hasattr(given, "passes") and hasattr(given, "title")
    )


def key_of(kind: type[Attribution]) -> str:
    """Its key, or the name of a kind that is not registered."""
    return next((key for key, known in METHODS.items() if known is kind), kind.__name__)


def offered(encoder: Encoder | Card) -> dict[str, type[Attribution]]:
    """The methods that work with an encoder, by key.

    Args:
        encoder: The encoder, which knows best, or the card of one that is not loaded.
    """
    gives = encoder.gives_here if isinstance(encoder, Card) else encoder.gives()
    return {key: kind for key, kind in METHODS.items() if fits(kind, gives)}


def masks_with(kind: type[Attribution], masking: MaskSettings) -> Attribution:
    """A method with its defaults but for its masks, where it has any."""
    chosen: dict[str, Any] = {"masking": masking} if has_masks(kind) else {}
    return kind(**chosen)


def has_masks(kind: type[Attribution]) -> bool:
    """Whether a method hides parts of the picture at random."""
    return "masking" in {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]


def is_signed(kind: type[Attribution]) -> bool:
    """Whether its maps tell what brings closer from what pushes apart."""
    return bool(getattr(kind, "signed", True))


def in_menus(kind: type[Attribution]) -> bool:
    """Whether people are offered it, in the app and as one of all methods of a benchmark."""
    return bool(getattr(kind, "in_menus", True))


def fits(kind: type[Attribution], gives: tuple[str, ...]) -> bool:
    """Whether a method can do with what an encoder gives."""
    return not kind.needs or any(need in gives for need in kind.needs)


def lack(kind: type[Attribution], encoder: Encoder) -> str:
    """What a method needs that an encoder does not give here, in words; empty where the two go together."""
    card, needs = encoder.card, " or ".join(kind.needs)
    if fits(kind, encoder.gives()):
        return ""
    if fits(kind, card.gives) and card.inside_missing:
        return f"{kind.title} needs {needs}, for which {card.title} {card.inside_missing}"
    only = f"gives {card.gives_when} only" if fits(kind, card.gives) and card.gives_when else "does not give"
    return f"{kind.title} needs {needs}, which {card.title} {only}"


def plain_settings(method: Attribution) -> dict[str, Any]:
    """A method's settings as plain values for JSON; masks of one's own are only named as given."""
    values = {field.name: getattr(method, field.name) for field in dataclasses.fields(method)}  # type: ignore[arg-type]
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Settings):
        return value.to_dict()
    return value if isinstance(value, str | int | float | bool | None) else "given"
