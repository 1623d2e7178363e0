// Both directions: the picture explained by its reference, and the reference by the picture.
import { colourBar, drawMap, follow, lookBar } from "./board-parts.js";
import { pictureName, referenceName } from "./board-words.js";
import { el, measured } from "../instrument/dom.js";
import { decode, wholeDistance } from "../instrument/maths.js";
import { loadPictures } from "../instrument/paint.js";
import { store } from "../instrument/store.js";
import { sharedLimit, view } from "../instrument/views.js";

const WIDE = 448;
const SETTLED = 600; // ms without another row before Python is told

/**
 * Start the two directions.
 * Props from Python: `reverse` (the swapped question's result so far; `of` names the result it belongs to).
 * Triggers `shown` when another result has come on screen, or more of it.
 */
export function mount(element, props, trigger, watch) {
  const root = element.querySelector(".board-reverse-root");
  const look = lookBar("reverse"), maps = twoMaps(look.element), empty = el("p", { class: "empty" });
  root.append(empty, maps.element);
  let latest = null, timer = 0;
  const offer = () => {
    const { result, reverse } = store.state, fitting = latest && latest.of === result?.id ? latest : null;
    if (fitting !== reverse) store.set({ reverse: fitting });
  };
  const changed = () => {
    offer(); // a new result drops its reverse, which may be that of the new one too
    clearTimeout(timer);
    timer = setTimeout(() => trigger("shown", {}), SETTLED);
  };
  store.subscribe(["result"], changed);
  changed();
  watch("reverse", async () => {
    if (!props.reverse) return;
    latest = await loadPictures(decode(props.reverse));
    offer();
  });
  follow(root, ["result", "reverse", "selection", "upto", "opacity", "hatch"], (state) => {
    const { result, reverse } = state, byCaption = result.caption != null;
    maps.element.hidden = !reverse;
    empty.hidden = Boolean(reverse);
    empty.textContent = byCaption
      ? "Only a pair of pictures has two directions: a caption has no regions to hide. Compare with another picture first."
      : `So far only ${pictureName(result)} is explained. The other direction hides parts of ${referenceName(result)}, and costs as many masks.`;
    look.draw(state);
    if (reverse) maps.draw(state);
  });
}

function twoMaps(look) {
  const sides = ["A", "B"].map(sideFigure), bar = colourBar("Both maps on one scale"), distance = el("p", { class: "distance" }), some = el("p", { class: "note" });
  const element = el("div", { class: "maps", hidden: true }, look, distance,
    el("div", { class: "two" }, ...sides.map((side) => side.element)), bar.element, some);
  const draw = (state) => {
    const { result, reverse, selection, upto, words } = state;
    const both = [result, reverse].map((r) => ({ result: r, explanation: view(r, selection, upto) }));
    const limit = sharedLimit(both.map((shown) => shown.explanation));
    sides.forEach((side, i) => side.draw(both, i, limit, state));
    bar.draw(limit, both.map((shown) => shown.explanation));
    distance.replaceChildren(el("b", {}, measured(wholeDistance(result, selection.distance))),
      ` ${words.distances[selection.distance].label}, the same in both directions; the maps need not agree.`);
    some.hidden = result.n === reverse.n;
    some.textContent = `A is explained by ${result.n} masks, B by ${reverse.n} so far.`;
  };
  return { element, draw };
}

function sideFigure(name) {
  const canvas = el("canvas", { role: "img", "aria-label": "no map yet" }), names = el("span"), said = el("p", { class: "where" });
  const title = `${name} explained by ${name === "A" ? "B" : "A"}`;
  const element = el("figure", { "data-side": name }, canvas, el("figcaption", {}, el("b", {}, title), names), said);
  const draw = (both, i, limit, state) => {
    const pair = [pictureName(both[0].result), referenceName(both[0].result)];
    names.textContent = `: ${pair[i]} by ${pair[1 - i]}`;
    said.textContent = drawMap(canvas, both[i], `${title}${names.textContent}`, { limit, longSide: WIDE, state });
  };
  return { element, draw };
}
