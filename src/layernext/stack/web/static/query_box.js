// The search box that takes the query language: completion while one types, errors at their column.

import { fill, find, h } from "./dom.js";

const OPERATORS = {
  text: ["=", "~", "!=", "!~", "in ("],
  field: ["=", "~", "!=", "<", ">", "in ("],
  number: ["=", ">", ">=", "<", "<=", "!="],
  size: ["=", ">", ">=", "<", "<="],
  date: ["=", ">", ">=", "<", "<="],
  word: ["=", "!=", "in ("],
  flag: ["="],
};
const SHORT = [
  { name: "label", kind: "text", words: [] },
  { name: "Tags", kind: "field", words: [] },
  { name: "metadata.", kind: "field", words: [] },
  { name: "annotation.attribute.", kind: "text", words: [] },
  { name: "annotation.metadata.", kind: "text", words: [] },
];
const SOURCES = { "annotation.label": "labels", label: "labels", run: "runs", ground_truth: "truths" };
const MOST = 12;

/**
 * What can stand where the cursor is: {from, options}; `from` is where the replaced text begins.
 * @param {string} text up to the cursor
 * @param {{name: string, kind: string, words: string[]}[]} fields
 * @param {{labels: string[], runs: string[], truths: string[]}} values
 */
export function complete(text, fields, values) {
  const known = [...fields, ...SHORT];
  const last = /(?:^|\(|\b(?:and|or|not)\s)\s*((?:(?!\s(?:and|or)\s)[^()])*)$/i.exec(text);
  const part = last ? last[1] : text;
  const start = text.length - part.length;
  const inList = /([\w.]+)\s+(?:not\s+)?in\s*\(([^)]*,)?\s*([^,)]*)$/i.exec(text);
  if (inList) return listed(known, inList[1], inList[3], text.length - inList[3].length, values);
  const condition = /^([\w.]+(?:\."[^"]*")?)\s*(!=|!~|<=|>=|=|~|<|>)\s*(.*)$/s.exec(part);
  if (condition) {
    const [, name, , value] = condition;
    const ended = /^(?:"[^"]*"|'[^']*'|\S+)\s+(\w*)$/.exec(value);
    const options = listed(known, name, value, text.length - value.length, values);
    if (options.options.length || !ended) return options;
    return { from: text.length - ended[1].length, options: fitting(["AND ", "OR "], ended[1]) };
  }
  const operator = /^([\w.]+)\s+(\S*)$/.exec(part);
  const field = operator && known.find((one) => one.name.toLowerCase() === operator[1].toLowerCase());
  if (field) return { from: text.length - operator[2].length, options: fitting(OPERATORS[field.kind].map((one) => `${one} `), operator[2]) };
  const names = known.map((one) => (one.name.endsWith(".") ? one.name : `${one.name} `));
  return { from: start, options: fitting([...names, "NOT "], part) };
}

function listed(known, name, typed, from, values) {
  const field = known.find((one) => one.name.toLowerCase() === name.toLowerCase());
  const source = SOURCES[name.toLowerCase()];
  const some = source ? values[source] : field?.kind === "flag" ? ["true", "false"] : (field?.words ?? []);
  const bare = typed.replace(/^["']/, "");
  return { from, options: fitting(some, bare).map(quoted) };
}

const quoted = (value) => `${/^[\w.:-]+$/.test(value) ? value : `"${value.replace(/(["\\])/g, "\\$1")}"`} `;

function fitting(options, typed) {
  const wanted = typed.toLowerCase();
  const begin = options.filter((one) => one.toLowerCase().startsWith(wanted) && one.trim() !== typed);
  const contain = options.filter((one) => !one.toLowerCase().startsWith(wanted) && one.toLowerCase().includes(wanted));
  return [...begin, ...contain].slice(0, MOST);
}

/**
 * The box. `search(text)` is called by Enter; `values()` gives names for completion.
 * @returns {{element: HTMLElement, show: (text: string) => void, fail: (error: Error | null) => void,
 *   focus: () => void}}
 */
export function queryBox(fields, values, search) {
  const input = h("input", {
    type: "search", class: "mono", placeholder: "Query, such as label = crate AND annotation.confidence > 0.8",
    role: "combobox", "aria-expanded": "false", "aria-controls": "query-options", "aria-autocomplete": "list",
    "aria-label": "Query", "aria-describedby": "query-problem", autocomplete: "off", spellcheck: "false", autocapitalize: "none",
  });
  const list = h("ul", { id: "query-options", class: "options", role: "listbox", "aria-label": "Completions", hidden: true });
  const problem = h("div", { id: "query-problem", class: "query-problem", role: "alert", hidden: true });
  const element = h("div", { class: "query" }, input, list, problem);
  let options = [];
  let from = 0;
  let active = -1;

  const close = () => {
    list.hidden = true;
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const mark = (place) => {
    active = place;
    [...list.children].forEach((one, at) => one.setAttribute("aria-selected", String(at === place)));
    const one = list.children[place];
    if (one) {
      input.setAttribute("aria-activedescendant", one.id);
      one.scrollIntoView({ block: "nearest" });
    } else input.removeAttribute("aria-activedescendant");
  };
  const open = () => {
    const before = input.value.slice(0, input.selectionStart ?? input.value.length);
    ({ options, from } = complete(before, fields, values()));
    if (!options.length) return close();
    fill(
      list,
      options.map((one, at) =>
        h("li", { id: `query-option-${at}`, role: "option", "aria-selected": "false", onpointerdown: (event) => { event.preventDefault(); take(at); } }, one),
      ),
    );
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    mark(-1);
  };
  const take = (at) => {
    const end = input.selectionStart ?? input.value.length;
    input.setRangeText(options[at], from, end, "end");
    open();
    input.focus();
  };
  input.addEventListener("input", () => {
    fail(null);
    open();
    if (input.value === "") search("");
  });
  input.addEventListener("focus", () => input.value === "" && open());
  input.addEventListener("click", open);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    const isOpen = !list.hidden;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!isOpen) return open();
      const step = event.key === "ArrowDown" ? 1 : -1;
      mark((active + step + options.length + (active < 0 && step < 0 ? 1 : 0)) % options.length);
    } else if (event.key === "Tab" && isOpen && active >= 0 && !event.shiftKey) {
      event.preventDefault();
      take(active);
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (isOpen && active >= 0) take(active);
      else {
        close();
        search(input.value.trim());
      }
    } else if (event.key === "Escape" && isOpen) {
      event.preventDefault();
      close();
    }
  });

  /** Show what is wrong, under its column where the API names one. */
  function fail(error) {
    problem.hidden = !error;
    input.setAttribute("aria-invalid", String(Boolean(error)));
    if (!error) return;
    const place = error.problems?.[0];
    const column = Number(/column (\d+)/.exec(place?.where ?? "")?.[1] ?? 0);
    const text = place?.message ?? error.message;
    if (!column) return void fill(problem, text);
    const shown = input.value;
    fill(
      problem,
      h("code", { class: "query-text" }, shown.slice(0, column - 1), h("mark", {}, shown.slice(column - 1, column) || " "), shown.slice(column)),
      h("span", {}, `Column ${column}: ${text}`),
    );
    input.setSelectionRange(column - 1, Math.max(column, column - 1 + (/^[\w.]+/.exec(shown.slice(column - 1))?.[0].length ?? 1)));
  }

  return { element, show: (text) => { input.value = text; fail(null); }, fail, focus: () => find(".query input").focus() };
}
