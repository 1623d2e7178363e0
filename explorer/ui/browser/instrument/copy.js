// One masked copy looked at: the one under the cursor, or walked to along the ranking.
import { el, measured, slider, write } from "./dom.js";
import { ANYWHERE, follow } from "./follow.js";
import { paintCopy } from "./paint.js";
import { seenList } from "./seen.js";
import { onScreen } from "./stage.js";
import { store } from "./store.js";

/** Build the panel: the copy, its place and distance, and what the encoder sees in it. */
export function copyPanel() {
  const canvas = el("canvas", { role: "img", "aria-label": "" }), said = el("p", { id: "copy-said" }), seen = seenList("What the encoder sees in this copy");
  const rank = slider("rank", "One copy, by rank", { min: 1, max: 1000, step: 1, value: 1, hint: "Or point at the histogram, or at a copy." },
    (value) => store.set({ copy: onScreen().order[value - 1] }));
  let shown = "";
  const draw = (state) => {
    const { result, copy } = state, { order, distances, n } = onScreen(state), mask = copy !== null && copy < n ? copy : order[0];
    const place = order.indexOf(mask) + 1, key = `${result.id}/${mask}`;
    if (shown !== key) paintCopy(canvas, result, mask);
    shown = key;
    rank.input.max = n;
    rank.set(place);
    canvas.setAttribute("aria-label", `masked copy ${mask + 1}`);
    write(said, `${place === 1 ? "The closest" : place === n ? "The farthest" : `Number ${place}`} of ${n} copies: distance ${measured(distances[mask])}`);
    seen.draw(result, mask);
  };
  const panel = el("section", { class: "copy", id: "copy", "aria-label": "One masked copy" }, canvas, el("div", {}, said, seen.element), rank.element);
  follow(panel, ["result", "selection", "upto", "copy"], draw, ANYWHERE);
  return panel;
}

/** The copy whose distance is nearest to a value. */
export function copyAt({ order, distances, n }, value) {
  let low = 0, high = n - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (distances[order[middle]] < value) low = middle + 1;
    else high = middle;
  }
  const before = low && value - distances[order[low - 1]] < distances[order[low]] - value;
  return order[low - (before ? 1 : 0)];
}
