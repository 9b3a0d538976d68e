// Masks: pixels, as COCO's run lengths. In turns of pixels outside and inside, column by column from the top left.
//
// The coordinates are: how many pixels of the image each pixel stands for, the mask's height and width, and the counts.

import { count } from "../dom.js";

const BEGIN = 3;
const outlines = new WeakMap();

/** Start and end of each run of pixels inside. */
function* runsOf(coordinates) {
  let position = 0;
  for (let at = BEGIN; at < coordinates.length; at += 1) {
    const end = position + coordinates[at];
    if ((at - BEGIN) % 2 && end > position) yield [position, end];
    position = end;
  }
}

/** The counts that COCO's tools write as a string: five bits a character, from the fourth on as differences. */
function decompressed(text) {
  const counts = [];
  let number = 0;
  let factor = 1;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at) - 48;
    number += (code & 31) * factor;
    factor *= 32;
    if (code & 32) continue;
    if (code & 16) number -= factor;
    counts.push(counts.length > 2 ? number + counts[counts.length - 2] : number);
    number = 0;
    factor = 1;
  }
  return counts;
}

/** The runs of each column, as [top, bottom]. */
function columnsOf(coordinates) {
  const height = coordinates[1];
  const columns = new Map();
  for (const [start, end] of runsOf(coordinates)) {
    for (let at = start; at < end; ) {
      const column = Math.floor(at / height);
      const stop = Math.min(end, (column + 1) * height);
      const runs = columns.get(column);
      if (runs) runs.push([at - column * height, stop - column * height]);
      else columns.set(column, [[at - column * height, stop - column * height]]);
      at = stop;
    }
  }
  return columns;
}

/** The parts of a run that no run of the next column covers. */
function* uncovered([top, bottom], others) {
  let position = top;
  for (const [start, end] of others ?? []) {
    if (end <= position || start >= bottom) continue;
    if (start > position) yield [position, start];
    position = Math.max(position, end);
  }
  if (position < bottom) yield [position, bottom];
}

/** Closed outlines along the edges of the pixels, x and y in turn; holes run the other way round. */
function outlinesOf(coordinates) {
  let found = outlines.get(coordinates);
  if (found) return found;
  const columns = columnsOf(coordinates);
  const across = coordinates[2] + 1;
  const next = new Map();
  const add = (x, y, endX, endY) => {
    const key = y * across + x;
    const ends = next.get(key);
    if (ends) ends.push(endY * across + endX);
    else next.set(key, [endY * across + endX]);
  };
  for (const [x, runs] of columns) {
    for (const run of runs) {
      const [top, bottom] = run;
      for (const [from, to] of uncovered(run, columns.get(x - 1))) add(x, from, x, to);
      for (const [from, to] of uncovered(run, columns.get(x + 1))) add(x + 1, to, x + 1, from);
      add(x, bottom, x + 1, bottom);
      add(x + 1, top, x, top);
    }
  }
  found = [];
  while (next.size) found.push(walk(next, across));
  outlines.set(coordinates, found);
  return found;
}

function walk(next, across) {
  const start = next.keys().next().value;
  const points = [];
  let at = start;
  let [dx, dy] = [0, 0];
  do {
    const [x, y] = [at % across, Math.floor(at / across)];
    const ends = next.get(at);
    let chosen = 0;
    // Where two pixels touch at a corner, each keeps its outline.
    if (ends.length > 1) {
      const turn = (end) => dx * (Math.floor(end / across) - y) - dy * ((end % across) - x);
      if (turn(ends[1]) < turn(ends[0])) chosen = 1;
    }
    const [end] = ends.splice(chosen, 1);
    if (!ends.length) next.delete(at);
    const [toX, toY] = [Math.sign((end % across) - x), Math.sign(Math.floor(end / across) - y)];
    if (toX !== dx || toY !== dy) points.push(x, y);
    [dx, dy] = [toX, toY];
    at = end;
  } while (at !== start);
  return points;
}

function isInside(coordinates, x, y) {
  const [step, height, width] = coordinates;
  const [column, row] = [Math.floor(x / step), Math.floor(y / step)];
  if (column < 0 || row < 0 || column >= width || row >= height) return false;
  const place = column * height + row;
  for (const [start, end] of runsOf(coordinates)) if (place < end) return place >= start;
  return false;
}

/** @type {import("./kinds.js").Kind} */
export const mask = {
  name: "mask",
  code: 5,
  key: "mask",
  word: "mask",
  words: "masks",
  isEvaluated: true,
  hasArea: true,
  isFilled: true,
  isTinted: true,
  isInPixels: true,

  read({ mask: { size, counts } }) {
    return [1, ...size, ...(typeof counts === "string" ? decompressed(counts) : counts)];
  },

  trace(pen, coordinates, { sx, sy, dx, dy }) {
    const step = coordinates[0];
    for (const points of outlinesOf(coordinates)) {
      pen.moveTo(points[0] * step * sx + dx, points[1] * step * sy + dy);
      for (let at = 2; at < points.length; at += 2) pen.lineTo(points[at] * step * sx + dx, points[at + 1] * step * sy + dy);
      pen.closePath();
    }
  },

  bounds(coordinates) {
    const [step, height] = coordinates;
    const bounds = [Infinity, Infinity, 0, 0];
    for (const [start, end] of runsOf(coordinates)) {
      const [first, last] = [Math.floor(start / height), Math.floor((end - 1) / height)];
      bounds[0] = Math.min(bounds[0], first);
      bounds[2] = last + 1;
      bounds[1] = first === last ? Math.min(bounds[1], start - first * height) : 0;
      bounds[3] = first === last ? Math.max(bounds[3], end - first * height) : height;
    }
    return bounds[2] ? bounds.map((number) => number * step) : [0, 0, 0, 0];
  },

  isOn(coordinates, x, y, near) {
    const around = [[0, 0], [near, 0], [-near, 0], [0, near], [0, -near]];
    return around.some(([byX, byY]) => isInside(coordinates, x + byX, y + byY));
  },

  describe(coordinates) {
    const [step, height, width] = coordinates;
    let area = 0;
    for (const [start, end] of runsOf(coordinates)) area += end - start;
    return [`pixels of ${width * step} × ${height * step}`, count(area * step * step)];
  },
};
