// A wall of pictures of any number, of which only those in view are elements.
//
// The order of all pictures is one array of numbers; what is known of each (name, size, shapes) comes in blocks
// when it comes into view. Elements are used again for other pictures, and canvases are drawn a few each frame, so
// that no frame has much to do.

import { ask } from "./api.js";
import { counted, h } from "./dom.js";
import { KINDS } from "./geometry/kinds.js";
import { drawSets, frameOf, isShown, readOverlays } from "./shapes.js";
import { SIZES, idOf } from "./state.js";

const BLOCK = 60;
const KEPT_BLOCKS = 60;
const GAP = 10;
const CAPTION = 26;
const ASPECT = 0.75;
const SPARE_ROWS = 2;
/** Browsers lay out no taller elements than some 30 million pixels. */
const MOST_PIXELS = 12_000_000;
/** Milliseconds of a frame for drawing shapes. */
const DRAW_MS = 5;
/** So long a block must stay in view before it is asked for: who scrolls past wants nothing. */
const SETTLE_MS = 60;

export class Wall {
  /**
   * @param {HTMLElement} element
   * @param {{collectionId: string, state: import("./state.js").State, runs: () => object[], link: Function, moved: Function}} options
   *   `state` is read at each drawing; `link(id, at)` is where a picture leads; `moved(at)` hears of scrolling.
   */
  constructor(element, { state, runs, link, moved }) {
    this.element = element;
    this.state = state;
    this.runs = runs;
    this.link = link;
    this.moved = moved;
    this.ready = Promise.resolve();
    this.numbers = new Float64Array(0);
    this.blocks = new Map();
    this.cells = new Map();
    this.free = [];
    this.toDraw = new Set();
    this.focused = -1;
    this.frame = 0;
    this.columns = 1;
    addEventListener("scroll", () => this.schedule(), { passive: true });
    new ResizeObserver(() => this.resize()).observe(document.documentElement);
    element.addEventListener("focusin", (event) => {
      const cell = event.target instanceof Element && event.target.closest(".cell");
      if (cell instanceof HTMLElement) this.focused = Number(cell.dataset.at);
    });
  }

  /** Show other pictures, from one of them on. */
  show(numbers, at) {
    this.forget();
    this.numbers = numbers;
    this.focused = -1;
    this.measure();
    this.scrollToPicture(Math.min(at, Math.max(numbers.length - 1, 0)), true);
    this.render();
  }

  /** Everything that is known of the pictures is asked for again: other runs were chosen. */
  reload() {
    this.forget();
    this.render();
  }

  /** The geometry that most shapes seen so far have, as evaluations call it. */
  usualGeometry() {
    const counts = new Map();
    for (const { items } of this.blocks.values()) {
      for (const item of items?.values() ?? []) for (const set of item.sets) for (const { geometry } of set.shapes) counts.set(geometry, (counts.get(geometry) ?? 0) + 1);
    }
    const many = (kind) => counts.get(kind.code) ?? 0;
    return KINDS.filter((kind) => kind.isEvaluated).reduce((best, kind) => (many(kind) > many(best) ? kind : best)).name;
  }

  /** Draw all shapes again. */
  redraw() {
    for (const cell of this.cells.values()) this.toDraw.add(cell);
    this.schedule();
  }

  /** The window or the pictures' size has changed; what was at the top stays there. */
  resize() {
    const { columns, width, side } = this;
    const first = this.firstInView();
    this.measure();
    if (columns === this.columns && width === this.width && side === this.side) return this.schedule();
    for (const at of this.cells.keys()) this.release(at);
    this.scrollToPicture(first, true);
    this.render();
  }

