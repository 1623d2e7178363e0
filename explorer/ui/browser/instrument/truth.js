/**
 * Whether a map tells the truth (explorer/core/truth.py): does it put copies it was not made from in their order?
 * Pure functions, no DOM.
 */
import { distances, mapOf, order } from "./maths.js";
import { sumsKept } from "./masks.js";

/** Into how many parts the masks are dealt, and below how many of them, or which correlation, there is little to say. */
export const FOLDS = 5, FEWEST = 20;
const LITTLE = 0.3;

/**
 * How a map of all parts but one, selected as the one on screen is, orders the copies of that part.
 *
 * @param {object} result As of maths.js.
 * @param {object} selection
 * @param {number|null} upto Use only the first so many masks; null = all.
 * @param {number} part 0 to FOLDS - 1.
 * @returns {{spearman: number, r2: number}}
 */
export function partTruth(result, selection, upto, part) {
  const n = Math.min(upto ?? result.n, result.n), measured = distances(result, selection.distance).subarray(0, n);
  const ranking = order(result, selection.distance).filter((i) => i < n && i % FOLDS !== part);
  const { map } = mapOf(result, selection, ranking, measured);
  const own = Uint32Array.from({ length: Math.ceil((n - part) / FOLDS) }, (_, k) => part + k * FOLDS);
  const kept = sumsKept(result.masks, map, own), closeness = Float64Array.from(own, (i) => -measured[i]);
  const linear = pearson(kept, closeness);
  return { spearman: pearson(ranks(kept), ranks(closeness)), r2: linear * Math.abs(linear) };
}

/** The mean over the parts, and of how many copies. */
export function meanTruth(parts, n) {
  const mean = (key) => parts.reduce((total, part) => total + part[key], 0) / parts.length;
  return { spearman: mean("spearman"), r2: mean("r2"), n };
}

/** About how often of 100 times two copies are put in their right order (Truth.in_order). */
export function inOrder({ spearman }) {
  return Math.floor(50.5 + (100 * Math.asin(Math.min(1, Math.max(-1, 2 * Math.sin((Math.PI * spearman) / 6))))) / Math.PI);
}

/** What that is (Truth.verdict). */
export function truthVerdict({ spearman, n }) {
  if (Math.abs(spearman) <= 2 / Math.sqrt(n)) return "nothing";
  if (spearman < 0) return "against";
  return spearman < LITTLE ? "little" : "tells";
}

/** (n) ranks; equal numbers share the mean of theirs. */
function ranks(values) {
  const places = Uint32Array.from(values.keys()).sort((i, j) => values[i] - values[j]), found = new Float64Array(values.length);
  for (let from = 0, to = 1; from < places.length; from = to++) {
    while (to < places.length && values[places[to]] === values[places[from]]) to++;
    for (let k = from; k < to; k++) found[places[k]] = (from + to - 1) / 2;
  }
  return found;
}

/** Correlation of two lists; 0 where either is the same throughout but for rounding. */
function pearson(a, b) {
  const [meanA, meanB] = [a, b].map((values) => values.reduce((total, value) => total + value, 0) / values.length);
  let [aa, ab, bb, most] = [0, 0, 0, 0];
  for (let k = 0; k < a.length; k++) {
    aa += (a[k] - meanA) ** 2;
    ab += (a[k] - meanA) * (b[k] - meanB);
    bb += (b[k] - meanB) ** 2;
    most = Math.max(most, Math.abs(a[k]));
  }
  return Math.sqrt(aa / a.length) <= 1e-12 * most || bb === 0 ? 0 : ab / Math.sqrt(aa * bb);
}
