// The contact sheet: the masked copies at both ends of the ranking.
import { copyRow } from "./copies.js";
import { el } from "./dom.js";
import { ANYWHERE, follow } from "./follow.js";
import { onScreen } from "./stage.js";
import { store } from "./store.js";

const SHOWN = 6;
const PATIENCE = 120; // ms without a move

/** Build the panel. */
export function sheetPanel() {
  const closest = copyRow(SHOWN), farthest = copyRow(SHOWN);
  let timer = 0;
  const draw = ({ upto }) => {
    clearTimeout(timer);
    // While the build-up is replayed the ends of the ranking change at every step, and the maps come first.
    if (upto === null) fill(store.state);
    else timer = setTimeout(() => fill(store.state), PATIENCE);
  };
  const fill = (state) => {
    const { order, distances, n } = onScreen(state);
    const copies = (masks) => [...masks].map((mask) => ({ mask, distance: distances[mask] }));
    closest.draw(state.result, copies(order.slice(0, Math.min(SHOWN, n))));
    farthest.draw(state.result, copies(order.slice(Math.max(0, n - SHOWN), n)).reverse());
  };
  const panel = el("div", { id: "sheet" },
    el("section", { class: "sheet closest" }, el("h2", {}, "Closest copies"), closest.element),
    el("section", { class: "sheet farthest" }, el("h2", {}, "Farthest copies"), farthest.element));
  follow(panel, ["result", "selection", "upto"], draw, ANYWHERE);
  return panel;
}
