// Polygons: closed outlines.

import { boundsOfPoints, describePoints, isOnPath, tracePath } from "./point_list.js";

export const polygon = {
  name: "polygon",
  code: 2,
  key: "polygon",
  word: "polygon",
  words: "polygons",
  isEvaluated: true,
  hasArea: true,
  isFilled: true,

  trace(pen, coordinates, to) {
    if (tracePath(pen, coordinates, to)) pen.closePath();
  },

  bounds: boundsOfPoints,
  isOn: (coordinates, x, y, near) => isOnPath(coordinates, x, y, near, true),
  describe: describePoints,
};
