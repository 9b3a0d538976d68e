// Charts as SVG: bars, and curves that tell their numbers to mouse, finger and keyboard.

import { h } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";

/** An element of SVG. */
export function s(tag, properties = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null));
  return element;
}

const WIDTH = 420;
const HEIGHT = 250;
const LEFT = 44;
const RIGHT = 12;
const TOP = 10;
const BOTTOM = 40;
const TICKS = [0, 0.25, 0.5, 0.75, 1];

const across = (share) => LEFT + share * (WIDTH - LEFT - RIGHT);
const up = (share) => HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP);
const text = (x, y, content, anchor = "middle") => s("text", { x, y, "text-anchor": anchor }, content);

/** The frame of a chart whose axes both go from 0 to 1. */
function unitAxes(xTitle, yTitle) {
  return [
    TICKS.map((tick) => s("path", { class: "grid-line", d: `M${across(tick)} ${up(0)}V${up(1)}M${across(0)} ${up(tick)}H${across(1)}` })),
    TICKS.map((tick) => [text(across(tick), HEIGHT - BOTTOM + 15, String(tick)), text(LEFT - 6, up(tick) + 4, String(tick), "end")]),
    text(across(0.5), HEIGHT - 6, xTitle),
    s("text", { x: 0, y: 0, "text-anchor": "middle", transform: `translate(11 ${up(0.5)}) rotate(-90)` }, yTitle),
  ];
}

/**
 * A curve in the unit square; one of its points is chosen by mouse, finger or arrow keys.
 * @param {{title: string, xTitle: string, yTitle: string, onChoose: (index: number) => void}} options
 * @returns {{element: HTMLElement, draw: (points: [number, number][], describe: (index: number) => string,
 *   isStep?: boolean) => void, choose: (index: number | null) => void}}
 */
export function curveChart({ title, xTitle, yTitle, onChoose }) {
  const line = s("path", { class: "curve" });
  const area = s("path", { class: "curve-area" });
  const dot = s("circle", { class: "curve-dot", r: 5, visibility: "hidden" });
  const guide = s("path", { class: "guide", visibility: "hidden" });
  const svg = s("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "chart", "aria-hidden": "true" }, unitAxes(xTitle, yTitle), area, line, guide, dot);
  const readout = h("p", { class: "readout number small" });
  const slider = h("div", { class: "chart-slider", role: "slider", tabindex: "0", "aria-label": title, "aria-valuemin": "0", "aria-valuemax": "0", "aria-valuenow": "0" }, svg);
  let points = [];
  /** @type {(index: number) => string} */
  let describe = () => "";
  let chosen = 0;

  function nearest(event) {
    const box = svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * WIDTH;
    const y = ((event.clientY - box.top) / box.height) * HEIGHT;
    let best = 0;
    let least = Infinity;
    for (const [index, [px, py]] of points.entries()) {
      // Along the axis above all: curves are steep.
      const distance = Math.abs(across(px) - x) * 4 + Math.abs(up(py) - y);
      if (distance < least) [least, best] = [distance, index];
    }
    return best;
  }

  slider.addEventListener("pointermove", (event) => points.length && onChoose(nearest(event)));
  slider.addEventListener("pointerdown", (event) => points.length && onChoose(nearest(event)));
  slider.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10 }[event.key];
    const target = { Home: 0, End: points.length - 1 }[event.key] ?? (step && chosen + step * (isRising() ? 1 : -1));
    if (target === undefined || !points.length) return;
    event.preventDefault();
    onChoose(Math.min(Math.max(target, 0), points.length - 1));
  });
  const isRising = () => points.length < 2 || points.at(-1)[0] >= points[0][0];

  return {
    element: h("figure", { class: "figure" }, h("figcaption", {}, title), slider, readout),
    draw(now, say) {
      points = now;
      describe = say;
      const path = points.map(([x, y], index) => `${index ? "L" : "M"}${across(x).toFixed(1)} ${up(y).toFixed(1)}`).join("");
      line.setAttribute("d", path);
      area.setAttribute("d", points.length ? `${path}V${up(0)}H${across(points[0][0])}Z` : "");
      slider.setAttribute("aria-valuemax", String(Math.max(points.length - 1, 0)));
    },
    choose(index) {
      const is = index !== null && points.length > 0;
      for (const one of [dot, guide]) one.setAttribute("visibility", is ? "visible" : "hidden");
      readout.textContent = is ? describe(index) : points.length ? "" : "No annotations with this label.";
      slider.setAttribute("aria-valuetext", readout.textContent);
      if (!is) return;
      chosen = index;
      const [x, y] = points[index];
      dot.setAttribute("cx", across(x));
      dot.setAttribute("cy", up(y));
      guide.setAttribute("d", `M${across(x)} ${up(0)}V${up(y)}H${across(0)}`);
      slider.setAttribute("aria-valuenow", String(index));
    },
  };
}

