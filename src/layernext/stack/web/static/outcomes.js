// What became of each annotation: who found what, after the API's matches of one image.

import { ask } from "./api.js";
import { h } from "./dom.js";
import { EVALUATED } from "./geometry/kinds.js";

/** Each has a word, a color that color-blind people tell apart, and a pattern of its own. */
export const OUTCOMES = {
  matched: { word: "matched", color: "#12a87b", dash: [] },
  missed: { word: "missed", color: "#56b4e9", dash: [2, 3], width: 3 },
  false_positive: { word: "false", color: "#e8590c", dash: [8, 4] },
  mislabelled: { word: "other label", color: "#f0d43a", dash: [9, 3, 2, 3] },
  duplicate: { word: "duplicate", color: "#d08bb9", dash: [4, 4] },
  ignored: { word: "ignored", color: "#a0a6b0", dash: [1, 4] },
};

/** Of the chosen sets those that are matched: a ground truth with each model run. */
export function pairsOf(sets) {
  const truth = sets.find((set) => set.mode === "human");
  return truth ? sets.filter((set) => set.mode === "machine").map((run) => ({ truth, run })) : [];
}

/**
 * Outcomes of all annotations of an image's sets. A truth has that of the first run.
 * @returns {Promise<(set: import("./shapes.js").ShapeSet, shape: import("./shapes.js").Shape) => string | null>}
 */
export async function fetchOutcomes(imageId, sets, min, signal) {
  const found = new Map();
  const note = (set, index, outcome) => {
    const key = `${set.run}:${index}`;
    if (outcome !== "left_out" && !found.has(key)) found.set(key, outcome === "found" ? "matched" : outcome);
  };
  for (const { truth, run } of pairsOf(sets)) {
    const there = new Set([...truth.shapes, ...run.shapes].map((shape) => shape.type));
    const answers = await Promise.all(
      Object.keys(EVALUATED).filter((geometry) => there.has(geometry)).map((geometry) =>
        ask("/api/v1/matches", {
          query: { image: imageId, run: run.name, ground_truth: truth.name, run_mode: run.mode, truth_mode: truth.mode, geometry, confidence: min },
          signal,
        }),
      ),
    );
    for (const { matches } of answers) {
      matches.annotations.forEach(({ outcome }, index) => note(run, index, outcome));
      matches.truths.forEach(({ outcome }, index) => note(truth, index, outcome));
    }
  }
  return (set, shape) => found.get(`${set.run}:${shape.index}`) ?? null;
}

/** How a shape of some outcome is drawn; what was not matched is drawn thin and grey. */
export function styleOf(outcome) {
  return outcome ? { key: outcome, ...OUTCOMES[outcome] } : { key: "none", color: "#a0a6b0", dash: [], width: 1 };
}

export const wordOf = (outcome) => (outcome ? OUTCOMES[outcome].word : null);

/** The patterns with their words, and how many there are of each. */
export function legend(sets, outcomeOf, isShown) {
  const counts = new Map();
  for (const set of sets) {
    for (const shape of set.shapes) {
      const outcome = outcomeOf(set, shape);
      // A match has two sides; it counts once, on the run's.
      if (!outcome || !isShown(shape) || (set.mode === "human" && outcome !== "missed")) continue;
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    }
  }
  return h(
    "ul",
    { class: "legend", "aria-label": "Results of matching" },
    Object.entries(OUTCOMES)
      .filter(([outcome]) => counts.has(outcome) || ["matched", "missed", "false_positive"].includes(outcome))
      .map(([outcome, { word, color, dash }]) => h("li", {}, sample(color, dash), `${word} `, h("b", { class: "number" }, counts.get(outcome) ?? 0))),
  );
}

function sample(color, dash) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "line-sample");
  svg.setAttribute("viewBox", "0 0 26 8");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", "M1 4h24");
  line.setAttribute("stroke-dasharray", dash.join(" "));
  line.style.stroke = color;
  svg.append(line);
  return svg;
}
