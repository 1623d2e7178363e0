// The choice of a sweep: what it varies, what it costs, Run and Stop.
import { el, write } from "../instrument/dom.js";
import { store } from "../instrument/store.js";
import { chooseSweep } from "./sweep-grid.js";
import { PILOT } from "./sweep-table.js";
import { ownValues } from "./sweep-values.js";

const SETTLED = 400; // ms without another row, or another move of a control, before Python is asked for the prices

/**
 * Start the choice.
 * Props from Python: `sweeps` ([{key, title, about, free, own}]), `prices` ({of: {key: {maps, masks, passes, seconds} or {why}}, over},
 * or {why, over} where nothing could be run; `over` is the last press of Run that came to an end). Triggers `priced`
 * ({values: {key: numbers}}, to have the prices), `swept` ({sweep, press, values}) and `stopped` ({press}).
 */
export function mount(element, props, trigger, watch) {
  const root = element.querySelector(".sweep-root");
  const about = el("p", { class: "about" }), why = el("p", { class: "why", role: "alert", hidden: true });
  const run = el("button", { type: "button", class: "run", id: "run-sweep" }), stop = el("button", { type: "button", id: "stop-sweep", hidden: true }, "Stop");
  const actions = el("div", { class: "actions" }, run, stop), own = ownValues(() => {
    if (chosen.free) chooseSweep(chosen, own.of(chosen));
    else price();
    draw();
  });
  const options = props.sweeps.map((sweep) => option(sweep, () => choose(sweep)));
  const group = (free, legend) => el("fieldset", { class: "choices" }, el("legend", {}, legend),
    ...options.filter((o) => o.sweep.free === free).map((o) => o.element));
  root.append(group(true, "Free: from the masks of the result on screen"), group(false, "Costly: more passes through the network"), about, own.element, why, actions);

  let chosen = props.sweeps.find((sweep) => sweep.free), press = 0;
  const draw = () => {
    const { of, why: none, over = 0 } = props.prices ?? {}, running = press > over;
    const reason = none ?? of?.[chosen.key]?.why, typed = own.of(chosen);
    for (const o of options) o.draw(of?.[o.sweep.key], o.sweep === chosen);
    about.textContent = chosen.about;
    actions.hidden = chosen.free;
    why.hidden = chosen.free || !reason;
    write(why, reason ?? "");
    if (stop === document.activeElement && !running) run.focus();
    run.disabled = !of || Boolean(reason || typed.why) || running;
    stop.hidden = !running;
    run.textContent = running ? "Running …" : runWords(chosen, of?.[chosen.key]);
  };
  const choose = (sweep) => {
    chosen = sweep;
    own.choose(sweep);
    chooseSweep(sweep, own.of(sweep));
    draw();
  };
  run.addEventListener("click", () => {
    press += 1;
    trigger("swept", { sweep: chosen.key, press, values: own.of(chosen).values });
    draw();
  });
  stop.addEventListener("click", () => trigger("stopped", { press }));
  watch("prices", draw);
  const price = askWhenSettled(() => trigger("priced", { values: Object.fromEntries(props.sweeps.map((sweep) => [sweep.key, own.of(sweep).values])) }));
  choose(chosen);
}

/** Have the prices now, and whenever the controls or the masks that are known have changed; returns what asks once more. */
function askWhenSettled(ask) {
  let timer = setTimeout(ask);
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(ask, SETTLED);
  };
  store.subscribe(["result"], soon);
  addEventListener("costly-moved", soon);
  return soon;
}

function option(sweep, onchoose) {
  const input = el("input", { type: "radio", name: "sweep-choice", value: sweep.key, onchange: onchoose });
  const cost = el("small");
  const element = el("label", {}, input, el("span", {}, sweep.title, " ", cost));
  const draw = (price, isChosen) => {
    input.checked = isChosen;
    cost.textContent = sweep.free ? "free: at once" : price && !price.why ? costWords(price) : "";
  };
  return { sweep, element, draw };
}

function costWords({ passes, seconds }, where = "") {
  if (!passes) return "all embedded already: at once";
  return `${passes} ${passes === 1 ? "pass" : "passes"}${where}${seconds == null ? "" : `, ${timeWords(seconds)}`}`;
}

function timeWords(seconds) {
  return seconds < 100 ? `about ${Math.max(1, Math.round(seconds))} s` : `about ${Math.round(seconds / 60)} min`;
}

function runWords({ key }, price) {
  if (!price || price.why) return "Run";
  const what = key === PILOT ? `Pilot: ${price.maps} × ${price.masks} masks` : `Run ${price.maps} maps`;
  return `${what}, ${costWords(price, " through the network")}`;
}
