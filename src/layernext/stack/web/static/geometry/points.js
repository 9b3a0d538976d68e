// Points: single ones.

import { boundsOfPoints, describePoints, isOnDots, traceDots } from "./point_list.js";

export const points = {
  name: "points",
  code: 4,
  key: "points",
  word: "points",
  words: "points",
  isEvaluated: false,
  hasArea: false,
  isFilled: true,

  trace: traceDots,
  bounds: boundsOfPoints,
  isOn: isOnDots,
  describe: describePoints,
};
