// The description of the API: its search, and links to entries that are closed.

import { debounced, find } from "./dom.js";
import { query, setQuery } from "./parts.js";

const search = find("#search");
/** @type {NodeListOf<HTMLElement>} */
const entries = document.querySelectorAll(".docs details");
/** @type {NodeListOf<HTMLElement>} */
const heads = document.querySelectorAll(".docs h2");

function filter() {
  const wanted = search.value.trim().toLowerCase();
  for (const entry of entries) entry.hidden = !entry.firstElementChild.textContent.toLowerCase().includes(wanted);
  for (const head of heads) {
    let next = /** @type {HTMLElement | null} */ (head.nextElementSibling);
    let any = false;
    for (; next && next.tagName !== "H2"; next = /** @type {HTMLElement | null} */ (next.nextElementSibling)) any ||= !next.hidden;
    head.hidden = !any;
  }
}

function openTarget() {
  const entry = location.hash ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
  if (!(entry instanceof HTMLDetailsElement)) return;
  entry.hidden = false;
  entry.open = true;
  entry.scrollIntoView({ block: "center" });
}

search.value = query().get("q") ?? "";
search.addEventListener("input", debounced(() => { setQuery({ q: search.value.trim() }); filter(); }, 80));
addEventListener("hashchange", openTarget);
filter();
openTarget();
