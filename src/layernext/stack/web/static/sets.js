// The annotation sets of one image, whole: with attributes, metadata and every digit of the coordinates.

import { ask } from "./api.js";
import { kindNamed, readCoordinates } from "./geometry/kinds.js";
import { readOverlays } from "./shapes.js";

/**
 * The sets that some runs have for an image, in the runs' order; one that has none is empty.
 * @param {{collection: string, name: string, number: number}} image its collection's id, its name, and its number
 *   as overlays have it
 * @returns {Promise<{run: number, name: string, mode: string, isNormalized: boolean, shapes: object[]}[]>}
 */
export async function fetchSets(image, runs, signal) {
  const found = runs.map((run, place) => ({ run: place, ...run, isNormalized: false, shapes: [] }));
  if (!runs.length) return found;
  const query = { collection: image.collection, image: image.name, run: [...new Set(runs.map((run) => run.name))] };
  const answer = await ask("/api/v1/annotations", { query, signal, raw: true });
  const lines = (await answer.text()).split("\n").filter(Boolean).map((line) => JSON.parse(line));
  if (!lines.length || !("end" in lines.at(-1))) throw new Error("the annotations arrived incomplete");
  for (const line of lines) {
    const mine = found.find((one) => one.name === line.run && one.mode === line.mode);
    if (!mine) continue;
    mine.isNormalized = Boolean(line.normalized || line.set.isNormalized);
    mine.shapes = line.set.annotations.map((one, index) => shapeOf(one, line.geometry, index));
  }
  await addBoxes(image, found, runs, signal);
  return found;
}

/** Shapes of kinds that the pages cannot draw get the box that the stack has around them. */
async function addBoxes(image, sets, runs, signal) {
  const isForeign = (shape) => !kindNamed(shape.type);
  if (!sets.some((set) => set.shapes.some(isForeign))) return;
  const body = { items: [image.number], runs: runs.map(({ name, mode }) => ({ name, mode })) };
  const [item] = readOverlays(await ask("/api/v1/items/overlays", { method: "POST", body, signal }));
  for (const { run, shapes } of item?.sets ?? []) {
    const set = sets[run];
    // Of very large sets the stack leaves shapes out; nothing says which.
    if (!set || shapes.length !== set.shapes.length) continue;
    for (const shape of set.shapes.filter(isForeign)) {
      const { geometry, coordinates } = shapes[shape.index];
      Object.assign(shape, { geometry, coordinates });
    }
  }
}

/** An annotation of either form of the format; of form v1 `metadata` has the attributes. */
function shapeOf(one, usual, index) {
  const isV2 = usual === null || "type" in one || "attributes" in one;
  const type = one.type ?? usual;
  const kind = kindNamed(type);
  return {
    index,
    type,
    label: one.label,
    geometry: kind?.code ?? 0,
    confidence: one.confidence ?? null,
    track: isV2 ? (one.track ?? null) : null,
    coordinates: kind ? readCoordinates(kind, one) : [],
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
