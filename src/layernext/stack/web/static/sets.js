// The annotation sets of one image, whole: with attributes, metadata and every digit of the coordinates.

import { ask } from "./api.js";

const GEOMETRIES = { rectangle: 1, polygon: 2, line: 3, points: 4 };
const KEYS = { rectangle: "bbox", polygon: "polygon", line: "line", points: "points" };

/**
 * The sets that some runs have for an image, in the runs' order; one that has none is empty.
 * @returns {Promise<{run: number, name: string, mode: string, isNormalized: boolean, shapes: object[]}[]>}
 */
export async function fetchSets(collectionId, imageName, runs, signal) {
  const found = runs.map((run, place) => ({ run: place, ...run, isNormalized: false, shapes: [] }));
  if (!runs.length) return found;
  const query = { collection: collectionId, image: imageName, run: [...new Set(runs.map((run) => run.name))] };
  const answer = await ask("/api/v1/annotations", { query, signal, raw: true });
  const lines = (await answer.text()).split("\n").filter(Boolean).map((line) => JSON.parse(line));
  if (!lines.length || !("end" in lines.at(-1))) throw new Error("the annotations were cut off on their way");
  for (const line of lines) {
    const mine = found.find((one) => one.name === line.run && one.mode === line.mode);
    if (!mine) continue;
    mine.isNormalized = Boolean(line.normalized || line.set.isNormalized);
    mine.shapes = line.set.annotations.map((one, index) => shapeOf(one, line.geometry, index));
  }
  return found;
}

/** An annotation of either form of the format; of form v1 `metadata` has the attributes. */
function shapeOf(one, usual, index) {
  const isV2 = usual === null || "type" in one || "attributes" in one;
  const type = one.type ?? usual;
  return {
    index,
    type,
    label: one.label,
    geometry: GEOMETRIES[type],
    confidence: one.confidence ?? null,
    coordinates: one[KEYS[type]].flat(),
    attributes: isV2 ? plain(one.attributes ?? {}) : Object.entries(one.metadata ?? {}).map(([name, value]) => ({ name, value, confidence: null })),
    metadata: isV2 ? Object.entries(one.metadata ?? {}) : [],
  };
}

const plain = (attributes) =>
  Object.entries(attributes).flatMap(([name, values]) =>
    values.map(({ value, confidence }) => ({ name, value, confidence: confidence ?? null })),
  );

/** A value as text: strings as they are, everything else as JSON. */
export const shown = (value) => (typeof value === "string" ? value : JSON.stringify(value));
