// The controls above the grid and above an image: runs, labels, confidence.

import { count, fill, h } from "./dom.js";
import { DASHES, colorOf } from "./shapes.js";
import { keyOf, sameRun } from "./state.js";

const SHOWN_CHOICES = 300;

/** A button that opens a panel; it closes by Escape and by a click elsewhere. */
export function panel(label, build) {
  const body = h("div", { class: "panel-body" });
  const summary = h("summary", {}, label);
  const details = h("details", { class: "panel" }, summary, body);
  details.addEventListener("toggle", () => {
    if (details.open) build(body);
  });
  details.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !details.open) return;
    details.open = false;
    summary.focus();
    event.stopPropagation();
  });
  document.addEventListener("click", (event) => {
    if (details.open && !details.contains(event.target)) details.open = false;
  });
  return { details, rename: (...text) => fill(summary, ...text), rebuild: () => details.open && build(body) };
}

/** A short sample of the line that a run's shapes are drawn with. */
export function lineSample(place) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "line-sample");
  svg.setAttribute("viewBox", "0 0 26 8");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", "M1 4h24");
  line.setAttribute("stroke-dasharray", DASHES[place % DASHES.length].join(" "));
  svg.append(line);
  return svg;
}

const MODES = [
  ["human", "Ground truth"],
  ["machine", "Model runs"],
];

/** Choose runs: `available` as the API lists them, `chosen` in their order. */
export function runsPanel(get, set) {
  const made = panel("Runs", (body) => {
    const { available, chosen } = get();
    fill(
      body,
      MODES.map(([mode, title]) => {
        const some = available.filter((run) => run.mode === mode);
        return h(
          "fieldset",
          {},
          h("legend", {}, title),
          some.length ? null : h("p", { class: "muted small" }, "none in this collection"),
          some.map((run) => {
            const place = chosen.findIndex((one) => sameRun(one, run));
            const box = h("input", { type: "checkbox", checked: place >= 0, dataset: { key: keyOf(run) } });
            box.addEventListener("change", () => {
              const { chosen: now } = get();
              const rest = now.filter((one) => !sameRun(one, run));
              set(box.checked ? [...rest, { name: run.name, mode }] : rest);
              made.rebuild();
              made.details.querySelector(`[data-key="${CSS.escape(keyOf(run))}"]`)?.focus();
            });
            return h(
              "label",
              { class: "choice" },
              box,
              h("span", { class: "grow" }, run.name),
              place >= 0 ? lineSample(place) : null,
              h("span", { class: "muted small number" }, count(run.annotation_count)),
            );
          }),
        );
      }),
    );
  });
  const update = () => {
    const { chosen } = get();
    const what = chosen.length === 1 ? chosen[0].name : chosen.length ? `${chosen.length} runs` : "No runs";
    made.rename(h("span", { class: "cut" }, what));
    made.rebuild();
  };
  return { element: made.details, update };
}

/** Choose labels; none chosen means all. */
export function labelsPanel(get, set) {
  let wanted = "";
  const made = panel("Labels", (body) => {
    const list = h("div", { class: "choices" });
    const search = h("input", { type: "search", placeholder: "Find a label", "aria-label": "Find a label", value: wanted });
    const show = () => {
      const { available, chosen } = get();
      const fitting = available.filter((label) => label.toLowerCase().includes(wanted.toLowerCase()));
      fill(
        list,
        fitting.slice(0, SHOWN_CHOICES).map((label) => {
          const box = h("input", { type: "checkbox", checked: chosen.includes(label) });
          box.addEventListener("change", () => {
            const rest = get().chosen.filter((one) => one !== label);
            set(box.checked ? [...rest, label] : rest);
          });
          return h("label", { class: "choice" }, box, swatch(label), h("span", { class: "grow" }, label));
        }),
        fitting.length ? null : h("p", { class: "muted small" }, "no such label"),
        fitting.length > SHOWN_CHOICES ? h("p", { class: "muted small" }, `and ${count(fitting.length - SHOWN_CHOICES)} more`) : null,
      );
    };
    search.addEventListener("input", () => {
      wanted = search.value;
      show();
    });
    const all = h("button", { type: "button", class: "quiet", onclick: () => { set([]); show(); } }, "Show all labels");
    fill(body, search, list, all);
    show();
  });
  const update = () => {
    const { chosen } = get();
    made.rename(chosen.length === 0 ? "All labels" : chosen.length === 1 ? chosen[0] : `${chosen.length} labels`);
  };
  return { element: made.details, update };
}

export const swatch = (label) => h("span", { class: "swatch", style: { "background-color": colorOf(label) }, "aria-hidden": "true" });

/** Minimum confidence. `change` gets the value while it moves, `done` at the end. */
export function confidenceSlider(value, change, done) {
  const output = h("output", { class: "number", for: "confidence" });
  const input = h("input", { type: "range", id: "confidence", min: "0", max: "1", step: "0.01" });
  const show = (now) => {
    input.value = String(now);
    output.textContent = Number(now).toFixed(2);
  };
  input.addEventListener("input", () => {
    output.textContent = Number(input.value).toFixed(2);
    change(Number(input.value));
  });
  input.addEventListener("change", () => done(Number(input.value)));
  show(value);
  const element = h("label", { class: "slider", title: "Minimum confidence" }, h("span", {}, "Confidence ≥"), input, output);
  return { element, show };
}
