// Drawing what changed, but not for nobody: what cannot be seen is drawn when it is.
import { store } from "./store.js";

/**
 * Draw now and after every change of the keys, once there is a result; what is out of sight by then, as soon as it is seen.
 * @param {string} margin how far beyond the screen still counts as seen; a hidden tab never does
 */
export function follow(root, keys, draw, margin = "100px") {
  let seen = true, stale = true;
  const now = () => {
    const { result, words } = store.state;
    stale = !(seen && result && words);
    if (!stale) draw(store.state);
  };
  store.subscribe([...keys, "words"], now);
  new IntersectionObserver((entries) => {
    seen = entries.at(-1).isIntersecting;
    if (seen && stale) now();
  }, { rootMargin: margin }).observe(root);
  now();
}

/** What a reader can be told about must be up to date wherever the page is scrolled to. */
export const ANYWHERE = "20000px";
