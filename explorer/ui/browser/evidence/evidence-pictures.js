// What the evidence shows as pictures: copies with pixels deleted, and maps of other networks or masks.
import { colourBar } from "../compare/board-parts.js";
import { el, write } from "../instrument/dom.js";
import { describe } from "../instrument/maths.js";
import { bytesOf } from "../instrument/masks.js";
import { store } from "../instrument/store.js";
import { fit, loadPictures, paintMap } from "../instrument/paint.js";

const SIDE = 224;
const LEVELS = 32767; // a map is sent as whole numbers of 16 bits

/** The contact sheet: rows of {title, copies: [{picture, text, alt}]}. */
export function contactSheet() {
  const element = el("div", { class: "sheet-of-copies" });
  const draw = (rows) => element.replaceChildren(...rows.map(({ title, copies }) => (
    el("section", {}, el("h4", {}, title), el("div", { class: "row" }, ...copies.map(({ picture, text, alt }) => (
      el("figure", {}, el("img", { src: picture, alt }), el("figcaption", {}, text)))))))));
  return { element, draw };
}

/**
 * Maps in a row: `draw({picture, box, size, limit, most, relative, maps: [{values, title, text}]}, report)`; no values, no map. They are on
 * one scale up to `limit`, with values up to `most`, or `relative`, each to its own scale.
 * @param {function} open called with ({map, limit, size, title}, report) where a map is chosen, and returns why it cannot be opened or "";
 *   without it none can be
 */
export function mapStrip(open) {
  const list = el("ol", { class: "strip" }), bar = colourBar(""), scale = el("p"), why = el("p", { class: "why", role: "status", hidden: true }), pictures = new Map();
  bar.element.prepend(scale);
  const element = el("div", {}, list, why, bar.element);
  let turn = 0;
  const draw = async (strip, report) => {
    const now = ++turn, key = strip.picture;
    if (!pictures.has(key)) pictures.clear();
    pictures.set(key, pictures.get(key) ?? loadPictures({ picture: key, background: "#000000", reference: {} }));
    const { image } = await pictures.get(key);
    if (now !== turn) return; // more maps came while the picture was decoded
    why.hidden = true;
    const held = [...list.children].findIndex((item) => item.contains(document.activeElement));
    const maps = strip.maps.map(({ values, ...map }) => ({ ...map, map: values && unpacked(values, strip.most) }));
    list.replaceChildren(...maps.map((map) => one(map, { ...strip, image }, open && ((chosen) => {
      const refused = open(chosen, report);
      why.hidden = !refused;
      write(why, refused);
    }))));
    if (held >= 0) list.children[held]?.querySelector("button")?.focus();
    write(scale, strip.relative ? "Each map relative to a scale of its own" : "All maps on one scale");
    bar.draw(strip.limit, maps.filter(({ map }) => map));
  };
  return { element, draw };
}

function unpacked(values, most) {
  return Float32Array.from(new Int16Array(bytesOf(values)), (level) => level * (most / LEVELS));
}

function one({ map, title, text }, { image, box, size, limit }, open) {
  const canvas = el("canvas", { role: "img" }), result = { image, box, size };
  fit(canvas, result, SIDE);
  const item = el("li", {}, el("figure", {}, canvas, el("figcaption", {}, el("b", {}, title), el("span", {}, text))));
  if (!map) {
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.setAttribute("aria-label", `Picture, ${title}: ${text}`);
    return item;
  }
  paintMap(canvas, result, map, { limit });
  canvas.setAttribute("aria-label", `Map, ${title}, ${text}. ${describe({ map, limit }, result, store.state.words)}`);
  if (open) {
    const button = el("button", { type: "button", onclick: () => open({ map, limit, size, title }) }, "Open in Explore");
    button.setAttribute("aria-label", `Open the map of ${title} in Explore`);
    item.append(button);
  }
  return item;
}
