// The page's address names what is on screen, as a link from the Share tab does, so that it can be copied, and Back goes back.
import { keep } from "./kept.js";
import { store } from "../instrument/store.js";

const MOST = 12;
const PAUSE = 400; // ms without another change before the address is written: browsers allow a few a second

/** What names a result and how it is looked at: `to_query` of explorer/results/links.py. `usual` is what goes without saying. */
export function queryOf({ result, selection }, usual) {
  if (result.replay) return { preset: result.replay, ...unusual(selection, usual.selection) };
  const { picture_name: picture, picture_sha256, reference_name: reference, reference_sha256, caption, encoder, precision } = result;
  const masking = { ...result.masking, n_masks: Math.max(usual.least, result.n) };
  return {
    ...(picture ? { picture } : { picture_sha256 }),
    ...(reference ? { reference } : reference_sha256 ? { reference_sha256 } : { caption }),
    encoder: encoder.key,
    ...unusual(masking, usual.masking),
    ...(precision === usual.precision ? {} : { precision }),
    ...unusual(selection, usual.selection),
  };
}

function unusual(settings, usual) {
  const other = Object.entries(settings).filter(([name, value]) => name in usual && JSON.stringify(value) !== JSON.stringify(usual[name]));
  return Object.fromEntries(other.map(([name, value]) => [name, Array.isArray(value) ? value.map(Math.abs).join("-") : String(value)]));
}

/** The names of the address that are of its page's look, and whatever is not ours: they stay. */
function others(ours) {
  return [...new URLSearchParams(location.search)].filter(([name]) => !ours.includes(name));
}

/**
 * Write the address after every change, and say where Back and Forward lead.
 * Another result is another place to go back to, and so is another tab (see tabs.js); how it is looked at is not.
 * @param {object} props `results` (the names that say something about a result), `usual`, `first` (the example of a bare address)
 * @param {function} arrive called with what was on screen where Back or Forward has led to, if that is known
 */
export function followAddress({ results, usual, first }, arrive) {
  const seen = new Map(); // by the address
  let timer = 0, shown = null, at = location.search;
  const write = () => {
    const { result } = store.state;
    if (!result || result.meanwhile) return;
    const query = queryOf(store.state, usual), bare = Object.keys(query).length === 1 && query.preset === first && !asked(results);
    const text = bare ? location.search : search([...Object.entries(query), ...others(results)]);
    const name = JSON.stringify([result.replay, result.id]), other = shown !== null && name !== shown;
    shown = name;
    if (text !== location.search) history[other ? "pushState" : "replaceState"](null, "", `${text}${location.hash}`);
    if (!other) seen.delete(at); // another look at the same
    at = location.search;
    keep("search", at);
    seen.delete(at);
    seen.set(at, { wire: result.wire, replay: result.replay, selection: store.state.selection });
    if (seen.size > MOST) seen.delete(seen.keys().next().value);
  };
  store.subscribe(["result", "selection"], () => {
    clearTimeout(timer);
    timer = setTimeout(write, PAUSE);
  });
  addEventListener("popstate", () => {
    if (location.search === at) return; // another tab of the same
    clearTimeout(timer);
    at = location.search;
    shown = null; // what comes now belongs to this address
    keep("search", at);
    arrive(seen.get(at));
  });
}

/** Whether the address names a result. */
function asked(results) {
  return [...new URLSearchParams(location.search).keys()].some((name) => results.includes(name));
}

function search(pairs) {
  const text = new URLSearchParams(pairs).toString().replaceAll("%2C", ","); // as Python writes it
  return text && `?${text}`;
}
