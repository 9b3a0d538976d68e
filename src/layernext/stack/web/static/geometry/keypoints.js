// Keypoints: x, y and visibility of each point in turn, then x, y, width and height of the object's box if there is one.
//
// Points of visibility 0 are not labeled and not drawn. Hidden points, and those that a model is not sure of, are rings;
// the others are dots. Lines join the points that the label's skeleton joins.

import { counted } from "../dom.js";
import { distance } from "./point_list.js";
import { rectangle } from "./rectangle.js";

const SHOWN_POINTS = 40;
const BOX_NUMBERS = 4;
const SURE = 0.5;

/** How many numbers of the points there are: three for each; the four of a box leave a remainder. */
const endOfPoints = (coordinates) => coordinates.length - (coordinates.length % 3 ? BOX_NUMBERS : 0);

const boxOf = (coordinates) => (coordinates.length % 3 ? coordinates.slice(-BOX_NUMBERS) : null);

/**
 * The labeled points with their positions in the skeleton.
 * @param {number[]} coordinates
 */
function pointsOf(coordinates) {
  const points = [];
  for (let at = 0; at < endOfPoints(coordinates); at += 3) {
    const [x, y, visibility] = coordinates.slice(at, at + 3);
    if (visibility > 0) points.push({ position: at / 3, x, y, visibility });
  }
  return points;
}

/** Whether a point is seen: visible, or more likely there than not if the number is a confidence. */
const isSeen = (visibility) => visibility !== 1 && visibility >= SURE;

/**
 * The ends of the lines between labeled points.
 * @param {number[]} coordinates
 * @param {import("./kinds.js").Skeleton | null | undefined} skeleton
 */
function linesOf(coordinates, skeleton) {
  const points = new Map(pointsOf(coordinates).map((point) => [point.position, point]));
  const edges = (skeleton?.edges ?? []).map(([first, second]) => [points.get(first), points.get(second)]);
  return edges.filter(([start, end]) => start && end);
}

/** @type {import("./kinds.js").Kind} */
export const keypoints = {
  name: "keypoints",
  code: 8,
  key: "keypoints",
  word: "keypoints",
  words: "keypoints",
  isEvaluated: true,
  hasArea: true,
  isFilled: true,

  read: ({ keypoints: points, bbox }) => [...(points ?? []).flat(), ...(bbox ?? [])],

  scale(coordinates, width, height) {
    const end = endOfPoints(coordinates);
    const points = coordinates.slice(0, end).map((number, at) => number * [width, height, 1][at % 3]);
    return [...points, ...coordinates.slice(end).map((number, at) => number * (at % 2 ? height : width))];
  },

  trace(pen, coordinates, to) {
    const { sx, sy, dx, dy, radius, skeleton } = to;
    for (const [start, end] of linesOf(coordinates, skeleton)) {
      const [x, y] = [start.x * sx + dx, start.y * sy + dy];
      const [across, down] = [end.x * sx + dx - x, end.y * sy + dy - y];
      // A line ends at the ring of a hidden point, so that it is seen as a ring.
      const room = radius / Math.max(Math.hypot(across, down), 2 * radius);
      const [from, until] = [isSeen(start.visibility) ? 0 : room, isSeen(end.visibility) ? 1 : 1 - room];
      pen.moveTo(x + across * from, y + down * from);
      pen.lineTo(x + across * until, y + down * until);
    }
    for (const point of pointsOf(coordinates)) {
      const [x, y] = [point.x * sx + dx, point.y * sy + dy];
      // Paths are stroked, not filled: a dot is a ring with a smaller one inside.
      for (const size of isSeen(point.visibility) ? [radius, radius / 2] : [radius]) {
        pen.moveTo(x + size, y);
        pen.arc(x, y, size, 0, 2 * Math.PI);
      }
    }
    const box = boxOf(coordinates);
    if (box) rectangle.trace(pen, box, to);
  },

  bounds(coordinates) {
    const box = boxOf(coordinates);
    const labeled = pointsOf(coordinates);
    const [xs, ys] = [labeled.map(({ x }) => x), labeled.map(({ y }) => y)];
    if (box) {
      const [left, top, right, bottom] = rectangle.bounds(box);
      xs.push(left, right);
      ys.push(top, bottom);
    }
    if (!xs.length) return [coordinates[0], coordinates[1], coordinates[0], coordinates[1]];
    return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
  },

  isOn(coordinates, x, y, near, skeleton) {
    if (pointsOf(coordinates).some((point) => Math.hypot(point.x - x, point.y - y) <= near)) return true;
    if (linesOf(coordinates, skeleton).some(([start, end]) => distance(x, y, start.x, start.y, end.x, end.y) <= near)) return true;
    const box = boxOf(coordinates);
    if (!box) return false;
    const [left, top, right, bottom] = rectangle.bounds(box);
    return x >= left - near && x <= right + near && y >= top - near && y <= bottom + near;
  },

  describe(coordinates, skeleton) {
    const points = pointsOf(coordinates);
    const all = endOfPoints(coordinates) / 3;
    const words = points.slice(0, SHOWN_POINTS).map(({ position, x, y, visibility }) => `${skeleton?.points[position] ?? position + 1} (${x}, ${y}; ${visibility})`);
    const rest = points.length > SHOWN_POINTS ? " …" : "";
    const box = boxOf(coordinates);
    return [`${counted(all, "point")}, ${points.length} labeled: x, y; visibility`, words.join(", ") + rest + (box ? `; box ${box.join(", ")}` : "")];
  },
};
