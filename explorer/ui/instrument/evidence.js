// The Evidence tab: the map on screen, and beside it the questions that can be put to it, each with its price.
import { colourBar, drawMap, follow } from "./board-parts.js";
import { modeWords, pictureName, referenceName } from "./board-words.js";
import { el, write } from "./dom.js";
import { questions } from "./evidence-ask.js";
import { view } from "./views.js";

const WIDE = 448;

/** Start the tab. Props and triggers are those of `questions`. */
export function mount(element, props, trigger, watch) {
  const root = element.querySelector(".evidence-root");
  const judged = currentMap(), asked = questions(props, trigger, watch);
  root.append(judged.element, el("div", { class: "cards" }, ...asked.elements));
  follow(root, ["result", "selection", "upto", "opacity", "hatch"], (state) => {
    judged.draw(state);
    asked.judge(state);
  });
  follow(root, ["result", "selection", "upto"], asked.price);
}

/** The map that is judged, small. */
function currentMap() {
  const canvas = el("canvas", { role: "img", "aria-label": "no map yet" }), bar = colourBar(""), about = el("p"), where = el("p", { class: "where" });
  const element = el("section", { class: "judged", "aria-label": "The map that is judged" }, el("h3", {}, "The map on screen"), about,
    el("figure", {}, canvas, bar.element), where);
  const draw = (state) => {
    const { result, selection, upto, words } = state, explanation = view(result, selection, upto);
    write(about, `${pictureName(result)} against ${referenceName(result)}: ${modeWords(selection, words)}, ${explanation.n} masks`);
    write(where, drawMap(canvas, { result, explanation }, "Map on screen", { limit: explanation.limit, longSide: WIDE, state }));
    bar.draw(explanation.limit);
  };
  return { element, draw };
}
