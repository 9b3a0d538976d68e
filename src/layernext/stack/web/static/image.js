// The page of one image. Steps to the next one stay on the page; the URL says at any time what is shown.

import { AnnotationList, localUrl } from "./annotation_list.js";
import { ask, askAll } from "./api.js";
import { confidenceSlider, labelsPanel, runsPanel } from "./controls.js";
import { count, failed, fill, find, h, loading, pageData, sentence, toast } from "./dom.js";
import { bind } from "./keys.js";
import { fetchOutcomes, legend, pairsOf, styleOf, wordOf } from "./outcomes.js";
import { fetchSets } from "./sets.js";
import { frameOf, isShown, knownLabels, loadColors, loadSkeletons } from "./shapes.js";
import { Stage, same } from "./stage.js";
import { fetchOrder, idOf, readState, searchOf, usualRuns } from "./state.js";

const data = pageData();
const state = readState();
const base = `/collections/${data.collection_id}`;

let number = data.number;
let numbers = null; // all images of the query, once they have come
let runs = [];
let item = null;
let sets = [];
let asking = new AbortController();
let outcomeOf = null; // while matches are shown
const ahead = new Map();

const chosenRuns = () => state.runs ?? usualRuns(runs);

const stage = new Stage(find("#stage"), {
  state,
  hover: (place) => list.mark(place, stage.selected, false),
  select: (place) => select(place, false),
});
const list = new AnnotationList(find("#side"), {
  state,
  hover: (place) => {
    stage.mark({ hovered: place });
    list.mark(place, stage.selected, false);
  },
  select: (place, isNear) => select(same(place, stage.selected) ? null : place, isNear),
});

function select(place, isNear) {
  stage.mark({ selected: place });
  list.mark(stage.hovered, place, !isNear);
  state.selected = place ? `${place.run}.${place.index}` : null;
  write();
}

/** Bring what is shown into the URL. Stepping adds nothing to the history: Back leads to the grid. */
function write() {
  history.replaceState(null, "", `${base}/images/${idOf(number)}${searchOf(state)}`);
  find("#to-grid").href = `${base}${searchOf({ ...state, selected: null, layout: "over", match: false })}`;
}

// -- controls ------------------------------------------------------------------------------

const runsControl = runsPanel(
  () => ({ available: runs, chosen: chosenRuns() }),
  (chosen) => {
    state.runs = chosen;
    state.selected = null;
    runsControl.update();
    ahead.clear();
    load({ keepView: true });
  },
);
const labelsControl = labelsPanel(
  () => ({ available: knownLabels().sort(), chosen: state.labels }),
  (labels) => {
    state.labels = labels;
    labelsControl.update();
    refilter();
  },
);
const slider = confidenceSlider(
  state.min,
  (value) => { state.min = value; stage.redraw(); },
  () => { refilter(); showMatches(); },
);
const layout = h("button", { type: "button", "aria-pressed": "false", onclick: switchLayout, title: "Each run in its own pane (s)" }, "Side by side");
const match = h("button", { type: "button", "aria-pressed": "false", onclick: switchMatches, title: "Matched, missed and false annotations (m)" }, "Matches");
const hide = h("button", { type: "button", "aria-pressed": "false", onclick: () => switchShapes(), title: "Hide the shapes (h)" }, "Hide shapes");
const zoomButtons = h(
  "span",
  { class: "zoom" },
  h("button", { type: "button", class: "icon", "aria-label": "Zoom out", title: "Zoom out (−)", onclick: () => stage.zoom(-1) }, "−"),
  h("button", { type: "button", onclick: () => stage.fit(), title: "The whole image (0)" }, "Fit"),
  h("button", { type: "button", onclick: () => stage.actual(), title: "Actual pixels (1)" }, "1:1"),
  h("button", { type: "button", class: "icon", "aria-label": "Zoom in", title: "Zoom in (+)", onclick: () => stage.zoom(1) }, "+"),
);
fill(find("#controls"), runsControl.element, labelsControl.element, slider.element, layout, match, hide, h("span", { class: "grow" }), zoomButtons);

function refilter() {
  write();
  list.build();
  list.mark(null, stage.selected, false);
  showLegend();
  stage.redraw();
}

function switchLayout() {
  state.layout = state.layout === "side" ? "over" : "side";
  const { selected } = stage;
  show({ keepView: false });
  select(selected, true);
}

