/**
 * Masks kept as grids of bits and shifts, as explorer/core/masks.py keeps them. No DOM.
 *
 * @typedef {object} Masks
 * @property {Uint8Array} bits (n * f * f) the grids row by row, 1 = kept.
 * @property {Uint16Array} shifts (2 n) where each crop starts, (y, x), in pixels.
 * @property {number} f Cells along each side of a grid.
 * @property {number} h Height of a rendered mask, in pixels.
 * @property {number} w Width of a rendered mask, in pixels.
 * @property {boolean} blocks Whether cells have sharp edges and are not shifted, as patches that are left out.
 */

/**
 * The bytes behind a base64 text.
 *
 * @param {string} text
 * @returns {ArrayBuffer}
 */
export function bytesOf(text) {
  const letters = atob(text), bytes = new Uint8Array(letters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i); // Uint8Array.from takes seconds for megabytes
  return bytes.buffer;
}

let unpacked = { packed: "", f: 0, bits: null };

/**
 * Unpack the masks of a wire (GridMasks.grids in explorer/core/masks.py).
 *
 * @param {{size: number[], feature_res: number, packed: string, shifts: string, blocks?: boolean}} wire
 * @returns {Masks}
 */
export function decodeMasks({ size: [h, w], feature_res: f, packed, shifts, blocks = false }) {
  if (unpacked.packed !== packed || unpacked.f !== f) unpacked = { packed, f, bits: unpack(packed, f) };
  const { bits } = unpacked; // those of the last wire: another reference comes with the same masks
  return { bits, shifts: new Uint16Array(bytesOf(shifts)), f, h, w, blocks };
}

function unpack(packed, f) {
  const bytes = new Uint8Array(bytesOf(packed));
  const cells = f * f;
  const width = Math.ceil(cells / 8); // every grid starts on a new byte
  const bits = new Uint8Array((bytes.length / width) * cells);
  for (let to = 0, from = 0; to < bits.length; to += cells, from += width) {
    for (let k = 0; k < cells; k++) bits[to + k] = (bytes[from + (k >> 3)] >> (7 - (k & 7))) & 1;
  }
  return bits;
}

/**
 * Sum of weight times mask, without rendering any (GridMasks.weighted_sum in explorer/core/masks.py).
 *
 * Weight times grid is added up per pair of shifts, then each axis is interpolated once.
 *
 * @param {Masks} masks
 * @param {Float64Array} weights (m) with m <= n; zeros cost nothing.
 * @param {typeof Float32Array|typeof Float64Array} Kind Of the map.
 * @returns {Float32Array|Float64Array} (h * w)
 */
export function weightedSum(masks, weights, Kind = Float32Array) {
  const { f, h, w, blocks } = masks;
  const down = axis(h, f, blocks);
  const along = axis(w, f, blocks);
  const sums = cleared("sums", down.cell * f * along.cell * f);
  addUp(masks, weights, along.cell, sums);
  const half = cleared("half", along.cell * f * h);
  interpolate(sums, down, along.cell * f, half);
  const map = new Kind(h * w);
  interpolate(half, along, h, map);
  return map;
}

/** Add weight times grid at [shift y, grid row, shift x, grid column] of `sums`. */
function addUp({ bits, shifts, f }, weights, cell, sums) {
  const stride = cell * f;
  for (let i = 0; i < weights.length; i++) {
    const weight = weights[i];
    if (weight === 0) continue;
    let from = i * f * f;
    let to = shifts[2 * i] * f * stride + shifts[2 * i + 1] * f;
    for (let row = 0; row < f; row++, to += stride) {
      for (let k = 0; k < f; k++) sums[to + k] += weight * bits[from++];
    }
  }
}

/**
 * Interpolate the first axis of `sums` (cell * f, width) and turn the result over: `out` (width, side).
 *
 * Interpolation is piecewise linear, so its second differences vanish but for a few knots: only those are
 * laid down, moved by each shift, and summed twice. Six times fewer products than by the interpolation itself.
 */
function interpolate(sums, { cell, side, f, at, column, change }, width, out) {
  const length = (side + cell - 1) * width;
  const knots = cleared("knots", length);
  for (let shift = 0; shift < cell; shift++) {
    for (let q = 0; q < at.length; q++) {
      const from = (shift * f + column[q]) * width;
      const to = (cell - 1 - shift + at[q]) * width;
      if (to >= length) break; // knots are in order
      const bend = change[q];
      for (let k = 0; k < width; k++) knots[to + k] += bend * sums[from + k];
    }
  }
  const slope = cleared("slope", width);
  const value = cleared("value", width);
  for (let from = 0, to = 1 - cell; from < length; from += width, to++) {
    for (let k = 0; k < width; k++) {
      slope[k] += knots[from + k];
      value[k] += slope[k];
      if (to >= 0) out[k * side + to] = value[k];
    }
  }
}

/**
 * The sum of a map over what some masks keep, without rendering any (GridMasks.sums_kept in explorer/core/masks.py).
 *
 * @param {Masks} masks
 * @param {Float32Array} map (h * w)
 * @param {Uint32Array} own (m) numbers of the masks.
 * @returns {Float64Array} (m)
 */
