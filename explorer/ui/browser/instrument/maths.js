/**
 * The free stage in the browser: distance, rank, select, map. Pure functions, no DOM.
 *
 * Python's explorer/core/rank.py is the truth: what decides a ranking is computed here in the same order in float64,
 * and tests/contracts/test_instrument_maths.py compares the two.
 */
import { bytesOf, decodeMasks, weightedSum } from "./masks.js";

export { describe, peaks } from "./describe.js";
export { maskValues, renderMask, weightedSum } from "./masks.js";

/**
 * @typedef {object} Selection SelectionSettings.to_dict() of explorer/core/schema.py.
 * @property {string} mode closest, farthest, mirror or rank_weighted.
 * @property {number} threshold Share of the masks taken at each chosen end, 0.01 to 0.5.
 * @property {string} distance cosine, angular, euclidean or dot.
 * @property {number[]|null} closest A slice [low, high] of the ranking; either slice overrides mode and threshold.
 * @property {number[]|null} farthest
 *
 * @typedef {object} Result The wire's own fields (size, eps, uniform, whole, reference_length, masking ...) and:
 * @property {import("./masks.js").Masks} masks All that were asked for.
 * @property {Float64Array} plane (2 n) of each masked copy: its embedding's part along the reference, and across.
 * @property {number} n How many masks were embedded so far.
 * @property {object} wire What it was read from, to be kept or sent.
 * @property {Map<string, any>} cache Distances and orders made already.
 */

/**
 * Read a wire, as packed by explorer/results/wire.py.
 *
 * @param {object} wire
 * @returns {Result}
 */
export function decode(wire) {
  if (wire.version !== 1) throw new Error(`This page reads results of version 1, not ${wire.version}; reload it.`);
  const { packed, shifts, plane, ...rest } = wire;
  return grow({ ...rest, masks: decodeMasks(wire), wire }, plane);
}

/**
 * The same result with more rows.
 *
 * @param {Result} result
 * @param {string} plane base64 of (n, 2) float64.
 * @returns {Result} A new object that shares the masks.
 */
export function grow(result, plane) {
  const rows = new Float64Array(bytesOf(plane));
  return { ...result, plane: rows, n: rows.length / 2, cache: new Map(), wire: { ...result.wire, plane } };
}

const length = (a, b) => Math.sqrt(a * a + b * b);
const similarity = (a, b, r) => Math.max(-1, Math.min(1, (a * r) / (length(a, b) * r)));

/**
 * As in explorer/core/distances.py: plane point (a, b), length of the reference -> distance; the distances, the relative
 * rounding error of the embeddings, the longest length and the reference's -> how far rounding can move a distance; the
 * distance that shows rounding where this one would magnify it.
 */
const DISTANCES = {
  cosine: { measure: (a, b, r) => (1 - similarity(a, b, r)) / 2, rounding: turned, needsLength: true },
  angular: {
    measure: (a, b, r) => Math.acos(similarity(a, b, r)) / Math.PI, rounding: turned, needsLength: true, judgedBy: "cosine",
  },
  euclidean: { measure: (a, b, r) => length(a - r, b), rounding: (_, eps, longest, r) => eps * longest + Number.EPSILON * r },
  dot: { measure: (a, b, r) => -(a * r), rounding: (_, eps, longest, r) => eps * longest * r },
};

function turned(measured, eps) {
  return eps * Math.sqrt(measured.reduce((most, d) => Math.max(most, d * (1 - d)), 0)) + Number.EPSILON;
}

/** What Python says of its modes, by key: the `sides` of the ranking they take a share of; none takes every mask by rank. */
export const modes = {};

/** Take the modes from Python (words in explorer/ui/components.py). */
export function learnModes(entries) {
  Object.assign(modes, entries);
}

/** Whether a threshold changes what a mode selects. */
export function thresholded(mode) {
  return modes[mode].sides.length > 0;
}

/**
 * How far each masked copy lies from the reference (measure in explorer/core/distances.py).
 *
 * @param {Result} result
 * @param {string} key cosine (halved), angular (over pi), euclidean or dot (negated).
 * @returns {Float64Array} (n) in mask order, small = close; NaN where a copy without length has no angle.
 */
