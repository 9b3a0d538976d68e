// What a comparison of two runs found.

import { ask } from "./api.js";
import { count, counted, fill, h } from "./dom.js";
import { percent, score, signed } from "./format.js";
import { gridUrl, imageUrl, quoted } from "./links.js";
import { sortableTable } from "./table.js";
import { tile } from "./tiles.js";

const NAMES = { precision: "Precision", recall: "Recall", f1: "F1", mean_similarity: "Mean similarity" };
const SHOWN_IMAGES = 48;
const NAMES_AT_ONCE = 16;

/** @param {{collection: string, drawn: {name: string, mode: string}[]}} context `drawn` over each image */
export function showComparison(element, comparison, context) {
  fill(
    element,
    h("p", { class: "muted small" }, `${counted(comparison.truths, "truth")} in ${counted(comparison.images, "image")}; differences are B minus A. Intervals hold ${percent(comparison.level)} of ${count(comparison.resamples)} draws of the images.`),
    truths(comparison),
    h("h2", {}, "Numbers"),
    scores(comparison),
    h("div", { class: "figures" }, changes(comparison), agreement(comparison)),
    h("h2", {}, "Labels"),
    labels(comparison),
    h("h2", {}, "Images that differ most"),
    images(comparison, context),
  );
}

function truths({ found_by_both: both, gained, lost, found_by_neither: neither, truths: all }) {
  const parts = [
    ["both", "Found by both", both],
    ["gained", "Gained: only B finds them", gained],
    ["lost", "Lost: only A finds them", lost],
    ["neither", "Found by neither", neither],
  ];
  return h(
    "div",
    {},
    h("dl", { class: "tiles" }, parts.map(([kind, name, many]) => tile(name, [h("span", { class: `dot ${kind}`, "aria-hidden": "true" }), count(many)], all ? percent(many / all, 1) : null))),
    h("div", { class: "stack", "aria-hidden": "true" }, parts.map(([kind, , many]) => h("span", { class: kind, style: { "flex-grow": String(many) } }))),
  );
}

function scores({ scores: found }) {
  const widest = Math.max(...found.flatMap((one) => [one.low, one.high, one.delta]).map((one) => Math.abs(one ?? 0)), 1e-6);
  const isClear = ({ low, high }) => low !== null && high !== null && (low > 0 || high < 0);
  const at = (value) => `${50 + (50 * value) / widest}%`;
  const line = (one) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, NAMES[one.name] ?? one.name),
      h("td", { class: "number" }, score(one.a)),
      h("td", { class: "number" }, score(one.b)),
      h("td", { class: `number ${isClear(one) ? (one.delta > 0 ? "better" : "worse") : ""}` }, signed(one.delta)),
      h("td", { class: "number nowrap" }, one.low === null || one.high === null ? "–" : `${signed(one.low)} to ${signed(one.high)}`),
      h(
        "td",
        { class: "interval", "aria-hidden": "true" },
        h("span", { class: "zero" }),
        one.low !== null && one.high !== null ? h("span", { class: "span", style: { left: at(one.low), width: `${(50 * (one.high - one.low)) / widest}%` } }) : null,
        one.delta !== null ? h("span", { class: "mark", style: { left: at(one.delta) } }) : null,
      ),
      h("td", { class: "small" }, isClear(one) ? (one.delta > 0 ? "B is higher" : "B is lower") : one.delta === null ? "–" : "not clear"),
    );
  const heads = ["Number", "A", "B", "Difference", "Interval"];
  return h(
    "div",
    { class: "scroll-x", tabindex: "0", role: "region", "aria-label": "Numbers of both runs" },
    h("table", { class: "table scores" }, h("caption", { class: "visually-hidden" }, "Numbers of both runs"), h("thead", {}, h("tr", {}, heads.map((text, index) => h("th", { scope: "col", class: index ? "number" : null }, text)), h("td", {}), h("th", { scope: "col" }, "So"))), h("tbody", {}, found.map(line))),
  );
}

