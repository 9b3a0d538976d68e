// Asking again and again: often while something goes on, seldom otherwise, never in a hidden tab.

const FIRST_MS = 700;
const LONGEST_MS = 15_000;

/**
 * Call `work` now, and again until it is stopped. It says whether something is going on; while that is
 * so, and after `soon()`, the next call comes at once, else later and later. An error counts as nothing
 * going on: `work` has shown it.
 * @returns {{soon: () => void, stop: () => void}}
 */
export function poll(work) {
  let timer = 0;
  let wait = FIRST_MS;
  let isRunning = false;
  let isStopped = false;

  async function turn() {
    if (isRunning || isStopped) return;
    clearTimeout(timer);
    isRunning = true;
    let isLive = false;
    try {
      isLive = await work();
    } finally {
      isRunning = false;
      wait = isLive ? FIRST_MS : Math.min(wait * 2, LONGEST_MS);
      if (!isStopped && !document.hidden) timer = setTimeout(turn, wait);
    }
  }

  function onVisibility() {
    if (document.hidden) clearTimeout(timer);
    else turn();
  }

  document.addEventListener("visibilitychange", onVisibility);
  turn();
  return {
    soon() {
      wait = FIRST_MS;
      clearTimeout(timer);
      if (isRunning) timer = setTimeout(turn, FIRST_MS);
      else turn();
    },
    stop() {
      isStopped = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", onVisibility);
    },
  };
}
