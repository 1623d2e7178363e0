// Step 1 of the tour: draw where the pair is alike, then lay the map under the drawing.
import { referenceName } from "../compare/board-words.js";
import { ARROWS, el, write } from "../instrument/dom.js";
import { fit, paintMap } from "../instrument/paint.js";
import { store } from "../instrument/store.js";
import { compared, figures, PLAIN } from "./tour-parts.js";
import { view } from "../instrument/views.js";

const CELLS = 8; // along each side, for the keyboard
const BRUSH = 0.12; // of the shorter side
const MARKED = 128; // of 255: an edge is half covered

export const guess = {
  title: "Guess",
  hides: "map",
  sentence: "The encoder is the network that compares the two, and its map shows which parts of the picture bring " +
    "them closer (red) or push them apart (blue).",
  make(result) {
    const pad = drawingPad(result);
    const other = result.reference.picture ? "the other picture" : referenceName(result);
    return {
      task: `Where is this picture most like ${other}? Draw there. Without a mouse: arrow keys move, space marks.`,
      element: figures(pad.element, compared(result)),
      missing: "Draw something first, or skip this guess.",
      answered: pad.inked,
      reveal: (predicted) => {
        const shown = view(store.state.result, PLAIN);
        pad.reveal(shown);
        return predicted ? verdict(score(shown.map, pad.drawn())) : "Here is the map: red brings the pair closer.";
      },
    };
  },
};

/**
 * How well a drawing found the most positive part of a map.
 *
 * @param {Float32Array} map (m)
 * @param {Uint8Array} drawn (m) 1 = drawn on.
 * @returns {{share: number, ahead: number, overlap: number}} share: of the pixels drawn on, which is also the overlap
 *   to expect by chance; ahead: chance that a pixel drawn on is more positive than one that is not, 0.5 for a random
 *   drawing; overlap: of the most positive pixels, as many as were drawn on, the share that was.
 */
export function score(map, drawn) {
  const m = map.length, rising = Uint32Array.from(map.keys()).sort((i, j) => map[i] - map[j]);
  const count = drawn.reduce((total, one) => total + one, 0);
  let ranks = 0, found = 0;
  rising.forEach((i, rank) => {
    if (!drawn[i]) return;
    ranks += rank;
    if (rank >= m - count) found += 1;
  });
  const ahead = (ranks - (count * (count - 1)) / 2) / (count * (m - count));
  return { share: count / m, ahead, overlap: found / count };
}

function verdict({ share, ahead, overlap }) {
  if (!share) return "You drew only where the encoder does not look, so there is no score.";
  if (share > 0.95) return "You drew on nearly everything, so there is no score: some of it must be right.";
  const whole = (part) => `${Math.round(100 * part)} %`;
  const kind = ahead > 0.75 ? "Well guessed: you and the encoder look at the same places."
    : ahead > 0.58 ? "Partly: you share some places with the encoder."
      : "The encoder looks elsewhere than you do; to find that out is what a map is for.";
  return `Your score is ${whole(ahead)}: so often is a point inside your drawing redder than one outside it (a ` +
    `random drawing would score about 50 %). It covers ${whole(overlap)} of the reddest area of its size, where ` +
    `chance would cover ${whole(share)}. ${kind}`;
}

/** The picture with ink on it. */
function drawingPad(result) {
  const canvas = el("canvas", { role: "img", "aria-label": "the picture, nothing marked" });
  fit(canvas, result);
  const { width, height } = canvas, ink = new OffscreenCanvas(width, height);
  const pen = ink.getContext("2d", { willReadFrequently: true });
  Object.assign(pen, { lineWidth: BRUSH * Math.min(width, height), lineCap: "round", lineJoin: "round" });
  const frame = el("div", {
    class: "pad", id: "tour-pad", tabindex: 0, role: "application",
    "aria-label": "Draw your guess: arrow keys move over a grid of 8 by 8, space marks or clears a cell.",
  }, canvas);
  const said = el("p", { class: "marked", "aria-live": "polite" }, "nothing marked");
  const clear = el("button", { type: "button" }, "Clear");
  const pad = { result, canvas, ink, pen, frame, said, explanation: null, cursor: null };
  pad.paint = () => paint(pad);
  const share = () => drawnOn(result, ink).reduce((total, one) => total + one, 0) / (result.size[0] * result.size[1]);
  pad.tell = (before = "") => {
    write(said, `${before}${Math.round(100 * share())} % marked`);
    canvas.setAttribute("aria-label", `the picture, ${said.textContent}`);
  };
  byPointer(pad);
  byKeys(pad);
  clear.addEventListener("click", () => {
    pen.clearRect(0, 0, width, height);
    pad.paint();
    pad.tell();
  });
  pad.paint();
  const reveal = (explanation) => {
    Object.assign(pad, { explanation, cursor: null });
    clear.disabled = true;
    frame.removeAttribute("tabindex");
    frame.classList.add("done");
    canvas.setAttribute("aria-label", `the map under your drawing, ${said.textContent}`);
    pad.paint();
  };
  const inked = () => pen.getImageData(0, 0, width, height).data.some((value) => value >= MARKED);
  return {
    element: el("div", { class: "drawing" }, frame, el("p", { class: "under" }, clear, said)),
    reveal, inked, drawn: () => drawnOn(result, ink),
  };
}

