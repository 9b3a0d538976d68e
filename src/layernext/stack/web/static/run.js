// The page of one run: what its annotations are like, and its evaluations.

import { ask, askAll } from "./api.js";
import { empty, failed, fill, find, h, loading, pageData, sentence, when } from "./dom.js";
import { EvaluationView } from "./evaluation.js";
import { EVALUATED } from "./geometry/kinds.js";
import { compareUrl, gridUrl } from "./links.js";
import { progressBar, query, setQuery, stateBadge } from "./parts.js";
import { poll } from "./poll.js";
import { showStatistics } from "./run_statistics.js";
import { askStatistics } from "./statistics.js";

const state = find("#state");
const area = find("#evaluation");
const mayWrite = pageData().may_write;

let collection = null; // its id; null for a version of a dataset
let run = null; // {name, mode}
let runs = []; // of the collection
let evaluations = []; // of the run, newest first
let chosen = null; // one of them
let geometries = Object.keys(EVALUATED);

async function load() {
  fill(state, loading());
  try {
    const id = query().get("evaluation");
    const info = id ? await ask(`/api/v1/evaluations/${encodeURIComponent(id)}`) : null;
    run = info ? { name: info.run, mode: info.run_mode } : { name: query().get("run"), mode: query().get("mode") === "human" ? "human" : "machine" };
    collection = info ? info.collection_id : query().get("collection");
    chosen = info;
    if (!run.name || !(collection || info)) throw new Error("the address of this page does not name a run; select one in the list of runs");
    await showHead(info);
  } catch (error) {
    fill(state, failed(error, load));
    return;
  }
  fill(state);
  if (collection) loadStatistics();
  loadEvaluations();
}

async function showHead(info) {
  document.title = `${run.name} · LayerNext`;
  find("#name").textContent = run.name;
  if (!collection) {
    find("#trail").textContent = info.dataset;
    return;
  }
  const [some, collections] = await Promise.all([askAll("/api/v1/runs", { query: { collection } }), askAll("/api/v1/collections")]);
  runs = some;
  const mine = runs.find((one) => one.name === run.name && one.mode === run.mode);
  if (!mine) throw new Error(`there is no ${run.mode === "human" ? "ground truth" : "model run"} “${run.name}” in this collection`);
  const place = collections.find((one) => one.id === collection || one.name === collection);
  collection = place?.id ?? collection;
  fill(find("#trail"), h("a", { href: gridUrl(collection) }, mine.collection || "(no collection)"));
  const others = runs.filter((one) => one !== mine && one.mode === run.mode);
  const other = h(
    "select",
    { "aria-label": "Compare with" },
    h("option", { value: "" }, "Compare with…"),
    others.map((one) => h("option", { value: one.name }, one.name)),
  );
  other.addEventListener("change", () => {
    const mode = run.mode === "machine" ? null : run.mode;
    if (other.value) location.assign(compareUrl({ collection, a: run.name, b: other.value, a_mode: mode, b_mode: mode }));
  });
  fill(
    find("#actions"),
    h("span", { class: "badge" }, run.mode === "human" ? "Ground truth" : "Model run"),
    h("span", { class: "muted small" }, "changed ", when(mine.updated_at)),
    h("a", { class: "button", href: gridUrl(collection, { runs: [run] }) }, "See the images"),
    others.length ? h("span", { class: "inline" }, other) : null,
  );
}

async function loadStatistics() {
  const element = find("#statistics");
  fill(element, loading("Counting annotations…"));
  try {
    const statistics = await askStatistics(collection, run);
    const there = Object.keys(EVALUATED).filter((name) => statistics.geometries[name]);
    geometries = (there.length ? there : geometries).sort((a, b) => (statistics.geometries[b] ?? 0) - (statistics.geometries[a] ?? 0));
    showStatistics(element, statistics, { collection, run });
    if (controls) showControls();
  } catch (error) {
    fill(element, failed(error, loadStatistics));
  }
}

// -- evaluations --

const view = new EvaluationView({ onQuery: setQuery, query });
let controls = null;
let watching = null;

async function loadEvaluations() {
  controls = h("div", {});
  fill(area, h("h2", {}, "Evaluation"), controls, view.element);
  try {
    evaluations = collection ? (await askAll("/api/v1/evaluations", { query: { collection, run: run.name } })).filter((one) => one.run_mode === run.mode && one.collection_id === collection) : [chosen];
    chosen = evaluations.find((one) => one.id === chosen?.id) ?? evaluations[0] ?? null;
    showControls();
    if (chosen) watch();
    else showNone();
  } catch (error) {
    fill(controls, failed(error, loadEvaluations));
  }
}

function showNone() {
  const text = truths().length ? "Select a ground truth to evaluate this run." : "Upload a ground truth to this collection to evaluate this run.";
  view.clear(empty("Not evaluated yet", text));
}

const truths = () => runs.filter((one) => !(one.name === run.name && one.mode === run.mode)).sort((a, b) => (a.mode < b.mode ? -1 : a.mode > b.mode ? 1 : 0));

