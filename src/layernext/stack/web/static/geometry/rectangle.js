// Rectangles: x, y, width and height.

/** @type {import("./kinds.js").Kind} */
export const rectangle = {
  name: "rectangle",
  code: 1,
  key: "bbox",
  word: "box",
  words: "boxes",
  isEvaluated: true,
  hasArea: true,
  isFilled: true,

  trace(pen, [x, y, width, height], { sx, sy, dx, dy }) {
    pen.rect(x * sx + dx, y * sy + dy, width * sx, height * sy);
  },

  bounds: ([x, y, width, height]) => [x, y, x + width, y + height],

  // Whoever is within the bounds is on it.
  isOn: () => true,

  describe: (coordinates) => ["x, y, width, height", coordinates.join(", ")],
};
