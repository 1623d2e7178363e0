// The Compare tab's other methods: which to ask, their maps side by side, and one of them large in Explore.
import { follow } from "./board-parts.js";
import { el, write } from "../instrument/dom.js";
import { isOther, questions } from "../evidence/evidence-ask.js";
import { store } from "../instrument/store.js";
import { toExplore } from "../sweeps/sweep-return.js";

/**
 * Start the section.
 * Props from Python: those of `questions`, and `offers` ([{key, title, about, source, needs}]), `gives` (the keys of the methods that work, by
 * encoder), `more` (what the others take where that can be installed, by encoder) and `preferred` (the keys chosen at first).
 */
export function mount(element, props, trigger, watch) {
  const root = element.querySelector(".methods-root"), choice = methodChoice(props, () => asked.price());
  const open = ({ map, limit, size, title }, { of }) => {
    if (of.id !== store.state.result?.id) {
      return `This map of ${title} is of ${of.label}, and another result is on screen now, so it cannot be laid over that. Compare the methods again.`;
    }
    const note = isOther(of, store.state) ? ` It was asked for ${of.label}, which has changed since.` : "";
    store.set({ other: { of: of.id, title, map, limit, size, note } });
    toExplore();
    return "";
  };
  const asked = questions(props, trigger, watch, { front: choice.element, options: choice.chosen, open });
  root.append(...asked.elements);
  follow(root, ["result", "selection", "upto"], (state) => {
    choice.draw(state.result.encoder.key);
    asked.judge(state);
  });
  follow(root, ["result", "selection", "upto"], asked.price);
}

function methodChoice({ offers, gives, more, preferred }, onchange) {
  const boxes = new Map(offers.map((offer) => [offer.key, methodBox(offer, preferred.includes(offer.key), onchange)]));
  const missing = el("p", { id: "methods-more" });
  const element = el("fieldset", { class: "methods-choice" }, el("legend", {}, "Methods"), missing, ...[...boxes.values()].map((box) => box.element));
  return {
    element,
    chosen: () => ({ methods: [...boxes].filter(([, { input }]) => input.checked && !input.disabled).map(([key]) => key) }),
    draw: (encoder) => {
      const works = gives[encoder] ?? [];
      for (const [key, box] of boxes) box.draw(works.includes(key));
      write(missing, more[encoder] ?? "");
    },
  };
}

function methodBox({ key, title, about, needs }, checked, onchange) {
  const input = el("input", { type: "checkbox", value: key, id: `method-${key}`, checked, onchange }), note = el("small", { id: `method-about-${key}` });
  input.setAttribute("aria-describedby", note.id);
  const element = el("label", { class: "method" }, input, el("span", {}, title), note);
  const draw = (works) => {
    input.disabled = !works;
    note.textContent = works ? about : `needs ${needs.join(" or ")}, which this encoder does not give here`;
  };
  return { element, input, draw };
}
