// The distances of the masked copies as bars, and a brush that selects a slice of the ranking.
import { el, write } from "./dom.js";
import { ANYWHERE, follow } from "./follow.js";
import { wholeDistance } from "./maths.js";
import { store } from "./store.js";
import { onScreen } from "./stage.js";

const BINS = 40;
const EDGE = { left: 44, right: 24, top: 24, bottom: 40 };
const HEIGHT = 210;

/** Build the panel. */
export function histogramPanel() {
  const canvas = el("canvas", { role: "img", id: "histogram-canvas", "aria-label": "no distances yet" });
  const band = el("i", { class: "band", hidden: true });
  const plot = el("div", { class: "plot", title: "Drag to select a slice, Shift for the side that counts against; double-click to go back." }, canvas, band);
  const [legend, count] = tallyKeys();
  const exact = slices();
  let axis = null, paper = null;
  const draw = (state) => {
    if (!paper) return;
    const shown = onScreen(state), { distance } = state.selection;
    axis = paint(canvas, paper, shown, wholeDistance(state.result, distance), state.words.distances[distance].label);
    count(shown);
    canvas.setAttribute("aria-label", inWords(shown, state));
    exact.draw(state.selection);
  };
  const measure = () => {
    paper = lay(canvas, plot);
    if (store.state.result) draw(store.state);
  };
  new ResizeObserver(measure).observe(plot);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", measure);
  brush(plot, band, () => axis);
  const panel = el("section", { class: "histogram", id: "histogram", "aria-label": "Histogram of distances" },
    el("h2", {}, "Where the masked copies land"), el("figure", {}, plot, legend), exact.element);
  follow(panel, ["result", "selection", "upto"], draw, ANYWHERE);
  return panel;
}

/** Size the canvas to its place and read its colours: both cost a layout, so not at every move. */
function lay(canvas, plot) {
  const ratio = devicePixelRatio, width = plot.clientWidth, style = getComputedStyle(plot);
  if (!width) return null;
  [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(HEIGHT * ratio)];
  return { width, ratio, ink: style.color, colours: ["--closer", "--apart", "--rest"].map((name) => style.getPropertyValue(name)) };
}

function paint(canvas, { width, ratio, ink, colours }, { distances, weights, n }, whole, label) {
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, HEIGHT);
  const { counts, low, high, most } = count(distances, weights, n);
  const axis = scale(Math.min(low, whole), Math.max(high, whole), width);
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

/** Counts by bin and kind: closest, farthest, not selected. */
function count(distances, weights, n) {
  let low = Infinity, high = -Infinity;
  for (let i = 0; i < n; i++) {
    low = Math.min(low, distances[i]);
    high = Math.max(high, distances[i]);
  }
  if (low === high) [low, high] = [low - 0.5, high + 0.5];
  const counts = new Int32Array(3 * BINS), totals = new Int32Array(BINS);
  for (let i = 0; i < n; i++) {
    const bin = Math.min(BINS - 1, Math.floor(((distances[i] - low) / (high - low)) * BINS));
    counts[3 * bin + (weights[i] > 0 ? 0 : weights[i] < 0 ? 1 : 2)] += 1;
    totals[bin] += 1;
  }
  return { counts, low, high, most: Math.max(1, ...totals) };
}

function scale(low, high, width) {
  const pad = 0.02 * (high - low || 1), from = low - pad, span = high - low + 2 * pad, room = width - EDGE.left - EDGE.right;
  return {
    low, high,
    at: (value) => EDGE.left + ((value - from) / span) * room,
    from: (x) => from + ((x - EDGE.left) / room) * span,
  };
}

function annotate(context, axis, { floor, width, whole, most, label, ink }) {
  const small = width < 480;
  context.fillStyle = context.strokeStyle = ink;
  context.font = "12px system-ui, sans-serif";
  context.lineWidth = 1;
  line(context, [EDGE.left, floor, width - EDGE.right, floor]);
  const at = axis.at(whole), aside = at > 0.7 * width;
  context.setLineDash([4, 3]);
  line(context, [at, 18, at, floor]);
  context.setLineDash([]);
  context.textAlign = aside ? "end" : "start";
  context.fillText("whole picture", at + (aside ? -5 : 5), 14);
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
  const count = (shown) => {
    const { closest, farthest, rest } = tally(shown);
    write(close, `${closest} count as close`);
    write(far, `${farthest} count as far`);
    write(none, `${rest} not selected`);
  };
  return [el("figcaption", {}, close, far, none), count];
}

