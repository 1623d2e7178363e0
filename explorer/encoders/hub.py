"""Weights for encoders made on the fly: from the Hugging Face Hub or a file, read without running anything in them."""

from __future__ import annotations

import difflib
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from explorer.core.embedder import Card
from explorer.core.errors import InvalidInput, WeightsMissing

TIMEOUT = 5.0
"""Seconds after which a silent network counts as none."""


class Source(NamedTuple):
    """A file on the Hugging Face Hub: the names it may have, best first, and the pinned commit or None for any."""

    repository: str
    files: tuple[str, ...]
    revision: str | None = None


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
    near = difflib.get_close_matches(name[:80], choices, n=1, cutoff=0.3)
    if near:
        hint = f"did you mean {near[0]!r}?"
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
    raise absent(card, "the Hugging Face Hub has no such file any more")


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


def read_torch_file(path: Path) -> Mapping[str, Any]:
    """The arrays of a torch state dict, without running anything in the file.

    Raises:
        ValueError: It is none.
    """
    import torch

    try:
        with warnings.catch_warnings():  # of what it finds in files that are none
            warnings.simplefilter("ignore")
            state = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except MemoryError:
        raise
    except Exception as error:  # torch's reader trips over what is no state dict in as many ways as there are files
        raise ValueError("not a torch state dict") from error
    if not isinstance(state, dict):
        raise ValueError("not a torch state dict")
    return state
