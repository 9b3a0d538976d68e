// The page that compares two runs: asks for both evaluations, then for what differs.

import { ask, askAll } from "./api.js";
import { showComparison } from "./comparison.js";
import { empty, failed, fill, find, h, loading, pageData, sentence } from "./dom.js";
import { EVALUATED } from "./geometry/kinds.js";
import { gridUrl } from "./links.js";
import { progressBar, query, setQuery, stateBadge } from "./parts.js";
import { poll } from "./poll.js";

const [controls, progress, result] = ["#controls", "#progress", "#result"].map(find);
const mayWrite = pageData().may_write;

let collection = null;
let runs = [];
let watching = null;

async function load() {
  fill(result, loading());
  try {
    const id = query().get("comparison");
    if (id && !query().has("collection")) await fillQuery(id);
    collection = query().get("collection");
    if (!collection) throw new Error("the address of this page does not name two runs; select them in the list of runs");
    runs = await askAll("/api/v1/runs", { query: { collection } });
    fill(find("#trail"), h("a", { href: gridUrl(collection) }, runs[0]?.collection || "(no collection)"));
    showControls();
    fill(result);
    if (id) watch(id);
    else if (!mayWrite) fill(result, empty("Not compared yet", "This key has the role read; comparing needs the role write."));
    else fill(result, empty("Not compared yet", "Select the ground truth to compare both runs with."));
  } catch (error) {
    fill(result, failed(error, load));
  }
}

/** Of a link that has only the comparison: what was compared. */
async function fillQuery(id) {
  const { a, b } = await ask(`/api/v1/comparisons/${encodeURIComponent(id)}`);
  const [one, other] = await Promise.all([a, b].map((each) => ask(`/api/v1/evaluations/${encodeURIComponent(each)}`)));
  setQuery({ collection: one.collection_id, ...choices({ a: runIn(one), b: runIn(other), truth: { name: one.ground_truth, mode: one.truth_mode }, geometry: one.settings.geometry ?? "rectangle" }) });
}

const runIn = (info) => ({ name: info.run, mode: info.run_mode });

/** What is chosen, as it stands in the URL; what is usual is left out. */
const choices = ({ a, b, truth, geometry }) => ({
  a: a.name,
  b: b.name,
  truth: truth.name,
  a_mode: unless(a.mode, "machine"),
  b_mode: unless(b.mode, "machine"),
  truth_mode: unless(truth.mode, "human"),
  geometry: unless(geometry, "rectangle"),
});

const keyOf = ({ mode, name }) => `${mode} ${name}`;
const runOf = (key) => ({ mode: key.slice(0, key.indexOf(" ")), name: key.slice(key.indexOf(" ") + 1) });

function showControls() {
  const fields = query();
  const wanted = {
    a: `${fields.get("a_mode") ?? "machine"} ${fields.get("a")}`,
    b: `${fields.get("b_mode") ?? "machine"} ${fields.get("b")}`,
    truth: `${fields.get("truth_mode") ?? "human"} ${fields.get("truth")}`,
    geometry: fields.get("geometry"),
  };
  const truths = [...runs].sort((one, other) => (one.mode < other.mode ? -1 : one.mode > other.mode ? 1 : 0));
  const choice = (name, text, some) =>
    h("label", { class: "inline" }, text, h("select", { name }, some.map((one) => h("option", { value: keyOf(one), selected: keyOf(one) === wanted[name] }, one.mode === "human" ? `${one.name} (ground truth)` : one.name))));
  const form = h(
    "form",
    { class: "head-tools evaluation-new" },
    choice("a", "A ", runs),
    choice("b", "B ", runs),
    choice("truth", "against ", truths),
    h("label", { class: "inline" }, "Geometry ", h("select", { name: "geometry" }, Object.entries(EVALUATED).map(([name, text]) => h("option", { value: name, selected: name === wanted.geometry }, text)))),
    mayWrite ? h("button", { type: "submit", class: "primary" }, "Compare") : null,
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { a, b, truth, geometry } = form.elements;
    start({ a: runOf(a.value), b: runOf(b.value), truth: runOf(truth.value), geometry: geometry.value });
  });
  fill(controls, form);
}

const unless = (value, usual) => (value === usual ? null : value);

const tell = (text, share = null) => fill(progress, h("div", { class: "computing" }, stateBadge("in_progress"), progressBar(share, text), h("span", { class: "small" }, text)));

async function start({ a, b, truth, geometry }) {
  watching?.stop();
  fill(result);
  try {
    if (keyOf(a) === keyOf(b)) throw new Error("A and B are the same run");
    const infos = [];
    for (const run of [a, b]) {
      const body = { collection, run: run.name, run_mode: run.mode, ground_truth: truth.name, truth_mode: truth.mode, settings: { geometry } };
      infos.push(await evaluated(await ask("/api/v1/evaluations", { method: "POST", body }), run.name));
    }
    tell("Comparing");
    const begun = await ask("/api/v1/comparisons", { method: "POST", body: { a: infos[0].id, b: infos[1].id } });
    setQuery({ comparison: begun.id, ...choices({ a, b, truth, geometry }) }, { push: true });
    watch(begun.id);
  } catch (error) {
    fill(progress, h("p", { class: "notice error", role: "alert" }, sentence(error)));
  }
}

/** An evaluation, once it is computed. */
function evaluated(info, name) {
  return new Promise((resolve, reject) => {
    watching = poll(async () => {
      try {
        const now = await ask(`/api/v1/evaluations/${encodeURIComponent(info.id)}`);
        const isOpen = now.status === "queued" || now.status === "in_progress";
        if (isOpen) {
          tell(`Evaluating ${name}`, now.progress / 100);
          return true;
        }
        if (now.status === "failed") reject(new Error(now.message || `the evaluation of ${name} failed`));
        else resolve(now);
      } catch (error) {
        reject(error);
      }
      watching.stop();
      return false;
    });
  });
}

function watch(id) {
  watching?.stop();
  let isShown = false;
  watching = poll(async () => {
    let found;
    try {
      found = await ask(`/api/v1/comparisons/${encodeURIComponent(id)}`);
    } catch (error) {
      fill(progress, h("p", { class: "notice error", role: "alert" }, sentence(error)));
      return false;
    }
    const isOpen = found.status === "queued" || found.status === "in_progress";
    if (isOpen) tell("Comparing", found.progress / 100);
    else fill(progress, found.status === "failed" ? h("p", { class: "notice error", role: "alert" }, `The comparison failed. ${sentence(found.message || "the stack's log says why")}`) : found.is_current ? h("span", { class: "badge good" }, "Up to date") : h("p", { class: "notice warn" }, "Out of date: annotations have changed since. Compare again for the numbers of now."));
    if (found.comparison && !isShown) {
      isShown = true;
      const { name_a: a, name_b: b } = found.comparison;
      document.title = `${a} and ${b} · LayerNext`;
      find("#name").textContent = `${a} → ${b}`;
      const form = controls.querySelector("form").elements;
      const drawn = [form.truth, form.a, form.b].map((one) => runOf(one.value));
      showComparison(result, found.comparison, { collection, drawn });
    }
    return isOpen;
  });
}

addEventListener("popstate", () => location.reload());
load();
