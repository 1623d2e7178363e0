// The Evidence tab: the map on screen, and beside it the questions that can be put to it, each with its price.
import { colourBar, drawMap, follow } from "../compare/board-parts.js";
import { modeWords, pictureName, referenceName } from "../compare/board-words.js";
import { el, write } from "../instrument/dom.js";
import { OWN, questions } from "./evidence-ask.js";
import { store } from "../instrument/store.js";
import { view } from "../instrument/views.js";

const WIDE = 448;

/**
 * Start the tab. Props and triggers are those of `questions`, and `offers` ([{key, title, needs}]), `gives` (the keys of the methods
 * that work, by encoder) and `more` (what the others take where that can be installed, by encoder).
 */
export function mount(element, props, trigger, watch) {
  const root = element.querySelector(".evidence-root");
  const chosen = methodChoice(props, () => {
    asked.judge(store.state);
    asked.price();
  });
  const judged = currentMap(chosen.element), asked = questions(props, trigger, watch, { options: chosen.options });
  root.append(judged.element, el("div", { class: "cards" }, ...asked.elements));
  follow(root, ["result", "selection", "upto", "opacity", "hatch"], (state) => {
    chosen.draw(state.result.encoder.key);
    judged.draw(state);
    asked.judge(state);
  });
  follow(root, ["result", "selection", "upto"], asked.price);
}

/** Whose map of the pair is judged: the one on screen, or another method's. */
function methodChoice({ offers, gives, more }, onchange) {
  const others = offers.filter(({ key }) => key !== OWN), said = el("p", { id: "evidence-method-about", "aria-live": "polite" });
  const choices = new Map(others.map(({ key, title }) => [key, el("option", { value: key }, title)]));
  const select = el("select", { id: "evidence-method", "aria-describedby": said.id }, el("option", { value: OWN }, "the map on screen"), ...choices.values());
  const element = el("div", { class: "option" }, el("label", { for: select.id }, "Put to the test"), select, said);
  let missing = "";
  const say = () => {
    const other = others.find(({ key }) => key === select.value);
    write(said, other ? `${other.title}: ${other.about}. It answers for the same pair; its map is shown where deletion is.` : missing);
  };
  select.addEventListener("change", () => {
    say();
    onchange();
  });
  const draw = (encoder) => {
    const works = gives[encoder] ?? [];
    missing = more[encoder] ?? "";
    for (const { key, title, needs } of others) {
      const option = choices.get(key);
      option.disabled = !works.includes(key);
      option.textContent = option.disabled ? `${title} (needs ${needs.join(" or ")})` : title;
    }
    if (!choices.get(select.value)?.disabled) return void say();
    select.value = OWN;
    say();
    onchange();
  };
  return { element, options: () => ({ method: select.value }), draw };
}

/** The map on screen, small. */
function currentMap(choice) {
  const canvas = el("canvas", { role: "img", "aria-label": "no map yet" }), bar = colourBar(""), about = el("p"), where = el("p", { class: "where" });
  const element = el("section", { class: "judged", "aria-label": "What is judged" }, el("h3", {}, "The map on screen"), about,
    el("figure", {}, canvas, bar.element), where, choice);
  const draw = (state) => {
    const { result, selection, upto, words } = state, explanation = view(result, selection, upto);
    write(about, `${pictureName(result)} against ${referenceName(result)}: ${modeWords(selection, words)}, ${explanation.n} masks`);
    write(where, drawMap(canvas, { result, explanation }, "Map on screen", { limit: explanation.limit, longSide: WIDE, state }));
    bar.draw(explanation.limit, [explanation]);
  };
  return { element, draw };
}
