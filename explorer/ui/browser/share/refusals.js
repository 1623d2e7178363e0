// What the server refuses before any code of ours hears of it is said by Gradio in a box that fades. Here it stays, beside
// what it is about: the control that was used last.
import { el } from "../instrument/dom.js";

const TEXT = "[data-testid=toast-text]";

/** Watch for such boxes. */
export function keepErrors() {
  let place = null;
  for (const name of ["pointerdown", "keydown", "change", "drop", "paste"]) {
    addEventListener(name, ({ target }) => {
      const block = target instanceof Element && target.closest("#workspace .block, #workspace button");
      if (!block || block.closest(".refused")) return;
      place = block.closest(".block") ?? block;
      if (name !== "keydown") noteAt(place)?.remove(); // tried again
    }, true);
  }
  new MutationObserver((changes) => {
    const texts = changes.flatMap(({ addedNodes }) => [...addedNodes]).filter((node) => node instanceof Element)
      .flatMap((node) => [...(node.matches(TEXT) ? [node] : []), ...node.querySelectorAll(TEXT)]);
    for (const text of texts) requestAnimationFrame(() => stay(text, place));
  }).observe(document.body, { childList: true, subtree: true });
}

const noteAt = (place) => (place.nextElementSibling?.matches(".refused") ? place.nextElementSibling : null);

function stay(text, place) {
  const box = text.closest(".toast-body.error");
  if (!box?.querySelector(".timer") || !place?.isConnected) return; // one without stays by itself
  noteAt(place)?.remove();
  const said = text.textContent.trim().replace(/^HTTP \d+: /, ""); // Gradio's, before the server's own words
  const note = el("p", { class: "refused" }, said, " ", el("button", { type: "button", onclick: () => note.remove() }, "Close"));
  place.after(note);
}
