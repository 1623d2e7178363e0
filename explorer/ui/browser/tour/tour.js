// The guided tour: six steps on the result on screen, each one sentence, one task, one prediction and one reveal.
import { el, write } from "../instrument/dom.js";
import { bringBack, example } from "../instrument/instrument.js";
import { store } from "../instrument/store.js";
import { guess } from "./tour-guess.js";
import { breakIt, manyMasks, rankAndSelect } from "./tour-maps.js";
import { distance, oneMask } from "./tour-pair.js";
import { PLAIN } from "./tour-parts.js";
import { view } from "../instrument/views.js";

/**
 * A step: {title, sentence, hides, make(result, tour)}; `hides` says what is not to be seen on screen until revealed.
 * make() gives {task, element, missing, answered(), reveal(predicted), after()}: reveal shows the truth and returns
 * what to say; after() names the control that comes next, where that is not Next. The result may have more masks
 * by then than when the step was made, so what is told is read from the store.
 */
const STEPS = [guess, distance, oneMask, manyMasks, rankAndSelect, breakIt];
const FEWEST = 10; // masks; fewer are a run that has just begun
const HIDDEN = ["map", "distance", "agreement"];

/**
 * Start the component; `?step=3` in the page's address opens the tour there, on the result that comes with it.
 * Props from Python: `examples`, keys of those it may choose from, the best first.
 */
export function mount(element, props) {
  const tour = new Tour(element.querySelector(".tour-root"), props.examples);
  const asked = new URLSearchParams(location.search).get("step") ?? "";
  if (/^[1-6]$/.test(asked)) tour.open(Number(asked));
}

class Tour {
  #at = 0; // 0 = closed
  #made = {}; // the steps begun, by number
  #before = null; // how the visitor looked at the result
  #mine = null; // the selection the tour has set
  #id = null; // the result that the steps are about
  #own = null; // what was on screen before, where the tour has put another in its place
  #seen = new Set(); // ids of results whose maps were to be seen
  #parts = null;

  constructor(root, examples) {
    this.#parts = lay(root, {
      start: () => this.begin(examples),
      close: () => this.close(),
      back: () => this.#go(this.#at - 1),
      next: () => (this.#at === STEPS.length ? this.close() : this.#go(this.#at + 1)),
      reveal: () => this.#reveal(true),
      skip: () => this.#reveal(false),
    });
    store.subscribe(["result"], ({ result }) => (this.#at ? this.#arrive() : result && this.#seen.add(result.id)));
  }

  /** Open it on a pair whose map the visitor has not seen: there is nothing to guess about the one on screen. */
  async begin(examples) {
    const { start } = this.#parts, before = store.state.result;
    start.disabled = true;
    try {
      for (const key of examples) {
        const other = await example(key);
        if (this.#seen.has(other.id)) continue;
        if (store.state.result === before) {
          this.#own = before;
          store.set({ result: other, rival: null, reverse: null, other: null, copy: null });
        }
        break;
      }
    } finally {
      start.disabled = false;
      this.open(1);
    }
  }

  open(step) {
    this.#at = step;
    this.#parts.panel.hidden = false;
    this.#parts.closed.hidden = true;
    this.#arrive();
    this.#parts.heading.focus();
  }

  close() {
    const { result } = store.state, own = this.#own;
    if (result) this.#seen.add(result.id);
    if (own && result.id === this.#id) bringBack(own);
    if (this.#before) store.set(this.#before);
    this.#own = null;
    this.#at = 0;
    this.#made = {};
    this.#before = this.#id = null;
    this.#parts.panel.hidden = true;
    this.#parts.closed.hidden = false;
    this.#parts.body.replaceChildren();
    hide([]);
    this.#parts.start.focus();
  }

  /** Look at the result in a way that belongs to this step; what is not named is as every step has it. */
  look(changes) {
    this.#made[this.#at].looks = changes;
    this.#look();
  }

  /** Let the step on screen be answered once more. */
  again() {
    this.#made[this.#at].said = null;
    this.#draw();
    this.#made[this.#at].element.querySelector("input").focus();
  }

  /** A result is there, or more of it: begin with it where it is another one. */
  #arrive() {
    const { result, selection, upto, pixel } = store.state;
    const another = result && result.id !== this.#id;
    if (another) {
      const own = selection === this.#mine && this.#before ? this.#before.selection : selection;
      this.#before = { selection: own, upto, pixel };
      this.#id = result.id;
      this.#made = {};
    } else this.#forget();
    this.#show();
    if (another) this.#look();
  }

  /** Steps that were only looked at ask about fewer masks than there are now; the one on screen keeps what was begun. */
  #forget() {
    this.#made = Object.fromEntries(Object.entries(this.#made).filter(([step, made]) => made.said || Number(step) === this.#at));
  }

  #go(step) {
    this.#at = step;
    this.#show();
    this.#look();
    const { heading, live } = this.#parts;
    live.textContent = `Step ${step} of ${STEPS.length}: ${heading.textContent}.`;
    heading.scrollIntoView({ block: "nearest" });
    if (step === 1) heading.focus(); // Back, which was pressed, is off now
  }

  /** The step on screen, made when it is first seen; none where the result does not allow it. */
  #show() {
    const { result } = store.state;
    if (!trouble(result)) this.#made[this.#at] ??= STEPS[this.#at - 1].make(result, this);
    this.#draw();
  }

