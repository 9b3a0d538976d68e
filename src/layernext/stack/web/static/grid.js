// The grid of a collection's images.

import { ask, askAll } from "./api.js";
import { confidenceSlider, labelsPanel, runsPanel } from "./controls.js";
import { counted, debounced, empty, failed, fill, find, h, loading, pageData, sentence, toast } from "./dom.js";
import { bind } from "./keys.js";
import { TALLIED, evaluationOf, pairFor } from "./evaluations.js";
import { queryBox } from "./query_box.js";
import { knownLabels, loadColors, loadSkeletons } from "./shapes.js";
import { SORTS, fetchOrder, readState, searchOf, usualRuns } from "./state.js";
import { Wall } from "./wall.js";

const data = pageData();
const state = readState();
const NOUNS = { image: "image", video: "video", other: "file" };
const noun = NOUNS[data.content_type];

let runs = [];
let asking = null;

const chosenRuns = () => state.runs ?? usualRuns(runs);

const wall = new Wall(find("#grid"), {
  collectionId: data.collection_id,
  state,
  runs: chosenRuns,
  link: (id, at) => `/collections/${data.collection_id}/images/${id}${searchOf({ ...state, at })}`,
  moved: debounced(remember, 250),
});

/** Where we are goes into the URL, so that Back and a reload lead here. */
function remember(at) {
  state.at = at;
  history.replaceState(null, "", location.pathname + searchOf(state));
}

history.scrollRestoration = "manual";
find("#grid").addEventListener("click", () => remember(wall.firstInView()));

// -- controls ------------------------------------------------------------------------------

const box = queryBox(
  data.fields,
  () => ({
    labels: knownLabels(),
    runs: runs.filter((run) => run.mode === "machine").map((run) => run.name),
    truths: runs.filter((run) => run.mode === "human").map((run) => run.name),
  }),
  (text) => change({ query: text, at: null }, loadOrder),
);
const runsControl = runsPanel(
  () => ({ available: runs, chosen: chosenRuns() }),
  (chosen) => {
    const isSorted = state.sort in TALLIED;
    change({ runs: chosen, evaluation: null }, () => { runsControl.update(); wall.reload(); });
    if (isSorted) sortBy(state.sort);
  },
);
const labelsControl = labelsPanel(
  () => ({ available: knownLabels().sort(), chosen: state.labels }),
  (chosen) => change({ labels: chosen }, () => { labelsControl.update(); wall.redraw(); }),
);
const slider = confidenceSlider(
  state.min,
  (value) => { state.min = value; wall.redraw(); },
  (value) => change({ min: value }, () => wall.redraw()),
);
const options = (entries) => entries.map(([value, text]) => h("option", { value }, text));
const sort = h(
  "select",
  { "aria-label": "Sort" },
  options(SORTS),
  h("optgroup", { label: "By evaluation" }, options(Object.entries(TALLIED).map(([value, { text }]) => [value, text]))),
);
sort.addEventListener("change", () => sortBy(sort.value));
const size = h(
  "select",
  { "aria-label": "Size of the pictures" },
  [["s", "Small"], ["m", "Medium"], ["l", "Large"]].map(([value, text]) => h("option", { value }, text)),
);
size.addEventListener("change", () => change({ size: size.value }, () => wall.resize()));

fill(find("#controls"), box.element, runsControl.element, labelsControl.element, slider.element, sort, size);

function showControls() {
  box.show(state.query);
  slider.show(state.min);
  sort.value = state.sort;
  size.value = state.size;
  runsControl.update();
  labelsControl.update();
}

let evaluating = null;

