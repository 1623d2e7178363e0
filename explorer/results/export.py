"""A result to take home: the figure, the numbers, and what it takes to make them again, in one ZIP."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.agreement import expected_agreement, split_half
from explorer.core.errors import InvalidInput
from explorer.core.explanation import Explanation
from explorer.core.limits import N_MASKS
from explorer.core.masks import SCHEMES, GridMasks, MaskSettings
from explorer.core.selections import SelectionSettings
from explorer.pictures.examples import manifest as examples
from explorer.pictures.formats import png
from explorer.results.folders import distances_csv, manifest
from explorer.results.match_wire import unpack_counterparts
from explorer.results.plots import colour_limit, colour_map_of, figure, own_style, paint, picture_of, shrink
from explorer.results.recipe import Recipe

MADE = (1980, 1, 1, 0, 0, 0)
"""The date of every member, so that the same result gives the same bytes; when it was made is in the manifest."""

README = """A map made with Distance Explorer: why are two things close, or far, in an embedding space?

figure.png, figure.svg   the map over the picture, and the distances of the masked copies
attribution.npy          the map itself, numpy float32 (height, width)
distances.csv            of every masked copy: distance to the reference, rank (0 = closest), weight in the map
config.json              everything the map depends on; the app reads it back
manifest.json            what it was made with: encoder, weights, versions, date
reproduce.py             makes the map again, with the Python package distance-explorer
CITATION.bib             the paper to cite

The sign: positive (red) where keeping the region brings the pair closer, negative (blue) where it pushes it apart.
A map in green and purple is one of slices that do not go from nearer to farther copies: it only says what they kept.
A map of one side only, closest or farthest, is a mean of masks and so lies around p_keep; the figure shows it with
the mean of all masks taken off, attribution.npy as it is.

What the map does not say: it is about this encoder, not about the things. It depends on what hidden pixels become
and on chance: look at another seed, or at more masks, before believing a small spot. It shows where the distance
comes from, not whether the distance is right.
"""

MATCH_README = """
match.npy                which part of the picture goes with which part of what it is compared with, as the Match tab
                         shows it: numpy float32 (rows, columns, rows, columns), the picture's first, or words
