// The chosen map, large, and beside it everything that is free to turn.
import { colourBar, digitsOf } from "./colour-bar.js";
import { UNSETTLED } from "./describe.js";
import { ARROWS, el, flatWords, name as call, percent, signed, slider, write } from "./dom.js";
import { ANYWHERE, follow } from "./follow.js";
import { cellOf, describe, emptySide, modes, thresholded } from "./maths.js";
import { fit, paintMap } from "./paint.js";
import { play } from "./play.js";
import { store } from "./store.js";
import { chosen, limitOf, view, views } from "./views.js";

const THUMBNAIL = 160;
const PLAY = 6000; // ms
const SMALL_MAPS = 150; // ms between two times that they are drawn while the build-up is replayed

/**
 * Build the panel: the map with what belongs under it, and beside it the modes as small maps to choose from, the free
 * sliders and what answers to them.
 */
export function stagePanel(under, beside) {
  const big = bigMap(), modes = modeChoice(), free = freeControls();
  let timer = 0;
  const small = (state) => {
    clearTimeout(timer);
    timer = 0;
    modes.draw(state, views(state.result, state.selection, state.upto), limitOf(state));
  };
  const draw = (state) => {
    // While the build-up is replayed every map changes at every step: the large one comes first, the others now and then.
    if (state.upto === null) small(state);
    else timer ||= setTimeout(() => small(store.state), SMALL_MAPS);
    big.draw(state);
    free.draw(state);
  };
  const panel = el("section", { class: "stage", "aria-label": "Attribution maps" },
    el("div", { class: "main" }, big.element, ...under), el("div", { class: "side" }, modes.element, free.element, ...beside, free.look));
  follow(panel, ["result", "selection", "upto", "opacity", "hatch", "other", "mark"], draw, ANYWHERE);
  return panel;
}

function bigMap() {
  const canvas = el("canvas", { id: "big-map", role: "img", "aria-label": "no map yet" });
  const cross = el("i", { class: "cross", hidden: true });
  const frame = el("div", {
    class: "frame", tabindex: 0, role: "application", id: "map-frame",
    "aria-label": "Ask about a place: arrow keys move the cross, Escape takes it away, or click the map.",
  }, canvas, cross);
  const flat = el("p", { class: "flat", role: "alert", hidden: true });
  const bar = colourBar(), value = valueHere(bar), words = el("p", { class: "words", id: "map-words" });
  frame.addEventListener("click", (event) => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    place((event.clientX - left) / width, (event.clientY - top) / height);
  });
  frame.addEventListener("keydown", (event) => moveCross(event));
  frame.addEventListener("pointermove", ({ clientX, clientY, pointerType }) => {
    if (pointerType === "touch") return; // a tap asks
    const { left, top, width, height } = canvas.getBoundingClientRect();
    value.point({ x: (clientX - left) / width, y: (clientY - top) / height });
  });
  frame.addEventListener("pointerleave", () => value.point(null));
  store.subscribe(["pixel"], ({ pixel }) => {
    cross.hidden = !pixel;
    if (pixel) Object.assign(cross.style, { left: `${100 * pixel.x}%`, top: `${100 * pixel.y}%` });
    value.point(null); // what was asked about last
  });
  const banner = otherBanner(), mark = el("p", { class: "mark", id: "map-mark" });
  const draw = (state) => {
    const shown = large(state), { limit, map, size, title, noSignal, oneSided, meaning, wobble } = shown;
    fit(canvas, state.result);
    const unsettled = state.hatch && wobble ? UNSETTLED * wobble : 0;
    paintMap(canvas, { ...state.result, size }, map, { limit, opacity: state.opacity, unsettled, meaning });
    const said = noSignal ? "" : `${describe({ ...shown, limit: shown.own }, { ...state.result, size }, state.words)} ${oneSided}`.trim();
    flat.hidden = !noSignal;
    write(flat, noSignal);
    write(words, said);
    write(mark, markOf(state));
    call(canvas, `${title} map. ${markOf(state)} ${said || flat.textContent}`.replace("  ", " "));
    bar.draw(limit, [shown]);
    value.draw();
    banner.draw(state);
  };
  const element = el("div", { class: "big" }, mark, banner.element, flat, el("div", { class: "holder" }, frame),
    bar.element, value.element, words);
  return { element, draw };
}

/** That what is on screen is not what is asked for, in words; empty where it is. */
export function markOf({ mark, result }) {
  return mark && mark.of === result?.id ? mark.text : "";
}

