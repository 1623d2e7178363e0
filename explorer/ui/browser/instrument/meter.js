// How far the map can be trusted: agreement of two halves of the masks, what chance moves a pixel by, and whether it
// foretells copies it was not made from.
import { digitsOf } from "./colour-bar.js";
import { el, textScale, write } from "./dom.js";
import { ANYWHERE, follow } from "./follow.js";
import { splitHalf } from "./maths.js";
import { onScreen } from "./stage.js";
import { store } from "./store.js";
import { FEWEST, FOLDS, inOrder, meanTruth, partTruth, truthVerdict } from "./truth.js";
import { limitOf, view } from "./views.js";

const LADDER = [20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000, 1500, 2000, 3000, 5000, 7000];
const PATIENCE = 120; // ms without a move before the costly numbers are computed
const curve = { run: "", known: new Map(), turn: 0 };
const NOTHING_CLAIMED = "These slices do not say what brings the pair closer, so there is no truth to measure.";
const SIZE = { width: 260, height: 70 };

/** Build the panel. */
export function meterPanel() {
  const steady = gauge("agreement of two runs"), true_ = gauge("rank correlation of the map with copies it was not made from");
  const agreement = el("p", { id: "agreed" }), wobble = el("p", { id: "wobble" }), told = el("p", { id: "truth" });
  const canvas = el("canvas", { role: "img", "aria-label": "no agreement known yet", id: "agreement-curve" });
  let timer = 0;
  const soon = (state) => {
    clearTimeout(timer);
    curve.turn += 1;
    sayWobble(wobble, state);
    timer = setTimeout(() => {
      sayAgreement({ agreement, ...steady }, store.state);
      sayTruth({ told, ...true_ }, curve.turn, () => goOn(canvas, curve.turn));
    }, PATIENCE);
  };
  const panel = el("section", { class: "meter", id: "meter", "aria-label": "How settled the map is, and how true" },
    el("div", {}, el("h2", { id: "noise-title" }, "Is it noise?"), steady.bar, agreement, wobble),
    el("div", {}, el("h2", { id: "truth-title" }, "Does it tell the truth?"), true_.bar, told),
    el("figure", {}, canvas, el("figcaption", {}, "agreement against number of masks")));
  follow(panel, ["result", "selection", "upto"], soon, ANYWHERE);
  return panel;
}

function gauge(label) {
  const needle = el("i"), bar = el("div", { class: "gauge", role: "meter", "aria-valuemin": 0, "aria-valuemax": 1, "aria-label": label }, needle);
  return { bar, needle };
}

function point({ bar, needle }, value) {
  needle.style.width = `${100 * Math.max(0, value)}%`;
  bar.setAttribute("aria-valuenow", value.toFixed(2));
}

/** Find how true the map is, one part of the masks after another, giving way to the visitor in between. */
function sayTruth({ told, bar, needle }, turn, then, parts = []) {
  const { result, selection, upto, words } = store.state;
  if (turn !== curve.turn || !result) return;
  const { n, noSignal, meaning } = view(result, selection, upto), silent = n < FEWEST || noSignal || meaning !== "closer";
  if (!silent && parts.length < FOLDS) {
    parts.push(partTruth(result, selection, upto, parts.length));
    setTimeout(() => sayTruth({ told, bar, needle }, turn, then, parts), 15);
    return;
  }
  bar.hidden = Boolean(silent);
  if (silent) write(told, n < FEWEST ? "Too few masks to say." : noSignal ? "" : NOTHING_CLAIMED);
  else {
    const found = meanTruth(parts, n);
    point({ bar, needle }, Math.max(0, found.spearman));
    const number = found.spearman.toFixed(n < 300 ? 1 : 2).replace("-", "−");
    write(told, `${words.truth[truthVerdict(found)].replace("{}", inOrder(found))} Rank correlation ${number}.`);
  }
  then();
}

function sayWobble(place, state) {
  const shown = onScreen(state), limit = limitOf(state);
  write(place, shown.noSignal ? ""
    : `Chance alone moves a pixel by about ±${shown.wobble.toFixed(3)}; the colours run to ±${limit.toFixed(digitsOf(limit))}. ` +
      "Hatched pixels lie within two such steps of zero: their sign is not settled.");
}

function sayAgreement({ agreement, bar, needle }, state) {
  const { result, selection, upto } = state, { n, noSignal } = onScreen(state), few = n < LADDER[0];
  bar.hidden = Boolean(few || noSignal);
  if (bar.hidden) return write(agreement, few ? "Too few masks to say." : "");
  const { expected } = splitHalf(result, selection, upto);
  point({ bar, needle }, expected);
  const digits = n < 300 ? 1 : 2; // of few masks even the agreement is noise
  return write(agreement, `Two runs of ${n} masks like this one would agree by about ${expected.toFixed(digits)} ` +
    `(correlation; 1 = the same map): ${verdict(expected, upto)}`);
}

function verdict(expected, upto) {
  if (expected >= 0.9) return "settled.";
  if (expected >= 0.7) return "the large regions are settled, small spots are not.";
  return upto === null ? "mostly noise still; embed more masks." : "mostly noise still at this point of the build-up.";
}

/** The agreements known of a run, by number of masks; a growing run only adds to them. */
function knownOf(result, selection) {
  const run = `${result.id} ${JSON.stringify(selection)}`;
  if (curve.run !== run) Object.assign(curve, { run, known: new Map() });
  return curve.known;
}

/** Find the curve's next unknown point and draw, then the one after that, giving way to the visitor in between. */
function goOn(canvas, turn) {
  const { result, selection, upto } = store.state;
  if (turn !== curve.turn || !result) return;
  const known = knownOf(result, selection);
  const ladder = view(result, selection).noSignal ? [] : [...LADDER, result.n];
  const next = ladder.find((n) => n <= result.n && n >= LADDER[0] && !known.has(n));
  if (next) known.set(next, splitHalf(result, selection, next < result.n ? next : null).expected);
  draw(canvas, [...known].filter(([n]) => n <= result.n).sort((a, b) => a[0] - b[0]), result.n, upto ?? result.n);
  if (next) setTimeout(() => goOn(canvas, turn), 15);
}

function draw(canvas, found, most, n) {
  const { width, height } = SIZE, ratio = devicePixelRatio * textScale();
  [canvas.width, canvas.height] = [width * ratio, height * ratio];
  const context = canvas.getContext("2d"), style = getComputedStyle(canvas);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.font = "11px system-ui, sans-serif";
  const x = (count) => 24 + ((width - 54) * Math.log(count / 20)) / Math.log(Math.max(40, most) / 20);
  const y = (value) => height - 16 - (height - 26) * Math.max(0, value);
  context.fillStyle = context.strokeStyle = style.color;
  for (const [value, text] of [[0, "0"], [1, "1"]]) context.fillText(text, 8, y(value) + 4);
  context.globalAlpha = 0.3;
  context.strokeRect(24, y(1), width - 54, y(0) - y(1));
  context.globalAlpha = 1;
  context.beginPath();
  found.forEach(([count, value], i) => (i ? context.lineTo : context.moveTo).call(context, x(count), y(value)));
  context.stroke();
  context.fillText("20", 20, height - 3);
  context.fillText(most, width - 44, height - 3);
  if (n >= 20) context.fillRect(x(n) - 1, y(1), 2, y(0) - y(1));
  canvas.setAttribute("aria-label", `Agreement against number of masks: ${found.map(([c, v]) => `${c}: ${v.toFixed(2)}`).join(", ") || "none known"}`);
}
