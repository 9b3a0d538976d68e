// What an evaluation says of tracks: its numbers, HOTA over the IoU threshold, and every label and sequence.

import { curveChart } from "./chart.js";
import { count, counted, h } from "./dom.js";
import { score } from "./format.js";
import { sortableTable } from "./table.js";
import { tile } from "./tiles.js";

/** @type {Record<string, string>} */
const HINTS = {
  HOTA: "Geometric mean of detection and association, averaged over IoU thresholds",
  DetA: "Detection: right annotations among all of both sides",
  AssA: "Association: how well matched tracks agree over all frames",
  LocA: "Localization: mean IoU of the matches",
  MOTA: "1 minus misses, false annotations and identity switches, relative to the truths",
  MOTP: "Mean IoU of the matches at the match threshold",
  IDF1: "F1 of annotations whose track is the one best partner",
};
const MAIN = ["HOTA", "MOTA", "IDF1"];
const COUNTS = {
  id_switches: "Switches",
  fragmentations: "Fragments",
  mostly_tracked: "Tracked",
  partly_tracked: "Partly",
  mostly_lost: "Lost",
};

/** The section of an evaluation's tracks; null if they were not evaluated. */
export function trackingView({ tracking, settings }) {
  if (!tracking) return null;
  const { overall } = tracking;
  const rest = Object.keys(overall.scores).filter((name) => !MAIN.includes(name));
  return h(
    "section",
    { class: "tracking", "aria-labelledby": "tracking-heading" },
    h("h3", { id: "tracking-heading" }, "Tracks"),
    h(
      "dl",
      { class: "tiles" },
      MAIN.map((name) => tile(name, score(overall.scores[name]), null, HINTS[name])),
      tile("Identity switches", count(overall.counts.id_switches), `${counted(overall.counts.truth_tracks, "track")} in the ground truth, ${count(overall.counts.run_tracks)} in the run`),
    ),
    h("dl", { class: "tiles little" }, rest.map((name) => tile(name, score(overall.scores[name]), null, HINTS[name] ?? null))),
    h("p", { class: "muted small" }, `MOTA, MOTP, IDF1 and counts at IoU ${settings.match_threshold}.`, notes(tracking)),
    charts(tracking.curve),
    table(tracking),
  );
}

function notes({ truths_without_track: truths, annotations_without_track: annotations, images_without_frame: images }) {
  return [
    truths ? ` ${counted(truths, "truth")} without a track left out.` : null,
    annotations ? ` ${counted(annotations, "annotation")} without a track left out.` : null,
    images ? ` ${counted(images, "image")} with tracks left out, whose names have no number.` : null,
  ];
}

/** HOTA and association over the IoU threshold; a point is chosen in both. */
function charts({ alpha, hota, det_a: detection, ass_a: association }) {
  if (hota[0] === null) return null;
  const both = (index) => [main, other].forEach((chart) => chart.choose(index));
  const main = curveChart({ title: "HOTA over the IoU threshold", xTitle: "IoU threshold", yTitle: "HOTA", onChoose: both });
  const other = curveChart({ title: "Association over the IoU threshold", xTitle: "IoU threshold", yTitle: "AssA", onChoose: both });
  const say = (index) => `IoU ≥ ${alpha[index].toFixed(2)}: HOTA ${score(hota[index])}, DetA ${score(detection[index])}, AssA ${score(association[index])}`;
  main.draw(alpha.map((at, index) => [at, hota[index]]), say);
  other.draw(alpha.map((at, index) => [at, association[index]]), say);
  both(9);
  return h("div", { class: "figures" }, main.element, other.element);
}

/** A row for each label, each sequence, and each label in each sequence. */
function table({ labels, sequences, parts }) {
  const hasParts = labels.length > 1 && sequences.length > 1;
  const rows = [...sequences, ...(labels.length > 1 ? labels : []), ...(hasParts ? parts : [])];
  const text = (key, title, all) => ({
    key, title, value: (row) => row[key] ?? "", show: (row) => h("span", { class: row[key] ? "wrap" : "muted" }, row[key] === null ? all : row[key] || "(unnamed)"),
  });
  const columns = [
    text("sequence", "Sequence", "all"),
    text("label", "Label", "all"),
    ...["HOTA", "DetA", "AssA", "MOTA", "IDF1"].map((name) => ({ key: name, title: name, isNumber: true, hint: HINTS[name], value: (row) => row.scores[name], show: (row) => score(row.scores[name]) })),
    ...Object.entries(COUNTS).map(([name, title]) => ({ key: name, title, isNumber: true, value: (row) => row.counts[name], show: (row) => count(row.counts[name]) })),
  ];
  if (!rows.length) return h("p", { class: "muted" }, "Nothing is tracked.");
  return sortableTable({ caption: "Tracks by sequence and label", columns, rows, sort: "HOTA", limit: 30 });
}
