// What runs and the one Stop, at the foot of the window, while neither a run's own Stop nor that beside Run is in sight.
import { el, write } from "../instrument/dom.js";

const LOOK = 300; // ms between two looks at what runs: it is told in many places, some of which are not there yet
const RUNS = ".status .bar, .progress:not([hidden]) .bar:not([hidden])";
const STOPS = "#stop, .card .stop, #stop-sweep";

/** Start it. */
export function mount(element) {
  const said = el("span"), stop = el("button", { type: "button", onclick: () => document.getElementById("stop")?.click() }, "Stop");
  const bar = el("div", { class: "running", role: "group", "aria-label": "What runs", hidden: true }, said, stop);
  element.querySelector(".running-root").append(bar);
  const look = () => {
    const runs = document.querySelector(RUNS);
    bar.hidden = !runs || [...document.querySelectorAll(STOPS)].some(inSight);
    if (!bar.hidden) write(said, wordsOf(runs));
  };
  setInterval(look, LOOK);
}

/** How far a run is, after the question of its card, where it has one. */
function wordsOf(run) {
  const title = run.closest(".card")?.querySelector("h3")?.textContent;
  return `${title ? `${title} ` : ""}${run.parentElement.textContent.trim()}`;
}

function inSight(button) {
  const { top, bottom, width } = button.getBoundingClientRect();
  return width > 0 && top >= 0 && bottom <= innerHeight && button.checkVisibility();
}
