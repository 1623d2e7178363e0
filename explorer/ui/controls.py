"""The controls, built from the caps and registries, and their values read into checked settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from html import escape
from typing import Any

import gradio as gr
from gradio.blocks import Block

from explorer.core.embedder import Card
from explorer.core.errors import InvalidInput
from explorer.core.extras import how_to_install
from explorer.core.fills import FILLS
from explorer.core.limits import AGREEMENT, FEATURE_RES, MAX_CAPTION, MAX_CAPTIONS, N_MASKS, P_KEEP, SEED, Range
from explorer.core.masks import SCHEMES, MaskSettings
from explorer.core.terms import SETTINGS
from explorer.encoders.cards import DEFAULT_ENCODER, encoders, find_card
from explorer.pictures.examples import Preset
from explorer.pictures.images import Picture
from explorer.results.recipe import Recipe
from explorer.ui.components import component
from explorer.ui.encoder_card import encoder_card
from explorer.ui.memory.pictures import Pictures
from explorer.ui.memory.temp_folder import example_copy
from explorer.ui.picture_input import picture_input
from explorer.ui.session import RunRequest

PICTURE, CAPTION = "another picture", "a caption"
COMPARES = "Press Enter to compare with a new caption; no mask is embedded again."
RUN_FIRST = "Write one, then Run. Enter compares at once only after a run of this picture by this encoder."
PICTURES = 170
"""Pixels from top to bottom: on a phone both and Run are in sight at once."""
Values = Mapping[Any, Any]


@dataclass(frozen=True, eq=False)
class Controls:
    """Every control a question is read from, what opens the pictures they name, and the list of more captions."""

    pictures: Pictures
    captions: gr.HTML
    picture: gr.Image
    kind: gr.Radio
    reference: gr.Image
    caption: gr.Textbox
    encoder: gr.Dropdown
    n_masks: gr.Slider
    p_keep: gr.Slider
    feature_res: gr.Slider
    until: gr.Checkbox
    agreement: gr.Slider
    seed: gr.Number
    fill: gr.Dropdown
    scheme: gr.Radio
    precision: gr.Radio

    def all(self) -> set[Block]:
        """For an event's inputs: passed as a set, values arrive keyed by component."""
        return {getattr(self, field.name) for field in fields(self) if field.name not in ("pictures", "captions")}

    def costly(self) -> list[Any]:
        """The controls that make another probe when they move."""
        return [self.picture, self.encoder, self.n_masks, self.p_keep, self.feature_res, self.seed, self.fill,
                self.scheme, self.precision]  # fmt: skip

    def question_places(self) -> list[Any]:
        """The controls a preset or a link sets, in order."""
        return [self.picture, self.kind, self.reference, self.caption, self.encoder, self.n_masks, self.p_keep,
                self.feature_res, self.seed, self.fill, self.scheme, self.precision]  # fmt: skip

    def kept(self) -> list[Any]:
        """The controls that a page puts back when it is loaded anew, in order."""
        return [*self.question_places(), self.until, self.agreement]

    def path(self, name: str | None, sha256: str | None, own: Mapping[str, str]) -> str | None:
        """An example picture, or one of the visitor's own by its ``Picture.sha256``; None where it is neither."""
        return example(name) or own.get(sha256 or "")

    def showing(self, recipe: Recipe, own: Mapping[str, str] | None = None) -> dict[Block, Any]:
        """What sets the controls to ask for a result, by control of ``question_places``.

        Args:
            recipe: Of the result.
            own: The visitor's own pictures that are here, by ``Picture.sha256``.
        """
        masking, by_caption = recipe.masking, recipe.caption is not None
        values = [
            self.path(recipe.picture, recipe.picture_sha256, own or {}),
            CAPTION if by_caption else PICTURE,
            gr.update(value=self.path(recipe.reference, recipe.reference_sha256, own or {}), visible=not by_caption),
            gr.update(value=recipe.caption or "", visible=by_caption),
            recipe.encoder,
            masking.n_masks,
            masking.p_keep,
            masking.feature_res,
            masking.seed,
            masking.fill,
            masking.scheme,
            recipe.precision,
        ]
        return dict(zip(self.question_places(), values, strict=True))

    def target(self, values: Values) -> float | None:
        """The agreement to run until, or None to run them all."""
        return AGREEMENT.check(values[self.agreement], app=True) if values[self.until] else None

    def network(self, values: Values) -> tuple[str, str]:
        """The encoder asked for and its precision.

        Raises:
            InvalidInput: Values that no control has.
        """
        encoder, precision = values[self.encoder], values[self.precision]
        find_card(encoder)
        if not isinstance(precision, str):
            raise InvalidInput("Unknown precision; choose one of those listed.", code="precision")
        return encoder, precision

    def masking(self, values: Values) -> MaskSettings:
        """The costly settings, inside the app's caps."""
        numbers = {
            cap.name: _number(cap, values[getattr(self, cap.name)]) for cap in (N_MASKS, FEATURE_RES, P_KEEP, SEED)
        }
        return MaskSettings(fill=values[self.fill], scheme=values[self.scheme], **numbers)

    def picture_of(self, values: Values) -> Picture:
        """The picture to explain.

        Raises:
            InvalidInput: There is none, or it cannot be read.
        """
        if not values[self.picture]:
            raise InvalidInput("Add an image first.", code="picture_missing")
        return self.pictures.open(values[self.picture])

    def reference_of(self, values: Values) -> tuple[Picture | None, str | None] | None:
        """The picture or the caption to compare with; None while there is neither."""
        if values[self.kind] == CAPTION:
            return (None, values[self.caption]) if values[self.caption] else None
        return (self.pictures.open(values[self.reference]), None) if values[self.reference] else None

    def question(self, values: Values) -> RunRequest:
        """Everything asked.

        Raises:
            InvalidInput: A picture is missing, or anything is outside its caps.
        """
        encoder, precision = self.network(values)
        picture = self.picture_of(values)
        reference = self.reference_of(values)
        if reference is None:
            by_caption = values[self.kind] == CAPTION
            raise InvalidInput(
                "The caption is empty; type what to compare with."
                if by_caption
                else "Add a picture to compare with first.",
                code="reference_missing",
            )
        return RunRequest(
            picture=picture,
            reference=reference[0],
            caption=reference[1],
            encoder=encoder,
            precision=precision,
            masking=self.masking(values),
            until=self.target(values),
        )


