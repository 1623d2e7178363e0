// One picture, two references: both maps on one scale, and their difference.
import { colourBar, differenceFigure, drawMap, follow, lookBar } from "./board-parts.js";
import { referenceName, sameMasks, whyNoDifference } from "./board-words.js";
import { el, measured } from "../instrument/dom.js";
import { replay } from "../instrument/instrument.js";
import { decode, wholeDistance } from "../instrument/maths.js";
import { loadPictures } from "../instrument/paint.js";
import { store } from "../instrument/store.js";
import { sharedLimit, view } from "../instrument/views.js";

const WIDE = 336;

/**
 * Start the contrast.
 * Props from Python: `rival` (the probe on screen against a second reference), `replayed` (whether there is no probe,
 * because an example is shown), `examples` ([{key, ...}]: shipped results, whose references need no
 * embedding, with those fields of their wires that say what they are).
 */
export function mount(element, props, trigger, watch) {
  const root = element.querySelector(".board-contrast-root");
  const offers = offerRow(props.examples, async (key) => take(await replay(key)));
  const look = lookBar("contrast"), maps = contrastMaps(look.element);
  const empty = el("p", { class: "empty" }, "Nothing to contrast with yet: give a second reference and press Contrast.");
  root.append(offers.element, empty, maps.element);
  let latest = null;
  const offer = () => {
    const { result, rival } = store.state, fitting = latest && result && fits(latest, result) ? latest : null;
    if (fitting !== rival) store.set({ rival: fitting });
  };
  const take = async (wire) => {
    latest = await loadPictures(decode(wire));
    offer();
  };
  store.subscribe(["result"], offer); // a new result drops its rival, which may fit the new one too
  watch("rival", () => props.rival && take(props.rival));
  watch("replayed", () => store.state.result && offers.draw(store.state, props.replayed));
  follow(root, ["result", "rival", "selection", "upto", "opacity", "hatch"], (state) => {
    offers.draw(state, props.replayed);
    maps.element.hidden = !state.rival;
    empty.hidden = Boolean(state.rival);
    look.draw(state);
    if (state.rival) maps.draw(state);
  });
}

/** Whether two results differ in their reference alone. */
function fits(rival, result) {
  return rival.id !== result.id && alike(rival, result) && !whyNoDifference({ result: rival }, { result });
}

function alike(a, b) {
  return a.encoder.key === b.encoder.key && a.precision === b.precision && a.masking.fill === b.masking.fill && sameMasks(a, b);
}

/** The shipped results of the same picture, as buttons. */
function offerRow(examples, onchoose) {
  const row = el("div", { class: "offers" }), needsRun = el("p", { class: "note" });
  const draw = ({ result, rival }, replayed) => {
    const fitting = examples.filter((e) => e.picture_name === result.picture_name && alike(e, result) && referenceName(e) !== referenceName(result));
    const wanted = fitting.map((e) => e.key).join();
    if (row.dataset.keys !== wanted) { // anew only for another picture: the button pressed keeps the keyboard's place
      row.dataset.keys = wanted;
      row.replaceChildren("Embedded already: ", ...fitting.map((e) => el("button", { type: "button", value: e.key, onclick: () => onchoose(e.key) }, referenceName(e))));
    }
    row.hidden = !fitting.length;
    for (const button of row.children) button.setAttribute("aria-pressed", String(rival ? referenceName(rival) === button.textContent : false));
    needsRun.hidden = !replayed;
    needsRun.textContent = `This example was embedded earlier, against its own reference only: any ${fitting.length ? "other" : "second"} one needs Run first.`;
  };
  return { element: el("div", { class: "maps" }, row, needsRun), draw };
}

function contrastMaps(look) {
  const sides = ["A", "B"].map(sideFigure), figure = differenceFigure(WIDE), bar = colourBar("A and B on one scale");
  const some = el("p", { class: "note", hidden: true }), words = el("div", {}, figure.where, figure.alike);
  let told = null;
  const element = el("div", { class: "maps", hidden: true }, look,
    el("div", { class: "three" }, ...sides.map((side) => side.element), figure.element),
    bar.element, words, some);
  const draw = (state) => {
    const { result, rival, selection, upto } = state;
    words.setAttribute("aria-live", rival === told ? "off" : "polite"); // a drag would chatter
    told = rival;
    const n = Math.min(upto ?? Infinity, result.n, rival.n);
    const both = [result, rival].map((r) => ({ result: r, explanation: view(r, selection, n < r.n ? n : null) }));
    const limit = sharedLimit(both.map((shown) => shown.explanation));
    sides.forEach((side, i) => side.draw(both[i], limit, state));
    figure.draw(...both, state);
    bar.draw(limit, both.map((shown) => shown.explanation));
    some.hidden = result.n === rival.n;
    some.textContent = `Both by their first ${n} masks: A has ${result.n}, B ${rival.n}.`;
  };
  return { element, draw };
}

function sideFigure(name) {
  const canvas = el("canvas", { role: "img", "aria-label": "no map yet" }), against = el("span"), distance = el("span");
  const element = el("figure", { "data-side": name }, canvas,
    el("figcaption", {}, el("b", {}, name), " against ", against, el("br"), distance));
  const draw = (shown, limit, state) => {
    const { result } = shown, facts = state.words.distances[state.selection.distance];
    drawMap(canvas, shown, `${name}, against ${referenceName(result)}`, { limit, longSide: WIDE, state });
    against.replaceChildren(...(result.reference.picture ? [el("img", { src: result.reference.picture, alt: "" })] : []), referenceName(result));
    distance.textContent = `${measured(wholeDistance(result, state.selection.distance))} ${facts.label}`;
  };
  return { element, draw };
}
