// The distances of the masked copies as bars, and a brush that selects a slice of the ranking.
import { copyAt, pointed } from "./copy.js";
import { counted, el, measured, textScale, write } from "./dom.js";
import { ANYWHERE, follow } from "./follow.js";
import { atOneEnd, wholeDistance } from "./maths.js";
import { store } from "./store.js";
import { onScreen } from "./stage.js";

const BINS = 40;
const HOW = "Drag to select a slice: in the nearer half its copies count as close, in the farther half as far, and across the middle " +
  "the map only says what they kept. Double-click, or Escape while dragging, to go back.";
/** Of the slices that do not say what brings closer; both can be told from either background. */
const OTHER = { "--closer": "#3a9150", "--apart": "#9970ab" };
// In sixteenths of a rem, as everything that is drawn: the words in it grow with the page's.
const EDGE = { left: 44, right: 24, top: 24, bottom: 40 };
const HEIGHT = 160;

/** Build the panel. */
export function histogramPanel() {
  const canvas = el("canvas", { role: "img", id: "histogram-canvas", "aria-label": "no distances yet" });
  const band = el("i", { class: "band", hidden: true });
  const plot = el("div", { class: "plot", title: HOW }, canvas, band);
  const [legend, count] = tallyKeys();
  const exact = slices();
  let axis = null, paper = null, meaning = "closer";
  const draw = (state) => {
    if (!paper) return;
    const shown = onScreen(state), { distance } = state.selection;
    if (shown.meaning !== meaning) {
      meaning = shown.meaning;
      for (const [name, colour] of Object.entries(OTHER)) panel.style.setProperty(name, meaning === "closer" ? "" : colour);
      paper = lay(canvas, plot);
    }
    axis = paint(canvas, paper, shown, wholeDistance(state.result, distance), state.words.distances[distance].label);
    count(shown, state.words.meanings[shown.meaning].groups);
    canvas.setAttribute("aria-label", inWords(shown, state));
    exact.draw(state.selection, meaning === "closer" ? "" : state.words.not_closer);
  };
  const measure = () => {
    paper = lay(canvas, plot);
    if (store.state.result) draw(store.state);
  };
  new ResizeObserver(measure).observe(plot);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", measure);
  brush(plot, band, () => axis);
  pointed(plot, ({ clientX }) => axis && copyAt(onScreen(), axis.from(clientX - plot.getBoundingClientRect().left)));
  const panel = el("section", { class: "histogram", id: "histogram", "aria-label": "Histogram of distances" },
    el("h2", {}, "Where the masked copies land"), el("figure", {}, plot, legend), exact.element);
  follow(panel, ["result", "selection", "upto"], draw, ANYWHERE);
  return panel;
}

/** Size the canvas to its place and read its colours: both cost a layout, so not at every move. */
function lay(canvas, plot) {
  const unit = textScale(), ratio = devicePixelRatio * unit, width = plot.clientWidth / unit, style = getComputedStyle(plot);
  if (!width) return null;
  [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(HEIGHT * ratio)];
  return { width, unit, ratio, ink: style.color, colours: ["--closer", "--apart", "--rest"].map((name) => style.getPropertyValue(name)) };
}

function paint(canvas, { width, unit: px, ratio, ink, colours }, { distances, weights, n }, whole, label) {
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, HEIGHT);
  const { counts, low, high, most } = count(distances, weights, n);
  const axis = scale([low, high, whole].filter(Number.isFinite), width, px);
  const floor = HEIGHT - EDGE.bottom, unit = (floor - EDGE.top) / most, wide = (high - low) / BINS;
  for (let bin = 0; bin < BINS; bin++) {
    let below = 0;
    const left = axis.at(low + bin * wide), right = axis.at(low + (bin + 1) * wide);
    for (let kind = 0; kind < 3; kind++) {
      const tall = counts[3 * bin + kind] * unit;
      if (!tall) continue;
      context.fillStyle = colours[kind];
      // One copy among hundreds must still be seen.
      context.fillRect(left, floor - below - Math.max(tall, 2), Math.max(right - left - 0.6, 0.8), Math.max(tall, 2));
      below += tall;
    }
  }
  annotate(context, axis, { floor, width, whole, most, label, ink });
  return axis;
}

