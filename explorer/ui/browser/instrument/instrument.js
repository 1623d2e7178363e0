// The free stage on screen: what has been embedded, ranked and drawn anew on every move, with no request.
import { el, write } from "./dom.js";
import { histogramPanel } from "./histogram.js";
import { inspectPanel } from "./inspect.js";
import { pinButton } from "../compare/board-pins.js";
import { decode, grow, learnModes } from "./maths.js";
import { meterPanel } from "./meter.js";
import { loadPictures } from "./paint.js";
import { pairPanel } from "./pair.js";
import { RETURNING } from "../share/kept.js";
import { copyPanel } from "./copy.js";
import { sheetPanel } from "./sheet.js";
import { markOf, stagePanel } from "./stage.js";
import { store } from "./store.js";

const SHARED = ["selection", "upto", "opacity", "hatch"];

/**
 * Start the instrument inside a gr.HTML.
 * Props from Python: `words` (labels and sentences), `result` (a whole result), `rows` (more rows of it),
 * `show` ({replay, selection, ...}: an example that needs no model, or how to look at what is there), `mark` (see store.js).
 * Its value, as JSON, is what the visitor chose here; Python reads it when a link or a file is made.
 */
export function mount(element, props, trigger, watch) {
  learnModes(props.words.modes);
  store.set({ words: props.words });
  const root = element.querySelector(".instrument-root");
  const failed = el("p", { class: "not-loaded", role: "alert" });
  const under = [inspectPanel(), pinButton(), meterPanel(), caveats(props.words.caveats)];
  root.classList.add("empty");
  root.append(failed, pairPanel(), stagePanel(under, [histogramPanel(), sheetPanel(), copyPanel()]));
  const tell = () => {
    const shared = SHARED.map((key) => [key, store.state[key]]);
    props.value = JSON.stringify({ id: store.state.result?.id, n: store.state.result?.n, ...Object.fromEntries(shared) });
  };
  store.subscribe(["result", ...SHARED], tell);
  tell();
  store.subscribe(["result"], ({ result: { image } }) => {
    write(failed, "");
    root.classList.remove("empty");
    document.documentElement.style.setProperty("--shape", image.naturalWidth / image.naturalHeight); // what caps heights goes by it
  });
  const attempt = async (work) => {
    const turn = latest;
    try {
      await work;
    } catch (error) {
      if (turn === latest) write(failed, props.words.unloaded);
      throw error;
    }
  };
  watch("result", () => props.result && attempt(show(props.result)));
  watch("rows", () => props.rows && extend(props.rows));
  watch("mark", () => store.set({ mark: props.mark }));
  store.subscribe(["result", "mark"], (state) => root.classList.toggle("outdated", markOf(state) !== ""));
  watch("show", () => props.show && attempt(open(props.show)));
  if (props.result) attempt(show(props.result));
  else if (props.show && (props.show.stamp || !(RETURNING || asksForSomething(props.own)))) attempt(open(props.show)); // Python may have been faster
}

function caveats([title, text]) {
  return el("p", { class: "caveats", id: "caveats" }, el("strong", {}, title), ` ${text}`);
}

/** Whether the page's address names a result of its own, which Python will answer. */
function asksForSomething(own) {
  return [...new URLSearchParams(location.search).keys()].some((key) => own.includes(key));
}

let latest = 0;

/** Put a result on screen, keeping how it is looked at; `facts` are what else is known of it. */
export async function show(wire, changes = {}, turn = ++latest, facts = {}) {
  const result = Object.assign(await loadPictures(decode(wire)), facts);
  if (turn !== latest) return; // another came while its pictures were decoded
  const grown = waiting?.id === result.id ? longer(result, waiting) : result; // rows may have come meanwhile
  store.set({
    result: grown.n > result.n ? grown : result,
    rival: null, reverse: null, upto: null, other: null, pixel: null, copy: null, ...changes,
  });
}

let waiting = null;

/** More rows of the result on screen. */
function extend(rows) {
  const { result } = store.state;
  waiting = rows;
  if (result?.id === rows.id) store.set({ result: longer(result, rows) });
}

function longer(result, { plane, seen }) {
  const grown = grow(result, plane);
  return { ...grown, seen, wire: { ...grown.wire, seen } };
}

const replays = new Map();

/** A shipped example's replay, fetched once. */
export async function replay(key) {
  if (!replays.has(key)) {
    const answer = await fetch(new URL(`replay/${key}.json`, document.baseURI));
    if (!answer.ok) throw new Error(`the replay of ${key} could not be had: ${answer.status}`);
    replays.set(key, await answer.json());
  }
  return replays.get(key);
}

/** An example's result, for the tour: what is shown for a while is neither kept nor in the address. */
export async function example(key) {
  return Object.assign(await loadPictures(decode(await replay(key))), { replay: key, meanwhile: true });
}

/** Show a result that was on screen before, with what has come of it since. */
export function bringBack(result) {
  const grown = waiting?.id === result.id ? longer(result, waiting) : result;
  store.set({ result: grown.n > result.n ? grown : result, rival: null, reverse: null, other: null, copy: null });
}

/** Show an example, or how to look at what is there; `meanwhile` where the address asks for something else. */
export async function open({ replay: key, meanwhile, ...changes }) {
  delete changes.stamp; // only there so that the same wish twice is two wishes
  if (changes.selection) changes.selection = { ...store.state.selection, ...changes.selection };
  if (!key) return store.set(changes);
  const turn = ++latest;
  return show(await replay(key), changes, turn, { replay: key, meanwhile });
}
