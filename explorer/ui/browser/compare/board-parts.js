// What the three parts of the Compare tab are made of.
import { difference, likeness } from "./board-words.js";
import { colourBar } from "../instrument/colour-bar.js";
import { UNSETTLED } from "../instrument/describe.js";
import { el, flatWords, name as call, percent, slider, write } from "../instrument/dom.js";
import { describe, modes, peaks, thresholded } from "../instrument/maths.js";
import { fit, paintMap } from "../instrument/paint.js";
import { store } from "../instrument/store.js";
import { chosen } from "../instrument/views.js";

export { colourBar };
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
  const { map, meaning, noSignal, wobble } = explanation;
  fit(canvas, result, longSide);
  paintMap(canvas, result, map, { limit, opacity: state.opacity, unsettled: state.hatch ? UNSETTLED * wobble : 0, meaning });
  const said = noSignal ? `No signal. ${flatWords(explanation, state.words.flat)}` : describe(explanation, result, state.words);
  call(canvas, `${title}. ${said}`);
  return said;
}

/** A - B on a scale of its own, where it stands out, and how alike the two maps are. */
export function differenceFigure(longSide) {
  const canvas = el("canvas", { role: "img", "aria-label": "no difference yet" }), bar = colourBar("", ["A higher", "B higher"]), doubt = el("span");
  const element = el("figure", { class: "difference" }, canvas, el("figcaption", {}, el("b", {}, "A − B"), ", on a scale of its own", doubt), bar.element);
  const where = el("p", { class: "where" }), alike = el("p", { class: "alike" });
  const draw = (a, b, state) => {
    const { map, limit, wobble } = difference(a, b), { size, box } = a.result;
    fit(canvas, a.result, longSide);
    paintMap(canvas, a.result, map, { limit: limit || 1, opacity: state.opacity, unsettled: state.hatch ? UNSETTLED * wobble : 0 });
    write(where, limit ? inPlaces(peaks(map, size, box, UNSETTLED * wobble, limit)) : "The two maps are the same.");
    write(alike, likeness(a, b));
    call(canvas, `Difference map, A minus B. ${where.textContent}`);
    doubt.textContent = limit && state.hatch ? "; hatched where chance alone could make it" : "";
    bar.element.hidden = !limit;
    bar.draw(limit || 1, [{ map }]);
  };
  return { element, where, alike, draw };
}

function inPlaces([a, b]) {
  const parts = [a && `A is higher most in the ${a}`, b && `B is higher most in the ${b}`].filter(Boolean);
  return parts.length ? `${parts.join(", ")}.` : "No difference is settled: chance alone could make them.";
}
