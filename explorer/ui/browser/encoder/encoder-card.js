// The card of the encoder at hand.
import { el } from "../instrument/dom.js";

/** Start the card. Props from Python: `cards` ({key: [[label, text]]}) and `chosen`, the key at first; the window's "encoder" brings others. */
export function mount(element, { cards, chosen }) {
  const list = el("dl");
  const show = (key) => list.replaceChildren(...(cards[key] ?? []).flatMap(([label, text]) => [el("dt", {}, label), el("dd", {}, text)]));
  element.querySelector(".encoder-card-root").append(el("details", { id: "about-encoder" }, el("summary", {}, "About this encoder"), list));
  addEventListener("encoder", ({ detail }) => show(detail));
  show(chosen);
}
