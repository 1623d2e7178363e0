"""How pictures are drawn for a network, as it says itself: timm's pretrained_cfg, transformers' image processors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from explorer.core.errors import InvalidInput
from explorer.encoders.pooled_features import is_of_transformers
from explorer.encoders.preprocessing import Drawing, as_drawing, centred, resized

PROCESSORS = ("preprocessor_config.json", "processor_config.json")
"""What transformers calls the description of an image processor, the common name first."""

KNOWN = {"do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb"}
"""What we do, too, of all that image processors may do."""

SQUARE, BILINEAR = 224, 2
"""Pixels, and PIL's number of a resampling, where a processor leaves them out, as most of transformers' do."""

MALFORMED = (AttributeError, LookupError, TypeError, ValueError, OSError, ArithmeticError)


def own_drawing(network: Any, size: str, mean: Any, std: Any) -> Drawing:
    """How a network of timm or transformers wants pictures drawn.

    Args:
        network: Of one of the two.
        size: ``"auto"``.
        mean: In the place of what it says; None for that.
        std: The same.

    Raises:
        InvalidInput: Another network, or one that does not say it.
    """
    if size != "auto":
        raise InvalidInput(
            f'size must be a number of pixels, (height, width) or "auto"; got {size!r:.40}.', code="size_range"
        )
    said = getattr(network, "pretrained_cfg", None)
    if isinstance(said, Mapping) and said.get("input_size"):
        sides = tuple(said["input_size"][-2:])
        found = as_drawing(sides, _or(mean, said.get("mean")), _or(std, said.get("std")))
    elif is_of_transformers(network):
        found = _of_transformers(network.config, mean, std)
    else:
        found = None
    if found is None:
        raise InvalidInput(
            'The network does not say how pictures are drawn for it, so size="auto" does not do; give size=224, say, '
            "with mean and std.",
            code="size_unknown",
        )
    return found


def _or(given: Any, own: Any) -> Any:
    return own if given is None else given


def _of_transformers(config: Any, mean: Any, std: Any) -> Drawing | None:
    side = getattr(getattr(config, "vision_config", config), "image_size", None)
    processor = _processor(str(getattr(config, "_name_or_path", "") or ""))
    if processor is not None:
        own = of_processor(processor, side)
        drawn = as_drawing(own.size, _or(mean, own.mean), _or(std, own.std))
        return drawn and replace(drawn, steps=own.steps)
    if side is None or mean is None or std is None:
        raise InvalidInput(
            "No image processor is kept beside the network, so it does not say which colours it was trained on; give "
            f"mean and std{' and a size' * (side is None)}, as its preprocessor_config.json has them.",
            code="size_unknown",
        )
    return as_drawing(tuple(side) if isinstance(side, list) else side, mean, std)


def _processor(place: str) -> Mapping[str, Any] | None:
    """What lies beside a network's weights, in its folder or the Hub's cache."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.utils import HFValidationError

    for name in PROCESSORS if place else ():
        path: Any = Path(place, name)
        if not path.is_file():
            try:
                path = try_to_load_from_cache(place, name)
            except HFValidationError:  # a folder
                path = None
        if isinstance(path, str | Path):
            try:
                found = json.loads(Path(path).read_bytes())
            except (OSError, ValueError):
                continue
            if isinstance(found, dict):
                return found
    return None


def of_processor(said: Mapping[str, Any], side: Any = None) -> Drawing:
    """What an image processor of transformers does to a picture.

    Args:
        said: Its configuration.
        side: Pixels that the network wants to see, where it does not say so.

    Raises:
        InvalidInput: It does what we do not know, or says it in a way that we do not.
    """
    said = said.get("image_processor", said)
    try:
        odd = sorted(name for name, value in said.items() if name.startswith("do_") and value and name not in KNOWN)
        if odd or said.get("rescale_offset"):
            raise InvalidInput(
                f"The network's image processor does something to pictures that is not known here "
                f"({', '.join(odd)[:80] or 'rescale_offset'}); give the network itself to from_torch, with size, mean "
                "and std.",
                code="processor",
            )
        size, steps = _steps(said, side)
        scale = float(said.get("rescale_factor", 1 / 255)) * 255 if said.get("do_rescale", True) else 255.0
        mean, std = said.get("image_mean"), said.get("image_std")
        if not said.get("do_normalize", mean is not None):
            mean, std = 0.0, 1.0
        drawn = as_drawing(size, *(None if colour is None else _scaled(colour, scale) for colour in (mean, std)))
        assert drawn is not None
    except InvalidInput:
        raise
    except MALFORMED as error:
        raise InvalidInput(
            "The network's image processor is described in a way that is not known here; give the network itself to "
            "from_torch, with size, mean and std.",
            code="processor",
        ) from error
    return Drawing(drawn.size, drawn.mean, drawn.std, steps)


def _scaled(colour: Any, scale: float) -> Any:
    """Colours of numbers up to ``scale`` as those of numbers up to 1."""
    if scale == 1:
        return colour
    return [number / scale for number in ([colour] if isinstance(colour, int | float) else colour)]


def _steps(said: Mapping[str, Any], side: Any) -> tuple[tuple[int, int], tuple[partial[Any], ...]]:
    """The size (h, w) in the end, and the steps to it."""
    resample = int(said.get("resample", BILINEAR))
    size = said.get("size", side or SQUARE) if said.get("do_resize", True) else (side or SQUARE)
    crop = said.get("crop_size") if said.get("do_center_crop") else None
    if isinstance(size, Mapping) and "shortest_edge" in size:
        edge = int(size["shortest_edge"])
        if crop is None and said.get("crop_pct"):  # ConvNeXt
            crop, edge = edge, int(edge / float(said["crop_pct"])) if edge < 384 else edge
        target = _pair(crop) if crop is not None else (edge, edge)
        first = partial(resized, size=edge if crop is not None else target, resample=resample)
    else:
        whole = _pair(size)
        target, first = _pair(crop) if crop is not None else whole, partial(resized, size=whole, resample=resample)
    return target, (first, partial(centred, size=target))


def _pair(size: Any) -> tuple[int, int]:
    if isinstance(size, Mapping):
        return (int(size["height"]), int(size["width"])) if "height" in size else _pair(size["shortest_edge"])
    height, width = size if isinstance(size, list | tuple) else (size, size)
    return int(height), int(width)
