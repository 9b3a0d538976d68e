// Elements made of data. Text is only ever set as text, so that no name can become markup.

/**
 * Make an element: h("a", { href: "/", class: "quiet", onclick: go }, "text", otherElement).
 * Properties that begin with "on" are listeners; `dataset` and `style` take objects; null and false
 * leave an attribute or a child out.
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name === "style") for (const [key, one] of Object.entries(value)) element.style.setProperty(key, one);
    else if (name === "href" || name === "src") element.setAttribute(name, safeUrl(value));
    else element.setAttribute(name, value === true ? "" : value);
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

/** A URL that can only lead to a page or a file, never run anything. */
function safeUrl(url) {
  try {
    return ["http:", "https:", "blob:"].includes(new URL(url, location.href).protocol) ? url : "#";
  } catch {
    return "#";
  }
}

/** Put other children into an element. */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

export const find = (selector) => document.querySelector(selector);

/** What the server has put into the page for its module. */
export function pageData() {
  const block = document.getElementById("page-data");
  return block ? JSON.parse(block.textContent) : {};
}

const NUMBERS = new Intl.NumberFormat("en");

export const count = (number) => NUMBERS.format(number);

/** "1 image", "2 images". */
export const counted = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

const DATES = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });

/** A time of the API as this browser's user reads it. */
export function when(text) {
  return h("time", { datetime: text, title: text }, DATES.format(new Date(text)));
}

/** Call `work` once things have been quiet for a while. */
export function debounced(work, ms = 200) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...values), ms);
  };
}

/** The three states of a part of a page that has no content to show. */
export function empty(title, ...text) {
  return h("div", { class: "state" }, h("h2", {}, title), h("p", { class: "muted" }, ...text));
}

export function failed(error, again) {
  return h(
    "div",
    { class: "state", role: "alert" },
    h("h2", {}, "Something went wrong"),
    h("p", {}, sentence(error)),
    error.requestId ? h("p", { class: "muted small" }, "Request ", h("code", {}, error.requestId)) : null,
    again ? h("button", { type: "button", onclick: again }, "Try again") : null,
  );
}

export function loading(text = "Loading…") {
  return h("div", { class: "state muted" }, h("span", { class: "spinner", "aria-hidden": "true" }), h("p", {}, text));
}

/** An error's text with a capital and a full stop. */
export function sentence(error) {
  const text = String(error?.message ?? error).trim();
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(whole) ? whole : `${whole}.`;
}

/** A short message at the lower edge that goes by itself. */
export function toast(text) {
  const shown = h("div", { class: "toast" }, text);
  document.getElementById("toasts").append(shown);
  setTimeout(() => shown.remove(), 6000);
}
