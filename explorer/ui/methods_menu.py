"""Which methods the app offers, and with which encoders."""

from __future__ import annotations

from typing import Any

from explorer.attributions.method import METHODS, in_menus, offered
from explorer.encoders.cards import encoders


def offers() -> dict[str, Any]:
    """For the browser: ``offers``, the methods, and ``gives``, the keys of those that work, by encoder."""
    methods = [
        {"key": key, "title": kind.title, "about": kind.about, "source": kind.source, "needs": kind.needs}
        for key, kind in METHODS.items()
        if in_menus(kind)
    ]
    return {"offers": methods, "gives": {card.key: list(offered(card)) for card in encoders()}}
