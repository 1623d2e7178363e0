// Steps 2 and 3 of the tour: what the number means, and what one mask does to it.
import { el, slider } from "../instrument/dom.js";
import { distances, wholeDistance } from "../instrument/maths.js";
import { paintCopy } from "../instrument/paint.js";
import { reach } from "../instrument/pair.js";
import { store } from "../instrument/store.js";
import { choice, compared, figures } from "./tour-parts.js";

const ROUNDS = 3;

export const distance = {
  title: "Distance",
  hides: "distance",
  sentence: "To the encoder each of the two is an arrow, and the distance says how differently they point: 0 the " +
    "same way, 0.5 at right angles, which means nothing in common. (It is the cosine distance, divided by 2.)",
  make(result) {
    let said = null;
    const { high, farthest } = reach(result, "cosine", store.state.words);
    const guessed = slider("tour-distance", "Your guess", {
      min: 0, max: high, step: 0.01, value: high / 2, show: (value) => value.toFixed(2),
    }, (value) => (said = value));
    const scale = el("div", { hidden: true });
    return {
      task: `With this encoder two arrows can be ${high} apart at most: ${farthest}. Is this pair nearer to 0 or to ` +
        `${high}? Move the slider to where you think it is.`,
      element: el("div", {}, figures(explained(result), compared(result)), guessed.element, scale),
      missing: "Move the slider first, or skip this guess.",
      answered: () => said !== null,
      reveal: (predicted) => {
        const value = wholeDistance(result, "cosine"), mine = predicted ? said : null;
        guessed.input.disabled = true;
        scale.replaceWith(ruler(value, mine, high));
        return `${landed(value, high)} ${mine === null ? "" : offBy(Math.abs(mine - value), mine)}`.trim();
      },
    };
  },
};

function explained({ picture }) {
  return el("figure", { class: "compared-with" },
    el("img", { src: picture, alt: "the picture being explained" }), el("figcaption", {}, "explained"));
}

function landed(value, high) {
  const side = value < high / 2 ? `nearer to 0 than to ${high}` : `nearer to ${high} than to 0`;
  return `The distance is ${value.toFixed(4)}, ${side}.`;
}

function offBy(miss, mine) {
  const kind = miss < 0.05 ? "spot on." : miss < 0.15 ? "close!" : "a surprise; now you know this pair better.";
  return `You said ${mine.toFixed(2)}, which is ${miss.toFixed(2)} away: ${kind}`;
}

/** A line from 0 to the farthest there can be, with the distance under it and the guess above. */
function ruler(value, mine, high) {
  const mark = (kind, at, text) => [
    el("i", { class: kind, style: `left: ${(100 * at) / high}%` }),
    el("span", { class: kind, style: `left: clamp(3rem, ${(100 * at) / high}%, 100% - 3rem)` }, text),
  ];
  const guessed = mine === null ? [] : mark("mine", mine, `you ${mine.toFixed(2)}`);
  return el("div", { class: "ruler", id: "tour-ruler", "data-high": high, "aria-hidden": "true" },
    ...guessed, ...mark("true", value, `pair ${value.toFixed(2)}`));
}

export const oneMask = {
  title: "One mask",
  sentence: "A mask hides random parts of the picture, and the encoder measures the distance of the copy that is left.",
  make(result, tour) {
    const whole = wholeDistance(result, "cosine");
    const canvas = el("canvas", { role: "img" }), caption = el("figcaption", { id: "tour-copy" });
    const question = choice("copy", "This copy lies …", [["closer", "closer"], ["farther", "farther"]]);
    const again = el("button", { type: "button", class: "another", hidden: true }, "Another copy");
    let mask = 0, round = 0, right = 0, played = 0;
    const draw = () => {
      [mask, round] = [pick(store.state.result, whole), round + 1];
      paintCopy(canvas, result, mask);
      canvas.setAttribute("aria-label", `masked copy ${mask + 1}`);
      caption.textContent = `copy ${round} of ${ROUNDS}`;
    };
    again.addEventListener("click", () => {
      again.hidden = true;
      question.reset();
      draw();
      tour.again();
    });
    draw();
    return {
      task: `The whole picture's distance is ${whole.toFixed(4)}. Is this copy closer than that, or farther?`,
      element: el("div", {},
        figures(el("figure", { class: "copy" }, canvas, caption), compared(result)), question.element, again),
      missing: "Choose closer or farther first, or skip this guess.",
      answered: () => question.value() !== null,
      after: () => !again.hidden && again,
      reveal: (predicted) => {
        const value = distances(result, "cosine")[mask], truth = value < whole ? "closer" : "farther";
        const fine = question.value() === truth;
        if (predicted) [played, right] = [played + 1, right + fine];
        question.settle(truth);
        caption.textContent += `: ${value.toFixed(4)}`;
        again.hidden = round === ROUNDS;
        const kind = !predicted ? "" : fine ? " Right!" : " Not this time.";
        const told = `This copy lies at ${value.toFixed(4)}: ${truth}.${kind}`;
        return round < ROUNDS ? told : `${told} ${tally(store.state.result, whole, played, right)}`;
      },
    };
  },
};

/** A copy of either side of the whole picture with even chances, so that there is something to guess. */
function pick(result, whole) {
  const closer = Math.random() < 0.5, all = [...distances(result, "cosine").keys()];
  const side = all.filter((i) => distances(result, "cosine")[i] < whole === closer);
  const from = side.length ? side : all;
  return from[Math.floor(Math.random() * from.length)];
}

function tally(result, whole, played, right) {
  const farther = distances(result, "cosine").filter((value) => !(value < whole)).length;
  const mine = played ? `You had ${right} of ${played} right. ` : "";
  return `${mine}Of all ${result.n} copies, ${farther} lie farther than the whole picture. One mask alone says little.`;
}
