// Which part of the one goes with which part of the other: both side by side, and a touch of either lights the other.
import { pictureName, referenceName } from "../compare/board-words.js";
import { colourBar } from "../instrument/colour-bar.js";
import { peaks } from "../instrument/describe.js";
import { el, write } from "../instrument/dom.js";
import { follow } from "../instrument/follow.js";
import { store } from "../instrument/store.js";
import { decodeMatch, lit, sameBox } from "./match-maths.js";
import { pictureSide, wordsSide } from "./match-side.js";

const SETTLED = 600; // ms without another row before Python is told
const MOST_PINS = 8;
const OTHER = { a: "b", b: "a" };
const shipped = new Map();

/**
 * Start the tab's component.
 * Props from Python: `match` (see explorer/results/match_wire.py; `of` names the result it belongs to), or null; `shipped`,
 * the examples whose match comes with the project.
 * Triggers `shown` when another result has come on screen, or more of it.
 */
export function mount(element, props, trigger, watch) {
  const root = element.querySelector(".match-root"), empty = el("p", { class: "empty" }), place = el("div", { class: "matched", hidden: true });
  root.append(place, empty);
  let timer = 0, turn = 0, drawn = "";
  const changed = () => {
    clearTimeout(timer);
    timer = setTimeout(() => trigger("shown", {}), SETTLED);
  };
  store.subscribe(["result"], changed);
  changed();
  const draw = async () => {
    const { result } = store.state, mine = ++turn;
    if (!result) return;
    let wire = null, image = null, failed = "";
    try {
      wire = props.match?.of === result.id ? props.match : props.shipped.includes(result.replay) ? await matchOf(result.replay) : null;
      image = wire && result.reference.picture ? await load(result.reference.picture) : null;
    } catch (error) {
      console.warn(error);
      wire = null;
      failed = "The match could not be loaded; open the example again.";
    }
    if (mine !== turn) return; // another came meanwhile
    empty.hidden = Boolean(wire);
    place.hidden = !wire;
    write(empty, wire ? "" : failed || `So far only masked copies of ${pictureName(result)} are known. A match takes as many of ${referenceName(result)}, and then every touch is free.`);
    const key = JSON.stringify([result.id, wire?.factors, wire?.says]);
    if (wire && key !== drawn) place.replaceChildren(...matched(decodeMatch(wire), result, image));
    drawn = wire ? key : "";
  };
  watch("match", draw);
  follow(root, ["result"], draw);
}

/** A shipped example's match, fetched once. */
async function matchOf(key) {
  if (!shipped.has(key)) {
    const answer = await fetch(new URL(`replay/${key}-match.json`, document.baseURI));
    if (!answer.ok) throw new Error(`the match of ${key} could not be had: ${answer.status}`);
    shipped.set(key, await answer.json());
  }
  return shipped.get(key);
}

async function load(source) {
  const image = new Image();
  image.src = source;
  await image.decode();
  return image;
}

