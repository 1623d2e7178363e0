// What two results have in common, in words. No DOM.
import { percent } from "../instrument/dom.js";
import { colourLimit, correlation, thresholded, wobble } from "../instrument/maths.js";
import { chosen } from "../instrument/views.js";

/** Below this a difference of two maps is rounding. */
const SAME = 1e-6;

/** What is explained, as people know it. */
export function pictureName({ picture_name: name }) {
  return name ?? "your picture";
}

/** What it is compared with. */
export function referenceName({ caption, reference_name: name }) {
  return caption != null ? quoted(caption) : name ?? "your reference";
}

const NAMED = 60;

/** A caption as the name of something: its beginning, where it is long. */
function quoted(caption) {
  const letters = [...caption];
  return `“${letters.length > NAMED ? `${letters.slice(0, NAMED).join("").trimEnd()} …` : caption}”`;
}

/** The mode, and its threshold where it has one. */
export function modeWords(selection, { modes }) {
  const name = chosen(selection);
  if (name === "slices") return "slices";
  return thresholded(name) ? `${modes[name].label} ${percent(selection.threshold)}` : modes[name].label;
}

/**
 * The settings that make one result differ from another (differences in explorer/results/recipe.py).
 * @param {{result, selection, explanation}} a
 * @param {{result, selection, explanation}} b
 * @param {object} words labels from Python
 * @param {Object<string, string>} fills their labels, by key
 * @returns {string[]} empty when nothing differs
 */
export function differences(a, b, words, fills) {
  const ours = facts(a, words, fills), theirs = facts(b, words, fills);
  return Object.keys(ours)
    .filter((name) => name in theirs && JSON.stringify(ours[name][0]) !== JSON.stringify(theirs[name][0]))
    .map((name) => `${name} ${ours[name][1]} against ${theirs[name][1] === ours[name][1] ? "another" : theirs[name][1]}`);
}

/** By name, what is compared and the words for it; a setting that has no effect is left out. */
function facts({ result, selection, explanation }, words, fills) {
  const { masking, caption, reference_name: reference } = result, name = chosen(selection), plain = (value) => [value, value];
  const own = `a file of your own (${result.picture_sha256.slice(0, 8)})`;
  const found = {
    picture: [result.picture_sha256, result.picture_name ?? own],
    "compared with": caption != null ? [caption, quoted(caption)] : [reference ?? result.reference.picture, reference ?? "a file of your own"],
    encoder: [result.encoder.key, result.encoder.title],
    arithmetic: plain(result.precision),
    "number of masks": plain(explanation.n),
    "feature resolution": plain(masking.feature_res),
    "share kept": plain(masking.p_keep),
    seed: plain(masking.seed),
    "hidden pixels become": [masking.fill, fills[masking.fill]],
    "how masks are drawn": plain(masking.scheme),
    distance: [selection.distance, words.distances[selection.distance].label],
    selection: [name, name === "slices" ? name : words.modes[name].label],
    "closest slice": [selection.closest, sliceWords(selection.closest)],
    "farthest slice": [selection.farthest, sliceWords(selection.farthest)],
  };
  return thresholded(name) ? { ...found, threshold: plain(selection.threshold) } : found;
}

function sliceWords(shares) {
  return shares ? shares.map((share) => Number(share.toFixed(4))).join(" to ") : "none";
}

/** Why one map cannot be taken from another, or "". */
export function whyNoDifference({ result: a }, { result: b }) {
  if (a.picture_sha256 !== b.picture_sha256) {
    return "A and B explain different pictures, so one map cannot be taken from the other. Choose two results of one picture.";
  }
  if (String(a.box) !== String(b.box)) {
    return "The encoders of A and B see different parts of the picture, so one map cannot be taken from the other.";
  }
  if (String(a.size) !== String(b.size)) {
    return `The maps of A and B have different sizes, ${a.size.join(" × ")} and ${b.size.join(" × ")} points, so one cannot be taken from the other.`;
  }
  return "";
}

/** Whether two results of one size were made with the same masks, as far as both go. */
export function sameMasks(a, b) {
  const settings = ({ masking, blocks = false }) => JSON.stringify(Object.entries({ ...masking, n_masks: 0, fill: "", blocks }).sort());
  return settings(a) === settings(b);
}

/**
 * A - B.
 * @returns {{map: Float32Array, limit: number, wobble: number}} limit: see colourLimit(), 0 where the maps are the same;
 *   wobble: how far a pixel of it lies from 0 by chance
 */
export function difference({ result, explanation: a }, { result: other, explanation: b }) {
  const map = a.map.map((value, p) => value - b.map[p]);
  if (!map.some((value) => Math.abs(value) > SAME)) return { map: map.fill(0), limit: 0, wobble: 0 };
  const limit = colourLimit(map);
  if (!sameMasks(result, other)) return { map, limit, wobble: Math.hypot(a.wobble, b.wobble) };
  // The same masks err in the same direction, so only what is weighed differently can differ by chance.
  const weights = Float64Array.from({ length: Math.max(a.n, b.n) }, (_, i) => (a.weights[i] ?? 0) - (b.weights[i] ?? 0));
  return { map, limit, wobble: wobble(weights, result) };
}

const LIKENESS = [
  [1, "the same map"], [0.9, "nearly the same map"], [0.7, "alike in the large regions"], [0.3, "some regions in common"],
  [-0.3, "nothing in common"], [-0.7, "opposed in some regions"], [-1, "nearly the opposite map"],
];

/** How alike two maps are: the correlation over their pixels, and a word for it. */
export function likeness({ explanation: a }, { explanation: b }) {
  if (a.noSignal || b.noSignal) return "One of the two maps has no signal, so there is nothing to compare.";
  const shown = Number(correlation(a.map, b.map).toFixed(2));
  const [, word] = LIKENESS.find(([least]) => shown >= least);
  return `Correlation ${shown < 0 ? "−" : ""}${Math.abs(shown).toFixed(2)}: ${word}.`;
}
