// The result of an evaluation: numbers, curves, tables, and the images behind them.

import { ask } from "./api.js";
import { curveChart, reliabilityChart } from "./chart.js";
import { ConfusionView } from "./confusion.js";
import { count, counted, failed, fill, h, loading } from "./dom.js";
import { percent, score, short, signed } from "./format.js";
import { TallyList } from "./tallies.js";
import { sortableTable } from "./table.js";
import { tile } from "./tiles.js";

const MAIN = ["AP", "AP50", "AP75"];
const OF_IMAGES = ["accuracy", "macro_f1", "AUC"];
const OF_MAPS = ["mIoU", "pixel_accuracy", "mean_accuracy"];
const OF_SEGMENTS = ["PQ", "SQ", "RQ"];
const FIRST = { classification: OF_IMAGES, semantic: OF_MAPS, panoptic: OF_SEGMENTS };
const SCORES_OF_LABELS = ["AP", "AP50", "AUC"];
const TITLES = { pixel_accuracy: "Pixel accuracy", mean_accuracy: "Mean accuracy", accuracy: "Accuracy", top5: "Top 5", macro_f1: "Macro F1", macro_precision: "Macro P", macro_recall: "Macro R" };
const HINTS = {
  AP: "Average precision over all thresholds",
  AP50: "Average precision at IoU 0.5",
  AP75: "Average precision at IoU 0.75",
  "AR@0.5": "Recall at a similarity of 0.5",
  "AR@0.75": "Recall at a similarity of 0.75",
  APs: "AP of small truths (area below 32²)",
  APm: "AP of medium truths (32² to 96²)",
  APl: "AP of large truths (above 96²)",
  accuracy: "Share of images whose answer is right",
  top5: "Share of images whose label is among the 5 most confident",
  macro_f1: "F1 of each label, averaged over labels",
  macro_precision: "Precision of each label, averaged over labels",
  macro_recall: "Recall of each label, averaged over labels",
  mIoU: "IoU of each label over all pixels, averaged over labels",
  pixel_accuracy: "Share of pixels whose label is right",
  mean_accuracy: "Share of each label's pixels that is right, averaged over labels",
  fwIoU: "IoU of each label, weighted by its share of the pixels",
  IoU: "Right pixels, divided by those that either side gives the label",
  PQ: "Panoptic quality: SQ times RQ, averaged over labels",
  SQ: "Segmentation quality: mean IoU of matched segments",
  RQ: "Recognition quality: F1 of segments",
  AUC: "Area under the ROC curve of each label against the rest, averaged",
};
const OTHERS = { precision: "Precision", recall: "Recall", f1: "F1", mean_similarity: "Mean similarity" };
/** @type {[name: string, title: string, hint: string][]} */
const KINDS = [
  ["classification", "Wrong label", "right position, wrong label"],
  ["localisation", "Wrong place", "right label, wrong position"],
  ["both", "Both wrong", "wrong label and wrong position"],
  ["duplicate", "Duplicate", "another match of the same truth"],
  ["background", "Background", "nothing is there"],
  ["missed", "Missed", "truths that no other error accounts for"],
];

export class EvaluationView {
  element = h("div", { class: "evaluation" });
  #query;
  #setQuery;

  constructor({ query, onQuery }) {
    this.#query = query;
    this.#setQuery = onQuery;
  }

  clear(...content) {
    fill(this.element, content);
  }

  async load(info, context) {
    if (!this.element.childElementCount) fill(this.element, loading());
    try {
      const result = await ask(`/api/v1/evaluations/${encodeURIComponent(info.id)}/result`);
      this.#show(result, context);
    } catch (error) {
      fill(this.element, failed(error, () => this.load(info, context)));
    }
  }

