// Results side by side: what is on screen and what was pinned, on one scale, and the difference of any two.
import { colourBar, differenceFigure, drawMap, follow, lookBar } from "./board-parts.js";
import { MOST, pinButton, rename, unpin } from "./board-pins.js";
import { differences, modeWords, pictureName, referenceName, whyNoDifference } from "./board-words.js";
import { el, measured } from "../instrument/dom.js";
import { wholeDistance } from "../instrument/maths.js";
import { store } from "../instrument/store.js";
import { sharedLimit, view } from "../instrument/views.js";

export { pinButton };

const CARD = 240;
const LARGE = 448;
const LIVE = "live";

/** Start the board. Props from Python: `fills`, the labels of what hidden pixels become. */
export function mount(element, props) {
  const root = element.querySelector(".board-root");
  const look = lookBar("pins"), bar = colourBar("All maps on one scale"), cards = cardGrid(), pair = pairPanel(props.fills);
  const empty = el("p", { class: "empty" },
    "Nothing is pinned yet. Pin this result, then turn a control, choose another example or run something else: the two stay side by side here.");
  root.append(pinButton(),
    el("p", { class: "note" }, `At most ${MOST} pins. They live in this tab: nothing is sent, and closing it forgets them.`),
    look.element, cards.element, bar.element, empty, pair.element);
  follow(root, ["result", "selection", "upto", "opacity", "hatch", "pins"], (state) => {
    const all = [onScreen(state), ...state.pins], limit = sharedLimit(all.map((card) => card.explanation));
    look.draw(state);
    cards.draw(all, limit, state);
    bar.draw(limit, all.map((card) => card.explanation));
    empty.hidden = Boolean(state.pins.length);
    pair.draw(all, state);
  });
}

/** What is on screen, as if it were pinned. */
function onScreen({ result, selection, upto }) {
  return { id: LIVE, result, selection, upto, title: "on screen now", explanation: view(result, selection, upto) };
}

/** The cards, kept while their pins are, so that a label being typed keeps its cursor. */
function cardGrid() {
  const known = new Map(), element = el("ul", { class: "cards", "aria-label": "Results to compare" });
  const draw = (all, limit, state) => {
    for (const { id } of all) if (!known.has(id)) known.set(id, card(id));
    for (const id of [...known.keys()].filter((key) => !all.some((c) => c.id === key))) {
      known.get(id).element.remove();
      known.delete(id);
    }
    for (const shown of all) {
      const { element: place, draw: fill } = known.get(shown.id);
      if (!place.parentNode) element.append(place);
      fill(shown, limit, state);
    }
  };
  return { element, draw };
}

function card(id) {
  const canvas = el("canvas", { role: "img", "aria-label": "no map yet" });
  const distance = el("b"), facts = el("p", { class: "facts" });
  const label = id === LIVE ? el("h3", {}, "On screen now") : el("input", { type: "text", maxlength: 60, "aria-label": "Label of this pin" });
  const remove = id === LIVE ? null : el("button", { type: "button", class: "remove" }, "Remove");
  let named = "", painted = "";
  if (remove) {
    label.addEventListener("change", () => {
      label.value = label.value.trim() || named;
      rename(id, label.value);
    });
    remove.addEventListener("click", () => {
      unpin(id);
      element.closest(".board-root").querySelector(".pin button").focus(); // the one pressed goes away
    });
  }
  const element = el("li", { "data-pin": id }, label, canvas, distance, facts, remove);
  const draw = (shown, limit, state) => {
    const { result, selection, explanation, title } = shown;
    named = title;
    const look = [limit, state.opacity, state.hatch, title].join();
    if (id === LIVE || painted !== look) drawMap(canvas, shown, title, { limit, longSide: CARD, state });
    painted = look;
    distance.textContent = `${measured(wholeDistance(result, selection.distance))} ${state.words.distances[selection.distance].label}`;
    facts.textContent = `${pictureName(result)} against ${referenceName(result)}, ${modeWords(selection, state.words)}, ` +
      `${explanation.n} masks${explanation.noSignal ? "; no signal" : ""}`;
    remove?.setAttribute("aria-label", `Remove “${title}”`);
    if (remove && document.activeElement !== label) label.value = title;
  };
  return { element, draw };
}

/** Two cards to choose, their difference, and the settings that make it. */
function pairPanel(fills) {
  const choices = { A: LIVE, B: null };
  const selects = Object.fromEntries(Object.keys(choices).map((side) => [side, el("select", { id: `board-${side}` })]));
  const figure = differenceFigure(LARGE), refused = el("p", { class: "empty" }), list = el("ul", { class: "settings" });
  const differing = el("p"), words = el("div", {}, figure.where, figure.alike, differing, list);
  const shown = el("div", { class: "compared-pair" }, figure.element, words);
  const line = (side) => el("div", { class: "line" }, el("label", { for: `board-${side}` }, side), selects[side]);
  const swap = el("button", { type: "button" }, "Swap A and B");
  const element = el("section", { class: "pair-of-pins", "aria-label": "The difference of two results" },
    el("h3", {}, "What differs"), el("div", { class: "choose" }, line("A"), line("B"), swap), refused, shown);
  const draw = (all, state) => {
    element.hidden = all.length < 2;
    if (element.hidden) return;
    const [a, b] = chosenOf(all, choices);
    for (const [side, { id }] of [["A", a], ["B", b]]) fill(selects[side], all, id);
    refused.textContent = whyNoDifference(a, b);
    refused.hidden = !refused.textContent;
    figure.element.hidden = figure.where.hidden = figure.alike.hidden = Boolean(refused.textContent);
    if (!refused.textContent) figure.draw(a, b, state);
    const found = differences(a, b, state.words, fills);
    differing.textContent = found.length ? "Settings that differ, A against B:" : "No setting differs.";
    list.replaceChildren(...found.map((text) => el("li", {}, text)));
  };
  const choose = (changes) => {
    Object.assign(choices, changes);
    const { state } = store;
    draw([onScreen(state), ...state.pins], state);
  };
  for (const [side, select] of Object.entries(selects)) select.addEventListener("change", () => choose({ [side]: select.value }));
  swap.addEventListener("click", () => choose({ A: selects.B.value, B: selects.A.value }));
  return { element, draw };
}

/** A and B; what was never chosen, or is gone, is what is on screen and the newest pin. */
function chosenOf(all, choices) {
  const find = (id, otherwise) => all.find((c) => c.id === id) ?? otherwise;
  return [find(choices.A, all[0]), find(choices.B, all.at(-1))];
}

function fill(select, all, id) {
  const wanted = all.map((c) => [c.id, c.title]);
  const there = [...select.options].map((option) => [option.value, option.text]);
  if (JSON.stringify(wanted) !== JSON.stringify(there)) {
    select.replaceChildren(...wanted.map(([value, text]) => el("option", { value }, text)));
  }
  select.value = id;
}
