// The maps of the chosen sweep, on one scale: tiles to compare, each of which loads its settings.
import { colourBar, drawMap, follow, lookBar } from "../compare/board-parts.js";
import { pictureName, referenceName } from "../compare/board-words.js";
import { el, write } from "../instrument/dom.js";
import { decode, splitHalf } from "../instrument/maths.js";
import { loadPictures } from "../instrument/paint.js";
import { store } from "../instrument/store.js";
import { PILOT, pilotTable, verdictWords } from "./sweep-table.js";
import { freeTiles, same } from "./sweep-tiles.js";
import { announce, toExplore } from "./sweep-return.js";
import { sharedLimit, view } from "../instrument/views.js";

const SIDE = 200;
const NUMBERS = ["n_masks", "p_keep", "feature_res", "seed", "fill", "scheme"];
const PICTURES = ["picture", "reference", "background"];

let chosen = null;
let values = null; // one's own for the chosen sweep, in place of the paper's
let redraw = () => {};
/** Key -> {stamp, tiles, first, work, ended, verdict}: the last costly sweep of each kind. */
const known = new Map();

/** Show a sweep, one of those that sweep.js lists, over values of one's own where there are any; wrong ones leave the last. */
export function chooseSweep(sweep, typed) {
  if (!typed.why || sweep !== chosen) values = typed.values;
  chosen = sweep;
  redraw();
}

/**
 * Start the grid.
 * Props from Python: `plan` ({key, stamp, tiles}: a sweep begins), those named in `slots` ({stamp, wire, trial}: a tile
 * is finished; its wire leaves out what is as in the first), `ended` ({stamp, verdict}: it goes no further), `loaded`
 * ({key, stamp, tile}: the controls have a tile's settings), `now` (MaskSettings of the controls). Triggers `picked`
 * ({sweep, stamp, tile}) and `exported` ({sweep, stamp, values}).
 */
export function mount(element, props, trigger, watch) {
  const root = element.querySelector(".sweep-grid-root");
  const about = el("p", { class: "about", role: "status" }), look = lookBar("sweep"), bar = colourBar("All maps on one scale");
  const place = el("div", { class: "tiles" }), verdict = el("section", { class: "verdict", "aria-label": "What the pilot says" });
  const save = el("button", { type: "button", id: "save-sweep" }, "Download these maps (ZIP: pictures, a table, the settings)");
  save.addEventListener("click", () => trigger("exported", { sweep: chosen.key, stamp: known.get(chosen.key)?.stamp, values }));
  const shown = el("div", { class: "shown" }, look.element, place, bar.element, verdict, el("div", { class: "actions" }, save));
  root.append(about, shown);
  let laidOut = { signature: "", draw: () => {} }, refused = "";
  const pick = (tile, i) => {
    refused = isHeld(tile, props.now) ? HELD : "";
    if (refused) redraw();
    else if (tile.stamp) trigger("picked", { sweep: chosen.key, stamp: tile.stamp, tile: i });
    else openFree(tile);
  };
  const draw = (state) => {
    const tiles = tilesNow(state, props.now), sweep = known.get(chosen.key);
    shown.hidden = !tiles.length;
    save.hidden = !tiles.some((tile) => tile.result);
    const signature = JSON.stringify([chosen.key, sweep?.stamp, sweep?.ended, props.now, tiles.map((t) => [t.title, t.row, Boolean(t.result)])]);
    if (laidOut.signature !== signature) {
      refused = "";
      laidOut = { signature, draw: layOut(place, tiles, pick, props.now, sweep) };
      verdict.replaceChildren(...verdictWords(sweep));
    }
    write(about, refused || aboutWords(tiles, sweep, state));
    const limit = sharedLimit(tiles.filter((t) => t.result).map((t) => t.explanation));
    look.draw({ ...state, upto: null });
    look.element.hidden = chosen.key === PILOT; // whose maps have a selection of their own
    laidOut.draw(tiles, limit, state);
    bar.draw(limit, tiles.filter((t) => t.result).map((t) => t.explanation));
  };
  redraw = () => chosen && store.state.words && draw(store.state);
  for (const name of ["plan", ...props.slots]) watch(name, () => take(props));
  watch("ended", () => props.ended && end(props.ended));
  watch("now", () => redraw());
  watch("loaded", () => props.loaded && openTile(props.loaded));
  follow(root, ["result", "selection", "opacity", "hatch"], () => redraw());
  redraw();
}

