// One piece of evidence: its question, its price on a button, its progress, and what came of it.
import { el, write } from "../instrument/dom.js";
import { reader } from "../page/announce.js";
import { lineChart } from "./evidence-chart.js";
import { contactSheet, mapStrip } from "./evidence-pictures.js";

const FINDING = "its price is being found; the encoder is loaded for that, once, which can take a minute …";

/**
 * Build a card.
 * @param {object} kind {key, title, read, limits, verb, options: [{name, label, choices: [[value, text]], folded}]}
 * @param {object} act what its buttons and choices do: `run`, `stop`, `choose`; and, where there is more to it than its own
 *   settings, `front` (an element), `options` (what is sent besides) and `open` (see mapStrip)
 * @returns {{element, options: function, draw: function, take: function}} `draw` says where it is; `take` shows a report
 */
export function card(kind, act) {
  const settings = choices(kind, act.choose), findings = found(kind.title, act.open);
  const run = el("button", { type: "button", class: "run", id: `run-${kind.key}`, onclick: act.run });
  const stop = el("button", { type: "button", class: "stop", id: `stop-${kind.key}`, hidden: true, onclick: act.stop }, "Stop");
  const why = el("p", { class: "why", hidden: true }), progress = meter(kind.title);
  const element = el("section", { class: "card", id: `evidence-${kind.key}`, "aria-labelledby": `evidence-title-${kind.key}` },
    el("h3", { id: `evidence-title-${kind.key}` }, kind.title), el("p", { class: "read" }, kind.read), act.front, settings.front, settings.folded,
    why, el("div", { class: "actions" }, run, stop, progress.element), findings.element,
    el("p", { class: "limits" }, el("strong", {}, "What this does not say. "), kind.limits));
  const draw = ({ price, mine, busy, line }) => {
    const held = document.activeElement;
    run.hidden = mine;
    stop.hidden = !mine;
    run.disabled = busy || !price || Boolean(price.why);
    if (held === run && mine) stop.focus(); // the one takes the other's place, and so its place for the keyboard
    if (held === stop && !mine) run.focus();
    write(run, price?.why || mine ? kind.verb : `${kind.verb}: ${price ? priceWords(price) : kind.slow ? FINDING : "its price is being found …"}`);
    why.hidden = !price?.why;
    write(why, price?.why ?? "");
    progress.draw(mine, line);
  };
  return { element, draw, take: findings.take, options: () => ({ ...settings.chosen(), ...act.options?.() }) };
}

function priceWords({ passes, seconds, known }) {
  if (known) return "known already, at once";
  const time = seconds == null ? "; how long that takes is not known here yet" : seconds < 100 ? `, about ${Math.max(1, Math.round(seconds))} s` : `, about ${Math.round(seconds / 60)} min`;
  return `${passes} ${passes === 1 ? "pass" : "passes"} through the network${time}`;
}

/** The settings of a card: the ones that matter in sight, the others folded away. */
function choices({ key, options }, onchoose) {
  const fields = options.map(({ name, label, choices: offered, value, folded }) => {
    const select = el("select", { id: `evidence-${key}-${name}`, onchange: onchoose },
      ...offered.map(([each, text]) => el("option", { value: each, selected: each === value }, text)));
    const element = el("div", { class: "option" }, el("label", { for: select.id }, label), select);
    return { name, select, element, folded };
  });
  const [front, folded] = [false, true].map((where) => fields.filter((field) => field.folded === where).map((field) => field.element));
  return {
    front: front.length ? el("div", { class: "options" }, ...front) : null,
    folded: folded.length ? el("details", {}, el("summary", {}, "Settings"), el("div", { class: "options" }, ...folded)) : null,
    chosen: () => Object.fromEntries(fields.map(({ name, select }) => [name, select.value])),
  };
}

/** Where it is, and when it is over how it went. */
function meter(what) {
  const done = el("i"), bar = el("span", { class: "bar", role: "progressbar", "aria-label": what, "aria-valuemin": 0 }, done), said = el("span");
  const element = el("p", { class: "progress", hidden: true }, bar, said);
  const read = reader();
  const draw = (mine, line) => {
    element.hidden = !line || !(mine || line.rest);
    bar.hidden = !mine || !line?.wanted;
    write(said, line?.text ?? "");
    if (!element.hidden) read(`${what}: ${line.text}`, mine);
    if (bar.hidden) return;
    done.style.width = `${(100 * line.done) / line.wanted}%`;
    bar.setAttribute("aria-valuemax", line.wanted);
    bar.setAttribute("aria-valuenow", line.done);
  };
  return { element, draw };
}

/** What came of it: the verdict, charts, pictures and the numbers. */
function found(title, open) {
  const verdict = el("div", { class: "verdict", "aria-live": "polite" }), beside = el("ul", { class: "beside", hidden: true }), state = el("p", { class: "of" });
  const charts = [], graph = el("div", { class: "charts" }), sheet = contactSheet(), strip = mapStrip(open), table = numbers(title);
  const body = el("div", { class: "found", hidden: true }, beside, state, graph, strip.element, sheet.element, table.element);
  const element = el("div", { class: "outcome" }, verdict, body);
  /** Show a report, or none; `other` says that it is about another map than the one on screen. */
  const take = (report, other) => {
    body.hidden = !report;
    if (!report) return;
    const about = report.of.label;
    write(state, other ? `This is about another map: ${about}. Run it again for the one beside.` : `About ${about}.`);
    state.classList.toggle("other", other);
  };
  const show = (report) => {
    const said = report.over ? report.verdict : [];
    if (said.join() !== [...verdict.children].map((p) => p.textContent).join()) verdict.replaceChildren(...said.map((text) => el("p", {}, text)));
    beside.hidden = !report.beside?.length;
    beside.replaceChildren(...(report.beside ?? []).map((text) => el("li", {}, text)));
    while (charts.length < report.charts.length) {
      charts.push(lineChart());
      graph.append(charts.at(-1).element);
    }
    charts.forEach((chart, i) => { chart.element.hidden = i >= report.charts.length; });
    body.hidden = false; // charts measure their place
    report.charts.forEach((chart, i) => charts[i].draw(chart));
    sheet.element.hidden = !report.sheet;
    if (report.sheet) sheet.draw(report.sheet);
    strip.element.hidden = !report.strip;
    if (report.strip) strip.draw(report.strip, report);
    table.draw(report.table);
  };
  let shown = null;
  return {
    element,
    take: (report, other) => {
      if (report && report !== shown) show(report);
      shown = report;
      take(report, other);
    },
  };
}

function numbers(title) {
  const caption = el("caption"), head = el("tr"), body = el("tbody");
  const element = el("details", { class: "numbers" }, el("summary", {}, "The numbers"),
    el("div", { class: "wide", tabindex: 0, role: "region", "aria-label": `The numbers: ${title}` }, el("table", {}, caption, el("thead", {}, head), body)));
  const draw = (table) => {
    write(caption, table.caption);
    head.replaceChildren(...table.head.map((text) => el("th", { scope: "col" }, text)));
    body.replaceChildren(...table.rows.map(([first, ...rest]) => el("tr", {}, el("th", { scope: "row" }, first), ...rest.map((text) => el("td", {}, text)))));
  };
  return { element, draw };
}
