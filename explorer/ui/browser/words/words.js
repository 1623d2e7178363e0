// The Words tab's answer: a sentence coloured by what each of its words does to the distance.
import { el, name, signed, write } from "../instrument/dom.js";
import { shadeOf } from "./words-colour.js";
import { wordsTable } from "./words-table.js";

const ROUNDING = 1e-6; // a value below this, on a scale of 1, is rounding (ROUNDING in explorer/core/agreement.py)
const FAINT = 0.2; // as in describe.js: what is weaker than this share of the strongest is not worth a sentence
const CAVEATS = [
  "What these colours do not say.",
  "They are about this encoder, not about the words’ meaning. A word is only there or not: order and grammar count for " +
  "the encoder, but no colour shows them, and a word can count for what stands beside it. Sentences with words missing " +
  "are odd ones, and the encoder may have read few like them. A small word such as “a” or “of” may only show that odd " +
  "sentences land elsewhere.",
];

/** Start the tab's answer. Prop from Python: `result`, as made by explorer/ui/tabs/words/run.py `answer`, or null. */
export function mount(element, props, trigger, watch) {
  const root = element.querySelector(".words-root");
  for (const box of document.querySelectorAll("#words-sentence textarea, #words-other textarea")) box.dir = "auto";
  const first = el("p", { class: "first" }, "Press “Explain” to see which words bring the sentence closer.");
  const answer = el("div", { class: "answer", hidden: true });
  root.append(first, answer);
  let parts = null, shown = "";
  const draw = () => {
    const { result } = props;
    if (!result) return;
    const key = JSON.stringify([result.words, result.cut]);
    if (key !== shown) {
      shown = key;
      parts = lay(result);
      answer.replaceChildren(...parts.elements);
      first.hidden = true;
      answer.hidden = false;
    }
    parts.draw(result);
  };
  watch("result", draw);
  draw();
}

/** The parts of an answer about one sentence; its values may still change. */
function lay(result) {
  const about = el("p", { class: "compared" }), flat = el("p", { class: "flat", role: "status", hidden: true });
  const said = el("p", { id: "words-said" }), noise = el("p", { class: "noise" }), notices = el("ul", { class: "notices" });
  const low = el("span"), high = el("span"), ends = el("div", { class: "ends-of" });
  const table = wordsTable(result.words), line = sentenceLine(result, table);
  const key = el("p", { class: "how" }, "Underlined: the word brings the sentence closer. Dashed: it pushes it apart. No line: not settled, or nothing.");
  const bar = el("div", { class: "colour-bar", "aria-hidden": "true" }, low, el("i"), high);
  const draw = (now) => {
    const limit = limitOf(now.values);
    const kinds = now.values.map((value) => kindOf(value, now));
    drawAbout(about, now);
    flat.hidden = !now.noSignal;
    write(flat, now.noSignal && `No signal. ${now.noSignal}`);
    line.draw(now.values, kinds, limit);
    table.draw(now.values, kinds, limit);
    write(said, now.noSignal ? "" : inWords(now, kinds));
    write(noise, noiseWords(now));
    write(low, `pushes apart ${signed(-limit)}`);
    write(high, `${signed(limit)} brings closer`);
    ends.replaceChildren(copies("Closest", "near", now), copies("Farthest", "far", now));
    notices.replaceChildren(...now.notices.map((notice) => el("li", {}, notice)));
  };
  const [title, text] = CAVEATS;
  const elements = [about, flat, line.element, bar, key, said, table.element, noise, notices, ends,
    el("p", { class: "caveats" }, el("strong", {}, title), ` ${text}`)];
  return { elements, draw };
}

function limitOf(values) {
  const most = Math.max(0, ...values.map(Math.abs));
  return most > ROUNDING ? most : 1;
}

/** What can be said of a word: closer, apart, or neither where that may be chance. */
function kindOf(value, { chance }) {
  if (Math.abs(value) <= Math.max(2 * chance, ROUNDING)) return "open";
  return value > 0 ? "closer" : "apart";
}

