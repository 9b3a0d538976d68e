// What is chosen on the grid and on an image's page; all of it stands in the URL.

import { TALLIED } from "./evaluations.js";

/**
 * @typedef {{name: string, mode: "machine" | "human"}} Run
 * @typedef {{
 *   query: string, sort: string, evaluation: string | null, runs: Run[] | null, min: number, labels: string[], size: string,
 *   layout: string, match: boolean, selected: string | null, at: number | null,
 * }} State `runs` null: those that are chosen when nobody has; `labels` empty: all.
 */

export const SORTS = [
  ["name", "Name, A to Z"],
  ["-name", "Name, Z to A"],
  ["-created", "Newest first"],
  ["created", "Oldest first"],
  ["-modified", "Last changed first"],
  ["-size", "Largest file first"],
];
export const SIZES = { s: 128, m: 208, l: 320 };

const KNOWN_SORTS = new Set([...SORTS.map(([value]) => value), ...Object.keys(TALLIED)]);

/** @returns {State} */
export function readState(search = location.search) {
  const fields = new URLSearchParams(search);
  /** @type {Run[]} */
  const runs = [
    ...fields.getAll("truth").map((name) => ({ name, mode: /** @type {const} */ ("human") })),
    ...fields.getAll("run").map((name) => ({ name, mode: /** @type {const} */ ("machine") })),
  ];
  const min = Number(fields.get("min"));
  const at = Number.parseInt(fields.get("at"), 10);
  const size = fields.get("size");
  return {
    query: fields.get("q") ?? "",
    sort: KNOWN_SORTS.has(fields.get("sort")) ? fields.get("sort") : "name",
    evaluation: fields.get("evaluation"),
    runs: runs.length || fields.get("runs") === "none" ? runs : null,
    min: min > 0 && min <= 1 ? min : 0,
    labels: fields.getAll("label"),
    size: size in SIZES ? size : "m",
    layout: fields.get("layout") === "side" ? "side" : "over",
    match: fields.get("match") === "1",
    selected: fields.get("selected"),
    at: at >= 0 ? at : null,
  };
}

/** The query string of a state, "" or beginning with "?"; what is as usual is left out. */
export function searchOf(state) {
  const fields = new URLSearchParams();
  if (state.query) fields.set("q", state.query);
  if (state.sort !== "name") fields.set("sort", state.sort);
  if (state.sort in TALLIED && state.evaluation) fields.set("evaluation", state.evaluation);
  if (state.runs && !state.runs.length) fields.set("runs", "none");
  for (const run of state.runs ?? []) fields.append(run.mode === "human" ? "truth" : "run", run.name);
  if (state.min) fields.set("min", String(state.min));
  for (const label of state.labels) fields.append("label", label);
  if (state.size !== "m") fields.set("size", state.size);
  if (state.layout !== "over") fields.set("layout", state.layout);
  if (state.match) fields.set("match", "1");
  if (state.selected !== null) fields.set("selected", state.selected);
  if (state.at) fields.set("at", String(state.at));
  const text = fields.toString();
  return text ? `?${text}` : "";
}

export const sameRun = (one, other) => one.name === other.name && one.mode === other.mode;

export const keyOf = (run) => `${run.mode} ${run.name}`;

/** Of the runs of a collection, those that are shown while nobody has chosen: a truth, the newest run. */
export function usualRuns(runs) {
  const newest = (mode) => runs.filter((run) => run.mode === mode).sort((a, b) => (a.updated_at < b.updated_at ? 1 : -1))[0];
  return [newest("human"), newest("machine")].filter(Boolean).map(({ name, mode }) => ({ name, mode }));
}

/** An image's id, from its number. */
export const idOf = (number) => number.toString(16).padStart(24, "0");

/** The numbers of all items of a query, in order. */
export async function fetchOrder(ask, collectionId, state, signal) {
  const tallied = TALLIED[state.sort];
  const order = tallied && state.evaluation ? { sort: tallied.sort, evaluation: state.evaluation } : { sort: tallied ? "name" : state.sort };
  const query = { collection: collectionId, query: state.query, ...order };
  const { total, steps } = await ask("/api/v1/items/order", { query, signal });
  const numbers = new Float64Array(total);
  let number = 0;
  for (let at = 0; at < total; at += 1) {
    number += steps[at];
    numbers[at] = number;
  }
  return numbers;
}
