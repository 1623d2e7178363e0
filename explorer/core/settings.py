"""What settings share: they are frozen, check themselves, and are plain dicts outside."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

from explorer.core.arguments import check_kind
from explorer.core.errors import InvalidInput


class Settings:
    """Plain dicts in and out, unknown fields refused."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from plain values, as read from JSON.

        Raises:
            InvalidInput: An unknown field, or a value its range refuses.
        """
        check_kind("values", values, Mapping, f"a dict of the fields of {cls.__name__}")
        known = {f.name for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
        if set(values) - known:
            raise InvalidInput(
                f"Unknown {cls.__name__} field; the fields are: {', '.join(sorted(known))}.", code="unknown_field"
            )
        return cls(**values)

    def but(self, **values: Any) -> Self:
        """The same settings with other values, which are checked now: keys of registries are plain text until then."""
        return dataclasses.replace(self, **values)  # type: ignore[type-var]

    def to_dict(self) -> dict[str, Any]:
        """The same settings as plain values for JSON."""
        return dict(dataclasses.asdict(self))  # type: ignore[call-overload]
