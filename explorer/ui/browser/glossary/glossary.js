// What words mean: as a list, and beside the words themselves, by pointer, keyboard or touch.
import { el, write } from "../instrument/dom.js";

const SETTLED = 150; // ms without a change of the page before marks are looked for

/**
 * Start the glossary.
 * Props from Python: `terms` ([{key, title, about}]) and `places` ([[selector, key]]).
 */
export function mount(element, { terms, places }) {
  const known = new Map(terms.map((term) => [term.key, term])), tip = bubble();
  const sorted = [...terms].sort((a, b) => a.title.localeCompare(b.title));
  element.querySelector(".glossary-root").append(
    el("details", { id: "glossary-list" }, el("summary", {}, "What the words mean"),
      el("dl", {}, ...sorted.flatMap(({ key, title, about }) => [el("dt", {}, title), el("dd", { id: `term-${key}` }, about)]))),
  );
  document.body.append(tip.element);
  const place = () => {
    for (const [selector, key] of places) {
      for (const word of document.querySelectorAll(selector)) {
        if (word.querySelector(".what")) continue;
        keepName(word);
        word.append(mark(known.get(key), tip));
      }
    }
  };
  let timer = 0;
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(place, SETTLED);
  };
  new MutationObserver(later).observe(document.body, { childList: true, subtree: true }); // Gradio draws tabs and labels when it likes
  place();
}

/** Let what a word names be called by the word alone, also with a mark beside it. */
function keepName(word) {
  const named = word instanceof HTMLLegendElement ? word.closest("fieldset") : word.closest("label")?.control;
  if (named && !named.hasAttribute("aria-label")) named.setAttribute("aria-label", word.textContent.trim());
}

/** A mark beside a word; no button, as it often stands inside the label of another control. */
function mark({ key, title, about }, tip) {
  const sign = el("span", { class: "what", role: "button", tabindex: 0, "aria-label": `${title}: what is that?`, "aria-describedby": `term-${key}` });
  const show = () => tip.show(sign, about);
  sign.addEventListener("pointerenter", ({ pointerType }) => pointerType === "mouse" && show());
  sign.addEventListener("pointerleave", ({ pointerType }) => pointerType === "mouse" && tip.leave());
  sign.addEventListener("focus", show);
  sign.addEventListener("blur", tip.hide);
  sign.addEventListener("click", (event) => {
    event.preventDefault(); // the label's control stays as it is
    event.stopPropagation();
    show();
  });
  sign.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    show();
  });
  return sign;
}

/** The one bubble: it stays while it is pointed at, and goes with Escape. */
function bubble() {
  const element = el("div", { class: "meaning", role: "tooltip", hidden: true });
  let timer = 0;
  const hide = () => {
    clearTimeout(timer);
    element.hidden = true;
  };
  const leave = () => {
    timer = setTimeout(hide, 200); // time to go over to it
  };
  const show = (sign, about) => {
    clearTimeout(timer);
    write(element, about);
    element.hidden = false;
    const { left, top, bottom } = sign.getBoundingClientRect(), { width, height } = element.getBoundingClientRect(), room = document.documentElement.clientWidth - 8;
    element.style.left = `${Math.max(8, Math.min(left, room - width))}px`;
    element.style.top = `${bottom + 6 + height < innerHeight ? bottom + 6 : Math.max(8, top - height - 6)}px`;
  };
  element.addEventListener("pointerenter", () => clearTimeout(timer));
  element.addEventListener("pointerleave", leave);
  addEventListener("keydown", ({ key }) => key === "Escape" && hide());
  addEventListener("scroll", hide, { capture: true, passive: true });
  return { element, show, hide, leave };
}