function drawAbout(place, { reference: { label, picture }, encoder, whole }) {
  const what = picture ? [el("img", { src: picture, alt: "the picture it is compared with" })] : [el("q", {}, label.slice(1, -1))];
  place.replaceChildren("Compared with ", ...what, ` by ${encoder}: the whole sentence lies at distance `, el("b", {}, whole.toFixed(4)), ".");
}

/** The sentence: one stop for the Tab key, and the arrow keys go from word to word. */
function sentenceLine({ words, spaced, cut }, table) {
  const told = el("p", { class: "told", "aria-hidden": "true" }, "Point at a word, or move along with the arrow keys, to read its value.");
  const chips = words.map((word, i) => el("button", { type: "button", class: "word", tabindex: i ? -1 : 0 }, word));
  const line = el("p", { class: "line-of-words", dir: "auto", role: "group", "aria-label": "The sentence, word by word" },
    ...chips.flatMap((chip, i) => (spaced[i] && i ? [" ", chip] : [chip])), cut && " ", cut && el("s", {}, cut));
  const point = (i) => {
    write(told, chips[i].getAttribute("aria-label"));
    table.mark(i);
  };
  chips.forEach((chip, i) => {
    for (const event of ["pointerenter", "focus", "click"]) chip.addEventListener(event, () => point(i));
  });
  line.addEventListener("keydown", (event) => {
    const to = goal(event.key, chips.indexOf(document.activeElement), chips.length, getComputedStyle(line).direction === "rtl");
    if (to == null) return;
    event.preventDefault();
    for (const [i, chip] of chips.entries()) chip.tabIndex = i === to ? 0 : -1;
    chips[to].focus();
  });
  const draw = (values, kinds, limit) => {
    chips.forEach((chip, i) => {
      chip.className = `word ${kinds[i]}`;
      Object.assign(chip.style, shadeOf(values[i] / limit));
      name(chip, `${words[i]}: ${signed(values[i])}, ${KINDS[kinds[i]]}`);
    });
  };
  return { element: el("div", { class: "sentence" }, line, told), draw };
}

/** What a word does, in words. */
const KINDS = { closer: "brings it closer", apart: "pushes it apart", open: "not settled" };

function goal(key, at, count, rightToLeft) {
  const [back, on] = rightToLeft ? ["ArrowRight", "ArrowLeft"] : ["ArrowLeft", "ArrowRight"];
  const steps = { [back]: at - 1, [on]: at + 1, Home: 0, End: count - 1 };
  return key in steps && at >= 0 ? Math.min(Math.max(steps[key], 0), count - 1) : null;
}

/** The strongest word of each side, where it is settled and not faint. */
function inWords({ words, values }, kinds) {
  const strongest = limitOf(values), parts = [];
  for (const [kind, verb] of [["closer", "brings the sentence closer most"], ["apart", "pushes it apart most"]]) {
    const most = Math.max(...values.map((value, i) => (kinds[i] === kind ? Math.abs(value) : 0)));
    if (most >= FAINT * strongest) parts.push(`“${words[values.findIndex((value, i) => kinds[i] === kind && Math.abs(value) === most)]}” ${verb}`);
  }
  return parts.length ? `${parts.join(", and ")}.` : "No word is settled yet.";
}

function noiseWords({ all, done, wanted, chance, counted: [near, far], noSignal }) {
  const counts = `${near} masks count as close, ${far} as far.`;
  if (noSignal) return "";
  if (all && done === wanted) return `Every way of hiding words was tried once (${done} masks), so chance plays no part. ${counts}`;
  return `${done} of ${wanted} masks: chance alone moves a word by about ±${chance.toFixed(3)}. Words within two such steps of zero are not settled. ${counts}`;
}

/** Masked sentences from one end of the ranking. */
function copies(title, side, now) {
  return el("section", { class: side }, el("h3", {}, `${title} masked sentences`),
    el("ol", {}, ...now[side].map(({ text, distance }) => el("li", { dir: "auto" },
      text ? el("span", {}, text) : el("em", {}, "(no word left)"), " ", el("small", {}, distance.toFixed(4))))));
}
