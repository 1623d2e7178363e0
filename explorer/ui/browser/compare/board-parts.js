// What the three parts of the Compare tab are made of.
import { difference, likeness } from "./board-words.js";
import { el, flatWords, inWords, name as call, percent, signed, slider, write } from "../instrument/dom.js";
import { describe, modes, thresholded } from "../instrument/maths.js";
import { fit, paintMap } from "../instrument/paint.js";
import { store } from "../instrument/store.js";
import { chosen } from "../instrument/views.js";

export { follow } from "../instrument/follow.js";

/** The Explore tab's mode and threshold once more, beside what they change. */
export function lookBar(name) {
  const mode = el("select", { id: `board-mode-${name}` });
  mode.addEventListener("change", () => store.select({ mode: mode.value, closest: null, farthest: null }));
  const threshold = slider(`board-threshold-${name}`, "Threshold", { min: 0.01, max: 0.5, step: 0.01, value: 0.1, show: percent },
    (value) => store.select({ threshold: value, closest: null, farthest: null }));
  const first = el("p", { class: "first", hidden: true });
  const element = el("div", { class: "look" },
    el("fieldset", { class: "line", "data-control": `board-mode-${name}` },
      el("label", { for: `board-mode-${name}` }, "Selection mode"), mode), threshold.element, first);
  const draw = ({ selection, upto }) => {
    const now = chosen(selection);
    const options = [...Object.entries(modes).map(([key, { label }]) => [key, label]), ...(now === "slices" ? [["slices", "slice"]] : [])];
    if (mode.options.length !== options.length) {
      mode.replaceChildren(...options.map(([value, label]) => el("option", { value, disabled: value === "slices" }, label)));
    }
    mode.value = now;
    threshold.set(selection.threshold);
    threshold.input.disabled = !thresholded(selection.mode);
    first.hidden = !upto;
    first.textContent = `Build-up: the first ${upto} masks only.`;
  };
  return { element, draw };
}

/** Paint a map and say it. `shown` is {result, explanation}; returns the words. */
export function drawMap(canvas, { result, explanation }, title, { limit, longSide, state }) {
  const { map, noSignal, wobble } = explanation, [h, w] = result.size;
  fit(canvas, result, longSide);
  paintMap(canvas, result, map, { limit, opacity: state.opacity, unsettled: state.hatch ? 2 * wobble : 0 });
  const said = noSignal ? `No signal. ${flatWords(explanation, state.words.flat)}` : inWords(describe(map, h, w));
  call(canvas, `${title}. ${said}`);
  return said;
}

/** The bar that says which colour is which value; `draw(limit)`. */
export function colourBar(what, atLow = "pushes apart", atHigh = "brings closer") {
  const low = el("span"), high = el("span");
  const element = el("div", { class: "scale-of" }, what && el("p", {}, what), el("div", { class: "colour-bar" }, low, el("i"), high));
  const draw = (limit) => {
    low.textContent = `${atLow} ${signed(-limit)}`;
    high.textContent = `${signed(limit)} ${atHigh}`;
  };
  return { element, draw };
}

/** A - B on a scale of its own, where it stands out, and how alike the two maps are. */
export function differenceFigure(longSide) {
  const canvas = el("canvas", { role: "img", "aria-label": "no difference yet" }), bar = colourBar("", "B higher", "A higher"), doubt = el("span");
  const element = el("figure", { class: "difference" }, canvas, el("figcaption", {}, el("b", {}, "A − B"), ", on a scale of its own", doubt), bar.element);
  const where = el("p", { class: "where" }), alike = el("p", { class: "alike" });
  const draw = (a, b, state) => {
    const { map, limit, wobble } = difference(a, b), [h, w] = a.result.size;
    fit(canvas, a.result, longSide);
    paintMap(canvas, a.result, map, { limit: limit || 1, opacity: state.opacity, unsettled: state.hatch ? 2 * wobble : 0 });
    write(where, limit ? inPlaces(describe(map, h, w)) : "The two maps are the same.");
    write(alike, likeness(a, b));
    call(canvas, `Difference map, A minus B. ${where.textContent}`);
    doubt.textContent = limit && state.hatch ? "; hatched where chance alone could make it" : "";
    bar.element.hidden = !limit;
    bar.draw(limit);
  };
  return { element, where, alike, draw };
}

function inPlaces([a, b]) {
  const parts = [a && `A is higher most in the ${a}`, b && `B is higher most in the ${b}`].filter(Boolean);
  return parts.length ? `${parts.join(", ")}.` : "";
}