def _number(cap: Range, value: Any) -> Any:
    """Sliders send whole numbers as floats now and then; anything else is the cap's to judge."""
    if cap.whole and isinstance(value, float) and value.is_integer():
        value = int(value)
    return cap.check(value, app=True)


def example(name: str | None) -> str | None:
    """An example picture, as an image component takes it."""
    return None if name is None else str(example_copy(name))


def lay_out_question(start: Preset) -> dict[str, Any]:
    """Create what a question is about, in the current Gradio context, set to a preset of two pictures."""
    kind = gr.Radio([PICTURE, CAPTION], value=PICTURE, label="Compare it with", elem_id="kind")
    with gr.Row(elem_id="question"):
        picture = picture_input(
            example(start.image), label="Picture to explain", height=PICTURES, min_width=130, elem_id="picture"
        )
        reference = picture_input(
            example(start.reference), label="Compared with", height=PICTURES, min_width=130, elem_id="reference"
        )
        caption = gr.Textbox(
            label="Caption",
            info=RUN_FIRST,
            placeholder="a dog",
            max_lines=1,
            visible=False,
            min_width=130,
            elem_id="caption",
        )
    captions = component("captions", events=("asked", "chosen"), most=MAX_CAPTIONS, longest=MAX_CAPTION, ranked=None)
    return {"picture": picture, "kind": kind, "reference": reference, "caption": caption, "captions": captions}


def lay_out_settings() -> dict[str, Any]:
    """Create what decides how a question is answered, in the current Gradio context."""
    return {"encoder": _lay_out_encoder(), **_lay_out_masks(), **_lay_out_advanced()}


