/** A map in words, as explorer/results/summary.py puts it. No DOM. */

const ROWS = ["top", "middle", "bottom"];
const COLUMNS = ["left", "centre", "right"];
/** A peak is named only if it has at least this share of the strongest colour's value. */
const FAINT = 0.2;
/** Values nearer zero than so many times what chance moves them by are hatched. */
export const UNSETTLED = 2;
/** A map made of masks that never leaves zero by more than this is zero. */
const ROUNDING = 1e-6;

/**
 * The regions of the picture in which a map is highest and lowest (peaks in explorer/results/summary.py).
 *
 * @param {Float32Array} map (h * w)
 * @param {number[]} size [h, w]
 * @param {number[]} box Where in the picture the map lies: left, top, right, bottom.
 * @param {number} unsettled Peaks nearer zero are not named.
 * @param {number} limit The value of the strongest colour on the map's own scale.
 * @returns {[string, string]} A name for each sign, "" where there is nothing to name.
 */
export function peaks(map, [h, w], [left, top, right, bottom], unsettled, limit) {
  const rows = thirds(h, top, bottom), columns = thirds(w, left, right), inside = (third) => third >= 0;
  const first = columns.findIndex(inside), last = columns.findLastIndex(inside);
  if (first < 0) return ["", ""];
  let highest = 0, lowest = 0, peak = -1, trough = -1;
  for (let y = 0; y < h; y++) {
    if (rows[y] < 0) continue; // outside the picture
    for (let p = y * w + first, end = y * w + last; p <= end; p++) {
      const value = map[p];
      if (value > highest) {
        highest = value;
        peak = p;
      } else if (value < lowest) {
        lowest = value;
        trough = p;
      }
    }
  }
  const least = Math.max(unsettled, FAINT * limit), most = [highest, -lowest];
  return [peak, trough].map((p, sign) => (p >= 0 && most[sign] >= least ? nameOf(rows[Math.trunc(p / w)], columns[p % w]) : ""));
}

/** In which third of a picture's side each cell's middle lies; -1 outside the picture. */
function thirds(cells, low, high) {
  return Int8Array.from({ length: cells }, (_, i) => {
    const at = low + ((i + 0.5) / cells) * (high - low);
    return at >= 0 && at < 1 ? Math.floor(3 * at) : -1;
  });
}

function nameOf(row, column) {
  return row === 1 && column === 1 ? "centre" : `${ROWS[row]} ${COLUMNS[column]}`;
}

/**
 * What a map shows, as describe in explorer/results/summary.py.
 *
 * @param {{map, limit: number, meaning?: string, wobble?: number}} shown limit: of its own scale; without a wobble nobody
 *   knows what chance does to it.
 * @param {{size, box}} result Whose map it is.
 * @param {{meanings, not_settled: string}} words From Python.
 * @returns {string} Sentences.
 */
export function describe({ map, limit, meaning = "closer", wobble }, { size, box }, { meanings, not_settled: notSettled }) {
  const names = peaks(map, size, box, wobble === undefined ? 0 : Math.max(UNSETTLED * wobble, ROUNDING), limit);
  const parts = meanings[meaning].most.map((most, sign) => names[sign] && most && most.replace("{}", names[sign])).filter(Boolean);
  const whole = parts.join(", and ");
  if (whole) return `${whole[0].toUpperCase()}${whole.slice(1)}.`;
  return wobble === undefined ? "Nothing stands out." : notSettled;
}
