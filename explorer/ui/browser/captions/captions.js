// Several captions at once: ranked for the picture, and one click to compare with another of them.
import { el, measured, write } from "../instrument/dom.js";
import { wholeDistance } from "../instrument/maths.js";
import { reach } from "../instrument/pair.js";
import { store } from "../instrument/store.js";

/**
 * Start the list.
 * Props from Python: `most` (captions at once), `longest` (characters of one), and `ranked`
 * ({picture_sha256, encoder, rows: [{caption, whole, reference_length, notices}], refused: [{caption, reason}]}).
 * Triggers `asked` with {text}, a caption on each line, and `chosen` with the {caption} to compare with.
 */
export function mount(element, props, trigger, watch) {
  const text = el("textarea", { id: "captions-text", rows: 4, maxlength: props.most * (props.longest + 1), placeholder: "a dog\na cat\na cup of coffee" });
  const rank = el("button", { type: "button", id: "rank-captions", onclick: () => trigger("asked", { text: text.value }) }, "Rank them for this picture");
  const list = el("ol", { class: "ranked" }), hint = el("small", { hidden: true });
  const draw = () => {
    const { selection, words, result } = store.state;
    if (!props.ranked || !words) return;
    const rows = props.ranked.rows.map((row) => ({ ...row, distance: wholeDistance(row, selection.distance) })).sort((a, b) => a.distance - b.distance);
    const { picture_sha256: picture, encoder, refused } = props.ranked;
    const { low, high, farthest } = reach({ encoder: { key: encoder } }, selection.distance, words), bounded = low != null && high != null;
    const place = (distance) => (bounded ? Math.min(1, Math.max(0, (distance - low) / (high - low))) : null);
    list.replaceChildren(...rows.map((row) => item(row, place(row.distance), result, (caption) => trigger("chosen", { caption }))),
      ...refused.map(unread));
    hint.hidden = !rows.length;
    const same = picture === result?.picture_sha256 && encoder === result?.encoder.key;
    write(hint, `${same ? "" : "About another picture or encoder than the maps are. "}Closest first, by ${words.distances[selection.distance].label}${bounded ? `; each line runs from ${low} same to ${high} ${farthest}` : ""}.`);
  };
  element.querySelector(".captions-root").append(
    el("fieldset", { "data-control": "caption" },
      el("details", { id: "several-captions" }, el("summary", {}, "Rank several captions"),
        el("label", { for: text.id }, `One on each line, at most ${props.most}`), text, rank, hint, list)),
  );
  watch("ranked", draw);
  store.subscribe(["result", "selection", "words"], draw);
}

/** A caption, with its place (0 to 1) between the ends that this encoder's distances can reach; null where there are none. */
function item({ caption, distance, notices }, place, result, choose) {
  const now = result?.caption === caption, dot = el("i");
  dot.hidden = place == null || Number.isNaN(place);
  if (!dot.hidden) dot.style.left = `${100 * place}%`;
  const button = now ? el("span", { class: "now" }, "on screen") : el("button", { type: "button", "aria-label": `Explain “${caption}”`, onclick: () => choose(caption) }, "Explain");
  return el("li", { "aria-current": now && "true" }, el("span", { class: "caption" }, caption), button,
    el("span", { class: "gauge", "aria-hidden": "true", hidden: place == null }, dot), el("span", { class: "number" }, measured(distance)),
    ...notices.map((notice) => el("small", {}, notice)));
}

/** A line that could not be ranked, and why. */
function unread({ caption, reason }) {
  return el("li", { class: "unread" }, el("span", { class: "caption" }, caption), el("span", {}, "not ranked"), el("small", {}, reason));
}
