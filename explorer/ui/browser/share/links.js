// What the page's address asks for, and what this tab kept of itself: Python checks it and shows it; the rest is done here.
import { followAddress, queryOf } from "./address.js";
import { putBack } from "../compare/board-pins.js";
import { open, replay, show } from "../instrument/instrument.js";
import { decode } from "../instrument/maths.js";
import { loadPictures } from "../instrument/paint.js";
import { store } from "../instrument/store.js";
import { drop, keep, kept, RETURNING } from "./kept.js";
import { keepErrors } from "./refusals.js";
import { followTabs, openTab } from "./tabs.js";
import { bringBack, nameOf, note, placed } from "./uploads.js";

const BRUSH = ".slices"; // a slice takes the place of the mode and its threshold
const BRUSHED = ["mode", "threshold"];
const ADVANCED = ["seed", "fill", "precision"];
const LOOK = ["selection", "upto", "opacity", "hatch"];
const OFTEN = 500; // ms between two times that something is kept

/**
 * Start the component.
 * Props from Python: `ours` (the names that mean something in an address), `results` (those of them that name a result),
 * `usual` and `first` (see address.js), `tabs`, `controls` (names, as their values come), `examples` (see uploads.js), `view` ({hide, lock, projector}), and `run`,
 * which says each time it comes that the controls now ask for a result to be run.
 * Triggers `linked` ({query, files, lost, back, here, controls}), `restored` (to set the controls), `asked`, and `held` (at the
 * window's "hold": to compare what is on screen with the controls).
 */
export function mount(element, props, trigger, watch) {
  const ask = oneByOne((more) => trigger("linked", { lost: {}, files: paths(), back: false, here: false, controls: false, ...more }));
  watch("view", () => props.view && look(props.view));
  watch("run", () => props.run && settled(() => trigger("asked", {})));
  const query = named(props.ours);
  let elsewhere = false; // Back or Forward may lead on before all is back
  if (RETURNING) settled(() => comeBack(props, trigger, ask, () => elsewhere));
  else {
    for (const name of ["result", "look", "controls"]) drop(name); // a link, or a new beginning
    if (Object.keys(query).length) ask({ query });
    if (kept("pins")) settled(pinsBack);
  }
  keepAll(props);
  followAddress(props, (before) => {
    elsewhere = true;
    if (before?.replay) open({ replay: before.replay, selection: before.selection });
    else if (before) show(before.wire, { selection: before.selection });
    const here = named(props.ours), query = Object.keys(here).length ? here : { preset: props.first };
    ask({ query, back: true, here: Boolean(before) });
  });
  addEventListener("hold", () => trigger("held", {}));
  followTabs(props.tabs);
  keepErrors();
  document.documentElement.classList.toggle("at-home", ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname));
}

/** Ask only once the last was answered, and then for the newest: answers that overtake each other would mix two places. */
function oneByOne(act) {
  let busy = false, next = null;
  addEventListener("arrived", () => {
    busy = false;
    if (next) ask(next);
  });
  const ask = (what) => {
    next = busy ? what : null;
    if (busy) return;
    busy = true;
    act(what);
  };
  return ask;
}

function named(names) {
  return Object.fromEntries([...new URLSearchParams(location.search)].filter(([name]) => names.includes(name)));
}

const paths = () => (kept("files") ?? []).map(({ path }) => path);

/** Once the instrument is there, and two frames later: the selection that came with the wish is then what Python is sent. */
function settled(then) {
  requestAnimationFrame(() => (store.state.words ? requestAnimationFrame(then) : settled(then)));
}

// Coming back

/** Show what was on screen when this tab was loaded anew, put the controls where they stood, and tell Python of both. */
async function comeBack(props, trigger, ask, elsewhere) {
  const { wire, replay: key } = kept("result"), seen = kept("look") ?? {}, controls = kept("controls");
  openTab(location.hash.slice(1), props.tabs);
  if (!elsewhere()) await (key ? open({ replay: key, ...seen }) : show(wire, seen));
  await pinsBack();
  const names = Object.fromEntries(["picture", "reference"].map((side) => [side, nameOf(controls?.[side]?.path)]));
  const moved = await bringBack(), lost = {};
  if (elsewhere()) return; // and the place that the visitor went to has its own
  if (controls) {
    for (const side of ["picture", "reference"]) {
      const now = placed(controls[side], moved, props.examples);
      if (controls[side] && !now) lost[side] = names[side] ?? "your picture";
      controls[side] = now;
    }
    keep("controls", controls);
    trigger("restored", {});
  }
  const view = Object.fromEntries(Object.entries(named(props.ours)).filter(([name]) => !props.results.includes(name)));
  ask({ query: { ...queryOf(store.state, props.usual), ...view }, back: true, here: true, controls: Boolean(controls), lost, files: paths() });
}

