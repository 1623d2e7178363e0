// The two things compared and the distance between them.
import { el, measured, write } from "./dom.js";
import { wholeDistance } from "./maths.js";
import { COMPARED, PICTURE, seenList } from "./seen.js";
import { store } from "./store.js";

const SHORT = 40;

/**
 * How far apart two embeddings of a result's encoder can lie; what a distance without ends leaves open is null.
 * @returns {{low: number|null, high: number|null, farthest: string}} farthest: what two things at the high end are
 */
export function reach({ encoder }, key, { distances, nonnegative }) {
  const { low, high, high_nonnegative: right } = distances[key];
  return nonnegative.includes(encoder.key) ? { low, high: right, farthest: "nothing in common" } : { low, high, farthest: "opposite" };
}

/** Build the panel; it follows the result and the distance. */
export function pairPanel() {
  const explained = el("img", { alt: "the picture being explained" });
  const compared = el("div", { class: "compared" });
  const number = el("b"), label = el("span"), needle = el("i");
  const scale = el("div", { class: "scale", "aria-hidden": "true" }, needle);
  const low = el("span"), high = el("span");
  const ends = el("div", { class: "ends" }, low, high), notices = el("ul", { class: "notices" });
  const own = seenList("What the encoder sees in the picture"), other = seenList("What it sees in what that is compared with");
  const panel = el("section", { class: "pair", id: "pair", "aria-label": "The pair and its distance" },
    el("figure", {}, explained, el("figcaption", {}, "explained")), own.element,
    el("div", { class: "gap" }, number, label, scale, ends),
    other.element, el("figure", {}, compared, el("figcaption", {}, "compared with")), notices);
  let drawn = null;
  store.subscribe(["result"], ({ result, words }) => {
    own.draw(result, PICTURE);
    other.draw(result, COMPARED);
    if (result.reference === drawn) return; // more rows of the same
    drawn = result.reference;
    explained.src = result.picture;
    compared.replaceChildren(result.reference.picture
      ? el("img", { src: result.reference.picture, alt: "the picture it is compared with" })
      : el("blockquote", { tabindex: result.reference.label.length > SHORT && 0 }, result.reference.label)); // a long one scrolls
    const sentences = [...result.notices, ...(result.identical ? [words.identical] : [])];
    notices.replaceChildren(...sentences.map((sentence) => el("li", {}, sentence)));
  });
  store.subscribe(["result", "selection"], ({ result, selection, words }) => {
    if (!result) return;
    const facts = words.distances[selection.distance], distance = wholeDistance(result, selection.distance);
    write(number, measured(distance));
    write(label, facts.label);
    const { low: from, high: to, farthest } = reach(result, selection.distance, words), bounded = from != null && to != null;
    scale.hidden = ends.hidden = !bounded;
    needle.hidden = Number.isNaN(distance);
    if (!bounded) return;
    needle.style.left = `${(100 * Math.min(1, (distance - from) / (to - from)))}%`;
    write(low, `${from} same`);
    write(high, `${to} ${farthest}`);
  });
  return panel;
}
