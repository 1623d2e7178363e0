// What the pilot of the share kept found: a row for each value, and what they say together.
import { el } from "../instrument/dom.js";

/** The pilot among the sweeps. */
export const PILOT = "pilot";

const HEADS = ["Map", "Share kept (p_keep)", "Spread", "9 in 10 between", "Agreement"];
const ABOUT = "Spread, and where 9 in 10 lie: of the masked copies' distances. Agreement: what the maps of two such runs would " +
  "correlate at (1 = the same map). Every mask counts in the maps, by its rank.";

/** A table of the pilot's tiles, with their cells in the first column. */
export function pilotTable(tiles, cells, now) {
  const rows = tiles.map((tile, i) => el("tr", {}, ...[cells[i].element, ...facts(tile, now)].map((part) => el("td", {}, part))));
  return el("table", {}, el("caption", {}, ABOUT),
    el("thead", {}, el("tr", {}, ...HEADS.map((head) => el("th", { scope: "col" }, head)))), el("tbody", {}, ...rows));
}

/** What the pilot says in the end. */
export function verdictWords(sweep) {
  if (!sweep?.verdict.length) return [];
  return [el("h3", {}, "What it says"), el("ul", {}, ...sweep.verdict.map((sentence) => el("li", {}, sentence)))];
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