/** Which pixels of the map were drawn on, (h * w). */
function drawnOn({ size: [h, w], box: [left, top, right, bottom] }, ink) {
  const { width, height } = ink, { data } = ink.getContext("2d").getImageData(0, 0, width, height);
  const drawn = new Uint8Array(h * w);
  for (let y = 0; y < h; y++) {
    const row = Math.floor((top + ((y + 0.5) / h) * (bottom - top)) * height);
    for (let x = 0; x < w; x++) {
      const column = Math.floor((left + ((x + 0.5) / w) * (right - left)) * width);
      drawn[y * w + x] = data[4 * (row * width + column) + 3] >= MARKED ? 1 : 0;
    }
  }
  return drawn;
}

function byPointer(pad) {
  const { canvas, pen, frame } = pad;
  let from = null;
  const at = (event) => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    return [((event.clientX - left) / width) * canvas.width, ((event.clientY - top) / height) * canvas.height];
  };
  const stroke = (event) => {
    const to = at(event);
    pen.beginPath();
    pen.moveTo(...from);
    pen.lineTo(to[0] + 0.01, to[1]); // a click alone makes a dot
    pen.stroke();
    from = to;
    pad.paint();
  };
  frame.addEventListener("pointerdown", (event) => {
    if (event.button || pad.explanation) return;
    [from, pad.cursor] = [at(event), null];
    frame.setPointerCapture(event.pointerId);
    stroke(event);
  });
  frame.addEventListener("pointermove", (event) => from && stroke(event));
  for (const end of ["pointerup", "pointercancel"]) {
    frame.addEventListener(end, () => {
      if (from) pad.tell();
      from = null;
    });
  }
}

function byKeys(pad) {
  const { pen, ink, frame } = pad, wide = ink.width / CELLS, tall = ink.height / CELLS;
  const marked = ([x, y]) => pen.getImageData((x + 0.5) * wide, (y + 0.5) * tall, 1, 1).data[3] >= MARKED;
  const toggle = ([x, y]) => pen[marked([x, y]) ? "clearRect" : "fillRect"](x * wide, y * tall, wide, tall);
  frame.addEventListener("keydown", (event) => {
    const space = event.key === " " || event.key === "Enter", move = ARROWS[event.key];
    if (pad.explanation || !(space || move)) return;
    event.preventDefault();
    const inside = (v) => Math.min(Math.max(v, 0), CELLS - 1);
    if (!pad.cursor) pad.cursor = [CELLS / 2, CELLS / 2]; // the first arrow shows where it is
    else if (move) pad.cursor = pad.cursor.map((v, i) => inside(v + move[i]));
    if (space) toggle(pad.cursor);
    const [x, y] = pad.cursor;
    pad.paint();
    pad.tell(`row ${y + 1}, column ${x + 1} ${marked(pad.cursor) ? "marked" : "not marked"}; `);
  });
}

function paint({ canvas, result, ink, explanation, cursor }) {
  const { width, height } = canvas, context = canvas.getContext("2d");
  if (explanation) paintMap(canvas, result, explanation.map, { limit: explanation.limit });
  else context.drawImage(result.image, 0, 0, width, height);
  if (!explanation) {
    context.globalAlpha = 0.45;
    context.drawImage(tinted(ink, "#ffd400"), 0, 0);
    context.globalAlpha = 1;
  }
  // Black beside white stands out from any picture and any map.
  context.drawImage(rim(tinted(ink, "#fff"), 3), 0, 0);
  context.drawImage(rim(tinted(ink, "#000"), 1.5), 0, 0);
  if (!cursor) return;
  const wide = width / CELLS, tall = height / CELLS;
  for (const [colour, thick] of [["#000", 5], ["#fff", 2]]) {
    Object.assign(context, { strokeStyle: colour, lineWidth: thick });
    context.strokeRect(cursor[0] * wide + 2, cursor[1] * tall + 2, wide - 4, tall - 4);
  }
}

function tinted(ink, colour) {
  const copy = new OffscreenCanvas(ink.width, ink.height), context = copy.getContext("2d");
  context.drawImage(ink, 0, 0);
  context.globalCompositeOperation = "source-in";
  context.fillStyle = colour;
  context.fillRect(0, 0, copy.width, copy.height);
  return copy;
}

/** What a shape gains when it grows by some pixels all round. */
function rim(shape, by) {
  const copy = new OffscreenCanvas(shape.width, shape.height), context = copy.getContext("2d");
  for (let turn = 0; turn < 8; turn++) {
    context.drawImage(shape, by * Math.cos((turn * Math.PI) / 4), by * Math.sin((turn * Math.PI) / 4));
  }
  context.globalCompositeOperation = "destination-out";
  context.drawImage(shape, 0, 0);
  return copy;
}
