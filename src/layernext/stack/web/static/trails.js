// Trails: where tracked objects are in the frames around an image, as lines through the centers of their boxes.

import { ask } from "./api.js";
import { DASHES, colorOf } from "./shapes.js";

const FRAMES = 15;
const AFTER = 0.55; // opacity of what comes later

/**
 * The trails of an image under some runs, by run and track.
 * @returns {Promise<Map<string, [distance: number, x: number, y: number][]>>}
 */
export async function fetchTrails(number, sets, signal) {
  const trails = new Map();
  if (!sets.some((set) => set.shapes.some((shape) => shape.track !== null))) return trails;
  const body = { item: number, runs: sets.map(({ name, mode }) => ({ name, mode })), frames: FRAMES };
  const answer = await ask("/api/v1/items/trails", { method: "POST", body, signal });
  for (const [place, track, points] of answer.trails) trails.set(keyOf(sets[place].run, track), points);
  return trails;
}

// The number 7 is another track than the text.
const keyOf = (run, track) => `${run}:${JSON.stringify(track)}`;

/**
 * Draw the trails of a set's visible shapes: a line to where each was, and a fainter one to where it will be.
 * @param {CanvasRenderingContext2D} pen
 * @param {{set: import("./shapes.js").ShapeSet, trails: Map<string, number[][]>, isVisible: (shape: object) => boolean,
 *   view: {scale: number, x: number, y: number}}} what
 */
export function drawTrails(pen, { set, trails, isVisible, view }) {
  for (const shape of set.shapes) {
    const points = trails.get(keyOf(set.run, shape.track));
    if (shape.track === null || !points || !isVisible(shape)) continue;
    const placed = points.map(([distance, x, y]) => ({ distance, x: x * view.scale + view.x, y: y * view.scale + view.y }));
    drawLine(pen, placed.filter(({ distance }) => distance >= 0), colorOf(shape.label), AFTER, [3, 4]);
    drawLine(pen, placed.filter(({ distance }) => distance <= 0), colorOf(shape.label), 1, DASHES[set.run % DASHES.length]);
  }
  pen.setLineDash([]);
  pen.globalAlpha = 1;
}

function drawLine(pen, points, color, opacity, dash) {
  if (points.length < 2) return;
  const line = new Path2D();
  const dots = new Path2D();
  points.forEach(({ x, y, distance }, at) => {
    if (at) line.lineTo(x, y);
    else line.moveTo(x, y);
    if (distance === 0) return;
    dots.moveTo(x + 2.5, y);
    dots.arc(x, y, 2.5, 0, 2 * Math.PI);
  });
  pen.globalAlpha = opacity;
  pen.lineJoin = "round";
  pen.setLineDash([]);
  pen.strokeStyle = "rgb(0 0 0 / 40%)";
  pen.lineWidth = 3.5;
  pen.stroke(line);
  pen.setLineDash(dash);
  pen.strokeStyle = color;
  pen.lineWidth = 1.75;
  pen.stroke(line);
  pen.setLineDash([]);
  pen.fillStyle = color;
  pen.fill(dots);
}