export function distances(result, key) {
  return cached(result, `distances ${key}`, () => {
    const { measure } = DISTANCES[key];
    const { plane, reference_length: r } = result;
    return Float64Array.from({ length: result.n }, (_, i) => measure(plane[2 * i], plane[2 * i + 1], r));
  });
}

/**
 * Distance of the whole picture (Explanation.unmasked_distance in explorer/core/schema.py).
 *
 * @param {Result} result
 * @param {string} key As for distances().
 * @returns {number}
 */
export function wholeDistance(result, key) {
  return DISTANCES[key].measure(...result.whole, result.reference_length);
}

/**
 * The ranking: masks by rising distance, equal ones by number (a stable argsort).
 *
 * @param {Result} result
 * @param {string} key As for distances().
 * @returns {Uint32Array} (n)
 */
export function order(result, key) {
  return cached(result, `order ${key}`, () => {
    const measured = distances(result, key);
    return Uint32Array.from(measured.keys()).sort((i, j) => measured[i] - measured[j] || i - j);
  });
}

function cached({ cache }, name, make) {
  if (!cache.has(name)) cache.set(name, make());
  return cache.get(name);
}

const NOTHING = [0, 0];

/** The (closest, farthest) shares of the ranking that count (slices in explorer/core/selections.py). */
function slicesOf({ mode, threshold, closest, farthest }) {
  if (closest || farthest) return [closest ?? NOTHING, farthest ?? NOTHING];
  const { sides } = modes[mode];
  return [sides.includes("closest") ? [0, threshold] : NOTHING, sides.includes("farthest") ? [1 - threshold, 1] : NOTHING];
}

/** The side that was asked for and has not one of n masks, or "" (empty_side in explorer/core/selections.py). */
export function emptySide(selection, n) {
  const empty = ([low, high]) => low < high && Math.trunc(n * low) === Math.trunc(n * high);
  return ["closest", "farthest"][slicesOf(selection).findIndex(empty)] ?? "";
}

/**
 * Which masks count (select in explorer/core/selections.py).
 *
 * @param {Uint32Array} ranking The masks to choose from, by rising distance: all of them, or a filtered order.
 * @param {Float64Array} measured (n) distances in mask order.
 * @param {Selection} selection
 * @returns {Float64Array} (n) weights in mask order, 0 = not selected.
 */
export function select(ranking, measured, { mode, threshold, closest, farthest }) {
  const weights = new Float64Array(measured.length);
  if (!(closest || farthest) && !thresholded(mode)) return weighRanks(ranking, measured, weights);
  slicesOf({ mode, threshold, closest, farthest }).forEach(([low, high], side) => {
    const chosen = ranking.subarray(Math.trunc(ranking.length * low), Math.trunc(ranking.length * high));
    for (const i of chosen) weights[i] += (side ? -1 : 1) / chosen.length;
  });
  return weights;
}

/** Every mask by its centred rank; equal distances share their mean rank. */
function weighRanks(ranking, measured, weights) {
  const n = ranking.length;
  let total = 0; // of halves and wholes: exact in any order
  for (let from = 0, to = 1; from < n; from = to++) {
    while (to < n && measured[ranking[to]] === measured[ranking[from]]) to++;
    const centred = (n - from - to) / 2;
    for (const i of ranking.subarray(from, to)) weights[i] = centred;
    total += Math.max(centred, 0) * (to - from);
  }
  return total ? weights.map((weight) => weight / total) : weights;
}

/** A map that varies less than this, on a scale of 1, varies by rounding (ROUNDING in explorer/core/agreement.py). */
const ROUNDING = 1e-6;

/**
 * The map and what it was made from (rank_against in explorer/core/rank.py).
 *
 * @param {Result} result
 * @param {Selection} selection
 * @param {number|null} upto Use only the first so many masks; null = all.
 * @returns {{distances: Float64Array, order: Uint32Array, weights: Float64Array, map: Float32Array,
 *   limit: number, noSignal: string, n: number, wobble: number}} All over the n masks used. map: (h * w), as
 *   Explanation.relative; limit: see colourLimit(); noSignal: why the map is all zero, or "" (see whyFlat); wobble: see wobble();
 *   meaning: see meaning().
 */
