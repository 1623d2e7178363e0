// A link to what is on screen, to be copied, and what it cannot bring.
import { el } from "../instrument/dom.js";

/** Start the component. Props from Python: `link` ({query, notes}). */
export function mount(element, props, trigger, watch) {
  const address = el("input", { type: "text", id: "address", readonly: true });
  const copy = el("button", { type: "button", id: "copy-link" }, "Copy"), said = el("span", { role: "status" });
  const notes = el("ul", { id: "link-notes" }), row = el("p", { hidden: true });
  row.append(el("label", { for: "address" }, "Link"), address, copy, said);
  element.querySelector(".share-link-root").append(row, notes);
  watch("link", () => {
    if (!props.link) return;
    address.value = new URL(`?${props.link.query}`, document.baseURI).href; // the page knows best where it was reached
    notes.replaceChildren(...props.link.notes.map((note) => el("li", {}, note)));
    row.hidden = false;
    said.textContent = "";
    address.focus();
    address.select();
  });
  copy.addEventListener("click", async () => {
    address.select();
    try {
      await navigator.clipboard.writeText(address.value);
      said.textContent = "Copied.";
    } catch {
      said.textContent = "This browser does not let the page copy; press Ctrl C."; // also where there is no clipboard
    }
  });
}
