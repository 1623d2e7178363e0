// Maps, masked copies and colour bars on canvases: the colour rule of explorer/results/plots.py `paint`.
import { renderMask } from "./maths.js";

const RED_TO_BLUE = [
  [5, 48, 97], [33, 102, 172], [67, 147, 195], [146, 197, 222], [209, 229, 240], [247, 247, 247],
  [253, 219, 199], [244, 165, 130], [214, 96, 77], [178, 24, 43], [103, 0, 31],
];
const GREEN_TO_PURPLE = [
  [64, 0, 75], [118, 42, 131], [153, 112, 171], [194, 165, 207], [231, 212, 232], [247, 247, 247],
  [217, 240, 211], [166, 219, 160], [90, 174, 97], [27, 120, 55], [0, 68, 27],
];
/** ColorBrewer's RdBu, reversed, as 256 RGB triples from farthest to closest: colour-blind readers can tell its ends. */
export const RDBU = table(RED_TO_BLUE);
/** Its PRGn, for maps that say something else than what brings closer. */
const PRGN = table(GREEN_TO_PURPLE);
/** Share of the limit from which a map hides the picture as far as the opacity allows. */
const FULL_AT = 0.6;
const LONG_SIDE = 448;

/** The colours of a map, by what its signs say. */
export function coloursOf(meaning) {
  return meaning === "closer" ? RDBU : PRGN;
}

/** The same as a bar. */
export function gradient(meaning) {
  const knots = meaning === "closer" ? RED_TO_BLUE : GREEN_TO_PURPLE;
  return `linear-gradient(90deg, ${[0, 2, 5, 8, 10].map((i) => `rgb(${knots[i]})`).join()})`;
}

function table(knots) {
  const colours = new Float32Array(256 * 3);
  for (let i = 0; i < 256; i++) {
    const at = (i / 255) * (knots.length - 1);
    const low = Math.min(Math.floor(at), knots.length - 2);
    for (let c = 0; c < 3; c++) {
      colours[3 * i + c] = knots[low][c] + (at - low) * (knots[low + 1][c] - knots[low][c]);
    }
  }
  return colours;
}

/** Decode the pictures a result carries; afterwards `image` and `backdrop` are drawable. */
export async function loadPictures(result) {
  const flat = result.background.startsWith("#");
  const [image, backdrop] = await Promise.all([load(result.picture), flat ? null : load(result.background)]);
  return Object.assign(result, { image, backdrop });
}

async function load(source) {
  const image = new Image();
  image.src = source;
  await image.decode();
  return image;
}

/** Size a canvas to show a result's picture, its longer side `longSide`. */
export function fit(canvas, result, longSide = LONG_SIDE) {
  const { naturalWidth: w, naturalHeight: h } = result.image;
  const factor = longSide / Math.max(w, h);
  const size = [Math.max(1, Math.round(w * factor)), Math.max(1, Math.round(h * factor))];
  if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
}

const bases = new WeakMap();

/** The picture in RGB at a size, greyed a little so that its own reds and blues are not read as the map's. */
function base(image, width, height) {
  const known = bases.get(image) ?? new Map();
  bases.set(image, known);
  const key = `${width}x${height}`;
  if (!known.has(key)) known.set(key, greyed(image, width, height));
  return known.get(key);
}

function greyed(image, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  const mixed = new Float32Array(width * height * 3);
  const grey = new Float32Array(width * height);
  for (let p = 0; p < grey.length; p++) {
    grey[p] = (data[4 * p] + data[4 * p + 1] + data[4 * p + 2]) / 3;
    for (let c = 0; c < 3; c++) mixed[3 * p + c] = 0.45 * data[4 * p + c] + 0.55 * grey[p];
  }
  return { mixed, grey };
}

/** For each pixel of a side: the first of two cells it lies between, the second's weight, whether it was seen. */
function samples(side, cells, low, high) {
  const first = new Int32Array(side), second = new Float32Array(side), seen = new Uint8Array(side);
  for (let i = 0; i < side; i++) {
    const share = ((i + 0.5) / side - low) / (high - low);
    const at = Math.min(Math.max(share * cells - 0.5, 0), cells - 1);
    first[i] = Math.min(Math.floor(at), Math.max(cells - 2, 0));
    second[i] = at - first[i];
    seen[i] = share >= 0 && share <= 1 ? 1 : 0;
  }
  return { first, second, seen };
}

const easels = new Map();
const MOST_EASELS = 24;

/** What drawing maps of one size on canvases of another needs again and again. */
function easel(width, height, [h, w], [left, top, right, bottom]) {
  const key = [width, height, h, w, left, top, right, bottom].join();
  if (!easels.has(key)) {
    if (easels.size === MOST_EASELS) easels.delete(easels.keys().next().value);
    easels.set(key, {
      columns: samples(width, w, left, right), rows: samples(height, h, top, bottom),
      above: new Float32Array(width), below: new Float32Array(width), painted: new ImageData(width, height),
    });
  }
  return easels.get(key);
}

/** One row of the map, stretched over the canvas's width. */
function stretch(into, map, from, { first, second }) {
  for (let x = 0; x < into.length; x++) {
    const at = from + first[x], t = second[x];
    into[x] = t ? map[at] * (1 - t) + map[at + 1] * t : map[at];
  }
}

