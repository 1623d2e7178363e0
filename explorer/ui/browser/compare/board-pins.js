// Results kept for comparison; they live in the page's state, wherever the button that pinned them stands.
import { modeWords, referenceName } from "./board-words.js";
import { el } from "../instrument/dom.js";
import { store } from "../instrument/store.js";
import { view } from "../instrument/views.js";

export const MOST = 8;
let made = 0;

/** A button that keeps the result on screen as it is looked at now, and says how many are kept. */
export function pinButton() {
  // Not disabled when full: a button that goes dead under the finger takes the keyboard's place with it.
  const button = el("button", { type: "button" }, "Pin this result");
  const said = el("span", { role: "status" });
  button.addEventListener("click", () => { said.textContent = pin(); });
  const allow = ({ result }) => { button.disabled = !result; };
  const count = ({ pins }) => { said.textContent = pins.length ? `${pins.length} of at most ${MOST} pinned, on the Compare tab.` : ""; };
  store.subscribe(["result"], allow);
  store.subscribe(["pins"], count); // alone: what was answered to a press stays while masks come in
  allow(store.state);
  count(store.state);
  return el("div", { class: "pin" }, button, said);
}

/** Freeze what is on screen; returns what came of it where nothing changed. */
function pin() {
  const { pins, result, selection, upto, words } = store.state;
  const known = pins.find((p) => p.result === result && p.upto === upto && JSON.stringify(p.selection) === JSON.stringify(selection));
  if (known) return `Pinned already, as “${known.title}”.`;
  if (pins.length === MOST) return `${MOST} pins are the most this page keeps; remove one on the Compare tab first.`;
  made += 1;
  const title = `${made}. ${referenceName(result)}, ${modeWords(selection, words)}`;
  const explanation = view(result, selection, upto); // kept with it: the shared views are soon forgotten
  store.set({ pins: [...pins, { id: `pin-${made}`, result, selection, upto, title, explanation }] });
  return "";
}

/** Put back pins as they were. */
export function putBack(pins) {
  made = Math.max(made, ...pins.map(({ id }) => Number(id.replace("pin-", ""))));
  store.set({ pins: pins.map((p) => ({ ...p, explanation: view(p.result, p.selection, p.upto) })) });
}

/** Give a pin another name. */
export function rename(id, title) {
  store.set({ pins: store.state.pins.map((p) => (p.id === id ? { ...p, title } : p)) });
}

/** Forget a pin. */
export function unpin(id) {
  store.set({ pins: store.state.pins.filter((p) => p.id !== id) });
}