function switchMatches() {
  if (!pairsOf(sets).length) return void toast("Choose a ground truth and a model run to see what matches.");
  state.match = !state.match;
  write();
  showMatches();
}

/** Ask who found what, and draw it so; or no longer. */
async function showMatches() {
  const wanted = state.match && item?.content_type === "image" && pairsOf(sets).length > 0;
  match.setAttribute("aria-pressed", String(wanted));
  outcomeOf = null;
  if (wanted) {
    try {
      const found = await fetchOutcomes(item.id, sets, state.min, asking.signal);
      if (!state.match) return;
      outcomeOf = found;
    } catch (error) {
      if (error.name !== "AbortError") toast(sentence(error));
      return;
    }
  }
  stage.outcomeOf = outcomeOf ? (set, shape) => styleOf(outcomeOf(set, shape)) : () => null;
  list.show(sets, item, outcomeOf ? (set, shape) => wordOf(outcomeOf(set, shape)) : undefined);
  list.mark(null, stage.selected, false);
  showLegend();
  stage.redraw();
}

function showLegend() {
  stage.element.querySelector(".legend")?.remove();
  const seen = (shape) => isShown(shape.label, shape.confidence, state);
  if (outcomeOf) stage.element.append(legend(sets, outcomeOf, seen));
}

function switchShapes() {
  stage.hideShapes(!stage.areShapesHidden);
  hide.setAttribute("aria-pressed", String(stage.areShapesHidden));
}

// -- what is shown -------------------------------------------------------------------------

async function fetchImage(wanted, signal) {
  const one = await ask(`/api/v1/items/${idOf(wanted)}`, { signal });
  return { one, found: await fetchSets({ collection: data.collection_id, name: one.name, number: wanted }, chosenRuns(), signal) };
}

function inAdvance(wanted) {
  if (wanted === undefined || ahead.has(wanted)) return;
  if (ahead.size > 4) ahead.delete(ahead.keys().next().value);
  const promise = fetchImage(wanted);
  promise.then(({ one }) => { if (one.url && one.content_type === "image") new Image().src = localUrl(one.url); }).catch(() => ahead.delete(wanted));
  ahead.set(wanted, promise);
}

async function load({ keepView = false } = {}) {
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  const element = find("#stage");
  element.setAttribute("aria-busy", "true");
  try {
    const known = ahead.get(number);
    const { one, found } = await (known ?? fetchImage(number, signal));
    if (signal.aborted) return;
    item = one;
    sets = found;
    for (const set of sets) set.isShown = true;
    show({ keepView });
    const [run, index] = (state.selected ?? "").split(".").map(Number);
    select(stage.find({ run, index }) ? { run, index } : null, true);
    list.mark(null, stage.selected, true);
  } catch (error) {
    if (error.name === "AbortError") return;
    fill(element, failed(error, () => load()));
    fill(find("#side"));
  } finally {
    if (!signal.aborted) element.setAttribute("aria-busy", "false");
  }
  if (numbers) {
    const at = placeInOrder();
    inAdvance(numbers[at + 1]);
  }
}

function groups() {
  if (state.layout !== "side" || sets.length < 2) return [{ title: null, sets }];
  return sets.map((set) => ({ title: set.name, sets: [set] }));
}

function show({ keepView }) {
  document.title = `${item.name} · LayerNext`;
  const name = find("#image-name");
  name.textContent = name.title = item.name;
  layout.setAttribute("aria-pressed", String(state.layout === "side"));
  layout.disabled = sets.length < 2;
  outcomeOf = null;
  stage.outcomeOf = () => null;
  list.show(sets, item);
  if (item.content_type === "image") {
    const frame = frameOf({ ...item, sets });
    const sources = [];
    if (item.state === "ready") sources.push(`/api/v1/images/${item.id}/thumbnail`);
    if (item.url) sources.push(localUrl(item.url));
    const failure = () => toast("This browser cannot show this format; a small picture is shown instead.");
    stage.show({ frame, sources, groups: groups(), keepView, onfailure: failure });
    showMatches();
    note(item.has_file ? null : "This image has no file yet; its annotations are stored.");
  } else {
    stage.panes = [];
    fill(stage.element, item.content_type === "video" ? player() : otherFile());
  }
}

function note(text) {
  if (text) stage.element.append(h("p", { class: "stage-note" }, text));
}