/** The tiles of the chosen sweep with their results, how each is looked at, and whether it is as set. */
function tilesNow({ result, selection, words }, now) {
  const tiles = chosen.free
    ? (result ? freeTiles(chosen.key, selection, words.modes, values).map((tile) => ({ ...tile, result })) : [])
    : known.get(chosen.key)?.tiles ?? [];
  return tiles.map((tile) => {
    const looked = tile.selection ?? selection;
    const asSet = chosen.free ? same(looked, selection) : now != null && NUMBERS.every((name) => tile.masking[name] === now[name]);
    return { ...tile, looked, asSet, explanation: tile.result && view(tile.result, looked) };
  });
}

function aboutWords(tiles, sweep, { result }) {
  if (chosen.free) return result ? "" : "There is no result on screen yet: press Run first.";
  if (!sweep) return "Nothing has been swept yet. The button above says what it costs.";
  const done = tiles.filter((tile) => tile.result), first = done[0]?.result;
  const pair = first ? `${pictureName(first)} against ${referenceName(first)}: ` : "";
  const rest = done.length < tiles.length ? (sweep.ended ? "; it ended early, run it again to go on" : " so far") : "";
  return `${pair}${done.length} of ${tiles.length} maps${rest}. A map loads its settings.`;
}

// What comes from Python

function take(props) {
  const { plan } = props;
  if (!plan) return;
  if (known.get(plan.key)?.stamp !== plan.stamp) {
    const tiles = plan.tiles.map((tile) => ({ ...tile, stamp: plan.stamp, result: null }));
    known.set(plan.key, { stamp: plan.stamp, tiles, first: null, work: Promise.resolve(), ended: false, verdict: [] });
    redraw();
  }
  const sweep = known.get(plan.key);
  props.slots.forEach((slot, i) => {
    const sent = props[slot];
    if (sent?.stamp !== sweep.stamp || sweep.tiles[i].taken) return;
    sweep.tiles[i].taken = true;
    sweep.work = sweep.work.then(() => add(sweep, i, sent)); // the first before the others, which lean on it
  });
}

async function add(sweep, i, { wire, trial }) {
  const first = sweep.tiles[0].result, result = decode({ ...sweep.first, ...wire });
  sweep.first ??= wire;
  if (!first || PICTURES.some((name) => name in wire)) await loadPictures(result);
  else Object.assign(result, { image: first.image, backdrop: first.backdrop });
  Object.assign(sweep.tiles[i], { result, trial });
  redraw();
}

function end({ stamp, verdict }) {
  const sweep = [...known.values()].find((s) => s.stamp === stamp);
  if (!sweep) return;
  sweep.work = sweep.work.then(() => {
    Object.assign(sweep, { ended: true, verdict });
    redraw();
  });
}

// Loading a tile's settings

const HELD = "This page's link holds settings fixed that this map would change, so it cannot be loaded here.";

/** Whether a tile would change what the page's link hides or locks (see links.js). */
function isHeld({ masking, looked }, now) {
  const { selection } = store.state, wanted = { ...masking, ...looked }, there = { ...masking, ...now, ...selection };
  const differs = (name) => JSON.stringify(wanted[name]) !== JSON.stringify(there[name]);
  const sliced = differs("closest") || differs("farthest"); // a slice takes the place of mode and threshold
  const away = (document.documentElement.dataset.away ?? "").split(" ");
  return away.some((name) => differs(name) || (sliced && ["mode", "threshold"].includes(name)));
}

function openFree({ title, selection }) {
  store.set({ selection, upto: null });
  arrive(title);
}

