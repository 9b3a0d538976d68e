// What the annotations of a run are like, which the stack counts on demand.

import { ask } from "./api.js";

const AGAIN_MS = 1_000;

/** The statistics of {name, mode} in a collection (its id), as soon as they are counted. */
export async function askStatistics(collection, { name, mode }, signal) {
  for (;;) {
    const answer = await ask("/api/v1/runs/statistics", { query: { collection, run: name, mode }, signal });
    // Of a run that changes all the time those of before are better than none.
    if (answer.statistics) return answer.statistics;
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}
