// Where things are shown: the one place that knows what a page's URL says. The grid's own is in state.js.

import { withQuery } from "./api.js";

/** A text in the query language, quoted. */
export const quoted = (text) => `"${String(text).replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;

/** The fields that say which runs are drawn; each is {name, mode}. */
function drawn(runs) {
  const names = (mode) => runs.filter((run) => run.mode === mode).map((run) => run.name);
  return { truth: names("human"), run: names("machine") };
}

/** The grid of a collection: what `q` finds, with these runs drawn. */
export const gridUrl = (collectionId, { q = "", runs = [] } = {}) => withQuery(`/collections/${collectionId}`, { q, ...drawn(runs) });

/** An image, with these runs drawn over it. */
export const imageUrl = (collectionId, imageId, { runs = [] } = {}) =>
  withQuery(`/collections/${collectionId}/images/${imageId}`, drawn(runs));

/** A model run or ground truth in a collection (its id), maybe with one of its evaluations. */
export const runUrl = ({ collection, name, mode = "machine", evaluation = null }) =>
  withQuery("/run", { collection, run: name, mode: mode === "machine" ? null : mode, evaluation });

export const evaluationUrl = (evaluationId) => withQuery("/run", { evaluation: evaluationId });

/** Two runs of a collection side by side, each {name, mode}. */
export const compareUrl = (fields) => withQuery("/compare", fields);
