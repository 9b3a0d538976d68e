// Lines: open, from point to point.

import { boundsOfPoints, describePoints, isOnPath, tracePath } from "./point_list.js";

export const line = {
  name: "line",
  code: 3,
  key: "line",
  word: "line",
  words: "lines",
  isEvaluated: true,
  hasArea: false,
  isFilled: false,

  trace: tracePath,

  bounds: boundsOfPoints,
  isOn: isOnPath,
  describe: describePoints,
};
