/** A map in words, as explorer/results/summary.py puts it. No DOM. */

const ROWS = ["top", "middle", "bottom"];
const COLUMNS = ["left", "centre", "right"];
const FAINT = 0.25;

/**
 * The ninths of a map that stand out (explorer/results/summary.py).
 *
 * @param {Float32Array} map (h * w)
 * @param {number} h
 * @param {number} w
 * @returns {[string|null, string|null]} Names of the most positive and the most negative ninth; null where faint.
 */
export function describe(map, h, w) {
  const strength = ninths(map, h, w);
  const strongest = Math.max(...strength.map(Math.abs));
  return [1, -1].map((sign) => {
    const most = Math.max(...strength.map((value) => sign * value));
    return strongest > 0 && most >= FAINT * strongest ? nameOf(strength.indexOf(sign * most)) : null;
  });
}

/** Mean of the map in a grid of 3 x 3 regions, row by row; the first regions take what does not divide by 3. */
function ninths(map, h, w) {
  const edge = (side, part) => part * Math.trunc(side / 3) + Math.min(part, side % 3);
  return Array.from({ length: 9 }, (_, region) => {
    const [row, column] = [Math.trunc(region / 3), region % 3];
    const [top, bottom, left, right] = [edge(h, row), edge(h, row + 1), edge(w, column), edge(w, column + 1)];
    let total = 0;
    for (let y = top; y < bottom; y++) {
      for (let x = left; x < right; x++) total += map[y * w + x];
    }
    return total / ((bottom - top) * (right - left));
  });
}

function nameOf(region) {
  return region === 4 ? "centre" : `${ROWS[Math.trunc(region / 3)]} ${COLUMNS[region % 3]}`;
}