/** What the controls are set to when they are put back: by Gradio, in the order in which their values come. */
export function controlValues(names) {
  const { kind, ...rest } = kept("controls"), all = { kind, ...rest };
  const seen = { reference: kind === "another picture", caption: kind !== "another picture", agreement: all.until };
  return names.map((name) => ({ __type__: "update", value: all[name], ...(name in seen ? { visible: seen[name] } : {}) }));
}

async function pinsBack() {
  const pins = await Promise.all((kept("pins") ?? []).map(async ({ wire, replay: key, ...pin }) =>
    ({ ...pin, result: Object.assign(await loadPictures(decode(wire ?? await replay(key))), { replay: key }) })));
  if (pins.length) putBack(pins);
}

/** Keep what is on screen, the pins and the controls, whenever they change. */
function keepAll({ controls: names }) {
  const source = ({ wire, replay: key }) => ({ wire: key ? null : wire, replay: key });
  seldom(["result"], ({ result }) => result && !result.meanwhile && keep("result", source(result)));
  seldom(LOOK, (state) => keep("look", Object.fromEntries(LOOK.map((key) => [key, state[key]]))));
  seldom(["pins"], ({ pins }) => keep("pins", pins.map(({ result, explanation, ...pin }) => ({ ...pin, ...source(result) }))));
  addEventListener("controls-moved", async ({ detail }) => {
    const controls = Object.fromEntries(names.map((name, i) => [name, detail[i]]));
    keep("controls", controls);
    for (const side of ["picture", "reference"]) await note(controls[side]);
  });
}

function seldom(keys, act) {
  let timer = 0;
  const now = () => {
    clearTimeout(timer);
    timer = 0;
    act(store.state);
  };
  store.subscribe(keys, () => { timer ||= setTimeout(now, OFTEN); });
  addEventListener("pagehide", () => timer && now());
}

// What a link hides and locks
/** Hide and lock for as long as the page is open: by a style, which outlives whatever Gradio draws anew. */
function look({ hide, lock, projector }) {
  const away = [...hide, ...lock];
  document.documentElement.dataset.away = away.join(" "); // for what no control does, but a sweep's tile
  const gone = hide.flatMap((name) => [...ours(name), `#${name.replaceAll("_", "-")}`, `#${name}-tab-button`]);
  if (hide.includes("run")) gone.push("#stop", "#quick-look");
  if (hide.includes("encoder")) gone.push("#encoder-card", "#absent-encoders");
  if (ADVANCED.every((name) => hide.includes(name))) gone.push("#advanced");
  if (BRUSHED.some((name) => away.includes(name))) gone.push(BRUSH);
  const style = document.createElement("style");
  if (gone.length) style.textContent = `:is(${gone.join()}) { display: none !important; }`;
  if (gone.includes(BRUSH)) style.textContent += " .plot { pointer-events: none; }";
  document.head.append(style);
  document.documentElement.classList.toggle("projector", projector);
  const shut = () => {
    [...lock.flatMap(ours), ...(lock.includes("run") ? ["#quick-look"] : [])].forEach((place) => document.querySelectorAll(place).forEach(close));
  };
  // Tabs are laid out when they are first opened.
  if (away.length) new MutationObserver(shut).observe(document.body, { childList: true, subtree: true });
  shut();
}

/** Where a control stands that is no component of Gradio's: on the Explore tab, and again on the Compare tab. */
function ours(name) {
  return [`[data-control="${name}"]`, `[data-control^="board-${name}-"]`];
}

/** A disabled fieldset can still be read, and so can its value. */
function close(control) {
  if (control instanceof HTMLFieldSetElement) control.disabled = true;
  else control.inert = true;
}
