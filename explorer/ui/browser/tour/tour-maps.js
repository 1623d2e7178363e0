// Steps 4 to 6 of the tour: many masks, rank and select, break it.
import { el } from "../instrument/dom.js";
import { correlation, distances, order, splitHalf } from "../instrument/maths.js";
import { paintCopy } from "../instrument/paint.js";
import { play } from "../instrument/play.js";
import { store } from "../instrument/store.js";
import { choice, compared, figures, mapFigure, mapRow, PLAIN } from "./tour-parts.js";
import { sharedLimit, view } from "../instrument/views.js";

const SETTLED = 0.9; // as the meter calls it
const PLAY = 3000; // ms
const COUNTS = [30, 100, 300];
const MORE = "more";

export const manyMasks = {
  title: "Many masks",
  hides: "agreement",
  sentence: "One mask says little, but with every mask chance matters less, until another run would give the same map.",
  make(result, tour) {
    const counts = [...COUNTS.filter((count) => 2 * count <= result.n), result.n];
    const question = choice("many", "The map is settled after …",
      [...counts.map((count) => [String(count), `${count} masks`]), [MORE, `more than ${result.n} masks`]]);
    const few = mapFigure(), all = mapFigure(), maps = mapRow(few, all);
    return {
      task: "After how many masks do two runs agree by 0.9 or more? (1 means the same map, 0 means nothing alike.)",
      element: el("div", {}, question.element, maps),
      missing: "Choose a number first, or skip this guess.",
      answered: () => question.value() !== null,
      reveal: (predicted) => {
        const now = store.state.result, agreed = (count) => splitHalf(now, PLAIN, count).expected;
        const found = counts.map(agreed);
        counts.forEach((count, i) => question.note(String(count), `agree by ${found[i].toFixed(2)}`));
        const truth = firstSettled(counts, found), mine = predicted ? question.value() : String(counts[1] ?? counts[0]);
        const whole = view(now, PLAIN), count = mine === MORE ? now.n : Number(mine);
        question.settle(truth);
        maps.hidden = false;
        all.draw(now, whole, whole.limit, `all ${now.n} masks`);
        const upto = (n) => ({ upto: n < now.n ? n : null });
        tour.look(upto(count));
        play(count, PLAY, (at) => {
          const looked = maps.isConnected, n = looked ? at : count; // to its end at once when nobody looks any more
          few.draw(now, view(now, PLAIN, n), whole.limit, `the first ${n} masks`);
          if (looked) store.set(upto(n));
          return looked;
        });
        const ever = truth !== MORE || (now.n > counts.at(-1) && agreed(now.n) >= SETTLED);
        return saySettled({ truth, ever, most: counts.at(-1), count, agreed: agreed(count), mine: predicted && mine });
      },
    };
  },
};

/** The first count from which on all are settled, as text; an early lucky one does not count. */
function firstSettled(counts, found) {
  const last = found.findLastIndex((value) => value < SETTLED);
  return last === counts.length - 1 ? MORE : String(counts[last + 1]);
}

function saySettled({ truth, ever, most, count, agreed, mine }) {
  const when = !ever ? "Even all the masks here are not enough to settle every spot."
    : `It is settled after ${truth === MORE ? `more than ${most}` : truth} masks.`;
  const asNumber = (value) => (value === MORE ? Infinity : Number(value));
  const late = "It takes more than you thought: chance is stubborn.";
  const kind = !mine ? "" : mine === truth ? " Right!"
    : asNumber(mine) > asNumber(truth) ? " Sooner than you thought!" : ` ${late}`;
  return `With ${count} masks two runs would agree by ${agreed.toFixed(2)}. ${when}${kind}`;
}

const SIDES = ["first", "second"];
const MIDDLE = { ...PLAIN, closest: [0.3, 0.5], farthest: [0.5, 0.7] };

