// Values of one's own for a sweep: what was typed, as numbers or with what is wrong about it.
import { el, write } from "../instrument/dom.js";

/**
 * Numbers from a typed list.
 * @param {string} text separated by commas, semicolons or spaces, with decimal points
 * @param {{low: number, high: number, whole: boolean, most: number}} own what the sweep takes
 * @returns {{values: ?number[], why: string}} ascending and each once; null for an empty list, and where `why` says what is wrong
 */
export function readValues(text, { low, high, whole, most }) {
  const words = text.split(/[\s,;]+/).filter(Boolean), numbers = words.map(Number);
  const wrong = (why) => ({ values: null, why });
  const odd = words.find((word, i) => !Number.isFinite(numbers[i]));
  if (odd !== undefined) return wrong(`“${odd}” is no number. Write them like this: ${whole ? "2, 8, 32" : "0.2, 0.4"}.`);
  const beyond = numbers.find((number) => number < low || number > high);
  if (beyond !== undefined) return wrong(`${beyond} lies outside ${low} to ${high}.${whole ? "" : " Decimals have a point: 0.2, 0.4."}`);
  if (whole && numbers.some((number) => !Number.isInteger(number))) return wrong("Whole numbers only.");
  const values = [...new Set(numbers)].sort((a, b) => a - b);
  if (values.length > most) return wrong(`${values.length} values are too many to look at side by side; at most ${most}.`);
  return { values: values.length ? values : null, why: "" };
}

/** A box for them; `onchange()` when there are others; `of(sweep)` gives those of a sweep. */
export function ownValues(onchange) {
  const input = el("input", { type: "text", id: "sweep-values", inputmode: "text", autocomplete: "off", "aria-describedby": "sweep-values-limits sweep-values-why" });
  const limits = el("small", { id: "sweep-values-limits" }), why = el("p", { id: "sweep-values-why", class: "why", role: "status", hidden: true });
  const element = el("div", { class: "own" }, el("label", { for: input.id }, "Values of your own"), input, limits, why);
  const texts = new Map();
  let sweep = null;
  const of = ({ key, own }) => readValues(own ? texts.get(key) ?? "" : "", own ?? {});
  const say = () => {
    const wrong = sweep.own ? of(sweep).why : "";
    why.hidden = !wrong;
    write(why, wrong);
    input.setAttribute("aria-invalid", Boolean(wrong));
  };
  input.addEventListener("input", () => {
    texts.set(sweep.key, input.value);
    say();
    onchange();
  });
  const choose = (chosen) => {
    sweep = chosen;
    element.hidden = !sweep.own;
    if (!sweep.own) return;
    const { low, high, whole, most } = sweep.own;
    input.value = texts.get(sweep.key) ?? "";
    write(limits, `${whole ? "Whole numbers, " : ""}${low} to ${high}, at most ${most}, such as ${whole ? `${2 * low}, ${8 * low}` : "0.2, 0.4"}. Empty: the paper’s, and the one set now.`);
    say();
  };
  return { element, of, choose };
}