/** What the large map shows: the chosen one of the result, or another method's in its place. */
function large(state) {
  const { other } = state;
  if (other?.of === state.result.id) return { meaning: "closer", own: other.limit, ...other, noSignal: "", oneSided: "" };
  const explanation = onScreen(state);
  return {
    map: explanation.map, size: state.result.size, limit: limitOf(state), title: nameOf(state),
    meaning: explanation.meaning, wobble: explanation.wobble, own: explanation.limit,
    noSignal: explanation.noSignal && `No signal. ${flatWords(explanation, state.words.flat)}`,
    oneSided: state.words.one_sided[emptySide(state.selection, explanation.n)] ?? "",
  };
}

/** The value of the large map under the pointer, or where the cross stands; screen readers hear of the latter elsewhere. */
function valueHere(bar) {
  const element = el("p", { class: "value-here", id: "map-value" }), reader = { pointed: null };
  const draw = () => {
    const { pixel, result, words } = store.state, place = reader.pointed ?? pixel;
    if (!result || !words) return;
    const shown = large(store.state), cell = place && !shown.noSignal && cellOf({ ...result, size: shown.size }, place);
    element.setAttribute("aria-live", store.state.other && !reader.pointed ? "polite" : "off");
    const value = cell && shown.map[cell[0] * shown.size[1] + cell[1]];
    bar.mark(cell ? value / shown.limit : null);
    write(element, cell ? `Here: ${valueWords(value, shown, words)}` : place && !shown.noSignal ? "The encoder does not see this part." : "\u00a0");
  };
  const point = (place) => {
    reader.pointed = place;
    draw();
  };
  return { element, draw, point };
}

/** A value of a map, and what its sign says where that is settled. */
function valueWords(value, { limit, wobble, meaning }, { meanings }) {
  const [plus, minus] = meanings[meaning].ends, settled = wobble === undefined || Math.abs(value) >= UNSETTLED * wobble;
  return `${signed(value, digitsOf(limit) + 1)}, ${!settled ? "not settled" : value === 0 ? "neither" : value > 0 ? plus : minus}`;
}

/** Says whose map it is, where it is another method's, and leads back. */
function otherBanner() {
  const said = el("span"), back = el("button", { type: "button", onclick: () => store.set({ other: null }) }, "Back to Distance Explainer");
  const element = el("p", { class: "other-map", role: "status", hidden: true }, said, " ", back);
  const draw = ({ other, result }) => {
    element.hidden = other?.of !== result.id;
    write(said, element.hidden ? "" : `The large map is that of ${other.title}, on a scale of its own. Everything else here is about Distance Explainer.${other.note ?? ""}`);
  };
  return { element, draw };
}

function nameOf({ selection, words }) {
  const name = chosen(selection);
  return name === "slices" ? "slice" : words.modes[name].label;
}

function place(x, y) {
  const inside = (v) => Math.min(Math.max(v, 0), 0.9999);
  store.set({ pixel: { x: inside(x), y: inside(y) } });
}

function moveCross(event) {
  if (event.key === "Escape") return store.set({ pixel: null });
  if (!(event.key in ARROWS)) return undefined;
  event.preventDefault();
  const [dx, dy] = ARROWS[event.key], step = event.shiftKey ? 0.1 : 0.02;
  const { x, y } = store.state.pixel ?? { x: 0.5, y: 0.5 };
  return place(x + step * dx, y + step * dy);
}

function modeChoice() {
  const choices = Object.fromEntries(Object.keys(modes).map((mode) => [mode, modeOption(mode)]));
  const slices = modeOption("slices");
  slices.element.hidden = true;
  const about = el("small", { class: "about" });
  const element = el("fieldset", { class: "modes", id: "mode", "data-control": "mode" },
    el("legend", {}, "Selection mode"), ...Object.values(choices).map((c) => c.element), slices.element, about);
  const draw = (state, all, limit) => {
    const name = chosen(state.selection);
    slices.element.hidden = name !== "slices";
    element.classList.toggle("sliced", name === "slices");
    slices.element.classList.remove("chosen");
    write(about, name === "slices"
      ? `${all.slices.meaning === "closer" ? "The slice brushed on the histogram." : state.words.not_closer} Choose a mode, or double-click the histogram, to go back.`
      : state.words.modes[name].about);
    for (const [mode, explanation] of Object.entries(all)) {
      const option = mode === "slices" ? slices : choices[mode];
      option.draw(state, explanation, limit, mode === name);
    }
  };
  return { element, draw };
}

