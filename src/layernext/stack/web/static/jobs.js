// The jobs page.

import { ask } from "./api.js";
import { counted, empty, failed, fill, find, h, loading, pageData, sentence, toast, when } from "./dom.js";
import { duration } from "./format.js";
import { compareUrl, evaluationUrl } from "./links.js";
import { progressBar, query, segments, setQuery, stateBadge } from "./parts.js";
import { poll } from "./poll.js";

const content = find("#content");
const mayWrite = pageData().may_write;
const LIMIT = 50;
const FILTERS = [
  ["", "All"],
  ["active", "Active"],
  ["completed", "Done"],
  ["failed", "Failed"],
];
const isOpen = (job) => job.status === "queued" || job.status === "in_progress";

let filter = FILTERS.some(([value]) => value === query().get("show")) ? query().get("show") : "";
let older = []; // behind the newest page, asked for by hand
let next = null;
let asked = 0;

async function refresh() {
  const mine = ++asked;
  try {
    const page = await askPage(null);
    if (mine !== asked) return true; // another filter has been chosen meanwhile
    if (!older.length) next = page.next;
    show(page.items);
    return page.items.some(isOpen);
  } catch (error) {
    if (mine === asked) fill(content, failed(error, () => live.soon()));
    return false;
  } finally {
    content.setAttribute("aria-busy", "false");
  }
}

function askPage(after) {
  const status = filter === "active" ? ["queued", "in_progress"] : filter;
  return ask("/api/v1/jobs", { query: { status, after, limit: LIMIT } });
}

function show(newest) {
  const known = new Set(newest.map((job) => job.id));
  const jobs = [...newest, ...older.filter((job) => !known.has(job.id))];
  if (!jobs.length) {
    const [title, text] = filter
      ? ["No such jobs", "Nothing in this list at the moment."]
      : ["No jobs yet", "Background work, such as inspecting uploaded files, building datasets and evaluating runs, appears here."];
    fill(content, empty(title, text));
    return;
  }
  const focused = document.activeElement?.id;
  fill(
    content,
    h(
      "div",
      { class: "scroll-x", tabindex: "0", role: "region", "aria-label": "Jobs" },
      h(
        "table",
        { class: "table jobs" },
        h("caption", { class: "visually-hidden" }, counted(jobs.length, "job")),
        h("thead", {}, h("tr", {}, ["Job", "Status", "Progress", "Begun", "Took"].map((text) => h("th", { scope: "col" }, text)))),
        h("tbody", {}, jobs.map(row)),
      ),
    ),
    next ? h("p", { class: "more" }, h("button", { type: "button", id: "more", onclick: more }, "Show older jobs")) : null,
  );
  if (focused) document.getElementById(focused)?.focus();
}

/** The page of what a job works on, or null. */
function subjectOf(job) {
  if (job.about.evaluation) return evaluationUrl(job.about.evaluation);
  return job.kind === "comparison" ? compareUrl({ comparison: job.id }) : null;
}

function row(job) {
  const text = job.name || job.kind || "Job";
  const subject = subjectOf(job);
  const took = (isOpen(job) ? Date.now() : Date.parse(job.updated_at)) - Date.parse(job.created_at);
  return h(
    "tr",
    { id: `job-${job.id}`, title: `Job ${job.id}`, class: query().get("job") === job.id ? "chosen" : null },
    h(
      "th",
      { scope: "row" },
      subject ? h("a", { href: subject, id: `about-${job.id}` }, text) : text,
      job.message ? h("span", { class: job.status === "failed" ? "small problem" : "small muted job-message" }, job.message) : null,
    ),
    h("td", {}, stateBadge(job.status)),
    h("td", { class: "number" }, job.status === "in_progress" ? progressBar(job.progress / 100, `Progress of ${text}`) : null, `${Math.round(job.progress)} %`),
    h("td", { class: "nowrap" }, when(job.created_at)),
    h("td", { class: "nowrap" }, job.status === "queued" ? "–" : duration(took), job.can_cancel && mayWrite ? h("button", { type: "button", class: "cancel", id: `cancel-${job.id}`, "aria-label": `Cancel ${text}`, onclick: () => cancel(job) }, "Cancel") : null),
  );
}

async function cancel(job) {
  try {
    await ask(`/api/v1/jobs/${encodeURIComponent(job.id)}/cancel`, { method: "POST" });
  } catch (error) {
    toast(sentence(error));
  }
  live.soon();
}

async function more(event) {
  event.target.disabled = true;
  try {
    const page = await askPage(next);
    older = [...older, ...page.items];
    next = page.next;
  } catch {
    event.target.disabled = false; // the list itself says what is wrong, when it is asked for again
  }
  live.soon();
}

segments(find("#filter"), FILTERS, filter, (value) => {
  filter = value;
  older = [];
  setQuery({ show: value });
  fill(content, loading());
  live.soon();
});
fill(content, loading());
const live = poll(refresh);
