// What a touched region lights, from the singular vectors of explorer/results/match_wire.py. No DOM.

/** A match as it travels -> {left, right}: (cells * rank) numbers of either side, beside what else it says. */
export function decodeMatch(wire) {
  const [left, right] = wire.factors.map(({ scale, numbers }) => numbersOf(numbers).map((number) => (number * scale) / 32767));
  const { shape, sides: [a, b] } = wire;
  return { ...wire, left, right, grids: { a: shape.slice(0, 2), b: shape.slice(2) }, facts: { a, b } };
}

function numbersOf(text) {
  const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0)), view = new DataView(bytes.buffer);
  return Float32Array.from({ length: bytes.length / 2 }, (_, i) => view.getInt16(2 * i, true));
}

/**
 * What a region of one side lights in the other: the mean of `counterparts` over its cells.
 *
 * @param {object} match decoded
 * @param {"a"|"b"} side The one touched.
 * @param {{top: number, left: number, bottom: number, right: number}} region In cells; bottom and right are left out.
 * @returns {Float32Array} A value for each cell of the other side.
 */
export function lit({ left, right, rank, grids }, side, region) {
  const [own, other] = side === "a" ? [left, right] : [right, left], columns = grids[side][1];
  const sums = new Float64Array(rank), cells = (region.bottom - region.top) * (region.right - region.left);
  for (let y = region.top; y < region.bottom; y++) {
    for (let x = region.left; x < region.right; x++) {
      for (let k = 0, at = (y * columns + x) * rank; k < rank; k++) sums[k] += own[at + k] / cells;
    }
  }
  const map = new Float32Array(other.length / rank);
  for (let q = 0; q < map.length; q++) {
    let sum = 0;
    for (let k = 0; k < rank; k++) sum += sums[k] * other[q * rank + k];
    map[q] = sum;
  }
  return map;
}

/** The box of cells between two cells [row, column], both inside. */
export function boxOf([row, column], [row2, column2]) {
  return { top: Math.min(row, row2), left: Math.min(column, column2), bottom: Math.max(row, row2) + 1, right: Math.max(column, column2) + 1 };
}

export function sameBox(a, b) {
  return Boolean(a && b) && ["top", "left", "bottom", "right"].every((edge) => a[edge] === b[edge]);
}
