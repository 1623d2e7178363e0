// Rows of masked copies, drawn from grids and the picture; nothing is asked of the server.
import { pointed } from "./copy.js";
import { el, measured, write } from "./dom.js";
import { paintCopy } from "./paint.js";
import { scored, seenIn } from "./seen.js";

/** A row of a fixed number of copies; `draw(result, [{mask, distance, note}])` fills it. */
export function copyRow(size, nothing = "") {
  const places = Array.from({ length: size }, () => {
    const canvas = el("canvas", { role: "img", "aria-label": "" }), number = el("span"), label = el("span", { class: "label" });
    const figure = el("figure", { hidden: true }, canvas, el("figcaption", {}, number, label));
    const place = { canvas, number, label, figure, shown: null, mask: null };
    pointed(figure, () => place.mask);
    return place;
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
      Object.assign(place, { shown, mask: copy.mask });
      const [likeliest] = seenIn(result, copy.mask), label = likeliest ? `${likeliest.name} ${scored(result, likeliest)}` : "";
      const text = [measured(copy.distance), copy.note].filter(Boolean).join(" · ");
      write(place.number, text);
      write(place.label, likeliest?.name ?? "");
      place.label.title = label;
      place.canvas.setAttribute("aria-label", `masked copy ${copy.mask + 1}, distance ${text}${label && `, seen as ${label}`}`);
    });
  };
  return { element, draw };
}
