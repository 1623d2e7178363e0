// The words' values as a table with bars.
import { el, signed, write } from "../instrument/dom.js";

const EFFECTS = { closer: "closer", apart: "apart", open: "not settled" };

/** A table of one row for each word, in the sentence's order. */
export function wordsTable(words) {
  const rows = words.map(wordRow);
  const table = el("table", { id: "words-table" },
    el("caption", {}, "What each word does to the distance: the share of the close sentences that keep it, less that of the far ones."),
    el("thead", {}, el("tr", {}, ...["Word", "Value", "", "Effect"].map((head) => (head ? el("th", { scope: "col" }, head) : el("td"))))),
    el("tbody", {}, ...rows.map((row) => row.element)));
  const draw = (values, kinds, limit) => rows.forEach((row, i) => row.draw(values[i], kinds[i], limit));
  const mark = (chosen) => rows.forEach((row, i) => row.element.classList.toggle("current", i === chosen));
  const element = el("div", { class: "scrolled", tabindex: 0, role: "region", "aria-label": "The words’ values" }, table);
  return { element, draw, mark };
}

function wordRow(word) {
  const value = el("td", { class: "number" }), bar = el("i"), what = el("td");
  const element = el("tr", {}, el("th", { scope: "row", dir: "auto" }, word), value,
    el("td", { class: "bar" }, el("span", { "aria-hidden": "true" }, bar)), what);
  const draw = (now, kind, limit) => {
    write(value, signed(now));
    write(what, EFFECTS[kind]);
    bar.className = now > 0 ? "closer" : "apart";
    const half = (50 * Math.abs(now)) / limit;
    Object.assign(bar.style, { width: `${half}%`, left: `${now > 0 ? 50 : 50 - half}%` });
  };
  return { element, draw };
}
