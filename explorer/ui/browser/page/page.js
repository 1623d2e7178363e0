// What belongs to the whole page: the way past the controls, the voice for screen readers, and how a phone begins.
import { el } from "../instrument/dom.js";
import { voice } from "./announce.js";

const NARROW = "(max-width: 768px)";

/** Start the component. Props from Python: `main`, the id of what the skip link leads to. */
export function mount(element, props) {
  const skip = el("a", { class: "skip", href: `#${props.main}`, onclick: (event) => {
    event.preventDefault(); // the address is the state's
    const main = document.getElementById(props.main);
    main.tabIndex = -1;
    main.focus();
    main.scrollIntoView();
  } }, "Skip to the maps");
  element.querySelector(".page-root").append(skip, voice);
  if (matchMedia(NARROW).matches) fold(document.querySelector("#masks > button"));
}

/** Close an accordion, which on a phone would push the maps far down. */
function fold(button) {
  if (button?.classList.contains("open")) button.click();
}
