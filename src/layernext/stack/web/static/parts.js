// Parts that several pages are made of: bars of progress, states of jobs, choices in the URL.

import { h } from "./dom.js";

const STATES = {
  queued: ["Waiting", "calm"],
  in_progress: ["Running", "busy"],
  completed: ["Done", "good"],
  failed: ["Failed", "bad"],
};

/** A job's or an evaluation's status in a word, with a color. */
export function stateBadge(status) {
  const [text, kind] = STATES[status] ?? [status, "calm"];
  return h("span", { class: `badge ${kind}` }, text);
}

/** A bar; `share` from 0 to 1, or null while nobody knows. */
export function progressBar(share, label) {
  const known = share !== null;
  const percent = known ? Math.round(100 * share) : null;
  return h(
    "div",
    { class: known ? "progress" : "progress unknown", role: "progressbar", "aria-label": label, "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": percent },
    h("span", { style: known ? { width: `${percent}%` } : {} }),
  );
}

/** Buttons of which one is pressed; `choose` gets the value of the one that is pressed then. */
export function segments(element, entries, chosen, choose) {
  const buttons = entries.map(([value, text]) =>
    h(
      "button",
      {
        type: "button",
        "aria-pressed": String(value === chosen),
        onclick() {
          for (const [index, button] of buttons.entries()) button.setAttribute("aria-pressed", String(entries[index][0] === value));
          choose(value);
        },
      },
      text,
    ),
  );
  element.replaceChildren(...buttons);
}

/** The page's own query, and how to change it without a new entry in the history. */
export const query = () => new URLSearchParams(location.search);

export function setQuery(changes, { push = false } = {}) {
  const fields = query();
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === "") fields.delete(name);
    else fields.set(name, value);
  }
  const text = fields.toString();
  const target = text ? `${location.pathname}?${text}` : location.pathname;
  if (target !== location.pathname + location.search) history[push ? "pushState" : "replaceState"](null, "", target);
}
