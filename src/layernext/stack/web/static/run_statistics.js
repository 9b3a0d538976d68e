// What the annotations of a run are like, as tiles and bars.

import { count, fill, h } from "./dom.js";
import { histogram } from "./chart.js";
import { percent, short } from "./format.js";
import { kindNamed } from "./geometry/kinds.js";
import { gridUrl, quoted } from "./links.js";
import { tile } from "./tiles.js";

const SHOWN_LABELS = 12;

export function showStatistics(element, found, { collection, run }) {
  const per = found.images ? found.annotations / found.images : null;
  const kinds = Object.entries(found.geometries).filter(([, many]) => many);
  fill(
    element,
    h(
      "dl",
      { class: "tiles" },
      tile("Images", count(found.images), found.empty_images ? `${count(found.empty_images)} without annotations` : null),
      tile("Annotations", count(found.annotations), kinds.map(([name, many]) => `${count(many)} ${kindNamed(name)?.words ?? name}`).join(", ")),
      tile("Per image", short(per)),
      tile("Labels", count(Object.keys(found.labels).length)),
    ),
    found.is_current ? null : h("p", { class: "notice warn" }, "These numbers are out of date; the stack is counting again."),
    found.annotations
      ? h("div", { class: "figures" }, labels(found, collection, run), confidence(found), perImage(found), sizes(found))
      : null,
  );
}

function labels(found, collection, run) {
  const all = Object.entries(found.labels).sort(([, a], [, b]) => b - a);
  const most = all[0]?.[1] ?? 1;
  return h(
    "figure",
    { class: "figure" },
    h("figcaption", {}, "Annotations of each label"),
    h(
      "ul",
      { class: "bars", tabindex: "0", "aria-label": "Annotations of each label" },
      all.slice(0, SHOWN_LABELS).map(([name, many]) =>
        h(
          "li",
          {},
          h("a", { class: "cut", href: gridUrl(collection, { q: `annotation.label = ${quoted(name)}`, runs: [run] }), title: name }, name),
          h("span", { class: "bar-track", "aria-hidden": "true" }, h("span", { class: "bar-fill", style: { width: `${(100 * many) / most}%` } })),
          h("span", { class: "number small" }, count(many)),
        ),
      ),
    ),
    all.length > SHOWN_LABELS ? h("p", { class: "muted small" }, `and ${count(all.length - SHOWN_LABELS)} more, on the page `, h("a", { href: "/labels" }, "Labels")) : null,
  );
}

function confidence({ confidence: { edges, counts }, without_confidence: without, annotations }) {
  if (without === annotations) return null;
  const figure = histogram({
    title: "Confidence",
    edges,
    counts,
    edgeText: short,
    barText: (index) => `${short(edges[index])} to ${short(edges[index + 1])}: ${count(counts[index])}`,
  });
  if (without) figure.append(h("p", { class: "muted small" }, `${count(without)} without a confidence`));
  return figure;
}

function perImage({ annotations_per_image: { edges, counts } }) {
  const range = (index) => (edges[index + 1] - edges[index] > 1 ? `${edges[index]} to ${edges[index + 1] - 1}` : `${edges[index]}`);
  return histogram({ title: "Annotations per image", edges, counts, edgeText: short, barText: (index) => `${range(index)}: ${count(counts[index])} images` });
}

function sizes({ area: { edges, counts }, unsized, annotations }) {
  if (unsized === annotations || !counts.some(Boolean)) return null;
  const side = (area) => short(Math.sqrt(area));
  const figure = histogram({
    title: "Size: side of a square of the same area, in pixels",
    edges,
    counts,
    edgeText: side,
    barText: (index) => `${side(edges[index])} to ${side(edges[index + 1])} px: ${count(counts[index])} (${percent(counts[index] / annotations)})`,
  });
  if (unsized) figure.append(h("p", { class: "muted small" }, `${count(unsized)} left out: normalized, on images of unknown size`));
  return figure;
}