function modeOption(mode) {
  const canvas = el("canvas", { role: "img", "aria-label": "no map yet" });
  const input = el("input", { type: "radio", name: "instrument-mode", value: mode, id: `mode-${mode}` });
  const label = el("span");
  input.addEventListener("change", () => mode !== "slices" && store.select({ mode, closest: null, farthest: null }));
  const element = el("label", { class: "mode", "data-mode": mode }, canvas, el("span", { class: "name" }, input, label));
  let drawn = [];
  const draw = (state, explanation, limit, isChosen) => {
    write(label, mode === "slices" ? "slice" : state.words.modes[mode].label);
    input.checked = isChosen;
    element.classList.toggle("chosen", isChosen);
    const now = [state.result.image, explanation, limit, state.opacity];
    if (now.every((part, i) => part === drawn[i])) return; // a slice leaves the modes as they are
    drawn = now;
    fit(canvas, state.result, THUMBNAIL);
    paintMap(canvas, state.result, explanation.map, { limit, opacity: state.opacity, meaning: explanation.meaning });
    const said = explanation.noSignal ? "no signal" : describe(explanation, state.result, state.words);
    call(canvas, `${label.textContent} map: ${said}`);
  };
  return { element, draw };
}

function freeControls() {
  const threshold = slider("threshold", "Threshold", {
    min: 0.01, max: 0.5, step: 0.01, value: 0.1, show: percent, hint: "Share of the masks taken at each chosen end of the ranking.",
  }, (value) => store.select({ threshold: value, closest: null, farthest: null }));
  const opacity = slider("opacity", "Opacity", { min: 0, max: 1, step: 0.05, value: 0.85, show: percent },
    (value) => store.set({ opacity: value }));
  const scrubber = buildUp();
  const distance = el("select", { id: "instrument-distance" });
  distance.addEventListener("change", () => store.select({ distance: distance.value }));
  const hatch = el("input", { type: "checkbox", checked: true });
  hatch.addEventListener("change", () => store.set({ hatch: hatch.checked }));
  const fill = () => {
    distance.replaceChildren(...Object.entries(store.state.words.distances)
      .map(([key, { label }]) => el("option", { value: key }, label)));
  };
  if (store.state.words) fill();
  store.subscribe(["words"], fill);
  const draw = ({ selection, opacity: now, hatch: hatched, result, upto }) => {
    threshold.set(selection.threshold);
    threshold.input.disabled = !thresholded(selection.mode);
    opacity.set(now);
    distance.value = selection.distance;
    hatch.checked = hatched;
    scrubber.draw(result, upto);
  };
  const element = el("div", { class: "free" }, threshold.element, scrubber.element);
  const look = el("div", { class: "free" }, opacity.element,
    el("fieldset", { class: "line", "data-control": "distance" },
      el("label", { for: "instrument-distance" }, "Distance"), distance),
    el("label", { class: "line" }, hatch, " hatch pixels whose sign is not settled"));
  return { element, look, draw };
}

/** The scrubber: the same maps from the first masks only, and a button that plays the build-up. */
function buildUp() {
  const scrubber = slider("scrubber", "Build-up", {
    min: 1, max: 1000, step: 1, value: 1000, show: (n) => `first ${n}`, hint: "How the map looked after so many masks.",
  }, (value) => {
    pause();
    use(value);
  });
  let playing = null;
  const use = (value) => {
    const upto = value >= store.state.result.n ? null : value;
    store.set({ upto, other: null });
    return upto;
  };
  const button = el("button", { type: "button", class: "play" });
  const mark = (now) => {
    playing = now;
    button.textContent = now ? "⏸ pause" : "▶ play";
    button.setAttribute("aria-pressed", String(Boolean(now)));
  };
  const pause = () => mark(null);
  const begin = ({ n }) => {
    const mine = {};
    mark(mine);
    let last = store.state.upto;
    play(n, PLAY, (count) => {
      if (playing !== mine) return false;
      if (store.state.upto !== last) return pause(); // it was set to something else meanwhile
      last = use(count < n ? count : Infinity);
      if (count === n) pause();
      return true;
    });
  };
  button.addEventListener("click", () => {
    if (playing) pause();
    else if (store.state.result) begin(store.state.result);
  });
  pause();
  scrubber.element.append(button);
  scrubber.element.classList.add("played");
  const draw = (result, upto) => {
    scrubber.input.max = result.n;
    scrubber.set(upto ?? result.n);
  };
  return { element: scrubber.element, draw };
}

/** What the chosen map shows now; for those who draw beside it. */
export function onScreen(state = store.state) {
  return state.result && view(state.result, state.selection, state.upto);
}