export function sumsKept({ bits, shifts, f, h, w, blocks }, map, own) {
  const down = axis(h, f, blocks), along = axis(w, f, blocks), stride = along.cell * f;
  const turned = gathered(map, down, w, cleared("kept down", down.cell * f * w)); // (w, cell * f)
  const cells = gathered(turned, along, down.cell * f, cleared("kept along", stride * down.cell * f)); // (cell * f, cell * f)
  return Float64Array.from(own, (i) => {
    let total = 0, from = i * f * f, to = shifts[2 * i] * f * stride + shifts[2 * i + 1] * f;
    for (let row = 0; row < f; row++, to += stride) {
      for (let k = 0; k < f; k++) total += bits[from++] * cells[to + k];
    }
    return total;
  });
}

/** What `values` (side, width) have of each cell at each shift, turned over: `out` (width, cell * f). */
function gathered(values, { cell, side, f, low, next, share }, width, out) {
  const line = cleared("kept line", side);
  for (let k = 0, to = 0; k < width; k++) {
    for (let y = 0; y < side; y++) line[y] = values[y * width + k];
    for (let shift = 0; shift < cell; shift++, to += f) {
      for (let y = 0; y < side; y++) {
        const own = to + low[shift + y], part = share[shift + y] * line[y];
        out[own] += line[y] - part;
        out[own + next] += part;
      }
    }
  }
  return out;
}

/**
 * The value of every mask at one pixel.
 *
 * @param {Masks} masks
 * @param {number} n How many masks.
 * @param {number} y Row, 0 to h - 1.
 * @param {number} x Column, 0 to w - 1.
 * @returns {Float64Array} (n) in [0, 1], 1 = kept.
 */
export function maskValues({ bits, shifts, f, h, w, blocks }, n, y, x) {
  const down = axis(h, f, blocks);
  const along = axis(w, f, blocks);
  const values = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    const row = shifts[2 * i] + y;
    const column = shifts[2 * i + 1] + x;
    const top = (i * f + down.low[row]) * f + along.low[column];
    const bottom = top + down.next * f;
    const share = along.share[column];
    values[i] = mix(
      mix(bits[top], bits[top + along.next], share),
      mix(bits[bottom], bits[bottom + along.next], share),
      down.share[row],
    );
  }
  return values;
}

/**
 * One mask as a picture (GridMasks.render in explorer/core/masks.py).
 *
 * @param {Masks} masks
 * @param {number} i Number of the mask.
 * @returns {Float32Array} (h * w) in [0, 1], 1 = kept.
 */
export function renderMask({ bits, shifts, f, h, w, blocks }, i) {
  const down = axis(h, f, blocks);
  const along = axis(w, f, blocks);
  const mask = new Float32Array(h * w);
  const line = new Float64Array(f);
  for (let y = 0; y < h; y++) {
    const row = shifts[2 * i] + y;
    const top = (i * f + down.low[row]) * f;
    for (let k = 0; k < f; k++) line[k] = mix(bits[top + k], bits[top + down.next * f + k], down.share[row]);
    for (let x = 0; x < w; x++) {
      const column = shifts[2 * i + 1] + x;
      const left = along.low[column];
      mask[y * w + x] = mix(line[left], line[left + along.next], along.share[column]);
    }
  }
  return mask;
}

function mix(first, second, share) {
  return (1 - share) * first + share * second;
}

const axes = new Map();

/** How pixels lie between cells along one side, and where that changes (_interpolation in explorer/core/masks.py). */
function axis(side, f, blocks) {
  const key = `${side}/${f}/${blocks}`;
  if (!axes.has(key)) axes.set(key, makeAxis(side, f, blocks));
  return axes.get(key);
}

function makeAxis(side, f, blocks) {
  const cell = blocks ? 1 : Math.ceil(side / f);
  const up = blocks ? side : (f + 1) * cell;
  const next = f > 1 ? 1 : 0;
  const low = new Uint16Array(up);
  const share = new Float64Array(up); // of the cell after `low`
  for (let k = 0; k < up && blocks; k++) {
    const own = Math.floor((k * f) / side); // wholly of the cell it lies in
    low[k] = Math.min(own, Math.max(f - 2, 0));
    share[k] = own - low[k];
  }
  for (let k = 0; k < up && f > 1 && !blocks; k++) {
    let place = Math.abs(((k + 0.5) * f) / up - 0.5); // mirrored about the first cell's centre, then the last's
    place = f - 1 - Math.abs(f - 1 - place);
    low[k] = Math.min(Math.trunc(place), f - 2);
    share[k] = place - low[k];
  }
  const value = (k, j) => (k < 0 ? 0 : j === low[k] ? 1 - share[k] : j === low[k] + next ? share[k] : 0);
  const knots = [];
  for (let k = 0; k < up; k++) {
    for (let j = 0; j < f; j++) {
      const change = value(k, j) - 2 * value(k - 1, j) + value(k - 2, j);
      if (Math.abs(change) > 1e-12) knots.push([k, j, change]);
    }
  }
  return {
    ...{ side, f, cell, next, low, share },
    at: Uint32Array.from(knots, (knot) => knot[0]),
    column: Uint32Array.from(knots, (knot) => knot[1]),
    change: Float64Array.from(knots, (knot) => knot[2]),
  };
}

const buffers = {};

/** A zeroed buffer, kept for the next call: a drag asks many times for the same sizes. */
function cleared(name, length) {
  if (!(buffers[name]?.length >= length)) buffers[name] = new Float64Array(length);
  return buffers[name].subarray(0, length).fill(0);
}