export function explain(result, selection, upto = null) {
  const n = Math.min(upto ?? result.n, result.n);
  const whole = order(result, selection.distance);
  const ranking = n < result.n ? whole.filter((i) => i < n) : whole;
  const measured = distances(result, selection.distance).subarray(0, n);
  const ranked = mapOf(result, selection, ranking, measured);
  const spread = wobble(ranked.weights, result);
  const more = { limit: colourLimit(ranked.map), n, wobble: spread, meaning: meaning(ranked.weights, ranking) };
  return { ...ranked, distances: measured, order: ranking, ...more };
}

/** What the signs of a map say, a key of Python's MEANINGS (meaning in explorer/core/selections.py). */
export function meaning(weights, ranking) {
  const n = ranking.length, lastNear = ranking.findLastIndex((i) => weights[i] > 0), firstFar = ranking.findIndex((i) => weights[i] < 0);
  if (firstFar >= 0 && lastNear >= 0) return lastNear < firstFar ? "closer" : "between";
  let count = 0;
  for (const i of ranking) count += weights[i] !== 0;
  if (lastNear >= 0) return atOneEnd(lastNear, count, n) ? "closer" : "kept";
  return firstFar < 0 || atOneEnd(n - 1 - firstFar, count, n) ? "closer" : "hidden";
}

/** Whether so many of n places, the last of them `last`, lie in the first half, or are the first of all. */
export function atOneEnd(last, count, n) {
  return last <= (n - 1) / 2 || (last === count - 1 && count < n);
}

/** Share of a map's values that may be spikes, and how far beyond the last of them the colours go (explorer/results/plots.py). */
const [SPIKES, ABOVE] = [0.01, 1.5];

/** The value that gets the strongest colour, 1 where there is only rounding (colour_limit in explorer/results/plots.py). */
export function colourLimit(map) {
  let most = 0, above = 0;
  for (const value of map) {
    if (value > most) most = value;
    else if (-value > most) most = -value;
  }
  if (most <= ROUNDING) return 1;
  const enough = Math.ceil(SPIKES * map.length), strong = most / ABOVE;
  for (const value of map) {
    if ((value >= strong || -value >= strong) && ++above >= enough) return most; // as of every smooth map, and soon
  }
  const sizes = map.map(Math.abs).filter((size) => size > ROUNDING * most).sort();
  return Math.min(most, ABOVE * sizes.at(-Math.ceil(SPIKES * sizes.length)));
}

/** What a colour bar must say of the values beyond its ends, or "" (beyond in explorer/results/plots.py). */
export function beyond(map, limit, sentence) {
  let count = 0;
  for (const value of map) count += Math.abs(value) > limit * (1 + ROUNDING);
  const share = count / map.length;
  return share && sentence.replace("{}", share >= 0.0005 ? (100 * share).toFixed(1) : "under 0.1");
}

/** Weights and map of the masks in `ranking` alone; mask numbers stay those of the result. */
export function mapOf(result, selection, ranking, measured) {
  const weights = select(ranking, measured, selection);
  const noSignal = whyFlat(result, selection.distance, ranking, weights);
  if (noSignal) weights.fill(0);
  return { weights, noSignal, map: relative(result, weights, ranking) };
}

/** The map; that of one side less what the mean of all masks gives it (Explanation.relative in schema.py). */
function relative(result, weights, ranking) {
  const { masks, n } = result, balance = sum(weights);
  if (Math.abs(balance) < 1e-9) return weightedSum(masks, weights);
  if (ranking.length < n) {
    const less = weights.slice();
    for (const i of ranking) less[i] -= balance / ranking.length;
    return weightedSum(masks, less);
  }
  const mean = cached(result, "mean mask", () => weightedSum(masks, new Float64Array(n).fill(1 / n), Float64Array));
  const chosen = weightedSum(masks, weights, Float64Array), map = new Float32Array(chosen.length);
  for (let p = 0; p < map.length; p++) map[p] = chosen[p] - balance * mean[p];
  return map;
}