function player() {
  if (!item.url) return h("p", { class: "state muted" }, "This video has no file yet.");
  const poster = item.state === "ready" ? `/api/v1/images/${item.id}/thumbnail` : null;
  return h("video", { controls: true, preload: "metadata", src: localUrl(item.url), poster, "aria-label": item.name });
}

function otherFile() {
  const text = item.url ? ["This file can be downloaded: ", h("a", { href: localUrl(item.url), download: item.name.split("/").at(-1) }, item.name)] : ["This file has not been uploaded yet."];
  return h("div", { class: "state" }, h("p", {}, text));
}

// -- steps ---------------------------------------------------------------------------------

const back = h("button", { type: "button", class: "icon", "aria-label": "Previous image", title: "Previous image (←)", disabled: true, onclick: () => step(-1) }, "‹");
const next = h("button", { type: "button", class: "icon", "aria-label": "Next image", title: "Next image (→)", disabled: true, onclick: () => step(1) }, "›");
const place = h("span", { class: "muted number", role: "status" });
fill(find("#steps"), place, back, next);

function placeInOrder() {
  if (state.at !== null && numbers[state.at] === number) return state.at;
  return numbers.indexOf(number);
}

function showSteps() {
  const at = placeInOrder();
  place.textContent = at < 0 ? `${count(numbers.length)} in the query` : `${count(at + 1)} of ${count(numbers.length)}`;
  back.disabled = at <= 0;
  next.disabled = at >= numbers.length - 1;
}

function step(by) {
  if (!numbers) return;
  const at = placeInOrder() + by;
  if (at < 0 || at >= numbers.length) return;
  number = numbers[at];
  Object.assign(state, { at, selected: null });
  write();
  showSteps();
  load({ keepView: true });
}

function stepAnnotation(by) {
  const order = list.order();
  if (!order.length) return;
  const at = order.findIndex((one) => same(one, stage.selected));
  select(order[(at + by + order.length + (at < 0 && by < 0 ? 1 : 0)) % order.length], false);
}

const PAN = 80;
bind("Image", [
  ["ArrowLeft", "Previous image", () => step(-1)],
  ["ArrowRight", "Next image", () => step(1)],
  ["ArrowUp", "Previous annotation", () => stepAnnotation(-1)],
  ["ArrowDown", "Next annotation", () => stepAnnotation(1)],
  ["Enter", "Zoom to the annotation", () => stage.selected && stage.showShape(stage.selected)],
  ["Escape", "Deselect the annotation", () => select(null, true)],
  ["+ / =", "Zoom in", () => stage.zoom(1)],
  ["-", "Zoom out", () => stage.zoom(-1)],
  ["0", "The whole image", () => stage.fit()],
  ["1", "Actual pixels", () => stage.actual()],
  ["Shift+ArrowLeft", "Move the image to the right", () => stage.pan(PAN, 0)],
  ["Shift+ArrowRight", "… to the left", () => stage.pan(-PAN, 0)],
  ["Shift+ArrowUp", "… down", () => stage.pan(0, PAN)],
  ["Shift+ArrowDown", "… up", () => stage.pan(0, -PAN)],
  ["s", "Runs side by side or overlaid", () => !layout.disabled && switchLayout()],
  ["m", "Show matched, missed and false annotations", switchMatches],
  ["h", "Hide or show the shapes", switchShapes],
  ["[", "Show less confident annotations", () => nudge(-0.05)],
  ["]", "Show only more confident annotations", () => nudge(0.05)],
  ["g", "Back to the grid", () => location.assign(find("#to-grid").href)],
]);

function nudge(by) {
  state.min = Math.min(1, Math.max(0, Math.round((state.min + by) * 100) / 100));
  slider.show(state.min);
  refilter();
  showMatches();
}

async function start() {
  fill(find("#stage"), loading());
  fetchOrder(ask, data.collection_id, state).then(
    (found) => {
      numbers = found;
      showSteps();
      inAdvance(numbers[placeInOrder() + 1]);
    },
    (error) => toast(sentence(error)),
  );
  const listed = askAll("/api/v1/runs", { query: { collection: data.collection_id } });
  const [found] = await Promise.allSettled([listed, loadColors(), loadSkeletons(data.collection_id)]);
  runs = found.status === "fulfilled" ? found.value : [];
  runsControl.update();
  labelsControl.update();
  await load();
}

start();