/** Sort; where that takes an evaluation, it is looked up or made first. */
async function sortBy(wanted) {
  evaluating?.abort();
  evaluating = new AbortController();
  const { signal } = evaluating;
  if (!(wanted in TALLIED)) return change({ sort: wanted, evaluation: null, at: null }, loadOrder);
  const total = find("#count").textContent;
  try {
    const pair = pairFor(wanted, chosenRuns());
    if (typeof pair === "string") throw new Error(pair);
    const tell = (text) => { find("#count").textContent = text; };
    const evaluation = await evaluationOf(data.collection_id, pair, wall.usualGeometry(), { signal, tell });
    change({ sort: wanted, evaluation, runs: chosenRuns(), at: null }, loadOrder);
  } catch (error) {
    if (error.name === "AbortError") return;
    find("#count").textContent = total;
    toast(sentence(error));
    if (state.sort in TALLIED && !state.evaluation) change({ sort: "name" }, loadOrder);
    sort.value = state.sort;
  }
}

/** Choose something: a step that the browser's Back undoes. */
function change(parts, then) {
  Object.assign(state, parts);
  const search = searchOf(state);
  if (search !== location.search) history.pushState(null, "", location.pathname + search);
  then();
}

addEventListener("popstate", () => {
  const before = { ...state };
  Object.assign(state, readState());
  showControls();
  if (before.query !== state.query || before.sort !== state.sort || before.evaluation !== state.evaluation) loadOrder();
  else {
    wall.resize();
    wall.reload();
  }
});

bind("Grid", [
  ["ArrowLeft / ArrowRight / ArrowUp / ArrowDown", "Move between pictures", (event) => wall.step(event.key)],
  ["Home / End", "First, last picture", (event) => wall.step(event.key)],
  ["Enter", "Open the picture", null],
  ["[", "Show less confident annotations", () => nudge(-0.05)],
  ["]", "Show only more confident annotations", () => nudge(0.05)],
]);

function nudge(by) {
  const min = Math.min(1, Math.max(0, Math.round((state.min + by) * 100) / 100));
  slider.show(min);
  change({ min }, () => wall.redraw());
}

// -- data ----------------------------------------------------------------------------------

async function loadOrder() {
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  const grid = find("#grid");
  grid.setAttribute("aria-busy", "true");
  try {
    const numbers = await fetchOrder(ask, data.collection_id, state, signal);
    box.fail(null);
    fill(find("#grid-state"), numbers.length ? null : nothing());
    find("#count").textContent = counted(numbers.length, noun);
    wall.show(numbers, state.at ?? 0);
  } catch (error) {
    if (error.name === "AbortError") return;
    if (error.status === 422) return box.fail(error); // what is shown stays
    wall.show(new Float64Array(0), 0);
    find("#count").textContent = "";
    fill(find("#grid-state"), failed(error, loadOrder));
  } finally {
    if (!signal.aborted) grid.setAttribute("aria-busy", "false");
  }
}

function nothing() {
  if (state.query) return empty(`No matching ${noun}`, "Nothing in this collection matches the query ", h("code", {}, state.query), ".");
  return empty("Nothing here yet", "Upload images, or a model run, to this collection: ", h("code", {}, `layernext files upload <folder> ${data.collection_name}`));
}

async function start() {
  showControls();
  fill(find("#grid-state"), loading());
  const listed = askAll("/api/v1/runs", { query: { collection: data.collection_id } }).then((found) => {
    runs = found;
    showControls();
  });
  const colored = Promise.allSettled([loadColors(), loadSkeletons(data.collection_id)]);
  // The order comes meanwhile; pictures wait for the runs, to come with their shapes at once.
  wall.ready = Promise.allSettled([listed, colored]).then(() => labelsControl.update());
  await loadOrder();
  if (state.sort in TALLIED && !state.evaluation) wall.ready.then(() => sortBy(state.sort));
  await listed.catch((error) => fill(find("#grid-state"), failed(error, start)));
}

document.addEventListener("themechange", () => wall.redraw());
// Back from a picture: the picture that one was at last has a mark, and the focus.
addEventListener("pageshow", (event) => event.persisted && wall.resize());
start();