  #show(result, context) {
    const drawn = { ...context, truth: { name: result.info.ground_truth, mode: result.info.truth_mode } };
    fill(
      this.element,
      this.#summary(result),
      this.#curves(result),
      h("h3", {}, "Labels"),
      this.#labels(result),
      new ConfusionView(result, drawn, { query: this.#query, setQuery: this.#setQuery }).element,
      h("div", { class: "figures" }, errorKinds(result), reliability(result)),
      slices(result),
      h("h3", {}, "Images"),
      new TallyList(result.info, drawn, { query: this.#query, setQuery: this.#setQuery }).element,
    );
  }

  #summary({ summary, confidence, counts, settings, info }) {
    const averages = Object.entries(summary).filter(([name]) => !(name in OTHERS));
    const first = FIRST[settings.protocol] ?? MAIN;
    const main = averages.filter(([name]) => first.includes(name));
    const rest = averages.filter(([name]) => !first.includes(name));
    const shown = main.length ? main : averages.slice(0, 3);
    const others = main.length ? rest : averages.slice(3);
    return h(
      "div",
      {},
      h(
        "dl",
        { class: "tiles" },
        shown.map(([name, value]) => tile(TITLES[name] ?? name, score(value), null, HINTS[name] ?? null)),
        Object.entries(OTHERS).map(([name, title]) => (name in summary ? tile(title, score(summary[name])) : null)),
      ),
      others.length ? h("dl", { class: "tiles little" }, others.map(([name, value]) => tile(TITLES[name] ?? name, score(value), null, HINTS[name] ?? null))) : null,
      h(
        "p",
        { class: "muted small" },
        `${counted(counts.truths ?? 0, "truth")} and ${counted(counts.annotations ?? 0, "annotation")} in ${counted(info.image_count, "image")}; ${tablesAt(settings, confidence)}.`,
        counts.images_without_truth ? ` ${counted(counts.images_without_truth, "image")} without ground truth left out.` : null,
        counts.images_without_run ? ` The run has no annotations in ${counted(counts.images_without_run, "image")}.` : null,
        counts.other_geometry ? ` ${counted(counts.other_geometry, "annotation")} of another geometry left out.` : null,
        info.unsized_images ? ` ${counted(info.unsized_images, "image")} left out, because their size is unknown: ${info.unsized_names.slice(0, 3).join(", ")}${info.unsized_images > 3 ? " …" : ""}` : null,
      ),
    );
  }

  #curves(result) {
    const { curves, confidence } = result;
    const choice = h("select", { id: "curve-label" }, curves.map((curve, index) => h("option", { value: index, selected: curve.label !== null && curve.label === this.#query().get("label") }, curve.label ?? "All labels")));
    const both = (index) => {
      pr.choose(index);
      f1.choose(index);
    };
    const pr = curveChart({ title: "Precision over recall", xTitle: "recall", yTitle: "precision", onChoose: both });
    const f1 = curveChart({ title: "F1 over confidence", xTitle: "confidence", yTitle: "F1", onChoose: both });
    const draw = () => {
      const curve = curves[Number(choice.value)];
      const say = (index) => `confidence ≥ ${score(curve.confidence[index])}: precision ${score(curve.precision[index])}, recall ${score(curve.recall[index])}, F1 ${score(curve.f1[index])}`;
      pr.draw(curve.confidence.map((_, index) => [curve.recall[index], curve.precision[index]]), say);
      f1.draw(curve.confidence.map((at, index) => [at, curve.f1[index]]), say);
      both(startOf(curve, confidence));
    };
    choice.addEventListener("change", () => {
      this.#setQuery({ label: curves[Number(choice.value)].label });
      draw();
    });
    if (!curves.length) return null;
    draw();
    return h("div", {}, h("label", { class: "inline" }, "Curves of ", choice), h("div", { class: "figures" }, pr.element, f1.element));
  }

  #labels({ labels, summary }) {
    const names = Object.keys(labels[0]?.scores ?? {});
    const average = "AP" in summary ? SCORES_OF_LABELS.filter((name) => names.includes(name)) : names.slice(0, 2);
    const number = (key, title, value, show = score, hint = undefined) => ({ key, title, isNumber: true, value, show: (row) => show(value(row)), hint });
    const columns = [
      { key: "label", title: "Label", value: (row) => row.label, show: (row) => h("span", { class: "wrap" }, row.label) },
      ...average.map((name) => number(name, name, (row) => row.scores[name] ?? null, score, HINTS[name])),
      number("precision", "Precision", (row) => row.precision),
      number("recall", "Recall", (row) => row.recall),
      number("f1", "F1", (row) => row.f1),
      number("best", "Best at", (row) => row.best_confidence, score, "Confidence with the best F1 of the label"),
      number("truths", "Truths", (row) => row.truths, count),
      number("tp", "Right", (row) => row.true_positives, count),
      number("fp", "False", (row) => row.false_positives, count),
      number("missed", "Missed", (row) => row.missed, count),
    ];
    if (!labels.length) return h("p", { class: "muted" }, "No label occurs.");
    return sortableTable({ caption: "Labels", columns, rows: labels, sort: this.#query().get("labels") ?? "-truths", limit: 30, onSort: (sort) => this.#setQuery({ labels: sort }) });
  }
}

/** What the tables count. */
function tablesAt({ protocol, match_threshold: threshold }, confidence) {
  if (protocol === "classification") return confidence ? `tables of labels with a confidence of at least ${score(confidence)}` : "tables of each image's most confident label";
  if (protocol === "semantic") return `tables of an image's labels at IoU ${short(threshold)}; the confusion matrix counts pixels`;
  return `tables at confidence ${score(confidence)} and ${protocol === "chamfer" ? "distance" : "IoU"} ${short(threshold)}`;
}

/** The point of a curve that the tables are made at. */
function startOf(curve, confidence) {
  if (!curve.confidence.length) return null;
  if (confidence === null) return 0;
  const at = curve.confidence.findLastIndex((one) => one >= confidence);
  return Math.max(at, 0);
}

function errorKinds({ errors }) {
  if (!errors) return null;
  const most = Math.max(...KINDS.map(([name]) => errors[name].ap_cost ?? 0), 1e-9);
  const line = ([name, title, hint]) => {
    const { count: many, ap_cost: cost } = errors[name];
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, title, h("span", { class: "muted small" }, hint)),
      h("td", { class: "number" }, count(many)),
      h("td", { class: "cost" }, h("span", { class: "bar-track", "aria-hidden": "true" }, h("span", { class: "bar-fill", style: { width: `${(100 * Math.max(cost ?? 0, 0)) / most}%` } })), h("span", { class: "number" }, signed(cost))),
    );
  };
  return h(
    "figure",
    { class: "figure" },
    h("figcaption", {}, "What the errors cost"),
    h("table", { class: "table plain" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Error"), h("th", { scope: "col", class: "number" }, "Count"), h("th", { scope: "col", title: "How much higher AP would be without these errors" }, "AP without them"))), h("tbody", {}, KINDS.map(line))),
    h("p", { class: "muted small" }, `AP ${score(errors.ap)}; without any false positive ${signed(errors.false_positives.ap_cost)}, without any missed truth ${signed(errors.false_negatives.ap_cost)}.`),
  );
}

function reliability({ calibration }) {
  if (!calibration) return null;
  const { bins } = calibration;
  const figure = reliabilityChart({
    title: "Is the confidence right?",
    bins,
    barText: (index) => {
      const { low, high, annotations, confidence, precision } = bins[index];
      return `${short(low)} to ${short(high)}: ${annotations ? `${percent(precision)} of ${count(annotations)} right, confidence ${score(confidence)}` : "none"}`;
    },
  });
  figure.append(h("p", { class: "muted small" }, `Expected error (ECE) ${score(calibration.expected_error)}, largest ${score(calibration.largest_error)}, Brier ${score(calibration.brier)}. Below the diagonal, the run is overconfident.`));
  return figure;
}

function slices({ slices: found }) {
  if (!found.length) return null;
  const number = (key, title, value, show = score) => ({ key, title, isNumber: true, value, show: (row) => show(value(row)) });
  const columns = [
    { key: "value", title: "Part", value: (row) => `${row.name} ${row.value}`, show: (row) => h("span", { class: "wrap" }, `${row.name} = ${row.value}`) },
    number("images", "Images", (row) => row.images, count),
    number("truths", "Truths", (row) => row.truths, count),
    number("precision", "Precision", (row) => row.precision),
    number("recall", "Recall", (row) => row.recall),
    number("f1", "F1", (row) => row.f1),
    ...["AP", "mIoU", "PQ"].filter((name) => name === "AP" || name in found[0].scores).map((name) => number(name, name, (row) => row.scores[name] ?? null)),
  ];
  return h("div", {}, h("h3", {}, "Parts of the data"), sortableTable({ caption: "Parts of the data", columns, rows: found, sort: "value", limit: 30 }));
}