/**
 * Bars over intervals.
 * @param {{title: string, edges: number[], counts: number[], edgeText: (edge: number) => string,
 *   barText: (index: number) => string}} options
 */
export function histogram({ title, edges, counts, edgeText, barText }) {
  const most = Math.max(...counts, 1);
  const bars = counts.length;
  const place = (index) => across(index / bars);
  const every = Math.max(1, Math.ceil(bars / 8));
  const readout = h("p", { class: "readout small number" });
  const svg = s(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT - 18}`, class: "chart", role: "img", "aria-label": `${title}: ${counts.map((_, index) => barText(index)).join("; ")}` },
    s("path", { class: "grid-line", d: `M${across(0)} ${up(0)}H${across(1)}M${across(0)} ${up(1)}H${across(1)}M${across(0)} ${up(0.5)}H${across(1)}` }),
    [0, 0.5, 1].map((share) => text(LEFT - 6, up(share) + 4, compact(share * most), "end")),
    counts.map((count, index) => {
      const width = Math.max(place(index + 1) - place(index) - 1.5, 1);
      const bar = s("rect", { class: "bar-mark", x: place(index), y: up(count / most), width, height: Math.max(up(0) - up(count / most), count ? 1 : 0) });
      const field = s("rect", { class: "bar-field", x: place(index), y: up(1), width: width + 1.5, height: up(0) - up(1) });
      field.addEventListener("pointerenter", () => (readout.textContent = barText(index)));
      return [bar, field];
    }),
    edges.map((edge, index) => (index % every ? null : text(place(index), HEIGHT - BOTTOM + 15, edgeText(edge)))),
  );
  svg.addEventListener("pointerleave", () => (readout.textContent = ""));
  return h("figure", { class: "figure" }, h("figcaption", {}, title), svg, readout);
}

const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const compact = (value) => COMPACT.format(value);

/**
 * The share that is right over the confidence: bars, and the diagonal that they should meet.
 * @param {{title: string, bins: {low: number, high: number, annotations: number, confidence: number | null,
 *   precision: number | null}[], barText: (index: number) => string}} options
 */
export function reliabilityChart({ title, bins, barText }) {
  const readout = h("p", { class: "readout small number" });
  const svg = s(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "chart", role: "img", "aria-label": `${title}: ${bins.map((_, index) => barText(index)).join("; ")}` },
    unitAxes("confidence", "share that is right"),
    bins.map((bin, index) => {
      const [x, width] = [across(bin.low), across(bin.high) - across(bin.low) - 1.5];
      const field = s("rect", { class: "bar-field", x, y: up(1), width: width + 1.5, height: up(0) - up(1) });
      field.addEventListener("pointerenter", () => (readout.textContent = barText(index)));
      if (bin.precision === null) return [field];
      return [s("rect", { class: "bar-mark", x, y: up(bin.precision), width, height: up(0) - up(bin.precision) }), s("path", { class: "bin-mean", d: `M${x} ${up(bin.confidence)}h${width}` }), field];
    }),
    s("path", { class: "diagonal", d: `M${across(0)} ${up(0)}L${across(1)} ${up(1)}` }),
  );
  svg.addEventListener("pointerleave", () => (readout.textContent = ""));
  return h("figure", { class: "figure" }, h("figcaption", {}, title), svg, readout);
}
