// Labels of the whole image: without a place in it, shown as chips above it.

/** @type {import("./kinds.js").Kind} */
export const imageLabel = {
  name: "image_label",
  code: 7,
  key: null,
  word: "image label",
  words: "image labels",
  isEvaluated: true,
  hasArea: false,
  isFilled: false,
  isOfImage: true,

  trace: () => {},
  bounds: () => [0, 0, 0, 0],
  isOn: () => false,
  describe: () => ["place", "the whole image"],
};
