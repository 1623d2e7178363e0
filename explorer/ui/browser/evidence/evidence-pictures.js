// What the evidence shows as pictures: copies with pixels deleted, and maps of other networks or masks.
import { colourBar } from "../compare/board-parts.js";
import { el, inWords, write } from "../instrument/dom.js";
import { describe } from "../instrument/maths.js";
import { fit, loadPictures, paintMap } from "../instrument/paint.js";

const SIDE = 224;
const LEVELS = 127; // a map is sent as whole numbers from -127 to 127

/** The contact sheet: rows of {title, copies: [{picture, text, alt}]}. */
export function contactSheet() {
  const element = el("div", { class: "sheet-of-copies" });
  const draw = (rows) => element.replaceChildren(...rows.map(({ title, copies }) => (
    el("section", {}, el("h4", {}, title), el("div", { class: "row" }, ...copies.map(({ picture, text, alt }) => (
      el("figure", {}, el("img", { src: picture, alt }), el("figcaption", {}, text)))))))));
  return { element, draw };
}

/**
 * Maps in a row: `draw({picture, box, size, limit, relative, maps: [{values, title, text}]}, report)`; no values, no map. They are on one
 * scale, or `relative`, each to its own strongest value.
 * @param {function} open called with ({map, limit, size, title}, report) where a map is chosen; without it none can be
 */
export function mapStrip(open) {
  const list = el("ol", { class: "strip" }), bar = colourBar(""), scale = el("p"), pictures = new Map();
  bar.element.prepend(scale);
  const element = el("div", {}, list, bar.element);
  let turn = 0;
  const draw = async (strip, report) => {
    const now = ++turn, key = strip.picture;
    if (!pictures.has(key)) pictures.clear();
    pictures.set(key, pictures.get(key) ?? loadPictures({ picture: key, background: "#000000", reference: {} }));
    const { image } = await pictures.get(key);
    if (now !== turn) return; // more maps came while the picture was decoded
    const held = [...list.children].findIndex((item) => item.contains(document.activeElement));
    list.replaceChildren(...strip.maps.map((map) => one(map, { ...strip, image }, open && ((chosen) => open(chosen, report)))));
    if (held >= 0) list.children[held]?.querySelector("button")?.focus();
    write(scale, strip.relative ? "Each map relative to its own strongest value" : "All maps on one scale");
    bar.draw(strip.limit);
  };
  return { element, draw };
}

function one({ values, title, text }, { image, box, size, limit }, open) {
  const canvas = el("canvas", { role: "img" }), result = { image, box, size };
  fit(canvas, result, SIDE);
  const item = el("li", {}, el("figure", {}, canvas, el("figcaption", {}, el("b", {}, title), el("span", {}, text))));
  if (values === null) {
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.setAttribute("aria-label", `Picture, ${title}: ${text}`);
    return item;
  }
  const map = Float32Array.from(atob(values), (letter) => ((letter.charCodeAt(0) << 24) >> 24) * (limit / LEVELS));
  paintMap(canvas, result, map, { limit });
  canvas.setAttribute("aria-label", `Map, ${title}, ${text}. ${inWords(describe(map, ...size)) || "Nothing stands out."}`);
  if (open) {
    const button = el("button", { type: "button", onclick: () => open({ map, limit, size, title }) }, "Open in Explore");
    button.setAttribute("aria-label", `Open the map of ${title} in Explore`);
    item.append(button);
  }
  return item;
}
