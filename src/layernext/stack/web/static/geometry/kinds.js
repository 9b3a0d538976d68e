// The kinds of geometry that the pages can draw: a file for each, listed here and nowhere else.
//
// A kind has a `name` as in the format, the `code` that the API's overlays have for it, the JSON `key` of its
// coordinates, a `word` for one and `words` for several. `trace` adds a shape to a canvas's path: `sx`, `sy`, `dx`
// and `dy` bring the image's pixels to those of the canvas, `radius` is that of a dot. `bounds` are left, top, right
// and bottom; `isOn` says whether a place within the bounds is on the shape. Kinds with named points get the `skeleton`
// of the label. What is not `isEvaluated` is never
// matched; what `isOfImage` has no place in the image, and is shown as a chip above it. A kind that `isTinted` is
// filled a little; one that `isInPixels` has pixels in a normalized set, too. `read` takes the coordinates from an
// annotation, by default the flat list under its key; `scale` brings fractions to pixels, by default x and y in turn. The
// stack sends kinds that are not listed as the box around them.

import { imageLabel } from "./image_label.js";
import { keypoints } from "./keypoints.js";
import { line } from "./line.js";
import { mask } from "./mask.js";
import { points } from "./points.js";
import { polygon } from "./polygon.js";
import { rectangle } from "./rectangle.js";
import { rotatedBox } from "./rotated_box.js";
import { semanticMask } from "./semantic_mask.js";

/**
 * @typedef {{points: string[], edges?: number[][]}} Skeleton what is known of the keypoints of a label
 * @typedef {{sx: number, sy: number, dx: number, dy: number, radius: number, skeleton?: Skeleton | null}} Placement
 * @typedef {{name: string, code: number, key: string | null, word: string, words: string, isEvaluated: boolean,
 *   hasArea: boolean, isFilled: boolean, isTinted?: boolean, isInPixels?: boolean, isOfImage?: boolean,
 *   read?: (annotation: any) => number[],
 *   scale?: (coordinates: number[], width: number, height: number) => number[],
 *   trace: (pen: CanvasRenderingContext2D | Path2D, coordinates: number[], to: Placement) => void,
 *   bounds: (coordinates: number[]) => number[],
 *   isOn: (coordinates: number[], x: number, y: number, near: number, skeleton?: Skeleton | null) => boolean,
 *   describe: (coordinates: number[], skeleton?: Skeleton | null) => string[]}} Kind
 */

/** @type {Kind[]} */
export const KINDS = [
    rectangle, polygon, line, points, mask, rotatedBox, imageLabel, keypoints, semanticMask,
];

/** Names of the kinds that can be evaluated, with a title for each. */
export const EVALUATED = Object.fromEntries(
  KINDS.filter((kind) => kind.isEvaluated).map(({ name, words }) => [name, words[0].toUpperCase() + words.slice(1)]),
);

/** A kind without a place in the image: it is listed, never drawn. */
const NOWHERE = {
  hasArea: false,
  isFilled: false,
  isTinted: false,
  isInPixels: false,
  isOfImage: false,
  scale: undefined,
  trace: () => {},
  bounds: () => [0, 0, 0, 0],
  isOn: () => false,
  describe: () => ["place", "none in the image"],
};

const byCode = new Map(KINDS.map((kind) => [kind.code, kind]));
const byName = new Map(KINDS.map((kind) => [kind.name, kind]));

/** Coordinates in pixels, of a shape whose coordinates are fractions of a size. */
export function toPixels(shape, { width, height }) {
  const { scale } = kindOf(shape);
  if (scale) return scale(shape.coordinates, width, height);
  return shape.coordinates.map((number, at) => number * (at % 2 ? height : width));
}

/** How a shape is drawn. */
export const kindOf = (shape) => byCode.get(shape.geometry) ?? NOWHERE;

/** The kind of this name; undefined if the pages have no drawing for it. */
export const kindNamed = (name) => byName.get(name);

/** The coordinates of an annotation, as the functions of its kind take them. */
export const readCoordinates = (kind, annotation) => kind.read?.(annotation) ?? (annotation[kind.key] ?? []).flat();
