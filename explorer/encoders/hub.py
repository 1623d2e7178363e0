"""Files of encoders made on the fly: from the Hugging Face Hub, or a folder."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from explorer.core.embedder import Card
from explorer.core.errors import InvalidInput, WeightsMissing

T = TypeVar("T")

TIMEOUT = 5.0
"""Seconds after which a silent network counts as none."""


class Source(NamedTuple):
    """A file on the Hugging Face Hub: the names it may have, best first, and the pinned commit or None for any."""

    repository: str
    files: tuple[str, ...]
    revision: str | None = None


PLACE = re.compile(r"(hf[-_]hub|local[-_]dir):(.*)", re.IGNORECASE | re.DOTALL)
"""How open_clip and timm call a model that none of their lists has: ``hf-hub:OWNER/NAME``, ``local-dir:FOLDER``."""

LONGEST_CONFIG = 1_000_000
"""Bytes."""


@dataclass(frozen=True)
class Place:
    """Where the configuration and the weights of a model lie that no list has.

    Attributes:
        card: Of the encoder.
        folder: The user's folder; None on the Hub.
        repository: On the Hub.
        revision: Its pinned commit, branch or tag; None for the newest.
    """

    card: Card
    folder: Path | None = None
    repository: str = ""
    revision: str | None = None

    def cached(self, files: tuple[str, ...]) -> bool:
        """Whether one of the files is on this machine."""
        return bool(self._here(files) if self.folder else cached(Source(self.repository, files, self.revision)))

    def find(self, files: tuple[str, ...]) -> Path:
        """The first of the files, fetched if it is not here.

        Raises:
            InvalidInput: The folder has none of them.
            WeightsMissing: The Hub has none, or cannot be reached.
        """
        if self.folder is None:
            return have(self.card, Source(self.repository, files, self.revision))
        if found := self._here(files):
            return found
        why = f"no {' or '.join(files)} in it" if os.path.isdir(self.folder) else "no such folder"
        raise InvalidInput(f"{self.card.title} cannot be loaded: there is {why}.", code="model_folder")

    def _here(self, files: tuple[str, ...]) -> Path | None:
        assert self.folder is not None
        return next((path for file in files if os.path.isfile(path := self.folder / file)), None)

    def config(self, file: str) -> dict[str, Any]:
        """What a model's JSON file says.

        Raises:
            InvalidInput: It is none.
        """
        path = self.find((file,))
        try:
            with path.open("rb") as opened:
                content = opened.read(LONGEST_CONFIG + 1)
            config = json.loads(content)
            if not isinstance(config, dict) or len(content) > LONGEST_CONFIG:
                raise ValueError("not a configuration")
        except (OSError, ValueError, RecursionError) as error:
            raise InvalidInput(
                f"The {file} of {self.card.title} is damaged, or no JSON.", code="model_config"
            ) from error
        return config

    def fit(self, make: Callable[[], T]) -> T:
        """What is made of a network by its configuration.

        Raises:
            InvalidInput: It cannot be made.
        """
        try:
            return make()
        except InvalidInput:
            raise
        except (AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            raise InvalidInput(
                f"The configuration of {self.card.title} does not fit its network.", code="model_config"
            ) from error

    def name(self, config: dict[str, Any]) -> str:
        """What stands for the model in a fingerprint: where it lies on the Hub, and a hash of its configuration."""
        digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:12]
        return f"hf-hub:{self.repository}:{digest}" if self.repository else f"local-dir:{digest}"


def find_place(card: Card, name: str) -> Place | None:
    """The place that a model's name tells; None for the name of a list.

    Raises:
        InvalidInput: It tells none.
    """
    told = PLACE.fullmatch(name)
    if told is None:
        return None
    kind, where = told[1].lower().replace("_", "-"), told[2]
    if kind == "local-dir" and where:
        return Place(card, Path(os.path.expanduser(where)))
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    repository, _, revision = where.partition("@")
    try:
        validate_repo_id(repository)
    except HFValidationError:
        repository = ""
    if not repository or kind == "local-dir":
        raise InvalidInput(
            "A model that no list has is named hf-hub:OWNER/NAME or local-dir:FOLDER.", code="unknown_model"
        )
    return Place(card, None, repository, revision or card.revision)


def check_choice(kind: str, name: str, choices: Sequence[str], hint: str) -> None:
    """Refuse an unknown name of a library's list.

    Args:
        kind: The library, then what is named: ``"open_clip model"``.
        name: What the user said.
        choices: What there is.
        hint: Where to find it, for names that are near none.

    Raises:
        InvalidInput: No such name; the message has the nearest.
    """
    if name in choices:
        return
    folded = {choice.casefold(): choice for choice in choices}
    near = difflib.get_close_matches(name[:80].strip().casefold(), folded, n=1, cutoff=0.3)
    if near:
        hint = f"did you mean {folded[near[0]]!r}?"
    raise InvalidInput(f"Unknown {kind}, one of {len(choices)}; {hint}", code=f"unknown_{kind.split()[1]}")


def cached(source: Source) -> Path | None:
    """The file in the Hub's local cache, if it is there."""
    from huggingface_hub import try_to_load_from_cache

    for file in source.files:
        path = try_to_load_from_cache(source.repository, file, revision=source.revision)
        if isinstance(path, str):
            return Path(path)
    return None


def have(card: Card, source: Source) -> Path:
    """The file, from the cache or the Hub; its client repeats a failed request for half a minute, so we ask first.

    Raises:
        WeightsMissing: It is not here and cannot be had.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, HTTPError

    if path := cached(source):
        return path
    for file in source.files:
        try:
            get_hf_file_metadata(hf_hub_url(source.repository, file, revision=source.revision), timeout=TIMEOUT)
        except EntryNotFoundError:
            continue
        except HfHubHTTPError as error:
            raise absent(card, f"the Hugging Face Hub answered {error.response.status_code}") from error
        except (HTTPError, OSError) as error:
            raise absent(card) from error
        try:
            return Path(hf_hub_download(source.repository, file, revision=source.revision))
        except (HTTPError, OSError, RuntimeError) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            raise absent(card, f"the download broke off ({why})") from error
    raise absent(card, f"the Hugging Face Hub has no {' or '.join(source.files)} there")


def absent(card: Card, why: str = "") -> WeightsMissing:
    """The error for weights that cannot be had: for the reason given, or for want of a network."""
    command = f"`explorer models fetch {card.key}`"
    if why:
        return WeightsMissing(
            f"{card.title} could not be loaded: {why}. {command} tries again.", code="weights_refused"
        )
    return WeightsMissing(
        f"{card.title} is not on this computer and there is no network; run {command} where there is one.",
        code="weights_offline",
    )