const SHADES = 1024;
const palette = { key: "", rest: new Float32Array(SHADES + 1), red: new Float32Array(SHADES + 1), green: new Float32Array(SHADES + 1), blue: new Float32Array(SHADES + 1) };

/** For a value of -limit to +limit in so many steps: how much of the picture is left, and the colour laid over it. */
function shades(opacity, meaning) {
  const key = `${opacity}${meaning}`, colours = coloursOf(meaning);
  if (palette.key === key) return palette;
  palette.key = key;
  for (let i = 0; i <= SHADES; i++) {
    const share = (2 * i) / SHADES - 1, alpha = opacity * Math.min(Math.abs(share) / FULL_AT, 1);
    const colour = 3 * Math.round((share + 1) * 127.5);
    palette.rest[i] = 1 - alpha;
    palette.red[i] = alpha * colours[colour];
    palette.green[i] = alpha * colours[colour + 1];
    palette.blue[i] = alpha * colours[colour + 2];
  }
  return palette;
}

/**
 * Lay a map over the picture it explains.
 * @param {HTMLCanvasElement} canvas sized by `fit`
 * @param {object} result decoded, with its pictures loaded
 * @param {Float32Array} map (h * w) signed
 * @param {{limit: number, opacity?: number, unsettled?: number, meaning?: string}} how limit: the value of the strongest
 *   colour; unsettled: values nearer zero than this are hatched; meaning: of its signs
 */
export function paintMap(canvas, result, map, { limit, opacity = 0.85, unsettled = 0, meaning = "closer" }) {
  const { width, height } = canvas, w = result.size[1];
  const { mixed, grey } = base(result.image, width, height);
  const { columns, rows, above, below, painted } = easel(width, height, result.size, result.box);
  const { rest, red, green, blue } = shades(opacity, meaning), data = painted.data, scale = SHADES / 2 / limit;
  for (let y = 0, p = 0, out = 0, held = -1; y < height; y++) {
    const t = rows.second[y], inside = rows.seen[y];
    if (rows.first[y] !== held) {
      held = rows.first[y];
      stretch(above, map, held * w, columns);
      if (held + 1 < result.size[0]) stretch(below, map, (held + 1) * w, columns);
      else below.set(above);
    }
    for (let x = 0; x < width; x++, p++, out += 4) {
      data[out + 3] = 255;
      if (!inside || !columns.seen[x]) {
        data[out] = data[out + 1] = data[out + 2] = 0.25 * grey[p] + 140;
        continue;
      }
      const v = above[x] + t * (below[x] - above[x]);
      const i = Math.max(0, Math.min(SHADES, (v * scale + SHADES / 2 + 0.5) | 0));
      const hatch = v < unsettled && v > -unsettled && (x + y) % 7 < 2 ? 0.5 : 0;
      const kept = rest[i] * (1 - hatch), veil = hatch * 247;
      data[out] = mixed[3 * p] * kept + red[i] * (1 - hatch) + veil;
      data[out + 1] = mixed[3 * p + 1] * kept + green[i] * (1 - hatch) + veil;
      data[out + 2] = mixed[3 * p + 2] * kept + blue[i] * (1 - hatch) + veil;
    }
  }
  canvas.getContext("2d").putImageData(painted, 0, 0);
}

const masksDrawn = new OffscreenCanvas(1, 1);

/** Draw masked copy number i as the encoder saw it, in the picture's own proportions. */
export function paintCopy(canvas, result, i) {
  const [h, w] = result.size, [left, top, right, bottom] = result.box;
  const { naturalWidth, naturalHeight } = result.image;
  const seen = [naturalWidth * (right - left), naturalHeight * (bottom - top)];
  const factor = 160 / Math.max(...seen);
  [canvas.width, canvas.height] = seen.map((side) => Math.max(1, Math.round(side * factor)));
  [masksDrawn.width, masksDrawn.height] = [w, h];
  const stencil = masksDrawn.getContext("2d");
  const mask = renderMask(result.masks, i), pixels = stencil.createImageData(w, h);
  for (let p = 0; p < mask.length; p++) pixels.data[4 * p + 3] = 255 * mask[p];
  stencil.putImageData(pixels, 0, 0);
  stencil.globalCompositeOperation = "source-in";
  drawSeen(stencil, result, w, h);
  stencil.globalCompositeOperation = "source-over";
  const context = canvas.getContext("2d");
  if (result.backdrop) context.drawImage(result.backdrop, 0, 0, canvas.width, canvas.height);
  else {
    context.fillStyle = result.background;
    context.fillRect(0, 0, canvas.width, canvas.height);
  }
  context.drawImage(masksDrawn, 0, 0, canvas.width, canvas.height);
}

/** The part of the picture the encoder sees, stretched over (w, h). */
function drawSeen(context, result, w, h) {
  const [left, top, right, bottom] = result.box, { naturalWidth, naturalHeight } = result.image;
  const across = w / (right - left), down = h / (bottom - top);
  context.drawImage(result.image, 0, 0, naturalWidth, naturalHeight, -left * across, -top * down, across, down);
}
