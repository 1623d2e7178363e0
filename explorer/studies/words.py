"""Text as the item explained, which the paper leaves to others (section 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from explorer.core.probe import grow
from explorer.core.references import embed_reference
from explorer.core.sentences import prepare_words, rank_words
from explorer.core.steps import Steps
from explorer.reports.charts import draw_words
from explorer.studies.needs import Arrays, WorkNeed
from explorer.studies.pairs import CAPTIONS
from explorer.studies.setup import Setup
from explorer.studies.study import Entry, Findings, Outline, Table, study


@dataclass(frozen=True)
class Sentence:
    """A sentence, and the other sentence or the file of the picture that it is compared with."""

    text: str
    caption: str | None = None
    picture: str | None = None

    @property
    def title(self) -> str:
        """Sentence and reference in words."""
        against = f"“{self.caption}”" if self.caption is not None else f"the picture {self.picture}"
        return f"against {against}"


PAPER = (
    Sentence("a bee sitting on a flower", caption="an insect"),
    Sentence("a bee sitting on a flower", picture="bee.jpg"),
    Sentence("a dog standing in front of a car", caption="a vehicle"),
    Sentence("a dog standing in front of a car", picture="dogcar.jpg"),
)
SHIPPED = (
    Sentence("a cat beside a cup of coffee", caption="a hot drink"),
    Sentence("a cat beside a cup of coffee", picture="cat_and_espresso.jpg"),
    Sentence("a spotted cheetah looks at the camera", caption="a big cat"),
    Sentence("a spotted cheetah looks at the camera", picture="cheetah_face.jpg"),
)


@study(
    "words",
    title="Words as what is explained",
    section="6",
    about="The paper explains pictures and names text as future work. The same engine with another masker: words are "
    "hidden, and those whose absence takes the sentence away from the reference are the ones that bring it closer. "
    "Where every combination of the words is tried, as it is of up to nine, nothing is left to chance.",
    roles=(CAPTIONS,),
)
def words(setup: Setup) -> Outline:
    """Two sentences, each against another and against a picture."""
    sentences = PAPER if "bee.jpg" in setup.subjects.files else SHIPPED
    needs = {sentence: _need(setup, sentence) for sentence in sentences}
    return Outline(tuple(needs.values()), lambda setup: _make(setup, needs))


def _need(setup: Setup, sentence: Sentence) -> WorkNeed:
    encoder, masking = setup.encoders[CAPTIONS], setup.masking()
    start = prepare_words(sentence.text, encoder=encoder, masking=masking)

    def work(setup: Setup) -> Steps[Arrays]:
        picture = None if sentence.picture is None else setup.subjects.files[sentence.picture]
        target = embed_reference(encoder, reference=picture, caption=sentence.caption)
        probe, done = start, 0
        for probe in grow(start):
            yield len(probe) - done
            done = len(probe)
        found = rank_words(probe, target)
        return {"words": np.array(found.words), "values": found.relative, "distance": np.array(found.unmasked_distance)}

    settings = {"text": sentence.text, "caption": sentence.caption, "picture": sentence.picture,
                "masking": masking.to_dict()}  # fmt: skip
    return WorkNeed("words", settings, start.wanted, work)


def _make(setup: Setup, needs: Mapping[Sentence, WorkNeed]) -> Findings:
    found = {sentence: setup.arrays(need) for sentence, need in needs.items()}
    rows: tuple[tuple[Entry, ...], ...] = tuple(
        (sentence.text, sentence.title, i, str(word), float(value), float(kept["distance"]))
        for sentence, kept in found.items()
        for i, (word, value) in enumerate(zip(kept["words"], kept["values"], strict=True), 1)
    )
    header = ("sentence", "reference", "place", "word", "attribution", "distance of the whole sentence")
    said = tuple(
        f"“{sentence.text}” {sentence.title}: “{kept['words'][kept['values'].argmax()]}” brings it closest, "
        f"“{kept['words'][kept['values'].argmin()]}” least."
        for sentence, kept in found.items()
    )
    groups = {
        f"“{sentence.text}”\n{sentence.title}": (
            tuple(str(word) for word in kept["words"]),
            tuple(float(v) for v in kept["values"]),
        )
        for sentence, kept in found.items()
    }
    return Findings(
        draw_words(groups, "Bars of words, positive to the right. " + " ".join(said)), Table(header, rows), said
    )
