// The labels page.

import { ask, askAll } from "./api.js";
import { count, counted, debounced, empty, failed, fill, find, h, loading, pageData, sentence } from "./dom.js";
import { gridUrl, quoted } from "./links.js";
import { query, setQuery } from "./parts.js";
import { askStatistics } from "./statistics.js";

const CLIENT = "/datalake/api/client";
const SHOWN_VALUES = 8;
const SHOWN_LABELS = 500;
const content = find("#content");
const [search, runChoice, groupChoice] = ["#search", "#run", "#group"].map(find);
const mayWrite = pageData().may_write;

let labels = [];
let groups = [];
let runs = [];
let collections = new Map(); // id by name
let statistics = null; // of the chosen run

async function load() {
  content.setAttribute("aria-busy", "true");
  fill(content, loading());
  try {
    const [someLabels, someGroups, someRuns, someCollections] = await Promise.all([
      askAll("/api/v1/labels"),
      ask(`${CLIENT}/label_groups/list`),
      askAll("/api/v1/runs"),
      askAll("/api/v1/collections"),
    ]);
    [labels, groups, runs] = [someLabels, someGroups, someRuns];
    collections = new Map(someCollections.map((one) => [one.name, one.id]));
    offer();
    await countLabels();
    show();
  } catch (error) {
    fill(content, failed(error, load));
  }
  content.setAttribute("aria-busy", "false");
}

const keyOf = (run) => JSON.stringify([run.collection, run.mode, run.name]);

function offer() {
  const option = (value, text, chosen) => h("option", { value, selected: value === chosen }, text);
  const wanted = query().get("run") ?? "";
  fill(runChoice, option("", "no run", wanted), runs.map((run) => option(keyOf(run), `${run.name} · ${run.collection || "(no collection)"}`, wanted)));
  fill(groupChoice, option("", "all", ""), groups.map((group) => option(group.id, group.name, query().get("group"))));
}

async function countLabels() {
  const run = runs.find((one) => keyOf(one) === runChoice.value);
  statistics = null;
  if (!run) return;
  const collection = collections.get(run.collection);
  statistics = { ...(await askStatistics(collection, run)), collection, run };
}

function show() {
  const wanted = search.value.trim().toLowerCase();
  const group = groups.find((one) => one.id === groupChoice.value);
  const fitting = labels.filter((one) => one.name.toLowerCase().includes(wanted) && (!group || group.labelKeys.includes(one.ref)));
  if (statistics) fitting.sort((a, b) => countOf(b) - countOf(a));
  if (!labels.length) {
    fill(content, empty("No labels yet", "Labels appear with the first annotations that use them."));
    return;
  }
  if (!fitting.length) {
    fill(content, empty("Nothing found", "No label matches."));
    return;
  }
  fill(
    content,
    h(
      "div",
      { class: "scroll-x", tabindex: "0", role: "region", "aria-label": "Labels" },
      h(
        "table",
        { class: "table labels" },
        h("caption", { class: "visually-hidden" }, counted(fitting.length, "label")),
        h(
          "thead",
          {},
          h("tr", {}, h("th", { scope: "col" }, "Label"), statistics ? [h("th", { scope: "col", class: "number" }, "Annotations"), h("th", { scope: "col", class: "number" }, "Images")] : null, h("th", { scope: "col" }, "Attributes"), h("th", { scope: "col" }, "Groups")),
        ),
        h("tbody", {}, fitting.slice(0, SHOWN_LABELS).map(row)),
      ),
    ),
    fitting.length > SHOWN_LABELS ? h("p", { class: "muted" }, `The first ${SHOWN_LABELS} of ${count(fitting.length)}; search for the others.`) : null,
  );
}

const countOf = (label) => statistics.labels[label.name] ?? 0;

function row(label) {
  const mine = groups.filter((group) => group.labelKeys.includes(label.ref));
  const name = statistics && countOf(label) ? h("a", { href: gridUrl(statistics.collection, { q: `annotation.label = ${quoted(label.name)}`, runs: [statistics.run] }) }, label.name) : label.name;
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, h("span", { class: "label-name" }, h("span", { class: "swatch", "aria-hidden": "true", style: { "background-color": label.color }, title: label.color }), name), label.description ? h("span", { class: "muted small" }, label.description) : null),
    statistics ? [h("td", { class: "number" }, count(countOf(label))), h("td", { class: "number" }, count(statistics.images_by_label[label.name] ?? 0))] : null,
    h("td", {}, label.attributes.length ? label.attributes.map(attribute) : h("span", { class: "muted" }, "–")),
    h("td", {}, mine.length ? mine.map((group) => h("span", { class: "chip" }, group.name)) : h("span", { class: "muted" }, "–")),
  );
}

function attribute(one) {
  const shown = one.values.slice(0, SHOWN_VALUES).map(({ value }) => (typeof value === "string" ? value : JSON.stringify(value)));
  const more = one.value_count - shown.length;
  return h("div", { class: "attribute" }, h("strong", {}, one.name), shown.length ? ": " : null, shown.join(", "), more > 0 ? h("span", { class: "muted" }, ` and ${count(more)} more`) : null);
}

// -- making --

function maker(title, text, fields, make) {
  const problem = h("p", { class: "notice error", role: "alert", hidden: true });
  const form = h("form", { method: "dialog" }, fields, problem, h("div", { class: "dialog-end" }, h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"), h("button", { class: "primary", type: "submit" }, "Create")));
  const dialog = h("dialog", { "aria-labelledby": "maker-title" }, h("h2", { id: "maker-title" }, title), h("p", { class: "muted small" }, text), form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await make(form.elements);
      dialog.close();
      await load();
    } catch (error) {
      problem.textContent = sentence(error);
      problem.hidden = false;
    }
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

const field = (text, name) => h("label", { class: "field" }, text, h("input", { name, autocomplete: "off", required: true }));

function makeLabel() {
  maker("New label", "Uploads create the labels that they use. Create one here to describe it first.", [field("Name", "label"), h("label", { class: "field" }, "Description", h("input", { name: "description", autocomplete: "off" }))], (elements) =>
    ask(`${CLIENT}/system/labels/create`, { method: "POST", body: { label: { labelText: elements.label.value, description: elements.description.value, attributes: [] } } }),
  );
}

function makeGroup() {
  const boxes = labels.map((label) => h("label", { class: "check" }, h("input", { type: "checkbox", name: "member", value: label.ref }), h("span", { class: "swatch", "aria-hidden": "true", style: { "background-color": label.color } }), label.name));
  maker("New group", "If a group with this name exists, the selected labels are added to it.", [field("Name", "group"), h("fieldset", { class: "choices" }, h("legend", {}, "Labels"), boxes)], (elements) =>
    ask(`${CLIENT}/label_groups/create`, {
      method: "POST",
      body: { groupName: elements.group.value, labelKeys: Array.from(elements.group.form.querySelectorAll("[name=member]:checked"), (box) => box.value) },
    }),
  );
}

if (mayWrite) {
  fill(find("#makers"), h("button", { type: "button", onclick: makeLabel }, "New label"), h("button", { type: "button", onclick: makeGroup }, "New group"));
}
search.value = query().get("q") ?? "";
search.addEventListener("input", debounced(() => { setQuery({ q: search.value.trim() }); show(); }, 80));
groupChoice.addEventListener("change", () => { setQuery({ group: groupChoice.value }); show(); });
runChoice.addEventListener("change", async () => {
  setQuery({ run: runChoice.value });
  try {
    await countLabels();
    show();
  } catch (error) {
    fill(content, failed(error, load));
  }
});
load();
