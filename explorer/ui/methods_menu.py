"""Which methods the app offers, and with which encoders."""

from __future__ import annotations

from typing import Any

from explorer.attributions.method import METHODS, in_menus, offered
from explorer.encoders.cards import encoders


def offers() -> dict[str, Any]:
    """For the browser.

    Returns:
        ``offers``, the methods; ``gives``, the keys of those that work, by encoder; ``more``, what the others take
        where that can be installed.
    """
    methods = [
        {"key": key, "title": kind.title, "about": kind.about, "source": kind.source, "needs": kind.needs}
        for key, kind in METHODS.items()
        if in_menus(kind)
    ]
    more = {card.key: f"Looking into {card.title} {card.inside_missing}." for card in encoders() if card.inside_missing}
    return {"offers": methods, "gives": {card.key: list(offered(card)) for card in encoders()}, "more": more}
