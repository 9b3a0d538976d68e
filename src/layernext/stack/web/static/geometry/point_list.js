// What polygons, lines and points have in common: x and y of their points in turn.

import { counted } from "../dom.js";

const SHOWN_NUMBERS = 60;

export function boundsOfPoints(coordinates) {
  const bounds = [Infinity, Infinity, -Infinity, -Infinity];
  for (let at = 0; at + 1 < coordinates.length; at += 2) {
    bounds[0] = Math.min(bounds[0], coordinates[at]);
    bounds[1] = Math.min(bounds[1], coordinates[at + 1]);
    bounds[2] = Math.max(bounds[2], coordinates[at]);
    bounds[3] = Math.max(bounds[3], coordinates[at + 1]);
  }
  return bounds;
}

/** Dots; also what is drawn for a path of one point. */
export function traceDots(pen, coordinates, { sx, sy, dx, dy, radius }) {
  for (let at = 0; at + 1 < coordinates.length; at += 2) {
    const x = coordinates[at] * sx + dx;
    const y = coordinates[at + 1] * sy + dy;
    pen.moveTo(x + radius, y);
    pen.arc(x, y, radius, 0, 2 * Math.PI);
  }
}

/** A path from point to point; a dot if there is only one. */
export function tracePath(pen, coordinates, to) {
  if (coordinates.length === 2) {
    traceDots(pen, coordinates, to);
    return;
  }
  const { sx, sy, dx, dy } = to;
  pen.moveTo(coordinates[0] * sx + dx, coordinates[1] * sy + dy);
  for (let at = 2; at + 1 < coordinates.length; at += 2) pen.lineTo(coordinates[at] * sx + dx, coordinates[at + 1] * sy + dy);
}

export function isOnDots(coordinates, x, y, near) {
  for (let at = 0; at + 1 < coordinates.length; at += 2) if (Math.hypot(coordinates[at] - x, coordinates[at + 1] - y) <= near) return true;
  return false;
}

/** Whether a place is near a path. */
export function isOnPath(coordinates, x, y, near) {
  if (coordinates.length === 2) return isOnDots(coordinates, x, y, near);
  for (let at = 2; at + 1 < coordinates.length; at += 2) {
    if (distance(x, y, coordinates[at - 2], coordinates[at - 1], coordinates[at], coordinates[at + 1]) <= near) return true;
  }
  return false;
}

/** From a place to the nearest point between two others. */
export function distance(x, y, x1, y1, x2, y2) {
  const length = (x2 - x1) ** 2 + (y2 - y1) ** 2;
  const along = length ? Math.min(1, Math.max(0, ((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / length)) : 0;
  return Math.hypot(x - x1 - along * (x2 - x1), y - y1 - along * (y2 - y1));
}

export function describePoints(coordinates) {
  const pairs = [];
  for (let at = 0; at + 1 < Math.min(coordinates.length, SHOWN_NUMBERS); at += 2) pairs.push(`(${coordinates[at]}, ${coordinates[at + 1]})`);
  return [counted(coordinates.length / 2, "point"), pairs.join(" ") + (coordinates.length > SHOWN_NUMBERS ? " …" : "")];
}