function describe(info) {
  const { settings } = info;
  return [`against ${info.ground_truth}`, EVALUATED[settings.geometry ?? "rectangle"].toLowerCase(), settings.protocol, settings.tracking && "tracks", info.dataset && `${info.dataset}${info.split ? `, ${info.split}` : ""}`].filter(Boolean).join(" · ");
}

function showControls() {
  const select = h("select", { id: "which" }, evaluations.map((one) => h("option", { value: one.id, selected: one === chosen }, describe(one))));
  select.addEventListener("change", () => {
    chosen = evaluations.find((one) => one.id === select.value);
    setQuery({ evaluation: chosen.id, label: null, truth: null, as: null }, { push: true });
    showControls();
    watch();
  });
  fill(
    controls,
    evaluations.length ? h("div", { class: "evaluation-line" }, h("label", { class: "inline" }, "Shown ", select), h("span", { id: "currency", class: "head-tools" }, currency())) : null,
    mayWrite && collection && truths().length ? newForm() : null,
    h("div", { id: "progress", role: "status" }),
  );
}

/** Whether the numbers hold, plainly. */
function currency() {
  if (!chosen || chosen.computed_at === null) return null;
  const again = mayWrite ? h("button", { type: "button", onclick: () => start({ again: true }) }, "Compute again") : null;
  return chosen.is_current
    ? [h("span", { class: "badge good" }, "Up to date"), h("span", { class: "muted small" }, "computed ", when(chosen.computed_at))]
    : [h("span", { class: "badge warn" }, "Out of date"), h("span", { class: "small" }, `${sentence(chosen.stale_because ?? "annotations have changed")} Computed `, when(chosen.computed_at), "."), again];
}

function newForm() {
  const truth = h("select", { name: "truth" }, truths().map((one) => h("option", { value: `${one.mode} ${one.name}` }, one.mode === "human" ? one.name : `${one.name} (model run)`)));
  const geometry = h("select", { name: "geometry" }, geometries.map((name) => h("option", { value: name }, EVALUATED[name])));
  const tracking = h("input", { type: "checkbox", name: "tracking" });
  const form = h("form", { class: "head-tools evaluation-new" }, h("label", { class: "inline" }, "Ground truth ", truth), h("label", { class: "inline" }, "Geometry ", geometry), h("label", { class: "inline", title: "HOTA, MOTA and IDF1 of annotations with tracks" }, tracking, " Tracks"), h("button", { type: "submit", class: evaluations.length ? null : "primary" }, "Evaluate"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const [mode, ...name] = truth.value.split(" ");
    start({ body: { collection, run: run.name, run_mode: run.mode, ground_truth: name.join(" "), truth_mode: mode, settings: { geometry: geometry.value, ...(tracking.checked ? { tracking: true } : {}) } } });
  });
  return evaluations.length ? h("details", {}, h("summary", {}, "Another evaluation"), form) : form;
}

/** @param {{body?: object, again?: boolean}} what `body` of a new evaluation, or the chosen one `again` */
async function start({ body, again = false }) {
  const request = again
    ? {
        ...(chosen.collection_id ? { collection: chosen.collection_id } : { dataset_version: chosen.dataset_version, split: chosen.split }),
        run: chosen.run,
        run_mode: chosen.run_mode,
        ground_truth: chosen.ground_truth,
        truth_mode: chosen.truth_mode,
        settings: chosen.settings,
        again: true,
      }
    : body;
  try {
    const info = await ask("/api/v1/evaluations", { method: "POST", body: request });
    evaluations = [info, ...evaluations.filter((one) => one.id !== info.id)];
    chosen = info;
    setQuery({ evaluation: info.id, label: null, truth: null, as: null });
    showControls();
    watch();
  } catch (error) {
    fill(find("#progress"), h("p", { class: "notice error", role: "alert" }, sentence(error)));
  }
}

/** Show the chosen evaluation; while it is computed, its progress. */
function watch() {
  watching?.stop();
  let shown = null; // when what is shown was computed
  watching = poll(async () => {
    const asked = chosen;
    const info = await ask(`/api/v1/evaluations/${encodeURIComponent(asked.id)}`).catch((error) => {
      fill(find("#progress"), h("p", { class: "notice error", role: "alert" }, sentence(error)));
      return null;
    });
    if (!info || asked !== chosen) return false;
    evaluations = evaluations.map((one) => (one.id === info.id ? info : one));
    chosen = info;
    fill(find("#currency") ?? h("span"), currency());
    const isOpen = info.status === "queued" || info.status === "in_progress";
    fill(find("#progress"), isOpen ? showProgress(info) : info.status === "failed" ? h("p", { class: "notice error", role: "alert" }, `The evaluation failed. ${sentence(info.message || "the stack's log says why")}`) : null);
    if (info.computed_at && info.computed_at !== shown) {
      shown = info.computed_at;
      await view.load(info, { collection, run });
    } else if (!info.computed_at) view.clear();
    return isOpen;
  });
}

function showProgress(info) {
  return h("div", { class: "computing" }, stateBadge(info.status), progressBar(info.status === "queued" ? null : info.progress / 100, "Progress of the evaluation"), h("span", { class: "small number" }, info.status === "queued" ? "waiting to start" : `${Math.round(info.progress)} % ${info.message}`));
}

addEventListener("popstate", () => location.reload());
load();
