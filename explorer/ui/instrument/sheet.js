// The contact sheet: the masked copies at both ends of the ranking.
import { copyRow } from "./copies.js";
import { el } from "./dom.js";
import { onScreen } from "./stage.js";
import { store } from "./store.js";

const SHOWN = 6;

/** Build the panel. */
export function sheetPanel() {
  const closest = copyRow(SHOWN), farthest = copyRow(SHOWN);
  store.subscribe(["result", "selection", "upto"], (state) => {
    if (!state.result) return;
    const { order, distances, n } = onScreen(state);
    const copies = (masks) => [...masks].map((mask) => ({ mask, distance: distances[mask] }));
    closest.draw(state.result, copies(order.slice(0, Math.min(SHOWN, n))));
    farthest.draw(state.result, copies(order.slice(Math.max(0, n - SHOWN), n)).reverse());
  });
  return el("div", { id: "sheet" },
    el("section", { class: "sheet closest" }, el("h2", {}, "Closest copies"), closest.element),
    el("section", { class: "sheet farthest" }, el("h2", {}, "Farthest copies"), farthest.element));
}
