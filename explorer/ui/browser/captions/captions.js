// Several captions at once: ranked for the picture, and one click to compare with another of them.
import { el, measured, write } from "../instrument/dom.js";
import { wholeDistance } from "../instrument/maths.js";
import { store } from "../instrument/store.js";

/**
 * Start the list.
 * Props from Python: `most` (captions at once), `longest` (characters of one), and `ranked`
 * ({picture_sha256, encoder, rows: [{caption, whole, reference_length, notices}]}).
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
    list.replaceChildren(...rows.map((row) => item(row, rows, result, (caption) => trigger("chosen", { caption }))));
    hint.hidden = false;
    const { picture_sha256: picture, encoder } = props.ranked, same = picture === result?.picture_sha256 && encoder === result?.encoder.key;
    write(hint, `${same ? "" : "About another picture or encoder than the maps are. "}Closest first, by ${words.distances[selection.distance].label}; the bars compare these captions with each other.`);
  };
  element.querySelector(".captions-root").append(
    el("fieldset", { "data-control": "caption" },
      el("details", { id: "several-captions" }, el("summary", {}, "Rank several captions"),
        el("label", { for: text.id }, `One on each line, at most ${props.most}`), text, rank, hint, list)),
  );
  watch("ranked", draw);
  store.subscribe(["result", "selection", "words"], draw);
}

function item({ caption, distance, notices }, rows, result, choose) {
  const [first, last] = [rows[0], rows.at(-1)].map((row) => row.distance), now = result?.caption === caption;
  const share = last > first ? (last - distance) / (last - first) : 1;
  const bar = el("i");
  bar.style.width = `${4 + 96 * share}%`;
  const button = now ? el("span", { class: "now" }, "on screen") : el("button", { type: "button", "aria-label": `Explain “${caption}”`, onclick: () => choose(caption) }, "Explain");
  return el("li", { "aria-current": now && "true" }, el("span", { class: "caption" }, caption), button,
    el("span", { class: "gauge", "aria-hidden": "true" }, bar), el("span", { class: "number" }, measured(distance)),
    ...notices.map((notice) => el("small", {}, notice)));
}
