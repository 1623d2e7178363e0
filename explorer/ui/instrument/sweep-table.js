// What the p_keep pilot found: a row for each value, and what they say together.
import { el } from "./dom.js";

const HEADS = ["Map", "p_keep", "Spread of the distances", "9 in 10 lie between", "Agreement"];

/** A table of the pilot's tiles; `paint(tile)` makes the button with the map, or what stands in for it. */
export function pilotTable(tiles, paint, { now, verdict, ended }) {
  const rows = tiles.map((tile) => el("tr", {}, el("td", {}, paint(tile)), ...facts(tile, now).map((text) => el("td", {}, text))));
  const said = el("ul", { class: "verdict" }, ...verdict.map((sentence) => el("li", {}, sentence)));
  return el("div", { class: "pilot" },
    el("table", {}, el("caption", {}, "Distances of the masked copies, and how far the maps of two such runs would agree (1 = the same map)."),
      el("thead", {}, el("tr", {}, ...HEADS.map((head) => el("th", { scope: "col" }, head)))), el("tbody", {}, ...rows)),
    el("section", { "aria-label": "What the pilot says", hidden: !ended || !verdict.length }, el("h3", {}, "What it says"), said));
}

function facts({ trial, masking }, now) {
  const p = `${masking.p_keep}${now && near(now.p_keep, masking.p_keep) ? " (as set)" : ""}`;
  if (!trial) return [p, "", "", ""];
  const { spread, band, expected, repeats } = trial;
  return [p, spread.toPrecision(2), band.map((value) => value.toFixed(4)).join(" to "), `${expected.toFixed(2)}${repeats ? "" : ": no pattern"}`];
}

function near(a, b) {
  return Math.abs(a - b) < 1e-9;
}
