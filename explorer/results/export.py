"""A result to take home: the figure, the numbers, and what it takes to make them again, in one ZIP."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import fields, replace

import numpy as np

from explorer.core.errors import InvalidInput
from explorer.core.explanation import Explanation
from explorer.core.limits import N_MASKS
from explorer.core.masks import SCHEMES, GridMasks, MaskSettings
from explorer.core.selections import SelectionSettings
from explorer.pictures.examples import manifest as examples
from explorer.results.folders import distances_csv, manifest
from explorer.results.plots import figure, own_style
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


def export_zip(explanation: Explanation, recipe: Recipe) -> bytes:
    """Everything of one result, as the bytes of a ZIP; the same but for the manifest's date whenever it is made.

    Args:
        explanation: The result; it may embed the whole picture once.
        recipe: What names it.

    Raises:
        InvalidInput: The config does not name this result, or too few masks are done for it to be made again.
    """
    _check_named(explanation, recipe)
    array = io.BytesIO()
    np.save(array, explanation.attribution, allow_pickle=False)
    png, svg = _figures(explanation)
    contents: dict[str, str | bytes] = {
        "README.txt": README + _pictures_in(recipe),
        "figure.png": png,
        "figure.svg": svg,
        "attribution.npy": array.getvalue(),
        "distances.csv": distances_csv(explanation),
        "config.json": recipe.to_json(),
        "manifest.json": json.dumps(manifest(explanation), indent=2) + "\n",
        "reproduce.py": snippet(recipe),
        "CITATION.bib": CITATION,
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            member = zipfile.ZipInfo(name, MADE)
            member.compress_type, member.create_system, member.external_attr = zipfile.ZIP_DEFLATED, 3, 0o644 << 16
            archive.writestr(member, content)
    return packed.getvalue()


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
