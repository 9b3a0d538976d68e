// Orders of the grid that need an evaluation: it is looked up, and made where there is none.

import { ApiError, ask, askAll } from "./api.js";

const POLL_MS = 700;

/** Sorts by an evaluation, with what the API calls them and whose evaluation they need. */
export const TALLIED = {
  worst: { text: "Worst first", sort: "worst", of: "truth" },
  best: { text: "Best first", sort: "best", of: "truth" },
  false_positives: { text: "Most false positives", sort: "false_positives", of: "truth" },
  missed: { text: "Most missed", sort: "missed", of: "truth" },
  disagree: { text: "Two runs that disagree most", sort: "worst", of: "runs" },
};

/** The two runs that a sort compares, {run, truth}, or a sentence that says what must be chosen. */
export function pairFor(sort, chosen) {
  const machines = chosen.filter((run) => run.mode === "machine");
  const human = chosen.find((run) => run.mode === "human");
  if (TALLIED[sort].of === "runs") {
    return machines.length < 2 ? "Choose two model runs to see where they disagree" : { run: machines[1], truth: machines[0] };
  }
  return !human || !machines.length ? "Choose a ground truth and a model run to sort by how well the run did" : { run: machines[0], truth: human };
}

/**
 * The id of an evaluation of two runs in a collection that has a result; waits until one is made.
 * @param {string} collectionId
 * @param {{run: import("./state.js").Run, truth: import("./state.js").Run}} pair
 * @param {string} geometry the name of a kind
 * @param {{signal: AbortSignal, tell: (text: string) => void}} options `tell` hears that it takes a while
 */
export async function evaluationOf(collectionId, { run, truth }, geometry, { signal, tell }) {
  const query = { collection: collectionId, run: run.name, ground_truth: truth.name };
  const known = (await askAll("/api/v1/evaluations", { query, signal })).filter(
    (one) => one.run_mode === run.mode && one.truth_mode === truth.mode && one.settings.geometry === geometry,
  );
  let found = known.find((one) => one.is_current);
  if (!found) found = await begin(collectionId, run, truth, geometry, signal, known[0]);
  while (found.status === "queued" || found.status === "in_progress") {
    tell(`Evaluating “${run.name}” … ${Math.round(found.progress)} %`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    found = await ask(`/api/v1/evaluations/${encodeURIComponent(found.id)}`, { signal });
  }
  if (found.status === "failed") throw new ApiError(`the evaluation failed: ${found.message}`);
  return found.id;
}

async function begin(collectionId, run, truth, geometry, signal, old) {
  const body = { collection: collectionId, run: run.name, ground_truth: truth.name, run_mode: run.mode, truth_mode: truth.mode, settings: { geometry } };
  try {
    return await ask("/api/v1/evaluations", { method: "POST", body, signal });
  } catch (error) {
    if (error.status !== 403) throw error;
    // Who may only read sees the newest result that there is.
    if (old?.computed_at) return { ...old, status: "completed" };
    throw new ApiError("these two runs have not been evaluated yet, which needs a key with the role write");
  }
}
