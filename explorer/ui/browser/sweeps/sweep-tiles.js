// What the free sweeps vary around a selection: explorer/studies/sweeps.py in the browser; a test compares the two. No DOM.
import { modes as known, thresholded } from "../instrument/maths.js";

const ONE_SIDED = [0.1, 0.2, 0.3, 0.4, 0.5];
const THRESHOLDS = [0.05, 0.1, 0.15, 0.2, 0.4];
const FIELDS = ["mode", "threshold", "distance", "closest", "farthest"];

/** Whether two selections are the same in every field. */
export function same(a, b) {
  return FIELDS.every((name) => JSON.stringify(a[name]) === JSON.stringify(b[name]));
}

const inMode = (now, mode, threshold = now.threshold) => ({ ...now, mode, threshold, closest: null, farthest: null });

/** The values and the current one, ascending; a slider's rounding makes no value of its own. */
function among(current, values) {
  const others = values.filter((value) => Math.abs(value - current) > 1e-9 * Math.max(value, current));
  return [...others, current].sort((a, b) => a - b);
}

/** As Python writes it: four digits, so that values of one's own keep theirs. */
const percent = (share) => `${Number((100 * share).toPrecision(4))} %`;

/** By key: selection, label, values of one's own (null = the paper's) -> tiles {title, selection, row}. */
const FREE = {
  sides: (now, label) => Object.keys(known).map((mode) => ({ title: label(mode), selection: inMode(now, mode), row: "" })),
  one_sided: (now, label, values) => ["farthest", "closest"].flatMap((mode) => (values ?? among(now.threshold, ONE_SIDED)).map((t) => (
    { title: `${label(mode)} ${percent(t)}`, selection: inMode(now, mode, t), row: label(mode) }))),
  thresholds: (now, label, values) => {
    const mode = thresholded(now.mode) ? now.mode : "mirror";
    return (values ?? among(now.threshold, THRESHOLDS))
      .map((t) => ({ title: `${label(mode)} ${percent(t)}`, selection: inMode(now, mode, t), row: "" }));
  },
  slices: (now) => [
    ...[4, 3, 2, 1].map((low) => ({
      title: `${10 * low} to ${10 * low + 10} %`, row: "",
      selection: { ...now, closest: [low / 10, (low + 1) / 10], farthest: [(9 - low) / 10, (10 - low) / 10] },
    })),
    { title: "0 to 10 %: mirror", selection: inMode(now, "mirror", 0.1), row: "" },
  ],
};

/**
 * The tiles of a free sweep around a selection, one of which has exactly that selection.
 * @param {string} key sides, one_sided, thresholds or slices
 * @param {object} now SelectionSettings.to_dict()
 * @param {Object<string, {label: string}>} modes words from Python
 * @param {?number[]} values one's own, ascending, in place of the paper's
 */
export function freeTiles(key, now, modes, values = null) {
  const tiles = FREE[key](now, (mode) => modes[mode].label, values);
  const here = values !== null || tiles.some((tile) => same(tile.selection, now));
  return here ? tiles : [...tiles, { title: "as set", selection: now, row: "as set" }];
}
