// Polygons: closed outlines. Between several outlines stand two NaN; holes run the other way round than what they are in.

import { counted } from "../dom.js";
import { boundsOfPoints, describePoints, distance, isOnDots, traceDots } from "./point_list.js";

/** Start and end of each outline among the coordinates. */
function* outlinesOf(coordinates) {
  let start = 0;
  for (let at = 0; at <= coordinates.length; at += 2) {
    if (at < coordinates.length && !Number.isNaN(coordinates[at])) continue;
    if (at > start) yield [start, at];
    start = at + 2;
  }
}

/** Twice the area of an outline; positive if it is clockwise as seen in the image. */
function areaOf(ring) {
  let area = 0;
  for (let at = 0; at < ring.length; at += 1) {
    const [[x1, y1], [x2, y2]] = [ring[at], ring[(at + 1) % ring.length]];
    area += x1 * y2 - x2 * y1;
  }
  return area;
}

/** The coordinates of parts, each of an outline and its holes. */
function flattened(parts) {
  const numbers = [];
  for (const part of parts) {
    part.forEach((ring, place) => {
      const points = areaOf(ring) >= 0 === (place === 0) ? ring : [...ring].reverse();
      if (numbers.length) numbers.push(NaN, NaN);
      numbers.push(...points.flat());
    });
  }
  return numbers;
}

/** @type {import("./kinds.js").Kind} */
export const polygon = {
  name: "polygon",
  code: 2,
  key: "polygon",
  word: "polygon",
  words: "polygons",
  isEvaluated: true,
  hasArea: true,
  isFilled: true,

  read: ({ polygon: ring, parts }) => (parts ? flattened(parts) : (ring ?? []).flat()),

  trace(pen, coordinates, to) {
    const { sx, sy, dx, dy } = to;
    for (const [start, end] of outlinesOf(coordinates)) {
      if (end - start === 2) {
        traceDots(pen, coordinates.slice(start, end), to);
        continue;
      }
      pen.moveTo(coordinates[start] * sx + dx, coordinates[start + 1] * sy + dy);
      for (let at = start + 2; at < end; at += 2) pen.lineTo(coordinates[at] * sx + dx, coordinates[at + 1] * sy + dy);
      pen.closePath();
    }
  },

  bounds: (coordinates) => boundsOfPoints(coordinates.filter((number) => !Number.isNaN(number))),

  isOn(coordinates, x, y, near) {
    let turns = 0;
    for (const [start, end] of outlinesOf(coordinates)) {
      if (end - start === 2 && isOnDots(coordinates.slice(start, end), x, y, near)) return true;
      for (let at = start, before = end - 2; at < end; before = at, at += 2) {
        const [x1, y1, x2, y2] = [coordinates[before], coordinates[before + 1], coordinates[at], coordinates[at + 1]];
        if (distance(x, y, x1, y1, x2, y2) <= near) return true;
        if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) turns += y2 > y1 ? 1 : -1;
      }
    }
    return turns !== 0;
  },

  describe(coordinates) {
    const outlines = [...outlinesOf(coordinates)];
    if (outlines.length === 1) return describePoints(coordinates);
    const texts = outlines.map(([start, end]) => describePoints(coordinates.slice(start, end))[1]);
    return [counted(outlines.length, "outline"), texts.join("; ")];
  },
};
