// Tables that can be sorted by a click on a column's head.

import { fill, h } from "./dom.js";

/**
 * @typedef {{key: string, title: string, value?: (row: any) => any, show?: (row: any) => any,
 *   isNumber?: boolean, isFixed?: boolean, hint?: string}} Column `value` is what is sorted by, unless
 *   the column is fixed; null goes last
 */

/**
 * @param {{caption: string, columns: Column[], rows: any[], sort: string, limit?: number,
 *   onSort?: (sort: string) => void, rowClass?: (row: any) => string | null}} options
 *   `sort` is a column's key, with "-" before it for falling
 */
export function sortableTable({ caption, columns, rows, sort, limit = 200, onSort, rowClass }) {
  const body = h("tbody");
  const more = h("p", { class: "more" });
  let shown = limit;
  const heads = columns.map((column) =>
    h(
      "th",
      { scope: "col", class: column.isNumber ? "number" : null },
      column.isFixed ? column.title : h("button", { type: "button", class: "sort", title: column.hint ?? null, onclick: () => by(column) }, column.title, h("span", { class: "arrow", "aria-hidden": "true" })),
    ),
  );

  function by(column) {
    const falling = `-${column.key}`;
    const first = column.isNumber ? falling : column.key;
    if (sort === first) sort = first === falling ? column.key : falling;
    else sort = first;
    shown = limit;
    onSort?.(sort);
    show();
  }

  function show() {
    const falling = sort.startsWith("-");
    const column = columns.find((one) => one.key === sort.replace(/^-/, "")) ?? columns[0];
    const sorted = [...rows].sort((a, b) => {
      const [one, other] = [column.value(a), column.value(b)];
      if (one === null || other === null) return Number(one === null) - Number(other === null);
      const order = typeof one === "string" ? one.localeCompare(other) : one - other;
      return falling ? -order : order;
    });
    for (const [index, head] of heads.entries()) {
      if (columns[index] === column) head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
    fill(body, sorted.slice(0, shown).map(line));
    const left = sorted.length - shown;
    fill(more, left > 0 ? h("button", { type: "button", onclick: () => { shown += 10 * limit; show(); } }, `Show ${Math.min(left, 10 * limit)} more`) : null);
  }

  const line = (row) =>
    h(
      "tr",
      { class: rowClass?.(row) ?? null },
      columns.map((column, index) => {
        const content = column.show ? column.show(row) : column.value(row);
        return index === 0 ? h("th", { scope: "row" }, content) : h("td", { class: column.isNumber ? "number" : null }, content);
      }),
    );

  show();
  return h(
    "div",
    {},
    h("div", { class: "scroll-x", tabindex: "0", role: "region", "aria-label": caption }, h("table", { class: "table" }, h("caption", { class: "visually-hidden" }, caption), h("thead", {}, h("tr", {}, heads)), body)),
    more,
  );
}