/** Everything about one match. */
function matched(match, result, image) {
  const titles = { a: `A: ${pictureName(result)}`, b: `B: ${referenceName(result)}` };
  const now = el("p", { id: "match-now", role: "status" });
  const pin = el("button", { type: "button", class: "pin", disabled: true }, "Pin this match");
  const pins = el("ul", { class: "pins", "aria-label": "Pinned matches" }), bar = colourBar("", ["goes with it", "goes against it"]);
  const limit = match.limit || 1;
  let touched = null; // {side, region, stays}
  let waiting = false;
  const paint = () => {
    waiting = false;
    const map = touched && !match.no_signal ? lit(match, touched.side, touched.region) : null;
    for (const side of ["a", "b"]) {
      const own = touched?.side === side;
      sides[side].draw({ map: own ? null : map, region: own ? touched.region : null, limit });
    }
    const said = touched ? sentence(match, touched, map) : "";
    write(now, said || HINT);
    for (const side of ["a", "b"]) sides[side].say(touched && touched.side !== side ? said : "");
    pin.disabled = !touched || Boolean(match.no_signal);
  };
  const show = (next) => {
    touched = next;
    if (!waiting) requestAnimationFrame(paint); // at the screen's rate and no faster
    waiting = true;
  };
  const hands = (side) => ({
    touch: (region, stays) => {
      if (!stays && touched?.stays && touched.side !== side) return; // what is held stays
      if (stays || !region) sides[OTHER[side]].hold(null);
      show(region && { side, region, stays });
    },
    letGo: () => {
      for (const one of ["a", "b"]) sides[one].hold(null);
      show(null);
    },
    pin: () => keep(),
  });
  const side = (name, shown) => {
    const facts = match.facts[name];
    return facts.words ? wordsSide(name, titles[name], facts, hands(name))
      : pictureSide(name, titles[name], shown, match.grids[name], facts.box, hands(name));
  };
  const sides = { a: side("a", result.image), b: side("b", image) };
  const keep = () => {
    if (!touched || match.no_signal || [...pins.children].some((entry) => entry.of.side === touched.side && sameBox(entry.of.region, touched.region))) return;
    if (pins.children.length === MOST_PINS) pins.firstChild.remove();
    pins.append(entryOf(touched, now.textContent, (of) => {
      sides[of.side].hold(of.region);
      sides[OTHER[of.side]].hold(null);
      show(of);
    }, (next) => (next?.querySelector(".remove") ?? (pin.disabled ? sides.a.element.querySelector(".frame") : pin)).focus()));
  };
  pin.addEventListener("click", keep);
  bar.draw(limit, []);
  paint();
  return [
    el("p", { id: "match-says" }, match.says), el("div", { class: "two" }, sides.a.element, sides.b.element), bar.element,
    now, el("p", { class: "row" }, pin), pins, el("p", { class: "accounts" }, `From ${match.facts.a.masks} and ${match.facts.b.masks} masks.`),
    el("ul", { class: "notices" }, ...match.notices.map((notice) => el("li", {}, notice))),
  ];
}

const HINT = "Touch a part of either.";

/** A pin; `left` gets the one beside it, if any, when it was removed, since the focus went with it. */
function entryOf(of, text, again, left) {
  const remove = () => {
    const next = entry.nextElementSibling ?? entry.previousElementSibling;
    entry.remove();
    left(next);
  };
  const entry = el("li", {}, el("button", { type: "button", class: "again", onclick: () => again(of) }, text),
    el("button", { type: "button", class: "remove", "aria-label": `Remove: ${text}`, onclick: remove }, "×"));
  return Object.assign(entry, { of: { ...of, stays: true } });
}

/** What is touched and what that lights, in words. */
function sentence(match, { side, region }, map) {
  const from = nameOf(match, side, region);
  if (match.no_signal) return `${upper(from)}: nothing goes with it that shows.`;
  const [most, least] = strongest(match, OTHER[side], map);
  const parts = [most && `goes with ${most}`, least && `goes least with ${least}`].filter(Boolean);
  return `${upper(from)} ${parts.length ? parts.join(", ") : "goes with nothing in particular"}.`;
}

function strongest(match, side, map) {
  const { words, box } = match.facts[side];
  if (!words) return peaks(map, match.grids[side], box, 0, match.limit).map((name) => name && `the ${name} of ${side.toUpperCase()}`);
  return [1, -1].map((sign) => {
    const best = words.reduce((at, _, i) => (sign * map[i] > sign * map[at] ? i : at), 0);
    return sign * map[best] >= 0.2 * match.limit ? `“${words[best]}”` : "";
  });
}

function nameOf(match, side, { top, left, bottom, right }) {
  const { words, box } = match.facts[side], [rows, columns] = match.grids[side];
  if (words) return `“${words.slice(left, right).join(" ")}”`;
  const spot = new Float32Array(rows * columns), middle = Math.floor((top + bottom - 1) / 2) * columns + Math.floor((left + right - 1) / 2);
  spot[middle] = 1;
  const [place] = peaks(spot, [rows, columns], box, 0, 1), one = bottom - top === 1 && right - left === 1;
  return `${one ? "the" : "the box in the"} ${place || "part outside"} of ${side.toUpperCase()}`;
}

function upper(text) {
  return `${text[0].toUpperCase()}${text.slice(1)}`;
}