/** Counts by bin and kind: closest, farthest, not selected; without the copies whose distance is undefined. */
function count(distances, weights, n) {
  let low = Infinity, high = -Infinity;
  for (let i = 0; i < n; i++) {
    if (distances[i] < low) low = distances[i];
    if (distances[i] > high) high = distances[i];
  }
  if (low > high) [low, high] = [0, 1];
  if (low === high) [low, high] = [low - 0.5, high + 0.5];
  const counts = new Int32Array(3 * BINS), totals = new Int32Array(BINS);
  for (let i = 0; i < n; i++) {
    if (Number.isNaN(distances[i])) continue;
    const bin = Math.min(BINS - 1, Math.floor(((distances[i] - low) / (high - low)) * BINS));
    counts[3 * bin + (weights[i] > 0 ? 0 : weights[i] < 0 ? 1 : 2)] += 1;
    totals[bin] += 1;
  }
  return { counts, low, high, most: Math.max(1, ...totals) };
}

/** From distances to places in the plot and back, where a place is in pixels of the page. */
function scale(values, width, px) {
  const low = Math.min(...values), high = Math.max(...values);
  const pad = 0.02 * (high - low || 1), from = low - pad, span = high - low + 2 * pad, room = width - EDGE.left - EDGE.right;
  return {
    low, high,
    at: (value) => EDGE.left + ((value - from) / span) * room,
    from: (x) => from + ((x / px - EDGE.left) / room) * span,
  };
}

function annotate(context, axis, { floor, width, whole, most, label, ink }) {
  const small = width < 480;
  context.fillStyle = context.strokeStyle = ink;
  context.font = "12px system-ui, sans-serif";
  context.lineWidth = 1;
  line(context, [EDGE.left, floor, width - EDGE.right, floor]);
  if (Number.isFinite(whole)) mark(context, axis.at(whole), floor, width);
  context.textAlign = "center";
  const digits = Math.min(8, Math.max(0, 2 - Math.floor(Math.log10(axis.high - axis.low || 1))));
  const ticks = small ? 3 : 5;
  for (let i = 0; i < ticks; i++) {
    const value = axis.low + (i / (ticks - 1)) * (axis.high - axis.low);
    context.fillText(value.toFixed(digits), axis.at(value), floor + 16);
  }
  context.fillText(`${label} of each copy to the reference`, width / 2, floor + 34);
  context.textAlign = "end";
  context.fillText(most, EDGE.left - 6, EDGE.top + 10);
  context.fillText("0", EDGE.left - 6, floor);
}

function mark(context, at, floor, width) {
  const aside = at > 0.7 * width;
  context.setLineDash([4, 3]);
  line(context, [at, 18, at, floor]);
  context.setLineDash([]);
  context.textAlign = aside ? "end" : "start";
  context.fillText("whole picture", at + (aside ? -5 : 5), 14);
}

function line(context, [x1, y1, x2, y2]) {
  context.beginPath();
  context.moveTo(x1, y1);
  context.lineTo(x2, y2);
  context.stroke();
}

function tally({ weights }) {
  let closest = 0, farthest = 0;
  for (const weight of weights) {
    if (weight > 0) closest += 1;
    else if (weight < 0) farthest += 1;
  }
  return { closest, farthest, rest: weights.length - closest - farthest };
}

/** The legend, and what brings its counts up to date. */
function tallyKeys() {
  const [close, far, none] = ["closer", "apart", "rest"].map((kind) => el("span", { class: `key ${kind}` }));
  const count = (shown, groups) => {
    const { closest, farthest, rest } = tally(shown);
    [[close, closest], [far, farthest]].forEach(([key, number], side) => {
      key.hidden = !groups[side];
      write(key, counted(number, groups[side]));
    });
    write(none, `${rest} not selected`);
  };
  return [el("figcaption", {}, close, far, none), count];
}

function inWords(shown, { result, selection, words }) {
  const { closest, farthest } = tally(shown), { order, distances, n, meaning } = shown;
  const groups = words.meanings[meaning].groups.map((group, side) => group && counted([closest, farthest][side], group)).filter(Boolean);
  return `Histogram of ${n} masked copies: distances from ${measured(distances[order[0]])} to ` +
    `${measured(distances[order[n - 1]])}, ${groups.join(" and ")}; ` +
    `the whole picture lies at ${measured(wholeDistance(result, selection.distance))}.`;
}

/**
 * Drag selects a slice, whose side follows from where in the ranking it lies; that of the other side stays. Double click, or
 * Escape meanwhile, returns to the mode.
 */
