// One pixel's value explained: which of the copies that count kept it, and which hid it.
import { copyRow } from "./copies.js";
import { el, flatWords, signed, write } from "./dom.js";
import { ANYWHERE, follow } from "./follow.js";
import { cellOf, maskValues } from "./maths.js";
import { onScreen } from "./stage.js";

const SHOWN = 3;
const GROUPS = [["close", "kept"], ["close", "hid"], ["far", "kept"], ["far", "hid"]];

/** Build the panel; it is empty until a place is asked about. */
export function inspectPanel() {
  const sum = el("p", { class: "sum", id: "inspect-sum", "aria-live": "off" });
  const rows = GROUPS.map(() => {
    const heading = el("h3"), row = copyRow(SHOWN, "none");
    return { heading, row, element: el("section", {}, heading, row.element) };
  });
  const body = el("div", { class: "groups", hidden: true }, ...rows.map((r) => r.element));
  const hint = el("p", { class: "hint" }, "Click the large map, or move its cross with the arrow keys, to see which masks made that place's value.");
  let told = null;
  const draw = (state) => {
    const asked = state.pixel;
    sum.setAttribute("aria-live", asked === told ? "off" : "polite"); // a drag would chatter
    told = asked;
    hint.hidden = Boolean(asked);
    body.hidden = !asked;
    if (!asked) return write(sum, "");
    const shown = onScreen(state), { groups: called } = state.words.meanings[shown.meaning];
    const found = inspect(state.result, shown, asked, called);
    body.hidden = !found;
    write(sum, found ? flatWords(shown, state.words.flat) || found.sentence : "The encoder does not see this part of the picture.");
    if (!found) return undefined;
    rows.forEach(({ heading, row, element }, i) => {
      const group = found.groups[i], [side, act] = GROUPS[i], name = called[side === "close" ? 0 : 1];
      element.hidden = !name;
      heading.textContent = `${name && name[0].toUpperCase() + name.slice(1)}, ${act} it: ${group.length}`;
      row.draw(state.result, group.slice(0, SHOWN));
    });
    return undefined;
  };
  const panel = el("section", { class: "inspect", id: "inspect", "aria-label": "Why this place" },
    el("h2", {}, "Why is this place coloured?"), hint, sum, body);
  follow(panel, ["result", "selection", "upto", "pixel"], draw, ANYWHERE);
  return panel;
}

/** The place's value as what the copies on one side kept of it less what those on the other kept; what they are called. */
function inspect(result, { weights, distances, order, map, n }, place, called) {
  const cell = cellOf(result, place);
  if (!cell) return null;
  const [row, column] = cell, [, w] = result.size;
  const kept = maskValues(result.masks, n, row, column);
  const groups = GROUPS.map(([side, act]) => [...order].filter((i) => i < n && belongs(weights[i], kept[i], side, act))
    .map((mask) => ({ mask, distance: distances[mask], note: `adds ${signed(weights[mask] * kept[mask], 4)}` })));
  groups[2].reverse(); // the farthest first
  groups[3].reverse();
  return { groups, sentence: sentence(weights, kept, n, map[row * w + column], called) };
}

function belongs(weight, kept, side, act) {
  return (side === "close" ? weight > 0 : weight < 0) && (kept >= 0.5) === (act === "kept");
}

function sentence(weights, kept, n, value, [near, away]) {
  let close = 0, far = 0, all = 0, copies = 0, against = 0;
  for (let i = 0; i < n; i++) {
    all += kept[i] / n;
    if (weights[i] > 0) [close, copies] = [close + weights[i] * kept[i], copies + 1];
    if (weights[i] < 0) [far, against] = [far - weights[i] * kept[i], against + 1];
  }
  const share = (part) => `${Math.round(100 * part)} %`;
  const parts = [
    copies && `the ${those(copies, near, copies === 1 ? "copy " : "copies ")} kept ${share(close)} of it`,
    against && `the ${those(against, away, copies ? "" : against === 1 ? "copy " : "copies ")} kept ${share(far)}${copies ? "" : " of it"}`,
    !(copies && against) && `all ${n} copies together ${share(all)}`,
  ].filter(Boolean);
  return `Value here ${signed(value, 3)}: ${parts.join("; ")}.`;
}

function those(n, group, noun = "") {
  return `${n} ${noun}${group.replace(/^count /, n === 1 ? "that counts " : "that count ")}`;
}