function changes({ changes: found }) {
  if (!found) return null;
  const rows = [
    ["Only in A (removed)", count(found.removed)],
    ["Only in B (added)", count(found.added)],
    ["In both", count(found.paired)],
    ["… without any change", count(found.unchanged)],
    ["… with another shape", count(found.moved)],
    ["… with another label", count(found.relabelled)],
    ["… with another confidence", count(found.confidence_changed)],
    ["Mean similarity of pairs", score(found.mean_similarity)],
    ["Mean change of confidence", signed(found.mean_confidence_change)],
  ];
  return h("figure", { class: "figure" }, h("figcaption", {}, "Changes between the runs"), h("table", { class: "table plain" }, h("tbody", {}, rows.map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", { class: "number" }, value))))));
}

const MOST = 12;

function agreement({ changes: found }) {
  if (!found || !found.labels.length) return null;
  const { labels, counts, kappa } = found;
  const weight = (place) => counts[place].reduce((sum, one) => sum + one, 0);
  const shown = labels.map((_, place) => place).sort((a, b) => weight(b) - weight(a)).slice(0, MOST);
  const places = [...shown, labels.length];
  const rowName = (place) => labels[place] ?? "(only in B)";
  const columnName = (place) => labels[place] ?? "(only in A)";
  const cell = (row, column) => {
    const many = counts[row][column];
    const total = weight(row);
    if (row === labels.length && column === labels.length) return h("td", { class: "empty" });
    return h("td", { class: many ? (row === column ? "right" : "wrong") : "nothing", style: { "--share": String(total ? many / total : 0) } }, count(many));
  };
  return h(
    "figure",
    { class: "figure" },
    h("figcaption", {}, "Agreement of labels"),
    h(
      "div",
      { class: "scroll-x", tabindex: "0", role: "region", "aria-label": "Agreement of labels" },
      h(
        "table",
        { class: "matrix" },
        h("thead", {}, h("tr", {}, h("td", { class: "corner small muted" }, "A \\ B"), places.map((place) => h("th", { scope: "col", title: columnName(place) }, h("span", { class: "cut" }, columnName(place)))))),
        h("tbody", {}, places.map((row) => h("tr", {}, h("th", { scope: "row", title: rowName(row) }, h("span", { class: "cut" }, rowName(row))), places.map((column) => cell(row, column))))),
      ),
    ),
    h("p", { class: "muted small" }, `Cohen's kappa of the pairs' labels: ${score(kappa)}.`, labels.length > MOST ? ` ${counted(labels.length - MOST, "rarer label")} not shown.` : null),
  );
}

function labels({ labels: found }) {
  const number = (key, title, value, show = count) => ({ key, title, isNumber: true, value, show: (row) => show(value(row)) });
  const columns = [
    { key: "label", title: "Label", value: (row) => row.label, show: (row) => h("span", { class: "wrap" }, row.label) },
    number("delta", "Difference", (row) => row.delta, signed),
    number("truths", "Truths", (row) => row.truths),
    number("gained", "Gained", (row) => row.gained),
    number("lost", "Lost", (row) => row.lost),
    number("both", "Both", (row) => row.found_by_both),
    number("neither", "Neither", (row) => row.found_by_neither),
    number("fa", "False in A", (row) => row.false_positives_a),
    number("fb", "False in B", (row) => row.false_positives_b),
  ];
  return sortableTable({ caption: "Labels", columns, rows: found, sort: "-truths", limit: 30 });
}

function images({ different_images: found, different_image_count: all }, { collection, drawn }) {
  if (!found.length) return h("p", { class: "muted" }, "No image differs.");
  const shown = found.slice(0, SHOWN_IMAGES);
  const list = h("ol", { class: "tallies" });
  const show = (items) => fill(list, shown.map((one) => image(one, items.get(one.image) ?? null, collection, drawn)));
  show(new Map());
  // A comparison knows images by their names; where they are is asked for.
  findItems(shown.map((one) => one.image), collection).then(show, () => {});
  return h("div", {}, list, all > shown.length ? h("p", { class: "muted small" }, `The first ${count(shown.length)} of ${counted(all, "image")} that differ.`) : null);
}

async function findItems(names, collection) {
  const found = new Map();
  for (let at = 0; at < names.length; at += NAMES_AT_ONCE) {
    const q = names.slice(at, at + NAMES_AT_ONCE).map((name) => `name = ${quoted(name)}`).join(" OR ");
    const { items } = await ask("/api/v1/items", { query: { collection, query: q } });
    for (const item of items) found.set(item.name, item);
  }
  return found;
}

function image(one, item, collection, drawn) {
  const picture = item?.state === "ready" ? h("img", { src: `/api/v1/images/${item.id}/thumbnail`, alt: "", loading: "lazy", decoding: "async" }) : h("span", { class: "no-picture small muted" }, item ? "no picture" : "");
  const facts = [one.gained && `${count(one.gained)} gained`, one.lost && `${count(one.lost)} lost`, one.false_positives_a !== one.false_positives_b && `false ${count(one.false_positives_a)} → ${count(one.false_positives_b)}`, `F1 ${score(one.f1_a, 2)} → ${score(one.f1_b, 2)}`];
  const url = item ? imageUrl(collection, item.id, { runs: drawn }) : gridUrl(collection, { q: `name = ${quoted(one.image)}`, runs: drawn });
  return h("li", {}, h("a", { href: url }, picture, h("span", { class: "tally-name" }, one.image), h("span", { class: "muted small number" }, facts.filter(Boolean).join(" · "))));
}
