// A number with its name.

import { h } from "./dom.js";

export const tile = (name, value, note = null, hint = null) =>
  h("div", { class: "tile", title: hint }, h("dt", {}, name), h("dd", { class: "number" }, value), note ? h("dd", { class: "muted small note" }, note) : null);
