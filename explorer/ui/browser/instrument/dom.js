// Elements from data: text stays text, so nothing a visitor typed can become markup.

/** Make an element: `el("p", { class: "words", onclick: f }, "text", child)`. */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null && child !== false));
  return element;
}

/** Give an element another text; the same one again would cost a layout, and another node a look at more of the page's style. */
export function write(element, text) {
  const { firstChild, textContent } = element;
  if (textContent === text) return;
  if (text && firstChild instanceof Text && !firstChild.nextSibling) firstChild.data = text;
  else element.textContent = text;
}

/** Name an element for screen readers; the same name again would cost its place in the accessibility tree. */
export function name(element, text) {
  if (element.getAttribute("aria-label") !== text) element.setAttribute("aria-label", text);
}

/** A labelled range input; `show` says what stands beside it for a value. */
export function slider(name, label, { min, max, step, value, hint, show = String }, oninput) {
  // Silent: the input's own aria-valuetext is read out already.
  const output = el("output", { for: `instrument-${name}`, "aria-live": "off" }, show(value));
  const input = el("input", { type: "range", id: `instrument-${name}`, min, max, step, value });
  input.addEventListener("input", () => {
    set(Number(input.value));
    oninput(Number(input.value));
  });
  const set = (next) => {
    input.value = next;
    write(output, show(next));
    input.setAttribute("aria-valuetext", show(next));
  };
  set(value);
  const element = el("fieldset", { class: "slider", "data-control": name },
    el("label", { for: `instrument-${name}` }, label), output, input, hint && el("small", {}, hint));
  return { element, input, set };
}

/** Which way an arrow key goes. */
export const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** A distance; that of something without length has no angle. */
export function measured(distance) {
  return Number.isFinite(distance) ? distance.toFixed(4) : "undefined";
}

/** How much larger than usual text is on this page: canvases do not grow with it by themselves. */
export function textScale() {
  return parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
}

/** A share as people write it: 10 %, 2.5 %. */
export function percent(share) {
  return `${Number((100 * share).toFixed(1))} %`;
}

/** A signed number with as many digits as it needs. */
export function signed(value, digits = 2) {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;
}

/** Why a map shows nothing, or ""; `sentences` are Python's. */
export function flatWords({ noSignal, n }, sentences) {
  if (!noSignal) return "";
  return noSignal === "flat" && n === 1 ? "One mask alone cannot be ranked." : sentences[noSignal];
}

/** How many masks there are of a group that Python names, "count as close" or "in this slice". */
export function counted(n, group) {
  return `${n} ${n === 1 ? group.replace(/^count /, "counts ") : group}`;
}