export const rankAndSelect = {
  title: "Rank and select",
  sentence: "All copies are ranked by distance, and only the two ends count: what the closest kept, less what the " +
    "farthest kept.",
  make(result, tour) {
    const ranking = order(result, "cosine");
    const ends = [ranking[0], ranking.at(-1)], swapped = Math.random() < 0.5;
    const shown = swapped ? [...ends].reverse() : ends;
    const copy = choice("ends", "Which of these two copies counts as close?",
      shown.map((mask, i) => [SIDES[i], copyOf(result, mask, i)]));
    const slice = choice("slice", "A map made from the middle of the ranking (30 to 70 %) is …", [
      ["same", "just as strong"], ["weak", "much weaker"], ["opposite", "as strong, with red and blue swapped"],
    ]);
    const outer = mapFigure(), inner = mapFigure(), maps = mapRow(outer, inner);
    return {
      task: "Two questions: which copy is close, and what is left in the middle?",
      element: el("div", {}, figures(copy.element, compared(result)), slice.element, maps),
      missing: "Answer both questions first, or skip this guess.",
      answered: () => copy.value() !== null && slice.value() !== null,
      reveal: (predicted) => {
        const now = store.state.result;
        const whole = view(now, PLAIN), middle = view(now, MIDDLE), limit = sharedLimit([whole, middle]);
        const ratio = strength(middle.map) / strength(whole.map);
        const truths = [swapped ? "second" : "first", kindOf(ratio, correlation(middle.map, whole.map))];
        const right = [copy, slice].filter((part, i) => part.value() === truths[i]).length;
        shown.forEach((mask, i) => copy.note(SIDES[i], distances(now, "cosine")[mask].toFixed(4)));
        [copy, slice].forEach((part, i) => part.settle(truths[i]));
        maps.hidden = false;
        outer.draw(now, whole, limit, "the ends: 10 % on each side");
        inner.draw(now, middle, limit, "the middle: 30 to 70 %");
        tour.look({ selection: MIDDLE });
        return `${predicted ? `${right} of 2 right. ` : ""}The ${truths[0]} copy is the close one. ` +
          `The middle map is ${Math.round(100 * ratio)} % as strong as the map of the ends: ` +
          "the middle of the ranking carries little signal (the paper, figure 16).";
      },
    };
  },
};

function kindOf(ratio, alike) {
  if (ratio < 0.6) return "weak";
  return alike < 0 ? "opposite" : "same";
}

function copyOf(result, mask, i) {
  const canvas = el("canvas", { role: "img", "aria-label": `masked copy ${mask + 1}, the ${SIDES[i]}` });
  paintCopy(canvas, result, mask);
  return canvas;
}

/** Root mean square: how far a map is from blank. */
function strength(map) {
  return Math.sqrt(map.reduce((total, value) => total + value * value, 0) / map.length);
}

export const breakIt = {
  title: "Break it",
  sentence: "A map depends on how it was made, so a good habit is to try and break it before believing it.",
  make(result, tour) {
    const few = Math.min(20, Math.floor(result.n / 5));
    const ways = {
      few: { name: `only the first ${few} masks`, look: { upto: few } },
      closest: { name: "only the closest copies", look: { selection: { ...PLAIN, mode: "closest" } } },
      tips: { name: "only 1 % of the masks at each end", look: { selection: { ...PLAIN, threshold: 0.01 } } },
    };
    const names = Object.entries(ways).map(([key, { name }]) => [key, name]);
    const question = choice("break", "The map changes most with …", names);
    const row = [mapFigure(), ...Object.keys(ways).map(mapFigure)], maps = mapRow(...row);
    return {
      task: "Here are three ways to break the map. Which of them changes it most?",
      element: el("div", {}, question.element, maps),
      missing: "Choose one first, or skip this guess.",
      answered: () => question.value() !== null,
      reveal: (predicted) => {
        const now = store.state.result, whole = view(now, PLAIN);
        const broken = Object.entries(ways).map(([key, way]) => {
          const shown = view(now, way.look.selection ?? PLAIN, way.look.upto ?? null);
          return { ...way, key, shown, alike: correlation(shown.map, whole.map) };
        });
        const worst = broken.reduce((low, one) => (one.alike < low.alike ? one : low));
        for (const { key, alike } of broken) question.note(key, alike.toFixed(2));
        question.settle(worst.key);
        maps.hidden = false;
        row[0].draw(now, whole, whole.limit, "the map");
        // Each in its own full colours: it is their patterns that are compared.
        broken.forEach(({ name, shown, alike }, i) => {
          row[i + 1].draw(now, shown, shown.limit, `${name}: ${alike.toFixed(2)}`);
        });
        tour.look(worst.look);
        return sayBroken(worst, predicted && question.value());
      },
    };
  },
};

function sayBroken({ key, name, alike }, mine) {
  const kind = !mine ? "" : mine === key ? " Right!" : " Not the one you chose, but now you know which to watch.";
  return `What changes the map most: ${name}. Its correlation with the map is ${alike.toFixed(2)} ` +
    `(1 = the same map, 0 = nothing alike).${kind} It is on the screen below now; try breaking it yourself.`;
}
