// The page of all runs.

import { askAll } from "./api.js";
import { count, counted, debounced, empty, failed, fill, find, h, loading, when } from "./dom.js";
import { compareUrl, gridUrl, runUrl } from "./links.js";
import { query, segments, setQuery } from "./parts.js";
import { sortableTable } from "./table.js";

const content = find("#content");
const search = find("#search");
const place = find("#collection");
const MODES = [
  ["", "All"],
  ["machine", "Model runs"],
  ["human", "Ground truths"],
];

let runs = [];
let chosen = []; // of one collection, to be compared
let mode = MODES.some(([value]) => value === query().get("mode")) ? query().get("mode") : "";

async function load() {
  content.setAttribute("aria-busy", "true");
  fill(content, loading());
  try {
    const [someRuns, collections] = await Promise.all([askAll("/api/v1/runs"), askAll("/api/v1/collections")]);
    const ids = new Map(collections.map((one) => [one.name, one.id]));
    runs = someRuns.map((run) => ({ ...run, collectionId: ids.get(run.collection) ?? null, place: run.collection || "(no collection)" }));
    const places = [...new Set(runs.map((run) => run.place))].sort();
    fill(place, h("option", { value: "" }, "all"), places.map((name) => h("option", { value: name, selected: name === query().get("collection") }, name)));
    show();
  } catch (error) {
    fill(content, failed(error, load));
  }
  content.setAttribute("aria-busy", "false");
}

/** @type {import("./table.js").Column[]} */
const COLUMNS = [
  {
    key: "name",
    title: "Run",
    value: (run) => run.name.toLowerCase(),
    show: (run) => h("a", { href: runUrl({ collection: run.collectionId, name: run.name, mode: run.mode }) }, run.name),
  },
  { key: "kind", title: "Kind", value: (run) => run.mode, show: (run) => h("span", { class: "badge" }, run.mode === "human" ? "Ground truth" : "Model run") },
  {
    key: "collection",
    title: "Collection",
    value: (run) => run.place.toLowerCase(),
    show: (run) => (run.collectionId ? h("a", { href: gridUrl(run.collectionId, { runs: [run] }) }, run.place) : run.place),
  },
  { key: "images", title: "Images", isNumber: true, value: (run) => run.image_count, show: (run) => count(run.image_count) },
  { key: "annotations", title: "Annotations", isNumber: true, value: (run) => run.annotation_count, show: (run) => count(run.annotation_count) },
  { key: "changed", title: "Last changed", value: (run) => run.updated_at, show: (run) => h("span", { class: "nowrap" }, when(run.updated_at)) },
  { key: "compare", title: "Compare", isFixed: true, show: compareBox },
];

function compareBox(run) {
  const box = h("input", { type: "checkbox", checked: chosen.includes(run), "aria-label": `Compare ${run.name}` });
  box.addEventListener("change", () => {
    chosen = box.checked ? [...chosen.filter((one) => one.collectionId === run.collectionId), run].slice(-2) : chosen.filter((one) => one !== run);
    for (const [other, element] of boxes) element.checked = chosen.includes(other);
    showBar();
  });
  boxes.set(run, box);
  return box;
}

const boxes = new Map();
const bar = h("div", { class: "choice-bar", role: "status" });

function showBar() {
  if (!chosen.length) return fill(bar);
  const [a, b] = chosen;
  const fields = b ? { collection: a.collectionId, a: a.name, b: b.name, a_mode: a.mode === "machine" ? null : a.mode, b_mode: b.mode === "machine" ? null : b.mode } : null;
  return fill(bar, b ? h("a", { class: "button primary", href: compareUrl(fields) }, `Compare ${a.name} with ${b.name}`) : `Choose a second run of ${a.place} to compare ${a.name} with.`);
}

function show() {
  const wanted = search.value.trim().toLowerCase();
  const fitting = runs.filter((run) => (!mode || run.mode === mode) && (!place.value || run.place === place.value) && run.name.toLowerCase().includes(wanted));
  boxes.clear();
  if (!runs.length) {
    fill(content, empty("No runs yet", "Upload annotations to create a run: ", h("code", {}, "layernext upload <collection> <run> <file>"), ", or on the page ", h("a", { href: "/upload" }, "Upload"), "."));
  } else if (!fitting.length) {
    fill(content, empty("Nothing found", "No run matches."));
  } else {
    const sort = query().get("sort") ?? "-changed";
    fill(content, bar, sortableTable({ caption: counted(fitting.length, "run"), columns: COLUMNS, rows: fitting, sort, onSort: (now) => setQuery({ sort: now }) }));
  }
}

segments(find("#mode"), MODES, mode, (value) => {
  mode = value;
  setQuery({ mode });
  show();
});
search.value = query().get("q") ?? "";
search.addEventListener("input", debounced(() => { setQuery({ q: search.value.trim() }); show(); }, 80));
place.addEventListener("change", () => { setQuery({ collection: place.value }); show(); });
load();