function inWords(shown, { result, selection }) {
  const { closest, farthest } = tally(shown), { order, distances, n } = shown;
  return `Histogram of ${n} masked copies: distances from ${distances[order[0]].toFixed(4)} to ` +
    `${distances[order[n - 1]].toFixed(4)}, ${closest} count as close and ${farthest} as far; ` +
    `the whole picture lies at ${wholeDistance(result, selection.distance).toFixed(4)}.`;
}

/** Drag selects a slice that counts as close (with Shift: as far); double click and Escape return to the mode. */
function brush(plot, band, axisNow) {
  let start = null;
  const at = (event) => event.clientX - plot.getBoundingClientRect().left;
  const spread = (event) => {
    const [low, high] = [start, at(event)].sort((a, b) => a - b);
    Object.assign(band.style, { left: `${low}px`, width: `${high - low}px` });
    if (high - low < 3) return;
    const axis = axisNow(), { distances, n } = onScreen();
    const side = event.shiftKey ? "farthest" : "closest";
    store.select({ [side]: slice(distances, n, axis.from(low), axis.from(high)) });
  };
  plot.addEventListener("pointerdown", (event) => {
    if (event.button || !axisNow()) return;
    start = at(event);
    band.hidden = false;
    spread(event);
    plot.setPointerCapture(event.pointerId);
  });
  plot.addEventListener("pointermove", (event) => start !== null && spread(event));
  for (const end of ["pointerup", "pointercancel"]) {
    plot.addEventListener(end, () => {
      start = null;
      band.hidden = true;
    });
  }
  plot.addEventListener("dblclick", () => store.select({ closest: null, farthest: null }));
}

/** The shares of the ranking whose copies lie between two distances; half a mask inside, so that no rounding drops one. */
function slice(distances, n, low, high) {
  let below = 0, upTo = 0;
  for (let i = 0; i < n; i++) {
    if (distances[i] < low) below += 1;
    if (distances[i] <= high) upTo += 1;
  }
  return [below, upTo].map((count) => Math.min(1, (count + (count && count < n ? 0.5 : 0)) / n));
}

/** The same slices by number, for the keyboard and for exact values. */
function slices() {
  const fields = {};
  const one = (side, end, label) => {
    const input = el("input", { type: "number", min: 0, max: 100, step: 1, "aria-label": `${side} ${label}, per cent` });
    input.addEventListener("change", () => choose(side));
    (fields[side] ??= {})[end] = input;
    return input;
  };
  const choose = (side) => {
    const [low, high] = ["low", "high"].map((end) => Number(fields[side][end].value) / 100);
    const fine = fields[side].low.value && fields[side].high.value && 0 <= low && low <= high && high <= 1;
    if (fine) store.select({ [side]: [low, high] });
  };
  const row = (side, text) => el("p", {}, text, one(side, "low", "from"), " to ", one(side, "high", "to"), " % of the ranking");
  const back = el("button", { type: "button" }, "Back to the mode");
  back.addEventListener("click", () => store.select({ closest: null, farthest: null }));
  const element = el("details", { class: "slices" }, el("summary", {}, "Select slices by number"),
    row("closest", "Counts as close: "), row("farthest", "Counts as far: "), back);
  const draw = (selection) => {
    for (const side of ["closest", "farthest"]) {
      ["low", "high"].forEach((end, i) => {
        if (document.activeElement !== fields[side][end]) {
          fields[side][end].value = selection[side] ? Number((100 * selection[side][i]).toFixed(2)) : "";
        }
      });
    }
    back.hidden = !selection.closest && !selection.farthest;
  };
  return { element, draw };
}
