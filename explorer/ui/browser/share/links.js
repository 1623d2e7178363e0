// What the page's address asks for: Python checks it and sets the controls; the rest is done here.
import { store } from "../instrument/store.js";

const BRUSH = ".slices"; // a slice takes the place of the mode and its threshold
const BRUSHED = ["mode", "threshold"];
const ADVANCED = ["seed", "fill", "precision"];

/**
 * Start the component.
 * Props from Python: `ours` (the names that mean something in an address), `view` ({hide, lock, projector}), and `run`,
 * which says each time it comes that the controls now ask for a result to be run.
 */
export function mount(element, props, trigger, watch) {
  const asked = [...new URLSearchParams(location.search)].filter(([name]) => props.ours.includes(name));
  if (asked.length) trigger("linked", Object.fromEntries(asked));
  watch("view", () => props.view && look(props.view));
  watch("run", () => props.run && settled(() => trigger("asked", {})));
}

/** Once the instrument is there, and two frames later: the selection that came with the wish is then what Python is sent. */
function settled(then) {
  requestAnimationFrame(() => (store.state.words ? requestAnimationFrame(then) : settled(then)));
}

/** Hide and lock for as long as the page is open: by a style, which outlives whatever Gradio draws anew. */
function look({ hide, lock, projector }) {
  const away = [...hide, ...lock];
  document.documentElement.dataset.away = away.join(" "); // for what no control does, but a sweep's tile
  const gone = hide.flatMap((name) => [...ours(name), `#${name.replaceAll("_", "-")}`, `#${name}-tab-button`]);
  if (hide.includes("run")) gone.push("#stop", "#quick-look");
  if (ADVANCED.every((name) => hide.includes(name))) gone.push("#advanced");
  if (BRUSHED.some((name) => away.includes(name))) gone.push(BRUSH);
  const style = document.createElement("style");
  if (gone.length) style.textContent = `:is(${gone.join()}) { display: none !important; }`;
  if (gone.includes(BRUSH)) style.textContent += " .plot { pointer-events: none; }";
  document.head.append(style);
  document.documentElement.classList.toggle("projector", projector);
  const shut = () => {
    [...lock.flatMap(ours), ...(lock.includes("run") ? ["#quick-look"] : [])].forEach((place) => document.querySelectorAll(place).forEach(close));
  };
  // Tabs are laid out when they are first opened.
  if (away.length) new MutationObserver(shut).observe(document.body, { childList: true, subtree: true });
  shut();
}

/** Where a control stands that is no component of Gradio's: on the Explore tab, and again on the Compare tab. */
function ours(name) {
  return [`[data-control="${name}"]`, `[data-control^="board-${name}-"]`];
}

/** A disabled fieldset can still be read, and so can its value. */
function close(control) {
  if (control instanceof HTMLFieldSetElement) control.disabled = true;
  else control.inert = true;
}
