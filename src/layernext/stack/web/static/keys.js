// Keys of a page, and the list of them that `?` shows.

import { find, h } from "./dom.js";

const groups = new Map();
const handlers = new Map();

/**
 * Make keys do things: bind("Image", [["+", "Zoom in", zoomIn], ["Shift+ArrowLeft", "…", back]]).
 * A key is a KeyboardEvent's `key`, with "Shift+" or "Ctrl+" before it where that must be held. `null` in
 * place of the function only lists the key. Keys do nothing while somebody types.
 */
export function bind(group, entries) {
  const listed = groups.get(group) ?? [];
  for (const [key, text, action] of entries) {
    listed.push([key, text]);
    if (action) for (const one of key.split(" / ")) handlers.set(one, action);
  }
  groups.set(group, listed);
}

const isTyping = (target) =>
  target instanceof HTMLElement &&
  (target.isContentEditable || target.matches("textarea, select, input:not([type=checkbox], [type=radio], [type=range], [type=button])"));

document.addEventListener("keydown", (event) => {
  if (event.altKey || event.metaKey || event.defaultPrevented) return;
  if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
  if (event.target instanceof HTMLInputElement && event.target.type === "range" && event.key.startsWith("Arrow")) return;
  const named = `${event.ctrlKey ? "Ctrl+" : ""}${event.shiftKey && event.key.length > 1 ? "Shift+" : ""}${event.key}`;
  const action = handlers.get(named);
  if (!action) return;
  // What has the focus keeps the keys that are its own.
  if ((event.key === "Enter" || event.key === " ") && event.target instanceof Element && event.target.closest("a, button, summary, input")) return;
  event.preventDefault();
  action(event);
});

const SHOWN = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", " ": "Space", Escape: "Esc" };

export function showHelp() {
  if (document.querySelector("dialog[open]")) return;
  const parts = [...groups].map(([name, entries]) => [
    h("h3", {}, name),
    h(
      "dl",
      { class: "keys" },
      entries.map(([key, text]) => [
        h("dt", {}, key.split(" / ").map((one) => h("kbd", {}, one.split(/\+(?!$)/).map((part) => SHOWN[part] ?? part).join(" ")))),
        h("dd", {}, text),
      ]),
    ),
  ]);
  const close = h("button", { type: "button", class: "quiet icon", "aria-label": "Close" }, "✕");
  const dialog = h(
    "dialog",
    { class: "help", "aria-labelledby": "help-title" },
    h("div", { class: "dialog-head" }, h("h2", { id: "help-title" }, "Keys"), close),
    parts,
  );
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

bind("Everywhere", [
  ["?", "These keys", showHelp],
  ["/", "To the search", () => find("[type=search]")?.focus()],
]);
