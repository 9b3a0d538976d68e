// The confusion matrix; a click on a cell shows the images behind it.

import { count, counted, fill, h } from "./dom.js";
import { score } from "./format.js";
import { TallyList } from "./tallies.js";

const MOST = 24; // labels that are shown, the most frequent
const BACKGROUND = "(background)";

export class ConfusionView {
  constructor({ confusion, info }, drawn, { query, setQuery }) {
    this.confusion = confusion;
    this.info = info;
    this.drawn = drawn;
    this.setQuery = setQuery;
    this.images = h("div", { class: "cell-images" });
    this.cells = new Map();
    this.element = h("div", {}, h("h3", {}, "Confusion"), this.#matrix(), this.images);
    const fields = query();
    if (fields.has("truth") || fields.has("as")) this.#choose(this.#place(fields.get("truth")), this.#place(fields.get("as")), { isFirst: true });
  }

  /** The row or column of a label; null is the background. */
  #place(label) {
    return label === null ? this.confusion.labels.length : this.confusion.labels.indexOf(label);
  }

  #matrix() {
    const { labels, counts } = this.confusion;
    const weight = (place) => counts[place].reduce((sum, one) => sum + one, 0) + counts.reduce((sum, row) => sum + row[place], 0);
    const shown = labels.map((_, place) => place).sort((a, b) => weight(b) - weight(a)).slice(0, MOST).sort((a, b) => a - b);
    const places = [...shown, labels.length];
    const left = labels.length - shown.length;
    const name = (place) => labels[place] ?? BACKGROUND;
    return h(
      "div",
      {},
      h("p", { class: "muted small" }, `Rows: ground truth; columns: the run, at confidence ${score(this.confusion.confidence)}. Choose a number to see the images behind it.`),
      h(
        "div",
        { class: "scroll-x confusion", tabindex: "0", role: "region", "aria-label": "Confusion matrix" },
        h(
          "table",
          { class: "matrix" },
          h("caption", { class: "visually-hidden" }, "Confusion matrix"),
          h("thead", {}, h("tr", {}, h("td", { class: "corner small muted" }, "truth \\ run"), places.map((place) => h("th", { scope: "col", title: name(place) }, h("span", { class: "cut" }, name(place)))))),
          h("tbody", {}, places.map((row) => h("tr", {}, h("th", { scope: "row", title: name(row) }, h("span", { class: "cut" }, name(row))), places.map((column) => this.#cell(row, column, name))))),
        ),
      ),
      left ? h("p", { class: "muted small" }, `${counted(left, "rarer label")} not shown.`) : null,
    );
  }

  #cell(row, column, name) {
    const { labels, counts } = this.confusion;
    const many = counts[row][column];
    if (row === labels.length && column === labels.length) return h("td", { class: "empty" });
    if (!many) return h("td", { class: "nothing" }, "0");
    const total = counts[row].reduce((sum, one) => sum + one, 0);
    const what = `${count(many)}: ${name(row)} taken for ${name(column)}`;
    const button = h("button", { type: "button", "aria-label": what, title: what, "aria-pressed": "false", onclick: () => this.#choose(row, column) }, count(many));
    this.cells.set(`${row} ${column}`, button);
    return h("td", { class: row === column ? "right" : "wrong", style: { "--share": String(many / total) } }, button);
  }

  #choose(row, column, { isFirst = false } = {}) {
    const button = this.cells.get(`${row} ${column}`);
    if (!button) return;
    for (const other of this.cells.values()) other.setAttribute("aria-pressed", String(other === button));
    const { labels, counts } = this.confusion;
    const cell = { truth: labels[row] ?? null, run: labels[column] ?? null };
    // A label that is left out of the URL is the background, so one of both is always there.
    if (!isFirst) this.setQuery({ truth: cell.truth, as: cell.run });
    const list = new TallyList(this.info, this.drawn, { cell });
    fill(
      this.images,
      h(
        "div",
        { class: "cell-head" },
        h("h4", {}, `${count(counts[row][column])} × ${cell.truth ?? "nothing there"} → ${cell.run ?? "missed"}`),
        h("button", { type: "button", class: "quiet", onclick: () => this.#close(button) }, "Close"),
      ),
      list.element,
    );
  }

  #close(button) {
    fill(this.images);
    button.setAttribute("aria-pressed", "false");
    this.setQuery({ truth: null, as: null });
    button.focus();
  }
}
