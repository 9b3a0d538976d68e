// Rotated boxes: x, y, width and height of a box, then the degrees by which it is turned about its center, clockwise.

/**
 * The corners in turn, from what was the top left one on.
 * @param {number[]} coordinates
 */
function cornersOf([x, y, width, height, rotation], sx = 1, sy = 1, dx = 0, dy = 0) {
  const [middleX, middleY] = [(x + width / 2) * sx + dx, (y + height / 2) * sy + dy];
  const [halfX, halfY] = [(width * sx) / 2, (height * sy) / 2];
  const angle = (rotation * Math.PI) / 180;
  const [cosine, sine] = [Math.cos(angle), Math.sin(angle)];
  return [[-halfX, -halfY], [halfX, -halfY], [halfX, halfY], [-halfX, halfY]].map(([along, across]) => [
    middleX + along * cosine - across * sine,
    middleY + along * sine + across * cosine,
  ]);
}

/** @type {import("./kinds.js").Kind} */
export const rotatedBox = {
  name: "rotated_box",
  code: 6,
  key: "bbox",
  word: "rotated box",
  words: "rotated boxes",
  isEvaluated: true,
  hasArea: true,
  isFilled: true,

  read: ({ bbox, rotation }) => [...bbox, rotation],

  scale: ([x, y, width, height, rotation], w, h) => [x * w, y * h, width * w, height * h, rotation],

  trace(pen, coordinates, { sx, sy, dx, dy }) {
    const corners = cornersOf(coordinates, sx, sy, dx, dy);
    pen.moveTo(corners[3][0], corners[3][1]);
    for (const [x, y] of corners) pen.lineTo(x, y);
    pen.closePath();
  },

  bounds(coordinates) {
    const corners = cornersOf(coordinates);
    const [xs, ys] = [corners.map(([x]) => x), corners.map(([, y]) => y)];
    return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
  },

  isOn([x, y, width, height, rotation], pointX, pointY, near) {
    const angle = (rotation * Math.PI) / 180;
    const [fromX, fromY] = [pointX - x - width / 2, pointY - y - height / 2];
    const along = fromX * Math.cos(angle) + fromY * Math.sin(angle);
    const across = fromY * Math.cos(angle) - fromX * Math.sin(angle);
    return Math.abs(along) <= width / 2 + near && Math.abs(across) <= height / 2 + near;
  },

  describe: ([x, y, width, height, rotation]) => ["x, y, width, height; rotation", `${[x, y, width, height].join(", ")}; ${rotation}° clockwise`],
};
