// What the steps of the tour are made of: choices, maps with a caption, what the picture is compared with.
import { el } from "../instrument/dom.js";
import { describe } from "../instrument/maths.js";
import { fit, paintMap } from "../instrument/paint.js";
import { store } from "../instrument/store.js";

/** How every step looks at the result, so that its words are true; the visitor's own way comes back at the end. */
export const PLAIN = { mode: "mirror", threshold: 0.1, distance: "cosine", closest: null, farthest: null };
const MAP_SIDE = 260;

/** One question with a few answers: `options` is [[value, what it says], ...]. */
export function choice(name, question, options) {
  const rows = new Map(options.map(([value, label]) => {
    const input = el("input", { type: "radio", name: `tour-${name}`, value });
    const note = el("span", { class: "note" });
    return [value, { input, note, element: el("label", { class: "option" }, input, el("span", {}, label), note) }];
  }));
  const all = [...rows.values()];
  return {
    element: el("fieldset", { class: "choice" }, el("legend", {}, question), ...all.map((row) => row.element)),
    value: () => all.find((row) => row.input.checked)?.input.value ?? null,
    note: (value, text) => rows.get(value).note.append(` ${text}`),
    /** End the question; the right answer gets a tick. */
    settle(right) {
      for (const { input } of all) input.disabled = true;
      rows.get(right).element.classList.add("right");
      rows.get(right).note.append(" ✓ correct");
    },
    reset() {
      for (const { input, element, note } of all) {
        input.checked = input.disabled = false;
        element.classList.remove("right");
        note.textContent = "";
      }
    },
  };
}

/** A small map; `draw(result, explanation, limit, caption)` fills it. */
export function mapFigure() {
  const canvas = el("canvas", { role: "img", "aria-label": "no map yet" }), caption = el("figcaption");
  const draw = (result, explanation, limit, text) => {
    fit(canvas, result, MAP_SIDE);
    paintMap(canvas, result, explanation.map, { limit });
    const said = explanation.noSignal ? "No signal." : describe(explanation, result, store.state.words);
    canvas.setAttribute("aria-label", `Map: ${text}. ${said}`);
    caption.textContent = text;
  };
  return { element: el("figure", {}, canvas, caption), draw };
}

/** What the picture is compared with, small. */
export function compared({ reference }) {
  return el("figure", { class: "compared-with" }, reference.picture
    ? el("img", { src: reference.picture, alt: "the picture it is compared with" })
    : el("blockquote", { tabindex: reference.label.length > 60 && 0 }, reference.label), el("figcaption", {}, "compared with"));
}

/** Several figures in a row that wraps. */
export function figures(...parts) {
  return el("div", { class: "figures" }, ...parts);
}

/** Maps side by side, for the reveal. */
export function mapRow(...maps) {
  return el("div", { class: "maps", style: `--maps: ${maps.length}`, hidden: true }, ...maps.map((map) => map.element));
}
