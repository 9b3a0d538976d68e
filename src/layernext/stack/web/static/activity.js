// The page of the audit log: who did what to which collection, and when.

import { ask } from "./api.js";
import { count, counted, debounced, empty, failed, fill, find, h, loading, pageData, when } from "./dom.js";
import { query, setQuery } from "./parts.js";

const LIMIT = 100;
const content = find("#content");
const fields = Object.fromEntries(["action", "since", "until", "collection", "actor"].map((name) => [name, find(`#${name}`)]));

let entries = [];
let next = null;
let asked = 0;

/** Midnight of a day of the calendar, where the browser is; `days` later. */
function midnight(text, days = 0) {
  if (!text) return null;
  const moment = new Date(`${text}T00:00:00`);
  moment.setDate(moment.getDate() + days);
  return moment.toISOString();
}

function askPage(after) {
  return ask("/api/v1/audit", {
    query: {
      action: fields.action.value || null,
      collection: fields.collection.value.trim() || null,
      actor: fields.actor.value.trim() || null,
      since: midnight(fields.since.value),
      until: midnight(fields.until.value, 1), // the day itself included
      after,
      limit: LIMIT,
    },
  });
}

async function load() {
  const mine = ++asked;
  content.setAttribute("aria-busy", "true");
  try {
    const page = await askPage(null);
    if (mine !== asked) return; // another filter has been chosen meanwhile
    entries = page.items;
    next = page.next;
    show();
  } catch (error) {
    if (mine === asked) fill(content, failed(error, load));
  }
  content.setAttribute("aria-busy", "false");
}

function show() {
  if (!entries.length) {
    fill(content, empty("No entries", "No entry matches these filters."));
    return;
  }
  const columns = ["Time", "Who", "Action", "Collection", "Subject", "Count", "From"];
  fill(
    content,
    h(
      "div",
      { class: "scroll-x", tabindex: "0", role: "region", "aria-label": "Activity" },
      h(
        "table",
        { class: "table" },
        h("caption", { class: "visually-hidden" }, counted(entries.length, "entry", "entries")),
        h("thead", {}, h("tr", {}, columns.map((text) => h("th", { scope: "col" }, text)))),
        h("tbody", {}, entries.map(row)),
      ),
    ),
    next ? h("p", { class: "more" }, h("button", { type: "button", id: "more", onclick: more }, "Show older entries")) : null,
  );
}

function row(entry) {
  return h(
    "tr",
    { title: entry.request_id ? `Request ${entry.request_id}` : null },
    h("td", { class: "nowrap" }, when(entry.at)),
    h("td", { title: entry.api_key }, entry.actor || "unknown"),
    h("th", { scope: "row" }, entry.action, entry.outcome === "refused" ? h("span", { class: "badge bad" }, "Refused") : null),
    h("td", {}, entry.collection ?? ""),
    h("td", {}, entry.subject ?? ""),
    h("td", { class: "number" }, entry.count === null ? "" : count(entry.count)),
    h("td", { class: "nowrap" }, entry.address ?? ""),
  );
}

async function more(event) {
  event.target.disabled = true;
  const mine = asked;
  try {
    const page = await askPage(next);
    if (mine !== asked) return;
    entries = [...entries, ...page.items];
    next = page.next;
    show();
    find("#more")?.focus();
  } catch (error) {
    fill(content, failed(error, load));
  }
}

function change() {
  setQuery(Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.value.trim()])));
  load();
}

fill(
  fields.action,
  h("option", { value: "" }, "all"),
  pageData().actions.map((action) => h("option", { value: action }, action)),
);
for (const [name, field] of Object.entries(fields)) {
  field.value = query().get(name) ?? "";
  if (field.type === "search") field.addEventListener("input", debounced(change));
  else field.addEventListener("change", change);
}
fill(content, loading());
load();
