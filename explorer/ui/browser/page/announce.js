// What a screen reader hears of runs: that one began, now and then how far it is, and how it ended.
import { el, write } from "../instrument/dom.js";

/** Where what is said stands: one place for the whole page, so that nothing is said twice. */
export const voice = el("p", { class: "voice", role: "status", id: "voice" });

const QUIET = 10_000; // ms between two words about the progress of the same run

/** Read a line of Gradio's out, whenever Python gives it another text; a bar in it shows how far a run is. */
export function listen(element, watch) {
  const read = reader(element.innerText.trim());
  watch("value", () => read(element.innerText.trim(), Boolean(element.querySelector(".bar"))));
}

/** What reads one line out: `(text, running)`, where `running` says that it is about progress. `shown` is there already. */
export function reader(shown = "") {
  let last = { said: shown, running: false, at: -Infinity };
  return (said, running) => {
    const now = { said, running, at: performance.now() };
    if (!worthSaying(last, now)) return;
    last = now;
    write(voice, said);
  };
}

/**
 * Whether a line is read out, after the last that was: progress at its beginning and then now and then, all else at once.
 * @param {{said: string, running: boolean, at: number}} last
 * @param {{said: string, running: boolean, at: number}} now `at` in ms
 */
export function worthSaying(last, now) {
  if (!now.said || now.said === last.said) return false;
  return !(now.running && last.running) || now.at - last.at >= QUIET;
}
