// What a screen reader hears of runs: that one began, now and then how far it is, and how it ended.
import { el, write } from "../instrument/dom.js";

/** Where what is said stands: one place for the whole page, so that nothing is said twice. */
export const voice = el("p", { class: "voice", role: "status", id: "voice" });

const QUIET = 10_000; // ms between two words about the progress of the same run

/** Read a status line out; it says a sentence, or beside a bar how far a run is. */
export function listen(element, watch) {
  let last = { said: element.innerText.trim(), running: false, at: -Infinity };
  watch("value", () => {
    const now = { said: element.innerText.trim(), running: Boolean(element.querySelector(".bar")), at: performance.now() };
    if (!worthSaying(last, now)) return;
    last = now;
    say(now.said);
  });
}

/** Have it read out, once whatever is being read has ended. */
export function say(text) {
  write(voice, text);
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