function brush(plot, band, axisNow) {
  let start = null, before = {};
  const at = (event) => event.clientX - plot.getBoundingClientRect().left;
  const spread = (event) => {
    const [low, high] = [start, at(event)].sort((a, b) => a - b);
    Object.assign(band.style, { left: `${low}px`, width: `${high - low}px` });
    if (high - low < 3) return;
    const axis = axisNow(), { distances, n } = onScreen();
    store.select({ ...before, ...slice(distances, n, axis.from(low), axis.from(high)) });
  };
  plot.addEventListener("pointerdown", (event) => {
    if (event.button || !axisNow()) return;
    start = at(event);
    const { closest, farthest } = store.state.selection;
    before = onScreen().meaning === "closer" ? { closest, farthest } : { closest: null, farthest: null };
    band.hidden = false;
    spread(event);
    plot.setPointerCapture(event.pointerId);
  });
  plot.addEventListener("pointermove", (event) => start !== null && spread(event));
  const end = () => {
    start = null;
    band.hidden = true;
  };
  for (const event of ["pointerup", "pointercancel"]) plot.addEventListener(event, end);
  addEventListener("keydown", ({ key }) => {
    if (key !== "Escape" || start === null) return;
    end();
    toMode();
  });
  plot.addEventListener("dblclick", toMode);
}

function toMode() {
  store.select({ closest: null, farthest: null });
}

/**
 * The shares of the ranking whose copies lie between two distances, on the side that is theirs (meaning in maths.js); across
 * the middle they are on none, and alone. Half a mask inside, so that no rounding drops one.
 */
function slice(distances, n, low, high) {
  let below = 0, upTo = 0;
  for (let i = 0; i < n; i++) {
    if (distances[i] < low) below += 1;
    if (distances[i] <= high) upTo += 1;
  }
  const shares = [below, upTo].map((count) => Math.min(1, (count + (count && count < n ? 0.5 : 0)) / n));
  if (atOneEnd(upTo - 1, upTo - below, n)) return { closest: shares };
  return atOneEnd(n - 1 - below, upTo - below, n) ? { farthest: shares } : { closest: shares, farthest: null };
}

const WRONG = "A slice goes from a lower to a higher share, both of 0 to 100 %.";

/** The same slices by number, for the keyboard and for exact values. */
function slices() {
  const fields = {}, wrong = el("p", { role: "alert" }), odd = el("p", { role: "status" });
  const one = (side, label) => {
    const input = el("input", { type: "number", min: 0, max: 100, step: 1, "aria-label": `${side} ${label}, per cent` });
    input.addEventListener("change", () => {
      const slice = read(side);
      if (slice !== undefined) store.select({ [side]: slice });
    });
    (fields[side] ??= []).push(input);
    return input;
  };
  /** The slice that a side's fields say, null where they are empty, undefined where they say none (yet). */
  const read = (side) => {
    const given = fields[side].map(({ value }) => value).filter(Boolean), [low, high] = given.map((value) => Number(value) / 100);
    const complete = given.length === 2, fine = !complete || (0 <= low && low <= high && high <= 1);
    for (const input of fields[side]) input.setAttribute("aria-invalid", String(!fine));
    write(wrong, element.querySelector("[aria-invalid=true]") ? WRONG : "");
    if (!given.length) return null;
    return complete && fine ? [low, high] : undefined;
  };
  const row = (side, text) => el("p", {}, text, one(side, "from"), " to ", one(side, "to"), " % of the ranking");
  const summary = el("summary", {}, "Select slices by number"), back = el("button", { type: "button" }, "Back to the mode");
  back.addEventListener("click", () => {
    toMode();
    summary.focus(); // the one pressed goes away
  });
  const element = el("details", { class: "slices" }, summary,
    row("closest", "First slice (close): "), row("farthest", "Second slice (far): "), wrong, odd, back);
  let drawn = {};
  const draw = (selection, notCloser) => {
    write(odd, notCloser);
    for (const [side, inputs] of Object.entries(fields)) {
      const slice = selection[side];
      if (slice === drawn[side]) continue; // or what is being typed would go
      inputs.forEach((input, i) => {
        if (document.activeElement !== input) input.value = slice ? Number((100 * slice[i]).toFixed(2)) : "";
      });
      read(side);
    }
    drawn = selection;
    back.hidden = !selection.closest && !selection.farthest;
  };
  return { element, draw };
}
