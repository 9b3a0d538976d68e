// The collections page.

import { ask, askAll } from "./api.js";
import { count, counted, debounced, empty, failed, fill, find, h, loading, when } from "./dom.js";
import { bind } from "./keys.js";

const content = find("#content");
const search = find("#search");
const PICTURES = 3;
const WORDS = { image: ["image"], video: ["video"], other: ["file"] };

let collections = [];

async function load() {
  content.setAttribute("aria-busy", "true");
  fill(content, loading());
  try {
    collections = await askAll("/api/v1/collections");
    show();
  } catch (error) {
    fill(content, failed(error, load));
  }
  content.setAttribute("aria-busy", "false");
}

function show() {
  const wanted = search.value.trim().toLowerCase();
  const fitting = collections.filter((one) => name(one).toLowerCase().includes(wanted));
  if (!collections.length) {
    fill(
      content,
      empty(
        "No collections yet",
        "The first upload of images or of a model run creates a collection: ",
        h("code", {}, "layernext upload <collection> <run> <file>"),
      ),
    );
  } else if (!fitting.length) {
    fill(content, empty("Nothing found", `None of the ${count(collections.length)} collections has “${search.value.trim()}” in its name.`));
  } else {
    fill(content, h("ul", { class: "cards" }, fitting.map(card)));
  }
}

const name = (one) => one.name || "(no collection)";

function card(one) {
  const awaiting = one.awaiting_file_count
    ? h("span", {}, ` · ${count(one.awaiting_file_count)} without a file`)
    : null;
  return h(
    "li",
    {},
    h(
      "a",
      { href: `/collections/${one.id}` },
      cover(one),
      h(
        "div",
        { class: "card-text" },
        h("h2", {}, name(one)),
        h("p", { class: "muted small" }, counted(one.image_count, ...WORDS[one.content_type]), awaiting),
        h("p", { class: "muted small" }, "since ", when(one.created_at)),
      ),
    ),
  );
}

function cover(one) {
  const element = h("div", { class: "cover none small", dataset: { collection: one.id } }, "no pictures");
  if (one.content_type === "image" && one.image_count > one.awaiting_file_count) inView.observe(element);
  return element;
}

// The pictures of a card are asked for when it comes into view.
const inView = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    inView.unobserve(target);
    showPictures(target).catch(() => {}); // a card without pictures says enough
  }
});

async function showPictures(element) {
  const query = { collection: element.dataset.collection, query: "state = ready", limit: PICTURES };
  const { items } = await ask("/api/v1/items", { query });
  if (!items.length) return;
  const few = items.length < PICTURES;
  element.className = few ? "cover one" : "cover";
  const shown = few ? items.slice(0, 1) : items;
  fill(element, shown.map((item) => h("img", { src: `/api/v1/images/${item.id}/thumbnail`, alt: "", decoding: "async" })));
}

search.value = new URLSearchParams(location.search).get("q") ?? "";
search.addEventListener(
  "input",
  debounced(() => {
    const text = search.value.trim();
    history.replaceState(null, "", text ? `/?q=${encodeURIComponent(text)}` : "/");
    show();
  }, 80),
);
bind("Collections", [["/", "Search by name", null]]);
load();
