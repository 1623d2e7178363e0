// One of the two things matched: a picture whose cells are touched and lit, or a caption whose words are.
import { ARROWS, el, name as call } from "../instrument/dom.js";
import { fit, paintMap } from "../instrument/paint.js";
import { boxOf, sameBox } from "./match-maths.js";
import { shadeOf } from "../words/words-colour.js";

const LONG_SIDE = 448;
const KEYS = "Arrow keys move over it, Shift with them makes the box larger, Enter pins the match, Escape lets go.";

/**
 * What both kinds of side are given by whoever touches them.
 * @typedef {{touch: function(object|null, boolean): void, letGo: function(): void, pin: function(): void}} Hand touch: a
 *   region, and whether it stays; null lets go of one's own; letGo: of whatever is held.
 */

/** A picture. `match` says its grid and box, `image` is what is shown. */
export function pictureSide(side, title, image, grid, box, hand) {
  const canvas = el("canvas", { role: "img", "aria-label": title }), mark = el("i", { class: "region", hidden: true });
  const frame = el("div", { class: "frame", tabindex: 0, role: "application", "data-side": side, "aria-label": `${title}. ${KEYS}` }, canvas, mark);
  const shown = { image, size: grid, box }, blank = new Float32Array(grid[0] * grid[1]);
  let held = null, start = null, at = null, again = false, painted; // the region that stays; where a drag began, and is
  fit(canvas, shown, LONG_SIDE);
  const touch = (region, stays) => {
    held = stays ? region : null;
    hand.touch(region, stays);
  };
  const cell = ({ clientX, clientY }, clamp = false) => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    return cellAt([(clientY - top) / height, (clientX - left) / width], grid, box, clamp);
  };
  frame.addEventListener("pointerdown", (event) => {
    if (event.button || !(start = cell(event))) return;
    frame.setPointerCapture(event.pointerId);
    at = start;
    again = sameBox(held, boxOf(start, start));
  });
  frame.addEventListener("pointermove", (event) => {
    if (start) {
      at = cell(event, true);
      return touch(boxOf(start, at), true);
    }
    const here = event.pointerType === "touch" || held ? null : cell(event);
    return here && touch(boxOf(here, here), false);
  });
  frame.addEventListener("pointerup", () => {
    if (!start) return;
    const region = boxOf(start, at), released = again && sameBox(region, boxOf(start, start));
    start = null;
    touch(released ? null : region, !released);
  });
  frame.addEventListener("pointercancel", () => { start = null; });
  frame.addEventListener("pointerleave", () => !held && !start && hand.touch(null, false));
  frame.addEventListener("keydown", (event) => keys(event));
  let anchor = null, cursor = null;
  const keys = (event) => {
    if (event.key === "Escape") {
      cursor = anchor = null;
      return hand.letGo();
    }
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      return hand.pin();
    }
    if (!(event.key in ARROWS)) return undefined;
    event.preventDefault();
    const [dx, dy] = ARROWS[event.key], inside = (v, n) => Math.min(Math.max(v, 0), n - 1);
    cursor = cursor ? [inside(cursor[0] + dy, grid[0]), inside(cursor[1] + dx, grid[1])] : grid.map((n) => Math.floor(n / 2));
    if (!event.shiftKey || !anchor) anchor = cursor;
    return touch(boxOf(anchor, cursor), true);
  };
  return {
    element: el("figure", { "data-side": side }, frame, el("figcaption", {}, title)),
    hold: (region) => { held = region; },
    /** Show what is lit, or what is touched, or neither. */
    draw({ map, region, limit }) {
      if (painted !== map) paintMap(canvas, shown, map ?? blank, { limit, opacity: 0.85 });
      painted = map;
      mark.hidden = !region;
      if (region) Object.assign(mark.style, placeOf(region, grid, box));
    },
    say: (text) => call(canvas, text ? `${title}. ${text}` : title),
  };
}

/** The cell [row, column] at shares of the picture; null outside what the encoder saw, or the nearest. */
function cellAt([down, across], [rows, columns], [left, top, right, bottom], clamp) {
  const shares = [(down - top) / (bottom - top), (across - left) / (right - left)];
  if (!clamp && shares.some((share) => share < 0 || share >= 1)) return null;
  return [rows, columns].map((cells, i) => Math.min(Math.max(Math.floor(shares[i] * cells), 0), cells - 1));
}

function placeOf(region, [rows, columns], [left, top, right, bottom]) {
  const percent = (share) => `${100 * share}%`, wide = (right - left) / columns, high = (bottom - top) / rows;
  return {
    left: percent(left + region.left * wide), top: percent(top + region.top * high),
    width: percent((region.right - region.left) * wide), height: percent((region.bottom - region.top) * high),
  };
}

/** A caption: one stop for the Tab key, and the arrow keys go from word to word. */
export function wordsSide(side, title, { words, spaced }, hand) {
  const chips = words.map((word, i) => el("button", { type: "button", class: "word", tabindex: i ? -1 : 0 }, word));
  const line = el("p", { class: "line-of-words frame", dir: "auto", role: "group", "data-side": side, "aria-label": `${title}, word by word. Enter pins the match, Escape lets go.` },
    ...chips.flatMap((chip, i) => (spaced[i] && i ? [" ", chip] : [chip])));
  let held = null;
  const region = (i) => ({ top: 0, left: i, bottom: 1, right: i + 1 });
  const touch = (i, stays) => {
    held = stays ? i : null;
    hand.touch(i === null ? null : region(i), stays);
  };
  chips.forEach((chip, i) => {
    chip.addEventListener("pointerenter", ({ pointerType }) => pointerType !== "touch" && held === null && touch(i, false));
    chip.addEventListener("click", ({ detail }) => (detail ? touch(held === i ? null : i, held !== i) : hand.pin())); // 0: a key
    chip.addEventListener("focus", () => chip.matches(":focus-visible") && touch(i, true));
  });
  line.addEventListener("pointerleave", () => held === null && hand.touch(null, false));
  line.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return hand.letGo();
    if (!(event.key in ARROWS)) return undefined;
    event.preventDefault();
    const [dx, dy] = ARROWS[event.key], onwards = getComputedStyle(line).direction === "rtl" ? -dx : dx;
    const to = Math.min(Math.max(chips.indexOf(document.activeElement) + onwards + dy, 0), chips.length - 1);
    for (const [i, chip] of chips.entries()) chip.tabIndex = i === to ? 0 : -1;
    chips[to].focus();
    return touch(to, true);
  });
  return {
    element: el("figure", { "data-side": side, class: "caption" }, line, el("figcaption", {}, title)),
    hold: (at) => { held = at && at.left; },
    draw({ map, region: touched, limit }) {
      chips.forEach((chip, i) => {
        chip.classList.toggle("touched", Boolean(touched) && i >= touched.left && i < touched.right);
        const style = map ? shadeOf(Math.max(-1, Math.min(1, map[i] / limit))) : { backgroundColor: "", color: "" };
        Object.assign(chip.style, style);
      });
    },
    say: () => undefined,
  };
}
