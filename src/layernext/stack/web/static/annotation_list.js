// The list of an image's annotations beside it, and what is known of the image.

import { lineSample, swatch } from "./controls.js";
import { count, counted, fill, h, when } from "./dom.js";
import { kindNamed, kindOf } from "./geometry/kinds.js";
import { shown } from "./sets.js";
import { isShown, skeletonOf } from "./shapes.js";

const FIRST = 300;

export class AnnotationList {
  /**
   * @param {HTMLElement} element
   * @param {{state: object, hover: Function, select: Function}} options as of the stage
   */
  constructor(element, { state, hover, select }) {
    this.element = element;
    this.state = state;
    this.hover = hover;
    this.select = select;
    this.rows = new Map();
    this.all = new Set();
    /** @type {import("./shapes.js").ShapeSet[]} */
    this.sets = [];
    this.item = null;
    /** @type {(set: object, shape: object) => string | null} */
    this.outcomes = () => null;
  }

  /**
   * @param {import("./shapes.js").ShapeSet[]} sets
   * @param {object} item
   * @param {(set: object, shape: object) => string | null} outcomes words for what became of the annotations
   */
  show(sets, item, outcomes = () => null) {
    this.sets = sets;
    this.item = item;
    this.outcomes = outcomes;
    this.build();
  }

  build() {
    this.rows.clear();
    fill(this.element, this.sets.map((set) => this.section(set)), about(this.item));
  }

  section(set) {
    const visible = set.shapes.filter((shape) => isShown(shape.label, shape.confidence, this.state));
    const order = [...visible].sort((one, other) => (other.confidence ?? 2) - (one.confidence ?? 2) || one.index - other.index);
    const some = this.all.has(set.run) ? order : order.slice(0, FIRST);
    const hidden = set.shapes.length - visible.length;
    return h(
      "section",
      {},
      h(
        "h2",
        { class: "set-title" },
        lineSample(set.run),
        h("span", { class: "grow" }, set.name),
        h("span", { class: "muted small number" }, hidden ? `${count(visible.length)} of ${count(set.shapes.length)}` : count(visible.length)),
      ),
      h("p", { class: "muted small kind" }, set.mode === "human" ? "Ground truth" : "Model run"),
      set.shapes.length ? null : h("p", { class: "muted small" }, "This run has no annotations here."),
      h("ul", { class: "annotations" }, some.map((shape) => this.row(set, shape))),
      some.length < order.length
        ? h("button", { type: "button", class: "quiet", onclick: () => { this.all.add(set.run); this.build(); } }, `Show all ${counted(order.length, "annotation")}`)
        : null,
    );
  }

  row(set, shape) {
    const place = { run: set.run, index: shape.index };
    const outcome = this.outcomes(set, shape);
    const button = h(
      "button",
      { type: "button", class: "row", "aria-expanded": "false" },
      swatch(shape.label),
      h("span", { class: "grow" }, shape.label),
      outcome ? h("span", { class: "outcome" }, outcome) : null,
      h("span", { class: "muted small" }, kindNamed(shape.type)?.word ?? shape.type),
      h("span", { class: "number score" }, shape.confidence === null ? "" : shape.confidence.toFixed(2)),
    );
    const details = h("div", { class: "details", hidden: true });
    const element = h("li", {}, button, details);
    button.addEventListener("click", () => this.select(place, true));
    element.addEventListener("pointerenter", () => this.hover(place));
    element.addEventListener("pointerleave", () => this.hover(null));
    button.addEventListener("focus", () => this.hover(place));
    this.rows.set(keyOf(place), { element, button, details, shape });
    return element;
  }

  /** Places in the order of the list, for steps by key. */
  order() {
    return [...this.rows.keys()].map((key) => {
      const [run, index] = key.split(":").map(Number);
      return { run, index };
    });
  }

  mark(hovered, selected, scrolls) {
    for (const [key, { element, button, details, shape }] of this.rows) {
      const isSelected = selected !== null && key === keyOf(selected);
      element.classList.toggle("is-hovered", hovered !== null && key === keyOf(hovered));
      element.classList.toggle("is-selected", isSelected);
      button.setAttribute("aria-expanded", String(isSelected));
      if (isSelected && details.hidden) fill(details, detailsOf(shape));
      details.hidden = !isSelected;
      if (isSelected && scrolls) element.scrollIntoView({ block: "nearest" });
    }
  }
}

const keyOf = ({ run, index }) => `${run}:${index}`;

function detailsOf(shape) {
  const [heading, numbers] = kindOf(shape).describe(shape.coordinates, skeletonOf(shape.label));
  return h(
    "dl",
    {},
    shape.confidence === null ? null : [h("dt", {}, "confidence"), h("dd", { class: "number" }, String(shape.confidence))],
    shape.attributes.map(({ name, value, confidence }) => [
      h("dt", {}, name),
      h("dd", {}, shown(value), confidence === null ? null : h("span", { class: "muted number" }, ` ${confidence.toFixed(2)}`)),
    ]),
    shape.metadata.map(([name, value]) => [h("dt", {}, name), h("dd", {}, shown(value))]),
    h("dt", {}, kindNamed(shape.type) ? heading : `${heading} of the box around it`),
    h("dd", { class: "mono small" }, numbers),
  );
}

function about(item) {
  const rows = [
    ["File", item.has_file ? [bytes(item.size), item.media_type].filter(Boolean).join(", ") : "not there yet"],
    ["Pixels", item.width ? `${count(item.width)} × ${count(item.height)}` : null],
    ["Frames", item.frame_count ? `${count(item.frame_count)}${item.frame_rate ? ` at ${+item.frame_rate.toFixed(3)} a second` : ""}` : null],
    ["Length", item.duration_s ? `${item.duration_s.toFixed(1)} s` : null],
    ["State", item.state === "ready" ? null : item.state],
    ["Because", item.failure],
    ["Added", when(item.created_at)],
    ["Changed", item.updated_at === item.created_at ? null : when(item.updated_at)],
    ["Unique name", item.unique_name],
    ["SHA-256", item.checksum ? h("span", { class: "mono small" }, item.checksum) : null],
    ...Object.entries(item.metadata).map(([name, value]) => [name, Array.isArray(value) ? value.map(shown).join(", ") : shown(value)]),
  ];
  return h(
    "section",
    { class: "about" },
    h("h2", {}, "About"),
    h("dl", {}, rows.filter(([, value]) => value).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    item.url ? h("a", { class: "button", href: localUrl(item.url), download: item.name.split("/").at(-1) }, "Download") : null,
  );
}

/** The path of a signed URL: the stack that serves this page has the file, by whatever name it was reached. */
export function localUrl(url) {
  const parts = new URL(url, location.href);
  return parts.pathname + parts.search;
}

function bytes(size) {
  if (size === null || size === undefined) return "";
  const units = ["B", "KB", "MB", "GB", "TB"];
  const step = Math.min(Math.floor(Math.log10(Math.max(size, 1)) / 3), units.length - 1);
  return `${(size / 1000 ** step).toFixed(step && size / 1000 ** step < 100 ? 1 : 0)} ${units[step]}`;
}

