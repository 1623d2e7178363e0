"""The settings that set two results apart, in words: what the browser's board-words.js has to say."""

from __future__ import annotations

from explorer.core.distances import DISTANCES
from explorer.core.fills import FILLS
from explorer.core.selections import MODES
from explorer.core.terms import SETTINGS
from explorer.encoders.cards import find_card
from explorer.results.recipe import Recipe


def differences(a: Recipe, b: Recipe) -> list[str]:
    """The settings that make one result differ from another, in words; empty when nothing does."""
    ours, theirs = _facts(a), _facts(b)
    return [
        f"{name} {ours[name][1]} against {theirs[name][1]}"
        for name in ours
        if name in theirs and ours[name][0] != theirs[name][0]
    ]


def _facts(recipe: Recipe) -> dict[str, tuple[object, object]]:
    """By name, what is compared and the words for it; a setting that has no effect is left out."""
    masking, selection = recipe.masking, recipe.selection
    by_caption = (recipe.caption, f"“{recipe.caption}”")
    facts: dict[str, tuple[object, object]] = {
        "picture": (recipe.picture_sha256, _picture_words(recipe.picture, recipe.picture_sha256)),
        "compared with": (recipe.reference_sha256, _picture_words(recipe.reference, recipe.reference_sha256))
        if recipe.caption is None
        else by_caption,
        "encoder": (recipe.encoder, find_card(recipe.encoder).title),
        _name("precision"): (recipe.precision,) * 2,
        _name("n_masks"): (masking.n_masks,) * 2,
        _name("feature_res"): (masking.feature_res,) * 2,
        _name("p_keep"): (masking.p_keep,) * 2,
        _name("seed"): (masking.seed,) * 2,
        _name("fill"): (masking.fill, FILLS[masking.fill].label),
        _name("scheme"): (masking.scheme,) * 2,
        _name("distance"): (selection.distance, DISTANCES[selection.distance].label),
        "selection": ("slices",) * 2 if selection.free else (selection.mode, MODES[selection.mode].label),
        "closest slice": (selection.closest, _slice_words(selection.closest)),
        "farthest slice": (selection.farthest, _slice_words(selection.farthest)),
    }
    if not selection.free and MODES[selection.mode].has_threshold:
        facts[_name("threshold")] = (selection.threshold,) * 2
    return facts


def _name(setting: str) -> str:
    return SETTINGS[setting].label.lower()


def _picture_words(name: str | None, sha256: str | None) -> str:
    return name or f"a file of your own ({sha256 or '':.8})"


def _slice_words(shares: tuple[float, float] | None) -> str:
    return "none" if shares is None else f"{shares[0]} to {shares[1]}"
