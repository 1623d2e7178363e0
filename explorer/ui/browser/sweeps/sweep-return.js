// From a tile to the Explore tab, and back.
import { el } from "../instrument/dom.js";
import { store } from "../instrument/store.js";

let line = null;
let told = null;

/** Open a tab, and put the keyboard there: what was pressed is out of sight now. */
function open(tab) {
  const button = document.getElementById(`${tab}-tab-button`);
  button?.click();
  button?.focus();
}

export function toExplore() {
  open("explore");
}

/** Say on the Explore tab what was loaded, until something else is looked at. */
export function announce(text) {
  line ??= arrivalLine();
  const { result, selection } = store.state;
  told = { id: result.id, selection };
  line.hidden = false;
  requestAnimationFrame(() => { line.firstChild.textContent = text; }); // in sight first, or it is not read out
}

function arrivalLine() {
  const back = el("button", { type: "button", onclick: () => open("sweeps") }, "Back to the sweep");
  const made = el("p", { class: "from-sweep", role: "status", hidden: true }, el("span"), " ", back);
  document.querySelector(".instrument-root").prepend(made);
  store.subscribe(["result", "selection"], ({ result, selection }) => {
    if (result.id === told.id && selection === told.selection) return;
    made.hidden = true;
    made.firstChild.textContent = "";
  });
  return made;
}
