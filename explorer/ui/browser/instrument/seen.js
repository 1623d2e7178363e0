// What the encoder sees in the two items and in each copy, in words: sent once with the result (explorer/results/seen.py).
import { el, write } from "./dom.js";
import { bytesOf } from "./masks.js";

export const PICTURE = -2, COMPARED = -1; // as if copies, which count from 0

const decoded = new WeakMap();

function decode(seen) {
  if (!decoded.has(seen)) decoded.set(seen, { ids: new Uint16Array(bytesOf(seen.ids)), scores: new Uint8Array(bytesOf(seen.scores)) });
  return decoded.get(seen);
}

/**
 * The strongest labels of a copy, or of PICTURE or COMPARED; none where the encoder has no words, or they are not here yet.
 * @returns {{name: string, score: number}[]} score 0 to 1
 */
export function seenIn({ seen }, copy) {
  if (!seen) return [];
  const { ids, scores } = decode(seen), from = (copy + 2) * seen.most;
  return Array.from(ids.subarray(from, from + seen.most), (id, i) => ({ name: seen.names[id], score: scores[from + i] / 255 }));
}

/** A score as people read it. */
export function scored({ seen }, { score }) {
  if (!seen.likely) return score.toFixed(2);
  return score < 0.01 ? "< 1 %" : `${Math.round(100 * score)} %`;
}

/** The labels as a list, a bar for each; `draw(result, copy)` fills it. */
export function seenList(title) {
  const rows = Array.from({ length: 3 }, () => {
    const name = el("span", { class: "name" }), bar = el("i"), score = el("span", { class: "score" });
    return { name, bar, score, element: el("li", {}, name, el("span", { class: "gauge", "aria-hidden": "true" }, bar), score) };
  });
  const head = el("span");
  const element = el("div", { class: "seen", hidden: true }, el("small", {}, head), el("ol", { "aria-label": title }, ...rows.map((row) => row.element)));
  const draw = (result, copy) => {
    const labels = seenIn(result, copy);
    element.hidden = !labels.length;
    if (!labels.length) return;
    write(head, result.seen.likely ? "The encoder sees" : "Nearest names");
    element.title = `${title}: ${result.seen.measure}`;
    rows.forEach(({ name, bar, score, element: row }, i) => {
      row.hidden = !labels[i];
      if (!labels[i]) return;
      write(name, labels[i].name);
      write(score, scored(result, labels[i]));
      bar.style.width = `${100 * labels[i].score}%`;
    });
  };
  return { element, draw };
}