  /** Move the focus by a key. */
  step(key) {
    if (!this.numbers.length) return;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns };
    let at = this.focused;
    if (key === "Home") at = 0;
    else if (key === "End") at = this.numbers.length - 1;
    else at = at < 0 ? this.firstInView() : at + steps[key];
    if (at < 0 || at >= this.numbers.length) return;
    this.focused = at;
    this.scrollToPicture(at, false);
    this.render();
    this.cells.get(at)?.link.focus({ preventScroll: true });
  }

  // -- places --------------------------------------------------------------------------------

  measure() {
    this.side = SIZES[this.state.size];
    this.width = this.element.clientWidth;
    const fit = Math.max(1, Math.floor((this.width + GAP) / (this.side + GAP)));
    this.columns = innerWidth <= 640 ? Math.max(fit, this.state.size === "l" ? 1 : 2) : fit;
    this.cellWidth = Math.floor((this.width - GAP * (this.columns - 1)) / this.columns);
    this.pictureHeight = Math.round(this.cellWidth * ASPECT);
    this.cellHeight = this.pictureHeight + CAPTION;
    this.rowHeight = this.cellHeight + GAP;
    this.rows = Math.ceil(this.numbers.length / this.columns);
    const full = Math.max(0, this.rows * this.rowHeight - GAP);
    this.height = Math.min(full, MOST_PIXELS);
    this.full = full;
    this.element.style.height = `${this.height}px`;
  }

  /** Pixels of the wall above the window, as if it were as high as all pictures need. */
  offset() {
    const tools = this.toolsHeight();
    const above = tools - this.element.getBoundingClientRect().top;
    if (this.full === this.height) return above;
    const room = innerHeight - tools;
    return above * ((this.full - room) / (this.height - room));
  }

  toolsHeight() {
    const tools = document.getElementById("tools");
    return getComputedStyle(tools).position === "sticky" ? tools.getBoundingClientRect().bottom : 0;
  }

  firstInView() {
    return Math.max(0, Math.min(Math.floor((this.offset() + GAP + this.rowHeight / 3) / this.rowHeight) * this.columns, this.numbers.length - 1));
  }

  scrollToPicture(at, toTop) {
    const top = Math.floor(at / this.columns) * this.rowHeight;
    const now = this.offset();
    const room = innerHeight - this.toolsHeight();
    let wanted = top - GAP;
    if (toTop && at < this.columns) return void scrollTo(0, 0);
    if (!toTop) {
      if (top >= now && top + this.cellHeight <= now + room) return;
      if (top > now) wanted = top + this.cellHeight + GAP - room;
    }
    const scale = this.full === this.height ? 1 : (this.height - room) / (this.full - room);
    scrollBy(0, (wanted - now) * scale);
  }

  // -- elements ------------------------------------------------------------------------------

  schedule() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.render();
    });
  }

  render() {
    const offset = this.offset();
    const room = innerHeight;
    const first = Math.max(0, Math.floor(offset / this.rowHeight) - SPARE_ROWS);
    const last = Math.min(this.rows, Math.ceil((offset + room) / this.rowHeight) + SPARE_ROWS);
    const from = first * this.columns;
    const to = Math.min(last * this.columns, this.numbers.length);
    for (const at of this.cells.keys()) {
      if ((at < from || at >= to) && at !== this.focused) this.release(at);
    }
    const shift = this.full === this.height ? 0 : offset - (this.toolsHeight() - this.element.getBoundingClientRect().top);
    for (let at = from; at < to; at += 1) {
      const cell = this.cells.get(at) ?? this.take(at);
      this.place(cell, at, shift);
    }
    if (this.focused >= 0 && this.cells.has(this.focused)) this.place(this.cells.get(this.focused), this.focused, shift);
    this.want(from, to);
    this.draw();
    if (this.numbers.length) this.moved(this.firstInView());
  }

  place(cell, at, shift) {
    const x = (at % this.columns) * (this.cellWidth + GAP);
    const y = Math.floor(at / this.columns) * this.rowHeight - shift;
    const where = `translate(${x}px, ${y}px)`;
    if (cell.where !== where) cell.link.style.transform = cell.where = where;
  }

  take(at) {
    const cell = this.free.pop() ?? this.make();
    cell.at = at;
    cell.item = null;
    const id = idOf(this.numbers[at]);
    cell.link.dataset.at = String(at);
    cell.link.setAttribute("href", this.link(id, at));
    cell.link.style.width = `${this.cellWidth}px`;
    cell.link.style.height = `${this.cellHeight}px`;
    this.element.insertBefore(cell.link, this.elementBehind(at));
    cell.link.hidden = false;
    this.cells.set(at, cell);
    const item = this.itemAt(at);
    if (item) this.know(cell, item);
    else this.blank(cell);
    return cell;
  }

  /** Elements stand in the order of the pictures, for those who go through them by Tab, or listen. */
  elementBehind(at) {
    const before = this.cells.get(at - 1);
    if (before) return before.link.nextSibling;
    const later = [...this.cells.keys()].filter((one) => one > at);
    return later.length ? this.cells.get(Math.min(...later)).link : null;
  }

  make() {
    const image = h("img", { alt: "", decoding: "async", hidden: true });
    const canvas = h("canvas", { "aria-hidden": "true" });
    const note = h("span", { class: "no-picture", hidden: true });
    const name = h("span", { class: "cut" });
    const number = h("span", { class: "muted number" });
    const picture = h("span", { class: "picture" }, image, canvas, note);
    const link = h("a", { class: "cell", href: "#" }, picture, h("span", { class: "caption" }, name, number));
    image.addEventListener("error", () => { image.hidden = true; });
    return { link, picture, image, canvas, note, name, number, at: -1, item: null, where: "" };
  }

  blank(cell) {
    cell.name.textContent = "…";
    cell.number.textContent = "";
    cell.note.hidden = true;
    cell.image.hidden = true;
    cell.image.removeAttribute("src");
    cell.canvas.hidden = true;
    cell.link.classList.remove("is-placeholder");
  }

  release(at) {
    const cell = this.cells.get(at);
    this.cells.delete(at);
    this.toDraw.delete(cell);
    cell.link.hidden = true;
    delete cell.link.dataset.at;
    cell.image.removeAttribute("src");
    this.free.push(cell);
  }

  /** Show what is known of a picture; its shapes are drawn when their turn comes. */
  know(cell, item) {
    cell.item = item;
    cell.name.textContent = item.name;
    cell.link.title = item.name;
    const source = item.has_thumbnail ? `/api/v1/images/${idOf(item.number)}/thumbnail` : null;
    if (source) {
      if (cell.image.getAttribute("src") !== source) cell.image.src = source;
    } else cell.image.removeAttribute("src");
    cell.image.hidden = !source;
    cell.note.hidden = Boolean(source);
    if (!source) cell.note.textContent = noteOf(item);
    cell.link.classList.toggle("is-placeholder", !source);
    const frame = frameOf(item);
    const scale = Math.min(this.cellWidth / frame.width, this.pictureHeight / frame.height);
    cell.size = { width: frame.width * scale, height: frame.height * scale, frame };
    for (const one of [cell.image, cell.canvas]) {
      one.style.width = `${cell.size.width}px`;
      one.style.height = `${cell.size.height}px`;
      one.style.left = `${(this.cellWidth - 2 - cell.size.width) / 2}px`;
      one.style.top = `${(this.pictureHeight - cell.size.height) / 2}px`;
    }
    cell.canvas.hidden = true;
    this.toDraw.add(cell);
    this.schedule();
  }

  draw() {
    const end = performance.now() + DRAW_MS;
    for (const cell of this.toDraw) {
      if (performance.now() > end) return this.schedule();
      this.toDraw.delete(cell);
      if (cell.item) this.drawCell(cell);
    }
  }

  drawCell({ canvas, item, size, number }) {
    const scale = Math.min(devicePixelRatio || 1, 2);
    const width = Math.max(1, Math.round(size.width * scale));
    const height = Math.max(1, Math.round(size.height * scale));
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    const pen = canvas.getContext("2d");
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    drawSets(pen, { sets: item.sets, frame: size.frame, state: this.state, width: size.width, height: size.height, lineWidth: 1.25 });
    canvas.hidden = false;
    number.textContent = captionOf(item, this.state);
  }

  // -- what is known -------------------------------------------------------------------------

  itemAt(at) {
    return this.blocks.get(Math.floor(at / BLOCK))?.items?.get(this.numbers[at]) ?? null;
  }

  forget() {
    for (const block of this.blocks.values()) block.abort.abort();
    this.blocks.clear();
    this.toDraw.clear();
    for (const cell of this.cells.values()) cell.item = null;
    if (this.cells.size && this.numbers.length) return;
    for (const at of this.cells.keys()) this.release(at);
  }

  /** Ask for what is in view, soon; no longer for what is not. */
  want(from, to) {
    const first = Math.floor(from / BLOCK);
    const last = Math.floor(Math.max(to - 1, 0) / BLOCK);
    for (const [place, block] of this.blocks) {
      const isFar = place < first - 1 || place > last + 1;
      if (isFar && !block.items) {
        block.abort.abort();
        this.blocks.delete(place);
      }
    }
    if (this.blocks.size > KEPT_BLOCKS) {
      for (const place of this.blocks.keys()) {
        if (this.blocks.size <= KEPT_BLOCKS) break;
        if (place < first || place > last) this.blocks.delete(place);
      }
    }
    for (let place = first; place <= last && to > from; place += 1) {
      if (!this.blocks.has(place)) this.load(place);
    }
  }

  async load(place) {
    const block = { abort: new AbortController(), items: null };
    const isFirst = this.blocks.size === 0;
    this.blocks.set(place, block);
    const numbers = this.numbers.subarray(place * BLOCK, (place + 1) * BLOCK);
    try {
      await this.ready;
      if (!isFirst) await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
      if (block.abort.signal.aborted) return;
      const body = { items: [...numbers], runs: this.runs() };
      const answer = await ask("/api/v1/items/overlays", { method: "POST", body, signal: block.abort.signal });
      block.items = new Map(readOverlays(answer).map((item) => [item.number, item]));
      for (const number of numbers) {
        if (!block.items.has(number)) block.items.set(number, gone(number));
      }
    } catch (error) {
      if (error.name === "AbortError") return;
      block.items = new Map([...numbers].map((number) => [number, gone(number, error)]));
    }
    for (const [at, cell] of this.cells) {
      if (Math.floor(at / BLOCK) === place && !cell.item) this.know(cell, this.itemAt(at));
    }
  }
}

const gone = (number, error) => ({
  number, name: error ? "not loaded" : "no longer exists", content_type: "other", has_file: false, has_thumbnail: false, state: null, sets: [],
});

function noteOf(item) {
  if (!item.has_file) return "no file yet";
  if (item.state === "pending") return "being looked at";
  if (item.state === "failed") return "cannot be read";
  if (item.state === "missing") return "content lost";
  return item.content_type === "image" ? "no small picture" : item.content_type;
}

function captionOf(item, state) {
  let shown = 0;
  let all = 0;
  for (const set of item.sets) {
    all += set.count;
    for (const shape of set.shapes) shown += isShown(shape.label, shape.confidence, state) ? 1 : 0;
  }
  if (!item.sets.length) return "";
  return shown === all ? counted(all, "annotation").replace(/ annotations?$/, "") : `${shown} of ${all}`;
}
