// Asking: what the buttons of a card start, what it costs, how far it is, and which answer belongs to which map.
import { card } from "./evidence-card.js";
import { store } from "../instrument/store.js";
import { same } from "../sweeps/sweep-tiles.js";

/** The method whose map is on screen. */
export const OWN = "distance-explainer";
const SETTLED = 400; // ms without another change before Python is asked for the prices

/**
 * Questions that can be put to the map on screen: their cards, prices, runs and answers.
 * Props from Python: `kinds` (see evidence-card.js), `prices` and `slow_prices` ({ask, of: {key: {passes, seconds}, {known} or
 * {why}}}), `over` (the last press of a button that came to an end), `progress` ({kind, press, done, wanted, text, rest}), and one named after
 * each kind (what came of it: {press, step, of: {id, selection, masks, label}, over, verdict, charts, table, sheet, strip}).
 * Triggers `priced` and `weighed` ({options, ask}: for the prices, and for those for which an encoder may have to be loaded), `ran` ({kind,
 * options, press}) and `stopped` ({press}).
 * @param {object} more for each card: `front` (an element under its text), `options` (what is sent besides its settings), `open` (see mapStrip)
 * @returns {{elements, price: function, judge: function}} `price` asks for the prices anew; `judge(state)` marks answers about another map
 */
export function questions(props, trigger, watch, more = {}) {
  const cards = new Map(), reports = new Map(), lines = new Map(), prices = new Map();
  const lanes = [["prices", "priced", false], ["slow_prices", "weighed", true]].map(([name, event, slow]) =>
    ({ name, event, slow, asked: new Map() }));
  let press = 0, running = null, ask = 0, slowAsked = false;

  const optionsNow = () => Object.fromEntries([...cards].map(([key, each]) => [key, each.options()]));
  const price = askWhenSettled(() => {
    const options = optionsNow(), other = (more.options?.().method ?? OWN) !== OWN; // which may look inside the network
    for (const lane of lanes.filter(({ slow }) => !slow || slowAsked || other)) {
      ask += 1;
      lane.asked.set(ask, priced(options));
      trigger(lane.event, { options, ask });
    }
  });
  const draw = () => {
    for (const [key, { draw: place }] of cards) {
      place({ price: prices.get(key), mine: running === key, busy: running !== null, line: lines.get(key) });
    }
  };
  const judge = (state) => {
    for (const [key, { take }] of cards) take(reports.get(key), Boolean(reports.has(key) && isOther(reports.get(key).of, state, more.options?.().method)));
  };
  for (const kind of props.kinds) {
    const { key } = kind;
    const run = () => {
      [press, running] = [press + 1, key];
      lines.set(key, { text: "Waiting for its turn …" });
      draw();
      trigger("ran", { kind: key, options: cards.get(key).options(), press });
    };
    const stop = () => {
      lines.set(key, { ...lines.get(key), text: "Stopping …" });
      draw();
      trigger("stopped", { press });
    };
    cards.set(key, card(kind, { run, stop, choose: price, ...more }));
    watch(key, () => {
      const report = props[key], before = reports.get(key);
      if (!report || (before?.press === report.press && before.step > report.step)) return; // overtaken by later news
      reports.set(key, report);
      judge(store.state);
    });
  }
  for (const { key } of props.kinds.filter(({ slow }) => slow)) {
    whenSeen(cards.get(key).element, () => {
      if (prices.has(key)) return;
      slowAsked = true; // its price takes seconds to find, so it is asked for once somebody can read it, and again if that was lost
      price();
    });
  }
  for (const lane of lanes) {
    watch(lane.name, () => {
      const { ask: answered, of } = props[lane.name] ?? {}, about = lane.asked.get(answered);
      for (const earlier of [...lane.asked.keys()].filter((each) => each < answered)) lane.asked.delete(earlier); // overtaken
      if (about !== priced(optionsNow())) return; // for settings that have changed since
      for (const [key, each] of Object.entries(of)) prices.set(key, each);
      draw();
    });
  }
  watch("progress", () => {
    const line = props.progress, before = lines.get(line?.kind);
    if (!line || line.press !== press || before?.done > line.done && !line.rest) return; // overtaken by later news
    lines.set(line.kind, line);
    draw();
  });
  watch("over", () => {
    if (props.over < press) return;
    if (lines.get(running) && !lines.get(running).rest) lines.delete(running); // stopped before it began
    running = null;
    draw();
    price(); // what is known now costs nothing
  });
  draw();
  return { elements: [...cards.values()].map((each) => each.element), price, judge };
}

/** What prices hang on: the settings and the map on screen, so that an answer serves whoever asked for the same since. */
function priced(options) {
  const { result, selection, upto } = store.state;
  return JSON.stringify([options, result?.id, result?.n, selection, upto]);
}

/** What asks once, when it was not called again for a while. */
function askWhenSettled(ask) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(ask, SETTLED);
  };
}

function whenSeen(element, then) {
  new IntersectionObserver((entries) => {
    if (entries.at(-1).isIntersecting) then();
  }).observe(element);
}

/** Whether a report is about another map than the one on screen, or than that of the method now chosen for the pair on screen. */
export function isOther({ id, selection, masks, method, of_masks: ofMasks }, { result, selection: now, upto }, chosen = OWN) {
  if (!result) return false;
  if (id !== result.id || method !== chosen || selection.distance !== now.distance) return true;
  return ofMasks && (masks !== (upto ?? result.n) || (method === OWN && !same(selection, now)));
}
