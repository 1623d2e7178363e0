// Rows of masked copies, drawn from grids and the picture; nothing is asked of the server.
import { el, measured } from "./dom.js";
import { paintCopy } from "./paint.js";

/** A row of a fixed number of copies; `draw(result, [{mask, distance, note}])` fills it. */
export function copyRow(size, nothing = "") {
  const places = Array.from({ length: size }, () => {
    const canvas = el("canvas", { role: "img", "aria-label": "" }), caption = el("figcaption");
    return { canvas, caption, shown: null, figure: el("figure", { hidden: true }, canvas, caption) };
  });
  const none = el("p", { class: "none", hidden: true }, nothing);
  const element = el("div", { class: "copies" }, ...places.map((place) => place.figure), none);
  const draw = (result, copies) => {
    none.hidden = Boolean(copies.length);
    places.forEach((place, i) => {
      const copy = copies[i];
      place.figure.hidden = !copy;
      if (!copy) return;
      const shown = `${result.id}/${copy.mask}`;
      if (place.shown !== shown) paintCopy(place.canvas, result, copy.mask);
      place.shown = shown;
      const text = [measured(copy.distance), copy.note].filter(Boolean).join(" · ");
      place.caption.textContent = text;
      place.canvas.setAttribute("aria-label", `masked copy ${copy.mask + 1}, distance ${text}`);
    });
  };
  return { element, draw };
}
