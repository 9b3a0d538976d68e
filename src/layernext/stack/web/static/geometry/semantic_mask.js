// Semantic masks: all pixels of an image that have a label. What is kept and drawn is that of masks.

import { mask } from "./mask.js";

/** @type {import("./kinds.js").Kind} */
export const semanticMask = {
  ...mask,
  name: "semantic_mask",
  code: 9,
  key: "mask",
  word: "semantic mask",
  words: "semantic masks",
  isEvaluated: true,
};