def _lay_out_encoder() -> gr.Dropdown:
    encoder = gr.Dropdown(
        _encoder_choices(),
        value=DEFAULT_ENCODER,
        label="Encoder",
        info="The network whose embedding space is explained.",
        filterable=False,
        elem_id="encoder",
    )
    if absent := _absent():
        gr.HTML(absent, padding=False)
    encoder_card(encoder)
    return encoder


def _lay_out_masks() -> dict[str, Any]:
    with gr.Accordion("Masks: what a run costs", elem_id="masks"):
        return {
            "n_masks": slider(N_MASKS, N_MASKS.title, "More masks, less noise."),
            "p_keep": slider(P_KEEP, P_KEEP.title, "Chance that a cell of the picture stays visible."),
            "feature_res": slider(
                FEATURE_RES, FEATURE_RES.title, "Cells along each side; finer cells need more masks."
            ),
            "until": gr.Checkbox(
                label="Stop when stable",
                info="End before the number above, once two runs like this one would agree so far:",
                elem_id="until",
            ),
            "agreement": slider(AGREEMENT, AGREEMENT.title, "1 = the same map again.", visible=False),
        }


def _lay_out_advanced() -> dict[str, Any]:
    with gr.Accordion("Advanced", open=False, elem_id="advanced"):
        seed = gr.Number(
            SEED.default_number, label=SEED.title, info="Same seed, same masks.", precision=0, elem_id="seed"
        )
        fill = gr.Dropdown(
            [(f.label, key) for key, f in FILLS.items()],
            value="auto",
            label=SETTINGS["fill"].title,
            filterable=False,
            elem_id="fill",
        )
        scheme = gr.Radio(
            [(scheme.label, key) for key, scheme in SCHEMES.items() if scheme.grows],
            value=MaskSettings.scheme,
            label=SETTINGS["scheme"].title,
            info="Balanced masks hide every region equally often, alone and together with others: of some hundred, "
            "half to two thirds as many give an equally steady map. For a share kept of 0.5 only.",
            elem_id="scheme",
        )
        precision = gr.Radio(
            _precisions(),
            value="float32",
            label=SETTINGS["precision"].title,
            info="bfloat16 is faster and slightly less exact, on processors that have it.",
            elem_id="precision",
        )
    return {"seed": seed, "fill": fill, "scheme": scheme, "precision": precision}


def slider(cap: Range, label: str, info: str | None = None, *, prefix: str = "", **options: Any) -> gr.Slider:
    """A slider over a range; ``prefix`` begins its ``elem_id``."""
    name = prefix + cap.name.replace("_", "-")
    return gr.Slider(
        cap.low, cap.app_high, value=cap.default_number, step=cap.step, label=label, info=info, elem_id=name, **options
    )


def _encoder_choices() -> list[tuple[str, str]]:
    return [(f"{card.title}{_hints(card)}", card.key) for card in encoders()]


def _hints(card: Card) -> str:
    return (
        " · reads captions" * card.captions
        + f" in {card.language}" * bool(card.language)
        + f" · not here: {card.size.split(',')[0]}" * (not card.here)
    )


def _absent() -> str:
    """What to do about the encoders that are not here, for a visitor and for who runs the server; empty without any."""
    absent = [card for card in encoders() if not card.here]
    if not absent:
        return ""
    titles = ", ".join(escape(card.title) for card in absent)
    remedies = "".join(f"<li>{escape(card.title)}: <code>{escape(_remedy(card))}</code></li>" for card in absent)
    return (
        f'<details id="absent-encoders"><summary>Not on this server yet: {titles}</summary>'
        '<p class="visitor">The host of this page has to fetch them first; until then choose another encoder.</p>'
        f'<p class="host">To fetch one, run its command where there is a network:</p><ul class="host">{remedies}</ul>'
        "</details>"
    )


def _remedy(card: Card) -> str:
    if card.packages_missing:
        return how_to_install(card.extra)
    return f"explorer models fetch {card.key}"


def _precisions() -> list[str]:
    from explorer.encoders.openvino_runtime import bfloat16_here

    return ["float32", "bfloat16"] if bfloat16_here() else ["float32"]