/**
 * Why there is no signal (_why_flat in explorer/core/rank.py): "uniform" picture, "zero" where something without length
 * has no angle (an error in Python), "flat" distances, "nothing" selected, or "".
 */
function whyFlat(result, key, ranking, weights) {
  const { plane, reference_length: r } = result;
  if (result.uniform) return "uniform";
  let [shortest, longest] = [Infinity, 0];
  for (const i of ranking) {
    const own = length(plane[2 * i], plane[2 * i + 1]);
    shortest = Math.min(shortest, own);
    longest = Math.max(longest, own);
  }
  const { needsLength, judgedBy, rounding } = DISTANCES[key];
  if (needsLength && (r === 0 || shortest === 0)) return "zero";
  const measured = distances(result, judgedBy ?? key); // as indistinct in explorer/core/distances.py
  const ranked = Array.from(ranking, (i) => measured[i]);
  if (ranked.at(-1) - ranked[0] <= 8 * rounding(ranked, result.eps, longest, r)) return "flat";
  return weights.some((weight) => weight !== 0) ? "" : "nothing";
}

/**
 * How much of the map is there whichever masks were drawn (explorer/core/agreement.py).
 *
 * @param {Result} result
 * @param {Selection} selection
 * @param {number|null} upto As for explain().
 * @returns {{half: number, expected: number}} Correlation of the maps of the even- and of the odd-numbered masks,
 *   each ranked by itself; and the one to expect between this run and another of its size (Spearman-Brown).
 */
export function splitHalf(result, selection, upto = null) {
  const n = Math.min(upto ?? result.n, result.n);
  const measured = distances(result, selection.distance).subarray(0, n);
  const [even, odd] = [0, 1].map((parity) => {
    const ranking = order(result, selection.distance).filter((i) => i < n && i % 2 === parity);
    return mapOf(result, selection, ranking, measured).map;
  });
  const half = correlation(even, odd);
  return { half, expected: (2 * Math.max(half, 0)) / (1 + Math.max(half, 0)) };
}

/**
 * Pearson's correlation of two maps; 0 when either is constant.
 *
 * @param {Float32Array} a
 * @param {Float32Array} b Of the same length.
 * @returns {number} -1 to 1
 */
export function correlation(a, b) {
  const [meanA, meanB] = [sum(a) / a.length, sum(b) / b.length];
  let [aa, ab, bb] = [0, 0, 0];
  for (let k = 0; k < a.length; k++) {
    aa += (a[k] - meanA) ** 2;
    ab += (a[k] - meanA) * (b[k] - meanB);
    bb += (b[k] - meanB) ** 2;
  }
  const flat = Math.sqrt(Math.min(aa, bb) / a.length) <= ROUNDING;
  return flat ? 0 : ab / Math.sqrt(aa * bb);
}

/**
 * How far a pixel of the map is expected to lie from 0 by chance alone (wobble in explorer/core/agreement.py).
 *
 * @param {Float64Array} weights (n)
 * @param {Result} result Which masks they weigh.
 * @returns {number} Standard deviation, in units of the map.
 */
export function wobble(weights, { masking: { p_keep: p, feature_res: f }, blocks }) {
  const mean = sum(weights) / weights.length || 0;
  const squares = sum(weights.map((weight) => (weight - mean) ** 2));
  return Math.sqrt((blocks || f === 1 ? 1 : 4 / 9) * p * (1 - p) * squares);
}

/** Where in a map (row, column) a place of the picture lies, or null outside of it. */
export function cellOf({ size: [h, w], box: [left, top, right, bottom] }, { x, y }) {
  const u = (x - left) / (right - left), v = (y - top) / (bottom - top);
  return u < 0 || u >= 1 || v < 0 || v >= 1 ? null : [Math.floor(v * h), Math.floor(u * w)];
}

function sum(values) {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
