// Explanations of the results on screen, each computed once and shared by all who draw it.
import { colourLimit, explain, modes, thresholded, wobble } from "./maths.js";

const known = new WeakMap();
const MOST_KEPT = 12; // of one result; what is on screen needs ten while the build-up is replayed

/** The explanation of a result under a selection, by its first `upto` masks (null = all). */
export function view(result, selection, upto = null) {
  const views = known.get(result) ?? new Map();
  known.set(result, views);
  const { mode, threshold, distance, closest, farthest } = selection;
  const slices = closest || farthest ? JSON.stringify([closest, farthest]) : "";
  const key = [distance, upto, slices || mode, slices || !thresholded(mode) ? "" : threshold].join("|");
  const found = views.get(key) ?? (slices || modes[mode].sides.length < 2 ? explain : mirror)(result, selection, upto);
  views.delete(key); // the last one asked for goes last
  views.set(key, found);
  if (views.size > MOST_KEPT) views.delete(views.keys().next().value);
  return found;
}

/** The sum of its two sides, which are on screen as well. */
function mirror(result, selection, upto) {
  const closest = view(result, { ...selection, mode: "closest" }, upto);
  const farthest = view(result, { ...selection, mode: "farthest" }, upto);
  const map = sum(closest.map, farthest.map), weights = sum(closest.weights, farthest.weights);
  const noSignal = closest.noSignal && farthest.noSignal;
  return { ...closest, noSignal, map, weights, limit: colourLimit(map), wobble: wobble(weights, result) };
}

function sum(a, b) {
  const total = a.slice();
  for (let i = 0; i < total.length; i++) total[i] += b[i];
  return total;
}

/** The modes' explanations, and that of the chosen slices when there are any, by name. */
export function views(result, selection, upto = null) {
  const plain = { ...selection, closest: null, farthest: null };
  const found = Object.fromEntries(Object.keys(modes).map((mode) => [mode, view(result, { ...plain, mode }, upto)]));
  if (selection.closest || selection.farthest) found.slices = view(result, selection, upto);
  return found;
}

/** Which of `views` is the chosen one. */
export function chosen(selection) {
  return selection.closest || selection.farthest ? "slices" : selection.mode;
}

/** The colour limit of what is on screen: that of the whole while the build-up is replayed, so that noise is seen to settle. */
export function limitOf({ result, selection }) {
  return sharedLimit(Object.values(views(result, selection)));
}

/** One colour limit that fits all the explanations. */
export function sharedLimit(explanations) {
  return Math.max(...explanations.filter((e) => !e.noSignal).map((e) => e.limit), 0) || 1;
}
