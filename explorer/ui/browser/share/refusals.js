// What the server refuses before any code of ours hears of it is said by Gradio in a box that fades. Here it is said once, and
// stays, under what it is about: the control that was used last, or the row in which that stands beside another.
import { el } from "../instrument/dom.js";

const TEXT = "[data-testid=toast-text]";
const WRONG_KIND = "is no picture; add a JPEG, PNG, WEBP or GIF.";

/** Watch for such boxes. */
export function keepErrors() {
  let place = null;
  for (const name of ["pointerdown", "keydown", "change", "drop", "paste"]) {
    addEventListener(name, ({ target }) => {
      const block = target instanceof Element && target.closest("#workspace .block, #workspace button");
      if (!block || block.closest(".refused")) return;
      place = block.closest(".block") ?? block;
      if (name !== "keydown") noteOf(place)?.remove(); // tried again
    }, true);
  }
  for (const name of ["dragenter", "dragover", "drop"]) addEventListener(name, refuse, true);
  new MutationObserver((changes) => {
    const texts = changes.flatMap(({ addedNodes }) => [...addedNodes]).filter((node) => node instanceof Element)
      .flatMap((node) => [...(node.matches(TEXT) ? [node] : []), ...node.querySelectorAll(TEXT)]);
    for (const text of texts) requestAnimationFrame(() => stay(text, place));
  }).observe(document.body, { childList: true, subtree: true });
}

/** A file that is no picture, dropped on one, would take that away, and Gradio would say nothing of it. */
function refuse(event) {
  const place = event.target.closest?.("#workspace .block:has([data-testid=image])");
  const files = [...(event.dataTransfer?.items ?? [])].filter(({ kind }) => kind === "file");
  if (!place || !files.length || files.some(({ type }) => type.startsWith("image/"))) return;
  event.preventDefault();
  event.stopPropagation();
  if (event.type === "drop") say(place, `${event.dataTransfer.files[0].name} ${WRONG_KIND}`);
}

function stay(text, place) {
  const box = text.closest(".toast-body.error");
  if (!box?.querySelector(".timer") || !place?.isConnected) return; // one without stays by itself
  const said = text.textContent.trim().replace(/^HTTP \d+: /, ""); // Gradio's, before the server's own words
  const [, name] = /^Invalid file type: (.*)\. Only image\/\* allowed\.$/.exec(said) ?? [];
  say(place, name ? `${name} ${WRONG_KIND}` : said);
  box.style.display = "none"; // it would fade for a while
  box.querySelector("[data-testid=toast-close]").click();
  dispatchEvent(new Event("hold")); // the picture that was there may be gone
}

const noteOf = (place) => [...document.querySelectorAll(".refused")].find((note) => note.about === place);

function say(place, words) {
  noteOf(place)?.remove();
  const label = place.querySelector("[data-testid=block-label]")?.textContent.trim();
  const note = el("p", { class: "refused", role: "alert" }, label ? `${label}: ${words} ` : `${words} `,
    el("button", { type: "button", onclick: () => note.remove() }, "Close"));
  note.about = place;
  (place.closest(".row:not(#workspace)") ?? place).after(note);
}
