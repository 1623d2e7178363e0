"""What visitors ask, and what the library answers: the load's results are compared with it one by one."""

from __future__ import annotations

import base64
import io
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import explorer
from explorer import MaskSettings, SelectionSettings
from explorer.core.probe import Probe, first
from explorer.core.references import embed_reference
from explorer.pictures.images import as_picture

ASSETS = Path(__file__).parents[2] / "assets"
MOST = 200
"""Masks of a run whose answer is checked."""
TOLERANCE = 1e-5
CAPTIONS = ("a cat", "a cup of coffee", "a rocket", "a wild animal", "something to drink")
ENCODERS = ("efficientnet-lite0", "conse-lite0")


def photo(number: int, width: int, height: int, *, grain: bool = False) -> bytes:
    """A JPEG of smooth colours, another for every number.

    Args:
        number: Which.
        width: In pixels.
        height: In pixels.
        grain: Whether it is as noisy, and so as large a file, as a camera's.
    """
    generator = np.random.default_rng(number)
    small = generator.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    picture = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
    if grain:
        noise = Image.fromarray(generator.integers(0, 256, (500, 500, 3), dtype=np.uint8))
        tiles = Image.new("RGB", (width, height))
        for corner in ((x, y) for x in range(0, width, 500) for y in range(0, height, 500)):
            tiles.paste(noise, corner)
        picture = Image.blend(picture, tiles, 0.2)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=75)
    return file.getvalue()


def pictures() -> dict[str, bytes]:
    """The example pictures and a few photos, by name."""
    found = {path.name: path.read_bytes() for path in sorted(ASSETS.glob("*.jpg"))}
    return found | {f"photo-{number}.jpg": photo(number, 1600, 1200) for number in range(2)}


@dataclass(frozen=True)
class Ask:
    """One question a visitor can ask; everything else is as the page comes."""

    picture: str
    reference: str | None
    caption: str | None
    encoder: str
    n_masks: int
    seed: int = 0

    def values(self, picture: Any, reference: Any) -> dict[str, Any]:
        """By the elements of the page."""
        return {
            "picture": picture,
            "kind": "a caption" if self.reference is None else "another picture",
            "reference": reference,
            "caption": self.caption or "",
            "encoder": self.encoder,
            "n-masks": self.n_masks,
            "seed": self.seed,
        }


def draw(names: list[str], chance: random.Random, n_masks: tuple[int, int] = (50, MOST), seed: int = 0) -> Ask:
    """A random question."""
    encoder = chance.choice(ENCODERS)
    by_caption = encoder == "conse-lite0"
    return Ask(
        picture=chance.choice(names),
        reference=None if by_caption else chance.choice(names),
        caption=chance.choice(CAPTIONS) if by_caption else None,
        encoder=encoder,
        n_masks=chance.randint(n_masks[0] // 10, n_masks[1] // 10) * 10,
        seed=seed,
    )


class Oracle:
    """The library's answers, embedded once for each picture, encoder and seed.

    Args:
        files: The pictures by name.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self._pictures = {name: as_picture(Image.open(io.BytesIO(content))) for name, content in files.items()}
        self._probes: dict[tuple[str, str, int], Probe] = {}
        self._targets: dict[tuple[str, str | None, str | None], NDArray[np.floating[Any]]] = {}

    def prepare(self) -> None:
        """Embed what most runs ask for."""
        for name in self._pictures:
            for encoder in ENCODERS:
                self._probe(Ask(name, None, None, encoder, MOST))

    def _probe(self, ask: Ask) -> Probe:
        key = (ask.picture, ask.encoder, ask.seed)
        if key not in self._probes or len(self._probes[key]) < ask.n_masks:
            masking = MaskSettings(n_masks=ask.n_masks, seed=ask.seed)
            self._probes[key] = explorer.probe(self._pictures[ask.picture].pixels, encoder=ask.encoder, masking=masking)
        return first(self._probes[key], ask.n_masks)

    def _target(self, ask: Ask) -> NDArray[np.floating[Any]]:
        key = (ask.encoder, ask.reference, ask.caption)
        if key not in self._targets:
            picture = None if ask.reference is None else self._pictures[ask.reference].pixels
            encoder = explorer.load_encoder(ask.encoder)
            self._targets[key] = embed_reference(encoder, reference=picture, caption=ask.caption).embedding
        return self._targets[key]

    def complaints(self, ask: Ask, shown: dict[str, Any]) -> list[str]:
        """What is wrong with a result as it came to the browser; nothing where it is the library's."""
        wire = shown.get("result")
        if wire is None:
            return ["no result was sent"]
        probe = self._probe(ask)
        facts = {
            "n_masks": (wire["masking"]["n_masks"], ask.n_masks),
            "seed": (wire["masking"]["seed"], ask.seed),
            "encoder": (wire["encoder"]["key"], ask.encoder),
            "caption": (wire["caption"], ask.caption),
            "picture": (wire["picture_sha256"], self._pictures[ask.picture].sha256),
            "masks": (wire["packed"], base64.b64encode(probe.masks.packed.tobytes()).decode()),  # type: ignore[attr-defined]
            "shifts": (wire["shifts"], base64.b64encode(probe.masks.shifts.astype("<u2").tobytes()).decode()),  # type: ignore[attr-defined]
        }
        found = [f"{name} is not what was asked" for name, (seen, wanted) in facts.items() if seen != wanted]
        return found or self._farther(ask, probe, wire | shown.get("rows", {}))

    def _farther(self, ask: Ask, probe: Probe, wire: dict[str, Any]) -> list[str]:
        points = np.frombuffer(base64.b64decode(wire["plane"]), "<f8").reshape(-1, 2)
        if len(points) != ask.n_masks:
            return [f"{len(points)} of {ask.n_masks} rows"]
        found = []
        for name, seen in _distances(points, wire["reference_length"]).items():
            selection = SelectionSettings(distance=name)
            wanted = explorer.rank(probe, embedding=self._target(ask), selection=selection).distances
            if not np.allclose(seen, wanted, rtol=1e-4, atol=TOLERANCE):
                found.append(f"{name} distances are off by {np.abs(seen - wanted).max():.2g}")
        return found


def _distances(points: NDArray[np.float64], length: float) -> dict[str, NDArray[np.float64]]:
    """Two of the distances as the browser makes them of a result's rows."""
    along, rest = points.T
    return {
        "cosine": (1 - along / np.hypot(along, rest)) / 2,
        "euclidean": np.hypot(along - length, rest),
    }
