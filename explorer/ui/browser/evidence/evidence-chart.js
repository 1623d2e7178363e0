// A line chart as SVG: axes with titles, lines named where they end, a band, zones and reference lines.
import { textScale, write } from "../instrument/dom.js";

const NS = "http://www.w3.org/2000/svg";
const SAMPLE = 18; // px of a line beside its name
/** In px for text of the usual size, and larger with it; a letter is so wide about, two names are so far apart. */
const SIZES = { height: 250, left: 54, top: 14, bottom: 44, letter: 7.6, apart: 15, tick: 16, title: 36, side: 11 };

/** Make an SVG element: `svg("path", { d })`, with text and children as in dom.js. */
function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value != null && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null && child !== false));
  return element;
}

/**
 * A chart that is drawn anew when its place changes its width; `draw(chart)` with
 * {title, alt, x: {label, low, high, log, ticks}, y: {label, low, high}, series: [{name, tone, dash, joined, points}],
 * band: [[x, low, high]], zones: [{low, high, text}], rules: [{at, text}]}. Points without a value are null; rules are
 * level lines.
 */
export function lineChart() {
  const figure = document.createElement("figure"), caption = document.createElement("figcaption"), place = document.createElement("div");
  figure.className = "chart";
  figure.append(caption, place);
  let chart = null, drawnAt = 0;
  const paint = () => {
    const width = place.clientWidth;
    if (!chart || !width) return;
    drawnAt = width;
    place.replaceChildren(picture(chart, width));
  };
  new ResizeObserver(() => place.clientWidth !== drawnAt && paint()).observe(place);
  const draw = (next) => {
    chart = next;
    write(caption, chart.title);
    paint();
  };
  return { element: figure, draw };
}

function picture(chart, width) {
  const scale = textScale(), size = Object.fromEntries(Object.entries(SIZES).map(([name, value]) => [name, value * scale]));
  const rules = (chart.rules ?? []).map(({ at, text }) => ({ name: text, tone: "rule", dash: "4 4", points: [[0, at]] }));
  const zones = (chart.zones ?? []).map(({ low, high, text }) => ({ name: text, tone: "zone", points: [[0, (low + high) / 2]] }));
  const longest = Math.max(0, ...[...chart.series, ...rules, ...zones].map((line) => line.name.length));
  const right = Math.min(0.5 * width, longest ? 14 + SAMPLE + size.letter * longest : 14);
  const area = { left: size.left, right: width - right, top: size.top, bottom: size.height - size.bottom, size };
  const x = axis(chart.x, area.left, area.right), y = axis(chart.y, area.bottom, area.top);
  return svg("svg", { viewBox: `0 0 ${width} ${size.height}`, width, height: size.height, role: "img", "aria-label": chart.alt },
    ...(chart.zones ?? []).map((zone) => zoneOf(zone, y, area)),
    ...grid(chart, x, y, area),
    chart.band?.length && svg("path", { class: "band", d: bandPath(chart.band, x, y) }),
    ...rules.map(({ points: [[, at]] }) => svg("line", { class: "line rule", "stroke-dasharray": "4 4", x1: area.left, x2: area.right, y1: y(at), y2: y(at) })),
    ...chart.series.flatMap((line) => lineOf(line, x, y)),
    ...endNames([...chart.series, ...rules, ...zones], y, area));
}

/** From a value to its place; on a logarithmic axis equal factors are equal lengths. */
function axis({ low, high, log }, from, to) {
  const at = log ? Math.log : (value) => value, span = at(high) - at(low) || 1;
  return (value) => from + ((at(value) - at(low)) / span) * (to - from);
}

function grid({ x: across, y: up }, x, y, { left, right, top, bottom, size }) {
  const steps = right - left < 330 ? 4 : 6, parts = [];
  const values = up.ticks ?? ticks(up.low, up.high, 5);
  for (const [value, text] of values) {
    parts.push(svg("line", { class: "grid", x1: left, x2: right, y1: y(value), y2: y(value) }));
    parts.push(svg("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, text));
  }
  for (const [value, text] of across.ticks ?? ticks(across.low, across.high, steps)) {
    parts.push(svg("text", { x: x(value), y: bottom + size.tick, "text-anchor": "middle" }, text));
  }
  const middle = (top + bottom) / 2;
  return [...parts,
    svg("line", { class: "axis", x1: left, x2: right, y1: bottom, y2: bottom }),
    svg("text", { class: "title", x: (left + right) / 2, y: bottom + size.title, "text-anchor": "middle" }, across.label),
    svg("text", { class: "title", x: size.side, y: middle, "text-anchor": "middle", transform: `rotate(-90 ${size.side} ${middle})` }, up.label)];
}

/** Round numbers between two values, as [value, text]. */
export function ticks(low, high, most) {
  const rough = (high - low || 1) / most, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= rough * 0.999);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9)), found = [];
  for (let i = Math.ceil(low / step - 1e-6); i * step <= high + 1e-6 * step; i++) {
    found.push([i * step, (i * step || 0).toFixed(digits).replace("-", "−")]);
  }
  return found;
}

function bandPath(band, x, y) {
  const there = band.map(([at, low]) => `${x(at)},${y(low)}`), back = band.map(([at, , high]) => `${x(at)},${y(high)}`).reverse();
  return `M${[...there, ...back].join("L")}Z`;
}

function zoneOf({ low, high }, y, { left, right }) {
  return svg("rect", { class: "zone", x: left, width: right - left, y: y(high), height: Math.max(1, y(low) - y(high)) });
}

/** A line broken where nothing is known yet, and its points. */
function lineOf({ name, tone, dash, joined = true, points }, x, y) {
  const known = points.filter(([, value]) => value != null), mark = points.length <= 24;
  let path = "", before = null;
  for (const [at, value] of points) {
    if (value != null) path += `${before == null ? "M" : "L"}${x(at)},${y(value)}`;
    before = value;
  }
  return [
    joined && svg("path", { class: `line ${tone}`, d: path, "stroke-dasharray": dash }),
    ...(mark ? known : []).map(([at, value]) => svg("circle", { class: `dot ${tone}`, cx: x(at), cy: y(value), r: 3.2 },
      svg("title", {}, `${name}: ${Number(value.toPrecision(3))}`))),
  ];
}

/** Each line's name beside its last point, with a piece of it, moved so that no two overlap. */
function endNames(series, y, { right, top, bottom, size: { apart } }) {
  const ends = series.filter((line) => line.name && line.points.some(([, value]) => value != null))
    .map((line) => ({ line, at: y(line.points.findLast(([, value]) => value != null)[1]) })).sort((a, b) => a.at - b.at);
  ends.forEach((end, i) => { end.at = Math.max(end.at, i ? ends[i - 1].at + apart : top + 4); });
  ends.toReversed().forEach((end, i, up) => { end.at = Math.min(end.at, i ? up[i - 1].at - apart : bottom); });
  return ends.flatMap(({ line, at }) => [
    sample(line, right + 6, at), svg("text", { class: `name ${line.tone}`, x: right + 10 + SAMPLE, y: at + 4 }, line.name),
  ]);
}

/** What a line, its points or a zone look like. */
function sample({ tone, dash, joined = true }, x, y) {
  if (tone === "zone") return svg("rect", { class: "zone", x, y: y - 5, width: SAMPLE, height: 10 });
  if (joined) return svg("path", { class: `line ${tone}`, "stroke-dasharray": dash, d: `M${x},${y}h${SAMPLE}` });
  return svg("circle", { class: `dot ${tone}`, cx: x + SAMPLE / 2, cy: y, r: 3.2 });
}
