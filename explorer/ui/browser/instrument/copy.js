// One masked copy looked at: the one under the cursor, or walked to along the ranking.
import { el, measured, slider, write } from "./dom.js";
import { ANYWHERE, follow } from "./follow.js";
import { paintCopy } from "./paint.js";
import { seenList } from "./seen.js";
import { onScreen } from "./stage.js";
import { store } from "./store.js";

/** Build the panel: the copy, its place and distance, what the encoder sees in it, and the way along the ranking. */
export function copyPanel() {
  const shown = card("copy-said"), near = peek(shown.parts[0]);
  const rank = slider("rank", "One copy, by rank", { min: 1, max: 1000, step: 1, value: 1, hint: "Or point at the histogram, or at a copy." },
    (value) => store.set({ copy: onScreen().order[value - 1] }));
  const draw = (state) => {
    const place = shown.draw(state);
    rank.input.max = onScreen(state).n;
    rank.set(place);
    near.draw(state);
  };
  const panel = el("section", { class: "copy", id: "copy", "aria-label": "One masked copy" }, ...shown.parts, rank.element);
  follow(panel, ["result", "selection", "upto", "copy"], draw, ANYWHERE);
  return panel;
}

/** What is shown of the copy that is looked at, the closest where none is; `draw` returns its place in the ranking. */
function card(id, paint = paintCopy) {
  const canvas = el("canvas", { role: "img", "aria-label": "" }), said = el("p", { id }), seen = seenList("What the encoder sees in this copy");
  let painted = "";
  const draw = (state) => {
    const { result, copy } = state, { order, distances, n } = onScreen(state), mask = copy !== null && copy < n ? copy : order[0];
    const place = order.indexOf(mask) + 1, key = `${result.id}/${mask}`;
    if (painted !== key) paint(canvas, result, mask);
    painted = key;
    canvas.setAttribute("aria-label", `masked copy ${mask + 1}`);
    write(said, `${place === 1 ? "The closest" : place === n ? "The farthest" : `Number ${place}`} of ${n} copies: distance ${measured(distances[mask])}`);
    seen.draw(result, mask);
    return place;
  };
  return { parts: [canvas, el("div", {}, said, seen.element)], draw };
}

const AWAY = 14; // pixels from the pointer

/** The same beside the pointer, wherever the panel is, with the copy that is painted there; for the eye only. */
function peek(original) {
  const shown = card(null, (canvas) => {
    [canvas.width, canvas.height] = [original.width, original.height];
    canvas.getContext("2d").drawImage(original, 0, 0);
  });
  const element = el("div", { class: "peek", "aria-hidden": "true", hidden: true }, ...shown.parts);
  document.body.append(element);
  const draw = (state) => element.hidden || shown.draw(state); // with the panel, after every pointed()
  addEventListener("peek", ({ detail: event }) => {
    const away = event.type === "pointerleave";
    if (away && event.pointerType === "touch") return; // which leaves at once; the next touch or scroll ends it
    element.hidden = away || !store.state.result;
    if (element.hidden) return;
    const { width, height } = element.getBoundingClientRect(), right = event.clientX + AWAY, above = event.clientY - AWAY - height;
    element.style.left = `${Math.max(0, right + width < innerWidth ? right : event.clientX - AWAY - width)}px`;
    element.style.top = `${above > 0 ? above : event.clientY + AWAY}px`;
  });
  const hide = () => {
    element.hidden = true;
  };
  addEventListener("keydown", ({ key }) => key === "Escape" && hide());
  addEventListener("scroll", hide, { capture: true, passive: true });
  addEventListener("pointerdown", hide, { capture: true });
  return { draw };
}

/** Look at a copy while the pointer is on something that stands for it. */
export function pointed(element, copyOf) {
  for (const kind of ["pointerenter", "pointermove", "click", "pointerleave"]) {
    element.addEventListener(kind, (event) => {
      const copy = kind === "pointerleave" ? null : copyOf(event);
      if (copy != null) store.set({ copy });
      if (copy != null || kind === "pointerleave") dispatchEvent(new CustomEvent("peek", { detail: event }));
    });
  }
}

/** The copy whose distance is nearest to a value. */
export function copyAt({ order, distances, n }, value) {
  let low = 0, high = n - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (distances[order[middle]] < value) low = middle + 1;
    else high = middle;
  }
  const before = low && value - distances[order[low - 1]] < distances[order[low]] - value;
  return order[low - (before ? 1 : 0)];
}