function openTile({ key, stamp, tile }) {
  const { result, selection, title } = known.get(key)?.stamp === stamp ? known.get(key).tiles[tile] : {};
  if (!result) return; // another sweep has taken its place since the click
  store.set({
    result, rival: null, reverse: null, upto: null, pixel: null, ...(selection ? { selection } : {}),
  });
  arrive(title);
}

function arrive(title) {
  toExplore();
  announce(`Loaded from the sweep “${chosen.title}”: ${title}.`);
}

// Drawing

/** Lay the tiles out anew, keeping the keyboard's place; returns what paints them. */
function layOut(place, tiles, pick, now, sweep) {
  const cells = tiles.map((tile, i) => cell(tile, sweep?.ended, () => pick(cells[i].tile, i)));
  const focused = [...place.querySelectorAll(".tile")].indexOf(document.activeElement);
  if (chosen.key === PILOT) place.replaceChildren(...(tiles.length ? [pilotTable(tiles, cells, now)] : []));
  else place.replaceChildren(...rows(tiles, cells));
  place.querySelectorAll(".tile")[focused]?.focus();
  let turn = 0;
  return (looked, limit, state) => {
    cells.forEach((c, i) => c.draw(looked[i], limit, state));
    settle(cells, ++turn, () => turn);
  };
}

/** Sections of tiles that share a row, each with its heading. */
function rows(tiles, cells) {
  const found = [];
  tiles.forEach(({ row }, i) => {
    if (!i || tiles[i - 1].row !== row) found.push({ row, cells: [] });
    found.at(-1).cells.push(cells[i].element);
  });
  const longest = Math.max(...found.map((r) => r.cells.length)), wide = Math.min(longest, 6), narrow = Math.min(longest, 3);
  return found.map(({ row, cells: own }) => el("section", { class: "row", "aria-label": row || null },
    row && el("h3", {}, row), el("div", { class: "line-of-tiles", style: `--wide:${wide};--narrow:${narrow}` }, ...own)));
}

function cell(tile, ended, onpick) {
  const canvas = el("canvas", { role: "img", "aria-label": "no map yet" });
  const agreed = el("small", { class: "agreed" }), asSet = el("small", { class: "as-set" }, "as set now"), title = el("b", {}, tile.title);
  const waits = el("small", {}, ended ? "not run" : "waiting");
  const element = tile.result
    ? el("button", { type: "button", class: "tile", onclick: onpick }, canvas, title, agreed, asSet)
    : el("div", { class: "tile waiting" }, title, waits);
  const own = { element, tile };
  own.draw = (now, limit, state) => {
    own.tile = now;
    asSet.hidden = !now.asSet || now.row === "as set"; // which says so already
    element.classList.toggle("current", now.asSet);
    if (!now.result) return;
    drawMap(canvas, now, chosen.key === PILOT ? `${now.title} map` : "Map", { limit, longSide: SIDE, state: { ...state, hatch: false } });
    own.say(agreements.get(now.result)?.get(JSON.stringify(now.looked)));
  };
  own.say = (found) => {
    const digits = tile.result.n < 300 ? 1 : 2; // of few masks even the agreement is noise
    agreed.textContent = own.tile.explanation.noSignal ? "no signal" : found === undefined ? "agreement …" : `agreement ${found.toFixed(digits)}`;
  };
  return own;
}

const agreements = new WeakMap();

/** Find the agreements not known yet one by one, giving way to the visitor in between. */
function settle(cells, turn, latest) {
  const next = cells.find(({ tile: { result, looked } }) => result && !agreements.get(result)?.has(JSON.stringify(looked)));
  if (!next || turn !== latest()) return;
  const { result, looked } = next.tile, found = agreements.get(result) ?? new Map();
  agreements.set(result, found.set(JSON.stringify(looked), splitHalf(result, looked).expected));
  next.say(found.get(JSON.stringify(looked)));
  setTimeout(() => settle(cells, turn, latest), 15);
}