match.json               what that says, and how much of held-out pairs it accounts for
"""

CITATION = """@misc{meijer2025explainable,
  title         = {Explainable embeddings with {Distance Explainer}},
  author        = {Meijer, Christiaan and Bos, E. G. Patrick},
  year          = {2025},
  eprint        = {2505.15516},
  archivePrefix = {arXiv},
  url           = {https://arxiv.org/abs/2505.15516}
}
"""

_SCRIPT = '''"""Makes the map of config.json again, and says how far it is from attribution.npy in this folder."""

from pathlib import Path

import numpy as np

import explorer
from explorer import MaskSettings, SelectionSettings
from explorer.pictures.images import as_picture
from explorer.pictures.examples import asset_path

{pictures}
explanation = explorer.explain(
    picture,
    {against},
    encoder=explorer.load_encoder({encoder}),
    masking=MaskSettings({masking}),
    selection=SelectionSettings({selection}),
)
explanation.save("reproduced", overwrite=True)
print(f"distance of the whole picture: {{explanation.unmasked_distance:.4f}}; results are in the folder reproduced")
if Path("attribution.npy").is_file():
    before = np.load("attribution.npy", allow_pickle=False)
    print(f"largest difference from attribution.npy: {{np.abs(explanation.attribution - before).max():g}}")
'''


@dataclass(frozen=True, eq=False)
class SweepMap:
    """One map of a sweep, as it is taken home.

    Attributes:
        title: What sets it apart from the others.
        row: Heading of the row it stands in, or an empty string.
        explanation: The map.
        recipe: What names it.
    """

    title: str
    row: str
    explanation: Explanation
    recipe: Recipe


SWEEP_README = """The maps of a sweep made with Distance Explorer: what changes when one setting does?

sweep.csv          a line for each map: its settings, what it says, and its files
maps/NN.png        the map over the picture, all on one colour scale: red and blue reach +{limit:.4g} and -{limit:.4g}
maps/NN.npy        the map as it is, numpy float32 (height, width)
maps/NN.json       everything the map depends on; the app's Share tab reads it back
CITATION.bib       the paper to cite

Agreement is what the maps of two such runs would correlate at (1 = the same map). The sign: positive (red) where
keeping the region brings the pair closer, negative (blue) where it pushes it apart. A map in green and purple is one of
slices that do not go from nearer to farther copies: it only says what they kept.
"""


def export_sweep(maps: Sequence[SweepMap]) -> bytes:
    """The maps of a sweep with their settings and numbers, as the bytes of a ZIP.

    Args:
        maps: At least one, of one picture.

    Raises:
        InvalidInput: A recipe does not name its map.
    """
    limit = colour_limit(*(one.explanation.relative for one in maps))
    contents: dict[str, str | bytes] = {
        "README.txt": SWEEP_README.format(limit=limit) + _pictures_in(maps[0].recipe),
        "sweep.csv": _sweep_csv(maps),
        "CITATION.bib": CITATION,
    }
    for i, one in enumerate(maps, 1):
        _check_named(one.explanation, one.recipe)
        contents |= {
            f"maps/{i:02}.png": _overlay(one.explanation, limit),
            f"maps/{i:02}.npy": _npy(one.explanation),
            f"maps/{i:02}.json": one.recipe.to_json(),
        }
    return _packed(contents)


def _sweep_csv(maps: Sequence[SweepMap]) -> str:
    rows = []
    for i, one in enumerate(maps, 1):
        explanation, selection = one.explanation, one.recipe.selection
        rows.append(
            {"file": f"maps/{i:02}", "map": one.title, "row": one.row, "encoder": one.recipe.encoder}
            | one.recipe.masking.to_dict()
            | selection.to_dict()
            | {
                "masks_close": int((explanation.weights > 0).sum()),
                "masks_far": int((explanation.weights < 0).sum()),
                "distance_whole": repr(float(explanation.unmasked_distance)),
                "agreement": repr(expected_agreement(split_half(explanation.probe, explanation.reference, selection))),
                "strongest_closer": repr(float(explanation.relative.max())),
                "strongest_apart": repr(float(explanation.relative.min())),
                "no_signal": explanation.no_signal,
            }
        )
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def _overlay(explanation: Explanation, limit: float) -> bytes:
    probe, colours = explanation.probe, colour_map_of(explanation.meaning)
    return png(paint(explanation.relative, shrink(picture_of(probe)), box=probe.box, limit=limit, colour_map=colours))


def _npy(explanation: Explanation) -> bytes:
    return _as_npy(explanation.attribution)


def _as_npy(array: NDArray[np.float32]) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def _packed(contents: Mapping[str, str | bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            member = zipfile.ZipInfo(name, MADE)
            member.compress_type, member.create_system, member.external_attr = zipfile.ZIP_DEFLATED, 3, 0o644 << 16
            archive.writestr(member, content)
    return packed.getvalue()


def export_zip(explanation: Explanation, recipe: Recipe, match: Mapping[str, Any] | None = None) -> bytes:
    """Everything of one result, as the bytes of a ZIP; the same but for the manifest's date whenever it is made.

    Args:
        explanation: The result; it may embed the whole picture once.
        recipe: What names it.
        match: Of its two things, as the browser has it, where there is one.

    Raises:
        InvalidInput: The config does not name this result, or too few masks are done for it to be made again.
    """
    _check_named(explanation, recipe)
    png, svg = _figures(explanation)
    contents: dict[str, str | bytes] = {
        "README.txt": README + _pictures_in(recipe),
        "figure.png": png,
        "figure.svg": svg,
        "attribution.npy": _npy(explanation),
        "distances.csv": distances_csv(explanation),
        "config.json": recipe.to_json(),
        "manifest.json": json.dumps(manifest(explanation), indent=2) + "\n",
        "reproduce.py": snippet(recipe),
        "CITATION.bib": CITATION,
    }
    if match is not None:
        said = {name: match[name] for name in ("says", "no_signal", "notices", "r2_first", "r2", "pairs", "sides")}
        contents |= {
            "README.txt": README + MATCH_README + _pictures_in(recipe),
            "match.npy": _as_npy(unpack_counterparts(match)),
            "match.json": json.dumps(said, indent=2, ensure_ascii=False) + "\n",
        }
    return _packed(contents)


def snippet(recipe: Recipe) -> str:
    """A Python script that makes the map again and says whether it did; where a file is the user's, they name it."""
    sides = {"picture": (recipe.picture, recipe.picture_sha256)}
    if recipe.reference_sha256 is not None:
        sides["reference"] = (recipe.reference, recipe.reference_sha256)
    lines = []
    for side, (name, sha256) in sides.items():
        source, told = f"asset_path({name!r})", ""
        if name is None:
            source, told = f'"your {side}"', f"  # put its file here; the SHA-256 of its pixels begins with {sha256:.8}"
        lines += [
            f"{side} = as_picture({source}){told}",
            f'if {side}.sha256 != "{sha256}":',
            f'    print("This is not the {side} of that map, so the two will differ.")',
        ]
    precision = "" if recipe.precision == Recipe.precision else f", precision={recipe.precision!r}"
    return _SCRIPT.format(
        pictures="\n".join(lines),
        against="reference=reference" if recipe.caption is None else f"caption={recipe.caption!r}",
        encoder=f"{recipe.encoder!r}{precision}",
        masking=_arguments(recipe.masking, "seed"),
        selection=_arguments(recipe.selection),
    )


def _arguments(settings: MaskSettings | SelectionSettings, *always: str) -> str:
    values = {field.name: (getattr(settings, field.name), field.default) for field in fields(settings)}
    return ", ".join(f"{name}={value!r}" for name, (value, usual) in values.items() if value != usual or name in always)


def _check_named(explanation: Explanation, recipe: Recipe) -> None:
    probe, reference = explanation.probe, explanation.reference
    named = (
        isinstance(probe.masks, GridMasks),
        recipe.encoder == probe.encoder.card.key,
        recipe.masking == replace(probe.masking, n_masks=recipe.masking.n_masks),
        recipe.masking.n_masks == len(probe),  # a stopped run is named as one that wanted no more
        probe.complete or SCHEMES[recipe.masking.scheme].grows,  # the others' masks depend on their number
        recipe.selection == explanation.selection,
        (recipe.caption is None) == (reference.picture is not None),
        recipe.caption is None or recipe.caption.startswith(reference.label[1:-1]),  # an encoder may cut it
    )
    if not all(named):
        raise InvalidInput(
            "These settings are not those of the map, so nothing was exported. Let at least "
            f"{N_MASKS.low} masks be embedded, press Run if a setting was changed, and export again.",
            code="export_stale",
        )


def _figures(explanation: Explanation) -> tuple[bytes, bytes]:
    """The figure as PNG and as SVG, without dates and with names that never change."""
    png, svg = io.BytesIO(), io.BytesIO()
    with own_style(**{"svg.hashsalt": "distance-explorer"}):
        drawn = figure(explanation)
        drawn.savefig(png, format="png", metadata={"Software": None})
        drawn.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    return png.getvalue(), svg.getvalue()


def _pictures_in(recipe: Recipe) -> str:
    """Whose the picture in the figures is."""
    if recipe.picture is None:
        return "\nThe figures show the picture explained, a file of your own; share them as you would share it.\n"
    asset = examples().get(recipe.picture)
    licence = "from the paper's repository, without a clear licence" if asset is None else asset.licence
    return f"\nThe figures show the example {recipe.picture}: {licence}.\n"
