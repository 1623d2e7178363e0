// The bar that says which colour is which value.
import { el, signed, write } from "./dom.js";
import { beyond } from "./maths.js";
import { gradient } from "./paint.js";
import { store } from "./store.js";

const MIXED = "Green and purple are maps of slices: they say what those kept.";

/** Decimals that show a value, and what is a hundredth of it, where it is small. */
export function digitsOf(limit) {
  return Math.max(2, 1 - Math.floor(Math.log10(limit)));
}

/**
 * Build a bar.
 * @param {string} what it stands for, above it
 * @param {[string, string]|null} ends of its positive and its negative side; null for what the maps' own signs mean
 * @returns {{element, draw, mark}} `draw(limit, [{map, meaning}])`: of the maps that it stands for, as far as they are known;
 *   `mark(share)`: points at a value of -1 to 1, or null at none
 */
export function colourBar(what = "", ends = null) {
  const low = el("span"), high = el("span"), tick = el("b", { hidden: true }), note = el("small", { class: "beyond", hidden: true });
  const line = el("i", {}, tick);
  const bar = el("div", { class: "colour-bar", "aria-hidden": "true" }, low, line, high);
  const element = el("div", { class: "scale-of" }, what && el("p", {}, what), bar, note);
  const draw = (limit, maps) => {
    const { meanings, beyond: sentence } = store.state.words, said = [...new Set(maps.map(({ meaning = "closer" }) => meaning))];
    const mixed = said.length > 1, meaning = said.length === 1 ? said[0] : "closer";
    const [plus, minus] = ends ?? (mixed ? ["", ""] : meanings[meaning].ends), digits = digitsOf(limit);
    write(low, `${minus} ${signed(-limit, digits)}`.trim());
    write(high, `${signed(limit, digits)} ${plus}`.trim());
    if (line.dataset.meaning !== meaning) line.style.background = gradient(meaning);
    line.dataset.meaning = meaning;
    const most = maps.map(({ map }) => beyond(map, limit, sentence)).filter(Boolean);
    const notes = [maps.length > 1 && most.length ? SPIKY : most[0] && `${most[0][0].toUpperCase()}${most[0].slice(1)}.`, mixed && MIXED];
    write(note, notes.filter(Boolean).join(" "));
    note.hidden = !note.textContent;
  };
  const mark = (share) => {
    tick.hidden = share === null;
    if (share !== null) tick.style.left = `${50 * (1 + Math.max(-1, Math.min(1, share)))}%`;
  };
  return { element, draw, mark };
}

const SPIKY = "Of some maps the strongest values, at most 1 %, go beyond the colours.";
