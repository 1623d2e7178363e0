// What the page shows: one state, read and changed by every component of the app.

/** A result with its pictures, or null before there is one; see decode() in maths.js. */
const state = {
  result: null,
  rival: null, // the same masks against a second reference
  reverse: null, // the reference explained by the picture
  selection: { mode: "mirror", threshold: 0.1, distance: "cosine", closest: null, farthest: null },
  upto: null, // how many of the masks count; null = all
  opacity: 0.85,
  hatch: true, // whether pixels whose sign is not settled are hatched
  other: null, // {of, title, map, limit, size, note}: another method's map for the result `of`, large in place of its own
  pixel: null, // {x, y} in shares of the picture: the one being asked about
  copy: null, // the masked copy that is looked at, by number
  pins: [], // {id, result, selection, upto, title}
  mark: null, // {of, text}: that the result `of` is not what is asked for, while it is on screen
  words: null, // labels and sentences, from Python
};
const listeners = [];
let changed = new Set();

/** Tell the listeners once in the next frame, so that a drag paints at the screen's rate and no faster. */
function notify() {
  const keys = changed;
  changed = new Set();
  for (const [wanted, listener] of [...listeners]) {
    if (!wanted.some((key) => keys.has(key))) continue;
    try {
      listener(state);
    } catch (error) {
      reportError(error); // and the others still hear of it
    }
  }
}

export const store = {
  state,

  /** Change some of the state. */
  set(changes) {
    if (!changed.size) requestAnimationFrame(notify);
    for (const [key, value] of Object.entries(changes)) {
      if (!(key in state)) throw new Error(`no such state: ${key}`);
      state[key] = value;
      changed.add(key);
    }
  },

  /** Change some of the selection. */
  select(changes) {
    store.set({ selection: { ...state.selection, ...changes }, other: null });
  },

  /** Call the listener after any of the keys changed; returns what ends it. */
  subscribe(keys, listener) {
    const entry = [keys, listener];
    listeners.push(entry);
    return () => listeners.splice(listeners.indexOf(entry), 1);
  },
};