  #look() {
    if (!this.#before) return;
    const looks = { selection: { ...PLAIN }, upto: null, pixel: null, ...this.#made[this.#at]?.looks };
    this.#mine = looks.selection;
    store.set(looks);
  }

  #reveal(predicted) {
    const step = this.#made[this.#at], { told, next } = this.#parts;
    if (predicted && !step.answered()) return void (told.textContent = step.missing);
    step.said = step.reveal(predicted);
    this.#draw();
    return (step.after?.() || next).focus();
  }

  #draw() {
    const { title, sentence } = STEPS[this.#at - 1], parts = this.#parts;
    const problem = trouble(store.state.result), step = problem ? null : this.#made[this.#at];
    parts.progress.textContent = `${this.#at} of ${STEPS.length}`;
    parts.heading.textContent = title;
    parts.sentence.textContent = sentence;
    parts.task.textContent = step ? step.task : problem;
    parts.about.hidden = !this.#own;
    if (parts.body.firstChild !== (step?.element ?? null)) parts.body.replaceChildren(...(step ? [step.element] : []));
    write(parts.told, step?.said ?? "");
    parts.answer.hidden = !step || Boolean(step.said);
    parts.back.disabled = this.#at === 1;
    parts.next.textContent = this.#at === STEPS.length ? "Finish" : "Next";
    hide(step ? this.#unsaid() : []);
  }

  /** What this step and those to come ask about, as far as it is not revealed. */
  #unsaid() {
    const unsaid = STEPS.filter(({ hides }, i) => hides && i + 1 >= this.#at && !this.#made[i + 1]?.said);
    return unsaid.map(({ hides }) => hides);
  }
}

/** Why there is nothing to guess yet, or "". */
function trouble(result) {
  if (!(result?.n >= FEWEST)) return "Press Run or choose an example first.";
  return view(result, PLAIN).noSignal ? "The map of this pair shows no signal; choose an example first." : "";
}

/** What would give the answer away is not shown, nor read out, on the screen below. */
function hide(all) {
  for (const name of HIDDEN) document.body.classList.toggle(`tour-hides-${name}`, all.includes(name));
}

/** Lay the panel out. */
function lay(root, does) {
  const button = (name, text, attributes = {}) =>
    el("button", { type: "button", id: `tour-${name}`, onclick: does[name], ...attributes }, text);
  const parts = {
    start: button("start", "Take the tour (6 steps, 5 minutes)"),
    progress: el("p", { class: "progress" }), heading: el("h2", { tabindex: -1, id: "tour-heading" }),
    about: el("p", { class: "about" }, "This is about another example, whose map has not been on screen. What you had comes back when you close the tour."),
    sentence: el("p", { class: "sentence" }), task: el("p", { class: "task" }), body: el("div", { class: "body" }),
    answer: el("p", { class: "answer" }, button("reveal", "Reveal"), button("skip", "Skip this guess")),
    told: el("p", { class: "told", id: "tour-told", "aria-live": "polite" }),
    live: el("p", { class: "unseen", "aria-live": "polite" }),
    back: button("back", "Back"), next: button("next", "Next"),
  };
  parts.closed = el("p", { class: "closed" }, el("span", {}, "New here? Guess first, then look. "), parts.start);
  parts.panel = el("section", { class: "panel", "aria-labelledby": "tour-heading", hidden: true },
    el("div", { class: "head" }, parts.progress, parts.heading,
      button("close", "Close", { "aria-label": "Close the tour" })),
    parts.about, parts.sentence, parts.task, parts.body, parts.answer, parts.told,
    el("div", { class: "foot" }, parts.back, parts.next), parts.live);
  root.dataset.control = "tour";
  root.replaceChildren(parts.closed, parts.panel);
  return parts;
}
