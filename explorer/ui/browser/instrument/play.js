// The build-up, played: the first two masks, then more and more, evenly in the logarithm, as most happens among the first.

/**
 * Play from 2 masks to `count` in `ms`; where the visitor wants little motion, in steps of about a second.
 * @param {(n: number) => boolean} draw returns whether to go on
 */
export function play(count, ms, draw) {
  const steps = matchMedia("(prefers-reduced-motion: reduce)").matches ? Math.round(ms / 1000) : Infinity;
  const began = performance.now();
  let last = 0;
  const step = (now) => {
    const past = Math.min(1, Math.max(0, (now - began) / ms));
    const share = steps === Infinity ? past : Math.floor(past * steps) / steps;
    const n = Math.min(count, Math.max(2, Math.round(count ** share)));
    if (n !== last && !draw(n)) return;
    last = n;
    if (share < 1) requestAnimationFrame(step);
  };
  step(began);
}
