// Shapes on a canvas: boxes, outlines, lines and points, in the colors of their labels.
//
// A shape is {label, geometry, confidence, coordinates}, as the API's overlays have it; `geometry` is the code of a
// kind, and geometry/kinds.js knows what its coordinates mean.

/**
 * @typedef {{label: string, geometry: number, confidence: number | null, coordinates: number[], index?: number,
 *   type?: string, bounds?: number[]}} Shape
 * @typedef {{run: number, isNormalized: boolean, shapes: Shape[], name?: string, mode?: string}} ShapeSet
 *   `run` is the place of its run among the runs that are shown
 * @typedef {{width: number, height: number}} Size
 */

import { ask, askAll } from "./api.js";
import { kindOf } from "./geometry/kinds.js";

/** Line patterns of the chosen runs, in their order, so that runs differ by more than color. */
export const DASHES = [[], [6, 3], [2, 3], [9, 3, 2, 3], [1, 2]];

const FALLBACKS = ["#e4572e", "#2e86ab", "#3fa34d", "#a23b72", "#f0a202", "#5c6ac4", "#12a3a3", "#c2410c"];
const colors = new Map();

export async function loadColors(signal) {
  for (const label of await askAll("/api/v1/labels", { signal })) {
    if (/^#[0-9a-f]{6}$/i.test(label.color)) colors.set(label.name, label.color);
  }
}

const skeletons = new Map();

/** The skeletons of a collection's labels, which keypoints are drawn with. */
export async function loadSkeletons(collection, signal) {
  for (const { name, skeleton } of await ask("/api/v1/collection-classes", { query: { collection }, signal })) {
    if (skeleton) skeletons.set(name, skeleton);
  }
}

/** @returns {import("./geometry/kinds.js").Skeleton | null} */
export const skeletonOf = (label) => skeletons.get(label) ?? null;

export const knownLabels = () => [...colors.keys()];

export function colorOf(label) {
  let color = colors.get(label);
  if (!color) {
    let sum = 7;
    for (const letter of label) sum = (sum * 31 + letter.codePointAt(0)) >>> 0;
    color = FALLBACKS[sum % FALLBACKS.length];
    colors.set(label, color);
  }
  return color;
}

/** Whether a shape is to be seen: confident enough (ground truth always is), and of a chosen label. */
export function isShown(label, confidence, state) {
  if (confidence !== null && confidence < state.min) return false;
  return !state.labels.length || state.labels.includes(label);
}

/** Whether a shape of a set has fractions of the image for coordinates. */
export const hasFractions = (set, shape) => set.isNormalized && !kindOf(shape).isInPixels;

/** Add a shape to the canvas's path; scale and offset bring the image's pixels to those of the canvas. */
export function trace(pen, shape, sx, sy, dx = 0, dy = 0, radius = 2.5) {
  kindOf(shape).trace(pen, shape.coordinates, { sx, sy, dx, dy, radius, skeleton: skeletonOf(shape.label) });
}

/** How far shapes reach to the right and downwards, for images that have no size yet. */
export function extentOf(sets) {
  let width = 0;
  let height = 0;
  for (const set of sets) {
    for (const shape of set.shapes) {
      const [, , right, bottom] = kindOf(shape).bounds(shape.coordinates);
      width = Math.max(width, right);
      height = Math.max(height, bottom);
    }
  }
  return { width, height };
}

/**
 * The size in which an item's shapes count: the image's, or where that is unknown, a little more than the
 * shapes take. Of fractions alone it is a square.
 */
export function frameOf(item) {
  if (item.width && item.height) return { width: item.width, height: item.height, isGuessed: false };
  const { width, height } = extentOf(item.sets.filter((set) => !set.isNormalized));
  if (!width || !height) return { width: 1, height: 1, isGuessed: true };
  return { width: width * 1.05, height: height * 1.05, isGuessed: true };
}

/**
 * Draw sets of shapes; shapes of one label and run are one path, so that many cost little.
 * @param {CanvasRenderingContext2D} pen
 * @param {{sets: ShapeSet[], frame: Size, state: object, width: number, height: number, lineWidth?: number}} what
 *   in CSS pixels
 */
export function drawSets(pen, { sets, frame, state, width, height, lineWidth = 1.5 }) {
  for (const set of sets) {
    const byLabel = new Map();
    for (const shape of set.shapes) {
      if (!isShown(shape.label, shape.confidence, state)) continue;
      const some = byLabel.get(shape.label);
      if (some) some.push(shape);
      else byLabel.set(shape.label, [shape]);
    }
    pen.setLineDash(DASHES[set.run % DASHES.length]);
    pen.lineJoin = "round";
    for (const [label, shapes] of byLabel) {
      const path = new Path2D();
      const tinted = new Path2D();
      for (const shape of shapes) {
        const size = hasFractions(set, shape) ? { width: 1, height: 1 } : frame;
        trace(path, shape, width / size.width, height / size.height);
        if (kindOf(shape).isTinted) trace(tinted, shape, width / size.width, height / size.height);
      }
      tint(pen, tinted, colorOf(label));
      // A dark edge keeps every color visible on every picture.
      pen.strokeStyle = "rgb(0 0 0 / 38%)";
      pen.lineWidth = lineWidth + 1.2;
      pen.stroke(path);
      pen.strokeStyle = colorOf(label);
      pen.lineWidth = lineWidth;
      pen.stroke(path);
    }
  }
  pen.setLineDash([]);
  drawLabels(pen, sets, state, width, height);
}

/** Shapes, the most confident first; those without a confidence before all others. */
export const byConfidence = (shapes) => [...shapes].sort((one, other) => (other.confidence ?? 2) - (one.confidence ?? 2));

/** The labels of the whole image, in rows from the lower edge up, as far as there is room. */
function drawLabels(pen, sets, state, width, height) {
  const labels = sets.flatMap((set) => byConfidence(set.shapes.filter((shape) => kindOf(shape).isOfImage && isShown(shape.label, shape.confidence, state))));
  const room = Math.min(labels.length, Math.max(1, Math.floor(height / 54)));
  pen.font = "600 11px system-ui, sans-serif";
  for (let at = 0; at < room; at += 1) {
    const { label } = labels[at];
    const text = at === room - 1 && labels.length > room ? `${label} +${labels.length - room}` : label;
    const y = height - 3 - 18 * (room - at);
    const wide = Math.min(width - 6, pen.measureText(text).width + 14);
    pen.fillStyle = "rgb(15 18 24 / 85%)";
    pen.fillRect(3, y, wide, 16);
    pen.fillStyle = colorOf(label);
    pen.fillRect(3, y, 4, 16);
    pen.fillStyle = "#fff";
    pen.fillText(text, 11, y + 12, Math.max(1, wide - 12));
  }
}

/** Fill a path so that what is below can still be seen. */
export function tint(pen, path, color) {
  pen.globalAlpha = 0.3;
  pen.fillStyle = color;
  pen.fill(path);
  pen.globalAlpha = 1;
}

/** Sets as `askOverlays` gives them, from the API's arrays. */
export function readOverlays({ labels, items }) {
  return items.map((item) => ({
    ...item,
    content_type: item.content_type ?? "image",
    sets: (item.sets ?? []).map(([run, count, isNormalized, shapes]) => ({
      run,
      count,
      isNormalized,
      shapes: shapes.map(([label, geometry, confidence, coordinates]) => ({
        label: labels[label],
        geometry,
        confidence,
        coordinates: coordinates.includes(null) ? coordinates.map((number) => number ?? NaN) : coordinates,
      })),
    })),
  }));
}
