// Images with how a run did in each, a page at a time: from worst to best, or behind a cell of the matrix.

import { ask } from "./api.js";
import { count, counted, failed, fill, h, loading } from "./dom.js";
import { score } from "./format.js";
import { imageUrl } from "./links.js";

const LIMIT = 24;
const ORDERS = [
  ["worst", "Worst first"],
  ["best", "Best first"],
  ["false_positives", "Most false"],
  ["missed", "Most missed"],
  ["mislabelled", "Most mislabeled"],
  ["similarity", "Least similar"],
  ["truths", "Most truths"],
];

export class TallyList {
  /**
   * @param {{id: string, collection_id: string | null}} info of the evaluation
   * @param {{truth: object, run: object}} drawn the runs that a link to an image shows
   * @param {{cell?: {truth: string | null, run: string | null}, query?: Function, setQuery?: Function}} options
   */
  constructor(info, drawn, { cell = null, query = null, setQuery = null } = {}) {
    this.info = info;
    this.drawn = drawn;
    this.cell = cell;
    this.setQuery = setQuery;
    const wanted = query?.().get("order");
    this.order = ORDERS.some(([value]) => value === wanted) ? wanted : "worst";
    this.list = h("ol", { class: "tallies" });
    this.end = h("div", {});
    this.element = h("div", {}, cell ? null : this.#orders(), this.list, this.end);
    this.#begin();
  }

  #orders() {
    const select = h("select", {}, ORDERS.map(([value, text]) => h("option", { value, selected: value === this.order }, text)));
    select.addEventListener("change", () => {
      this.order = select.value;
      this.setQuery({ order: this.order === "worst" ? null : this.order });
      this.#begin();
    });
    return h("label", { class: "inline" }, "Order ", select);
  }

  #begin() {
    fill(this.list);
    this.#more(0);
  }

  async #more(offset) {
    fill(this.end, loading());
    const order = this.order;
    const path = `/api/v1/evaluations/${encodeURIComponent(this.info.id)}`;
    try {
      const page = this.cell
        ? await ask(`${path}/confusion`, { query: { truth: this.cell.truth, run: this.cell.run, offset, limit: LIMIT } })
        : await ask(`${path}/tallies`, { query: { order, offset, limit: LIMIT } });
      if (order !== this.order) return;
      this.list.append(...page.items.map((one) => this.#item(one)));
      const left = page.total - offset - page.items.length;
      fill(
        this.end,
        page.total ? h("p", { class: "muted small" }, `${count(page.total - left)} of ${counted(page.total, "image")}`) : h("p", { class: "muted" }, "No image."),
        page.next !== null ? h("button", { type: "button", onclick: () => this.#more(page.next) }, "Show more") : null,
      );
    } catch (error) {
      fill(this.end, failed(error, () => this.#more(offset)));
    }
  }

  #item(one) {
    const place = this.info.collection_id;
    const runs = [this.drawn.truth, this.drawn.run];
    const picture = one.has_file
      ? h("img", { src: `/api/v1/images/${one.id}/thumbnail`, alt: "", loading: "lazy", decoding: "async", onerror: (event) => event.target.replaceWith(h("span", { class: "no-picture small muted" }, "no picture")) })
      : h("span", { class: "no-picture small muted" }, "no file yet");
    const facts = this.cell
      ? `${counted(one.count, "time")} here; F1 ${score(one.f1, 2)}`
      : [`F1 ${score(one.f1, 2)}`, `${count(one.true_positives)} right`, `${count(one.false_positives)} false`, `${count(one.missed)} missed`].join(" · ");
    const content = [picture, h("span", { class: "tally-name" }, one.image), h("span", { class: "muted small number" }, facts)];
    return h("li", {}, place ? h("a", { href: imageUrl(place, one.id, { runs }) }, content) : h("span", { class: "tally" }, content));
  }
}
