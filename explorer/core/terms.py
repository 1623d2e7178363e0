"""The words of this project, each said once: what a setting is called wherever it stands, and what a word means.

A setting has a label for people and a name for code, links and files; where both help they stand together, as in
"Share kept (p_keep)". Sliders, sweeps, errors, the command line's help and the README's tables take them from here, and
so do the glossary of the app and the explanations beside its words.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Term:
    """A word, and what it means.

    Attributes:
        label: As people read it.
        about: One or two plain sentences.
        name: Of the setting in code, links and files, where it is one.
    """

    label: str
    about: str
    name: str = ""

    @property
    def title(self) -> str:
        """The label, with the name where that says more."""
        plain = not self.name or self.label.lower() == self.name.replace("_", " ")
        return self.label if plain else f"{self.label} ({self.name})"


_SETTINGS = (
    Term("Number of masks", "How often random parts of the picture are hidden. More masks, less noise.", "n_masks"),
    Term("Share kept", "Chance that a cell of the picture stays visible in a masked copy: 0.5 hides half.", "p_keep"),
    Term(
        "Feature resolution",
        "Cells along each side of a mask. Finer cells show smaller things and need more masks.",
        "feature_res",
    ),
    Term("Seed", "Names the random masks: the same seed gives the same masks.", "seed"),
    Term(
        "Hidden pixels become",
        "What hidden pixels become: a colour, a blur or noise. The encoder sees it too, so another fill can tell "
        "another story. Vision transformers can also do without: hidden patches are left out.",
        "fill",
    ),
    Term("How masks are drawn", "Each by itself, or balanced, so that all regions are hidden equally often.", "scheme"),
    Term("Arithmetic", "How exactly the network computes: float32, or the faster and coarser bfloat16.", "precision"),
    Term("Selection mode", "Which end of the ranking makes the map: the closest copies, the farthest or both.", "mode"),
    Term("Threshold", "Share of the masks that is taken at each chosen end of the ranking.", "threshold"),
    Term(
        "Distance",
        "How far apart two embeddings are: by the angle between them (cosine, angular), or in a straight line.",
        "distance",
    ),
    Term("Agreement to reach", "A run may end once another like it would give this much the same map.", "agreement"),
    Term("Step of the tour", "Which of its steps is shown.", "step"),
)
SETTINGS = {term.name: term for term in _SETTINGS}
"""By the name of the setting."""

_WORDS = {
    "encoder": Term("Encoder", "A network that turns a picture, or a text, into an embedding."),
    "embedding": Term(
        "Embedding",
        "The list of numbers an encoder makes of a picture or a text. Things it finds alike get similar numbers.",
    ),
    "features": Term("Features", "What a network has worked out of a picture before it names any class."),
    "probabilities": Term(
        "Class probabilities", "How likely a network finds each of 1000 classes of ImageNet; together they are 1."
    ),
    "reference": Term("Reference", "What the picture is compared with: another picture or a caption."),
    "mask": Term("Mask", "Says which parts of the picture stay visible and which are hidden."),
    "copy": Term("Masked copy", "The picture with the parts hidden that a mask hides."),
    "pass": Term("Pass", "One picture, or one masked copy, sent through the network. Passes are what takes time."),
    "map": Term(
        "Attribution map", "For each place, how much keeping it brings the pair closer (red) or pushes it apart (blue)."
    ),
    "ranking": Term("Ranking", "The masked copies in order of their distance to the reference, the closest first."),
    "mirror": Term("Mirror", "The selection mode of both ends: what close copies kept less what far ones kept."),
    "rank_weighted": Term("Rank weighted", "The selection mode where every copy counts, by its place in the ranking."),
    "slice": Term("Slice", "A part of the ranking chosen by hand, with the brush on the histogram or by number."),
    "settled": Term(
        "Settled",
        "Whether a place is red or blue by more than chance. What is hatched could turn in another run.",
    ),
    "agreement_of_runs": Term("Agreement", "How alike the maps of two such runs would be: 1 = the same map again."),
    "truth": Term(
        "Truth",
        "How well the map alone foretells which masked copies lie closer, of copies it was not made from: rank "
        "correlation, 1 = all in their order, 0 = it knows nothing. A steady map can be steadily wrong.",
    ),
    "srg": Term(
        "Symmetric relevance gain (SRG)",
        "Pixels are deleted red first, and again blue first: the area between the two lines of distances.",
    ),
    "replay": Term("Replay", "An example whose masked copies were embedded earlier, so that nothing has to be run."),
    "pin": Term("Pin", "Keep a result as it is now, to see it beside another on the Compare tab."),
    "build_up": Term("Build-up", "The map as it was after the first so many masks."),
    "whole": Term("Whole picture", "The picture with nothing hidden, and its distance to the reference."),
    "pilot": Term("Pilot", "A few masks of several settings, to see which are worth a long run."),
    "sweep": Term("Sweep", "The same question with one setting varied, as small maps side by side."),
    "nearest": Term(
        "What the encoder sees",
        "The classes it finds likeliest, or the names it finds nearest: its own words for a picture or a masked copy.",
    ),
}
TERMS = SETTINGS | _WORDS
"""Everything there is, settings first."""
