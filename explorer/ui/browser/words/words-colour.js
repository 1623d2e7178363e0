// The colour of a word: the maps' own scale, and a text that can be read on it.
import { RDBU } from "../instrument/paint.js";

/**
 * Style of a word.
 *
 * @param {number} share Its value as a share of the limit, -1 to 1.
 * @returns {{backgroundColor: string, color: string}} The text is black or white, whichever can be read better.
 */
export function shadeOf(share) {
  const at = 3 * Math.round((share + 1) * 127.5), rgb = [...RDBU.subarray(at, at + 3)].map(Math.round);
  return { backgroundColor: `rgb(${rgb.join(", ")})`, color: luminance(rgb) > 0.179 ? "#000" : "#fff" };
}

/** Relative luminance (WCAG 2.2); at 0.179 black and white text are equally readable. */
function luminance(rgb) {
  const [r, g, b] = rgb.map((value) => (value <= 10 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
