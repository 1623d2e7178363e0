"""Everything that names a result: the same ``Recipe`` gives the same map.

Its JSON goes with an export and comes back from strangers, so every field is checked; links (``links``) and the
script that makes the map again are written from it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

from explorer.core.captions import clean_caption
from explorer.core.errors import InvalidInput
from explorer.core.limits import FEATURE_RES, N_MASKS, P_KEEP, SEED, THRESHOLD
from explorer.core.masks import SCHEMES, MaskSettings
from explorer.core.selections import SelectionSettings
from explorer.encoders.cards import CARDS, find_card
from explorer.pictures.examples import PAPER_SHA256, asset_path, has_hash, manifest, paper_files
from explorer.pictures.images import as_picture

SCHEMA_VERSION = 1
MAX_JSON_BYTES = 100_000


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything a map depends on.

    Attributes:
        picture: The example's file name, a name for ``presets.asset_path``; None when it was the user's own file.
        picture_sha256: ``images.Picture.sha256`` of it: of its pixels, so the file's format does not matter.
        reference: The same for the picture it is compared with.
        reference_sha256: Of the reference; None when it is compared with a caption.
        caption: The caption, cleaned; None when it is compared with a picture.
        encoder: A key for ``encoders.cards.find_card``.
        precision: The encoder's arithmetic.
        masking: The costly settings.
        selection: The free settings.

    Raises:
        InvalidInput: Any of them cannot be, or they do not fit together.
    """

    picture: str | None = None
    picture_sha256: str
    reference: str | None = None
    reference_sha256: str | None = None
    caption: str | None = None
    encoder: str
    precision: str = "float32"
    masking: MaskSettings = field(default_factory=MaskSettings)
    selection: SelectionSettings = field(default_factory=SelectionSettings)

    def __post_init__(self) -> None:
        _check_picture("picture", self.picture, self.picture_sha256)
        by_caption = self.caption is not None
        if by_caption != (self.reference_sha256 is None) or (by_caption and self.reference is not None):
            raise InvalidInput("Name either a reference picture or a caption, not both.", code="reference_count")
        if by_caption:
            # Twice, because composing characters can make a text longer than the limit it was checked against.
            object.__setattr__(self, "caption", clean_caption(clean_caption(self.caption)))
        else:
            _check_picture("reference", self.reference, self.reference_sha256)
        _check_encoder(self.encoder, self.precision, by_caption)
        if not isinstance(self.masking, MaskSettings) or not isinstance(self.selection, SelectionSettings):
            raise InvalidInput("masking and selection must be settings.", code="config_type")
        self.masking.refuse_open()  # a result has numbers

    @property
    def own(self) -> tuple[str, ...]:
        """Which of ``"picture"`` and ``"reference"`` are files that only their owner can bring."""
        own_reference = self.reference is None and self.caption is None
        return ("picture",) * (self.picture is None) + ("reference",) * own_reference

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON, every field written out."""
        return {"schema_version": SCHEMA_VERSION, **asdict(self)}

    def to_json(self) -> str:
        """What ``config.json`` holds."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_dict(cls, values: object) -> Recipe:
        """Check and build what ``to_dict`` gave.

        Raises:
            InvalidInput: Not a config, of another version, a field too many or too few, or a value that cannot be.
        """
        version = values.get("schema_version") if isinstance(values, Mapping) else None
        if not isinstance(values, Mapping) or type(version) is not int or version != SCHEMA_VERSION:
            raise InvalidInput(
                f"Not the settings of a result, or of another version; schema_version must be {SCHEMA_VERSION}.",
                code="config_version",
            )
        given = _checked_fields(cls, {key: value for key, value in values.items() if key != "schema_version"}, "config")
        masking = MaskSettings(**_checked_fields(MaskSettings, given.pop("masking"), "masking"))
        selection = SelectionSettings(**_checked_fields(SelectionSettings, given.pop("selection"), "selection"))
        return cls(**given, masking=masking, selection=selection)

    @classmethod
    def from_json(cls, text: str | bytes) -> Recipe:
        """Read a ``config.json``, whoever sent it.

        Raises:
            InvalidInput: Too large, not JSON, or what ``from_dict`` refuses.
        """
        if len(text) > MAX_JSON_BYTES:
            raise InvalidInput(
                f"The file is larger than {MAX_JSON_BYTES // 1000} kB, so it is no config.json.", code="config_bytes"
            )
        try:
            if isinstance(text, bytes):
                text = text.decode("utf-8-sig")
            values = json.loads(text, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise InvalidInput(
                "Not a config.json; unpack the export and choose the file of that name in it.", code="config_json"
            ) from error
        return cls.from_dict(values)


def check_app(recipe: Recipe) -> Recipe:
    """Return a config that the app, where one server is shared by many, would run.

    Raises:
        InvalidInput: It is beyond the app's caps, or uses what only the library and the command line have.
    """
    CARDS.check(recipe.encoder)
    for cap in (N_MASKS, FEATURE_RES, P_KEEP, SEED):
        cap.check(getattr(recipe.masking, cap.name), app=True)
    THRESHOLD.check(recipe.selection.threshold, app=True)
    if not SCHEMES[recipe.masking.scheme].grows:
        raise InvalidInput(
            f"The app's masks must be able to grow, which those of the scheme {recipe.masking.scheme} are not; "
            f"use one of {', '.join(key for key, scheme in SCHEMES.items() if scheme.grows)}, or the command line.",
            code="scheme_app",
        )
    return recipe


def example_sha256(name: str) -> str:
    """The ``Recipe.picture_sha256`` of an example.

    Raises:
        InvalidInput: No such example.
        WeightsMissing: It is one of the paper's and has not been fetched.
    """
    return _pixels_sha256(asset_path(name))


def example_named(sha256: str) -> str | None:
    """The file name of the example on this computer whose pixels have that hash."""
    fetched = [name for name, path in paper_files().items() if has_hash(path, PAPER_SHA256[name])]
    return next((name for name in (*manifest(), *fetched) if example_sha256(name) == sha256), None)


@lru_cache(maxsize=64)
def _pixels_sha256(path: Path) -> str:
    return as_picture(path).sha256


def _check_picture(which: str, name: object, sha256: object) -> None:
    if name is not None and (not isinstance(name, str) or (name not in manifest() and name not in PAPER_SHA256)):
        raise InvalidInput(
            f"No such example as {which}; choose one of: {', '.join(manifest())}, or null for a file of your own.",
            code="unknown_example",
        )
    if not isinstance(sha256, str) or not re.fullmatch("[0-9a-f]{64}", sha256):
        raise InvalidInput(f"{which}_sha256 must be 64 digits 0-9 and a-f.", code="sha256")


def _check_encoder(key: object, precision: object, by_caption: bool) -> None:
    if not isinstance(key, str) or not re.fullmatch(r"[\w.:/@+-]+", key, re.ASCII):
        key = ""  # a name made on the fly is repeated in messages, so it must be plain
    card = find_card(key)
    if not isinstance(precision, str) or precision not in card.precisions:
        raise InvalidInput(
            f"{card.title} has no such precision; choose one of: {', '.join(card.precisions)}.", code="precision"
        )
    if by_caption and not card.captions:
        raise InvalidInput(
            f"{card.title} cannot read captions; choose an encoder that compares image and caption.",
            code="no_text_side",
        )


def _checked_fields(kind: type[Any], values: object, what: str) -> dict[str, Any]:
    """A copy of the values, if they are exactly the fields of that kind."""
    known = [f.name for f in fields(kind)]
    if not isinstance(values, Mapping):
        raise InvalidInput(f"{what} must have the fields {', '.join(known)}.", code="config_type")
    if set(values) - set(known):
        raise InvalidInput(f"Unknown field in {what}; the fields are: {', '.join(known)}.", code="unknown_field")
    if missing := [name for name in known if name not in values]:
        raise InvalidInput(f"{what} lacks {', '.join(missing)}.", code="missing_field")
    return dict(values)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
