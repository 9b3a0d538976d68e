// An image that can be zoomed and moved, in one pane or in several that move together, with shapes over it.

import { h } from "./dom.js";
import { kindOf, toPixels } from "./geometry/kinds.js";
import { DASHES, byConfidence, colorOf, hasFractions, isShown, skeletonOf, tint, trace } from "./shapes.js";

const MOST_ZOOM = 64;
const STEP = 1.25;
const NEAR = 7; // CSS pixels from a line or a point that still count as on it
const DRAG = 4;

export class Stage {
  /**
   * @param {HTMLElement} element
   * @param {{state: object, hover: Function, select: Function}} options `hover` and `select` get a shape
   *   of a set as {run, index}, or null.
   */
  constructor(element, { state, hover, select }) {
    this.element = element;
    this.state = state;
    this.onHover = hover;
    this.onSelect = select;
    this.panes = [];
    this.sets = [];
    /** @type {import("./shapes.js").Size} */
    this.frame = { width: 1, height: 1 };
    this.view = { scale: 1, x: 0, y: 0 };
    this.fitted = true;
    this.hovered = null;
    this.selected = null;
    this.areShapesHidden = false;
    /** @type {(set: object, shape: object) => {key: string, color: string, dash: number[], width?: number} | null} */
    this.outcomeOf = () => null;
    this.pending = 0;
    this.pointers = new Map();
    new ResizeObserver(() => this.resize()).observe(element);
    element.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    for (const type of ["pointerdown", "pointermove", "pointerup", "pointercancel", "pointerleave"]) {
      element.addEventListener(type, (event) => this.pointer(event));
    }
    element.addEventListener("dblclick", (event) => {
      event.preventDefault();
      const pane = this.paneAt(event);
      if (pane) this.zoomAt(2, ...this.inPane(pane, event));
    });
  }

  /**
   * Show an image, in one pane for each group of sets.
   * @param {{frame: import("./shapes.js").Size, sources: string[], keepView?: boolean, onfailure?: () => void,
   *   groups: {title: string | null, sets: import("./shapes.js").ShapeSet[]}[]}} what
   *   `sources` from the small picture to the whole one; none shows a placeholder.
   */
  show({ frame, sources, groups, keepView = false, onfailure = () => {} }) {
    this.frame = frame;
    this.sets = groups.flatMap((group) => group.sets);
    this.addBounds();
    this.panes = groups.map(({ title, sets }) => this.makePane(title, sets, sources, onfailure));
    this.element.replaceChildren(...this.panes.map((pane) => pane.element));
    this.element.style.setProperty("--panes", String(this.panes.length));
    this.element.classList.toggle("is-placeholder", sources.length === 0);
    this.hovered = this.selected = null;
    if (keepView && !this.fitted) this.resize();
    else this.fit();
  }

  /** Show other sets over the same image. */
  setGroups(groups) {
    if (groups.length !== this.panes.length) return false;
    this.sets = groups.flatMap((group) => group.sets);
    this.addBounds();
    groups.forEach(({ title, sets }, at) => {
      this.panes[at].sets = sets;
      this.panes[at].title.textContent = title ?? "";
      this.panes[at].title.hidden = title === null;
    });
    this.redraw();
    return true;
  }

  /** Bounds of all shapes, in the unit of their coordinates. */
  addBounds() {
    const { width, height } = this.frame;
    for (const set of this.sets) {
      for (const shape of set.shapes) {
        if (shape.bounds) continue;
        const bounds = kindOf(shape).bounds(this.coordinatesOf(set, shape));
        shape.bounds = hasFractions(set, shape) ? bounds.map((number, at) => number / (at % 2 ? height : width)) : bounds;
      }
    }
  }

  makePane(title, sets, sources, onfailure) {
    const images = sources.map((source, at) => {
      const image = h("img", { alt: "", draggable: "false", src: source });
      if (at === sources.length - 1) image.addEventListener("error", () => { image.hidden = true; onfailure(); });
      return image;
    });
    const sheet = h("div", { class: "sheet" }, images);
    const canvas = h("canvas", { "aria-hidden": "true" });
    const heading = h("span", { class: "pane-title", hidden: title === null }, title ?? "");
    const chips = h("ul", { class: "image-labels", "aria-label": "Labels of the image" });
    return { element: h("div", { class: "pane" }, sheet, canvas, heading, chips), sheet, canvas, sets, title: heading, chips, places: "" };
  }

  /** Chips for the labels of the whole image; rebuilt only if others are visible. */
  drawChips(pane) {
    const labels = this.areShapesHidden ? [] : pane.sets.flatMap((set) => byConfidence(set.shapes.filter((shape) => kindOf(shape).isOfImage && this.isVisible(shape))).map((shape) => ({ run: set.run, index: shape.index, shape })));
    const places = labels.map(({ run, index }) => `${run}:${index}`).join();
    if (places !== pane.places) {
      pane.places = places;
      pane.chips.replaceChildren(...labels.map((label) => this.makeChip(label)));
    }
    labels.forEach((label, at) => pane.chips.children[at].classList.toggle("is-marked", [this.selected, this.hovered].some((place) => same(place, label))));
  }

  makeChip({ run, index, shape }) {
    const text = shape.confidence === null ? shape.label : `${shape.label} ${shape.confidence.toFixed(2)}`;
    const place = { run, index };
    const button = h("button", { type: "button", class: "image-label", style: { "border-color": colorOf(shape.label) } }, text);
    // The stage would take a click for one on the image behind.
    for (const type of ["pointerdown", "pointerup"]) button.addEventListener(type, (event) => event.stopPropagation());
    button.addEventListener("click", () => this.onSelect(place));
    button.addEventListener("pointerenter", () => this.hover(place));
    button.addEventListener("pointerleave", () => this.hover(null));
    return h("li", {}, button);
  }

  // -- the view ------------------------------------------------------------------------------

  paneSize() {
    const pane = this.panes[0]?.element;
    return { width: pane?.clientWidth ?? 1, height: pane?.clientHeight ?? 1 };
  }

  fitScale() {
    const { width, height } = this.paneSize();
    return Math.max(Math.min((width - 16) / this.frame.width, (height - 16) / this.frame.height), 1e-6);
  }

  fit() {
    const { width, height } = this.paneSize();
    const scale = this.fitScale();
    this.view = { scale, x: (width - this.frame.width * scale) / 2, y: (height - this.frame.height * scale) / 2 };
    this.fitted = true;
    this.redraw();
  }

  /** Pixel for pixel, about the middle. */
  actual() {
    this.zoomAt(1 / this.view.scale);
  }

  zoom(direction) {
    this.zoomAt(direction > 0 ? STEP : 1 / STEP);
  }

  zoomAt(factor, x = this.paneSize().width / 2, y = this.paneSize().height / 2) {
    const { view } = this;
    const fit = this.fitScale();
    const scale = Math.min(Math.max(view.scale * factor, Math.min(fit, 1) / 2), Math.max(MOST_ZOOM, fit * 4));
    const by = scale / view.scale;
    this.view = { scale, x: x - (x - view.x) * by, y: y - (y - view.y) * by };
    this.fitted = false;
    this.keepInView();
    this.redraw();
  }

  pan(dx, dy) {
    this.view.x += dx;
    this.view.y += dy;
    this.fitted = false;
    this.keepInView();
    this.redraw();
  }

  keepInView() {
    const { width, height } = this.paneSize();
    const margin = 60;
    const { view, frame } = this;
    view.x = Math.min(Math.max(view.x, margin - frame.width * view.scale), width - margin);
    view.y = Math.min(Math.max(view.y, margin - frame.height * view.scale), height - margin);
  }

  /** Bring a shape into view, and near if it is small. */
  showShape({ run, index }) {
    const found = this.find({ run, index });
    if (!found) return;
    if (kindOf(found.shape).isOfImage) return this.fit();
    const { width, height } = this.paneSize();
    const [x, y, right, bottom] = this.scaled(found.set, found.shape, found.shape.bounds);
    const scale = Math.min(MOST_ZOOM, (width * 0.4) / Math.max(right - x, 1), (height * 0.4) / Math.max(bottom - y, 1));
    this.view = { scale, x: width / 2 - ((x + right) / 2) * scale, y: height / 2 - ((y + bottom) / 2) * scale };
    this.fitted = false;
    this.redraw();
  }

  resize() {
    if (this.fitted) this.fit();
    else {
      this.keepInView();
      this.redraw();
    }
  }

  // -- pointers ------------------------------------------------------------------------------

  paneAt(event) {
    return this.panes.find((pane) => pane.element.contains(event.target));
  }

  inPane(pane, event) {
    const place = pane.element.getBoundingClientRect();
    return [event.clientX - place.left, event.clientY - place.top];
  }

  wheel(event) {
    const pane = this.paneAt(event);
    if (!pane) return;
    event.preventDefault();
    const unit = event.deltaMode === 1 ? 16 : 1;
    // Pinching on a touchpad comes as a wheel with Ctrl; its steps are small.
    const factor = Math.exp((-event.deltaY * unit * (event.ctrlKey ? 4 : 1)) / 500);
    this.zoomAt(factor, ...this.inPane(pane, event));
  }

  pointer(event) {
    const pane = this.paneAt(event);
    const { pointers } = this;
    if (event.type === "pointerdown" && pane) {
      if (event.button > 1) return;
      pointers.set(event.pointerId, { x: event.clientX, y: event.clientY, startX: event.clientX, startY: event.clientY, moved: false });
      event.target.setPointerCapture?.(event.pointerId);
      return;
    }
    const held = pointers.get(event.pointerId);
    if (event.type === "pointermove") {
      if (!held) {
        if (pane && event.pointerType !== "touch") this.hover(this.hit(pane, ...this.inPane(pane, event)));
        return;
      }
      const [dx, dy] = [event.clientX - held.x, event.clientY - held.y];
      if (Math.hypot(event.clientX - held.startX, event.clientY - held.startY) > DRAG) held.moved = true;
      if (pointers.size === 2) this.pinch(event, held, pane);
      else if (held.moved) this.pan(dx, dy);
      held.x = event.clientX;
      held.y = event.clientY;
      return;
    }
    if (event.type === "pointerleave") {
      if (!held) this.hover(null);
      return;
    }
    if (held && event.type === "pointerup" && !held.moved && pointers.size === 1 && pane) {
      this.onSelect(this.hit(pane, ...this.inPane(pane, event)));
    }
    pointers.delete(event.pointerId);
  }

  pinch(event, held, pane) {
    const other = [...this.pointers.entries()].find(([id]) => id !== event.pointerId)[1];
    const before = Math.hypot(held.x - other.x, held.y - other.y);
    const now = Math.hypot(event.clientX - other.x, event.clientY - other.y);
    const place = (pane ?? this.panes[0]).element.getBoundingClientRect();
    this.pan((event.clientX - held.x) / 2, (event.clientY - held.y) / 2);
    if (before > 0) this.zoomAt(now / before, (event.clientX + other.x) / 2 - place.left, (event.clientY + other.y) / 2 - place.top);
    held.moved = other.moved = true;
  }

  // -- shapes --------------------------------------------------------------------------------

  find(place) {
    const set = place && this.sets.find((one) => one.run === place.run);
    const shape = set?.shapes[place.index];
    return shape ? { set, shape } : null;
  }

  isVisible(shape) {
    return isShown(shape.label, shape.confidence, this.state);
  }

  /** The coordinates of a shape in pixels. */
  coordinatesOf(set, shape) {
    return hasFractions(set, shape) ? toPixels(shape, this.frame) : shape.coordinates;
  }

  scaled(set, shape, numbers) {
    if (!hasFractions(set, shape)) return numbers;
    return numbers.map((number, at) => number * (at % 2 ? this.frame.height : this.frame.width));
  }

  /** The smallest shape at a place of a pane, as {run, index}, or null. */
  hit(pane, px, py) {
    if (this.areShapesHidden) return null;
    const near = NEAR / this.view.scale;
    const x = (px - this.view.x) / this.view.scale;
    const y = (py - this.view.y) / this.view.scale;
    let best = null;
    for (const set of pane.sets) {
      for (const shape of set.shapes) {
        const [left, top, right, bottom] = this.scaled(set, shape, shape.bounds);
        if (x < left - near || x > right + near || y < top - near || y > bottom + near) continue;
        if (!this.isVisible(shape) || !kindOf(shape).isOn(this.coordinatesOf(set, shape), x, y, near, skeletonOf(shape.label))) continue;
        const area = kindOf(shape).hasArea ? (right - left) * (bottom - top) : 0;
        if (!best || area <= best.area) best = { run: set.run, index: shape.index, area };
      }
    }
    return best && { run: best.run, index: best.index };
  }

  hover(place) {
    if (same(place, this.hovered)) return;
    this.hovered = place;
    this.element.style.cursor = place ? "pointer" : "";
    this.onHover(place);
    this.redraw();
  }

  mark({ hovered = this.hovered, selected = this.selected }) {
    this.hovered = hovered;
    this.selected = selected;
    this.redraw();
  }

  hideShapes(areHidden) {
    this.areShapesHidden = areHidden;
    this.redraw();
  }

  redraw() {
    this.pending ||= requestAnimationFrame(() => {
      this.pending = 0;
      for (const pane of this.panes) this.draw(pane);
    });
  }

  draw(pane) {
    const { view, frame } = this;
    pane.sheet.style.width = `${frame.width}px`;
    pane.sheet.style.height = `${frame.height}px`;
    pane.sheet.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.scale})`;
    pane.sheet.classList.toggle("is-near", view.scale >= 3);
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const { width, height } = this.paneSize();
    const { canvas } = pane;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    this.drawChips(pane);
    if (this.areShapesHidden) return;
    for (const set of pane.sets) this.drawSet(pen, set);
    for (const place of [this.selected, this.hovered]) this.drawMarked(pen, pane, place);
  }

  /** CSS pixels for each unit of a shape's coordinates, across and down. */
  scalesOf(set, shape) {
    const { view, frame } = this;
    return hasFractions(set, shape) ? [view.scale * frame.width, view.scale * frame.height] : [view.scale, view.scale];
  }

  /** Shapes of one color and pattern are one path; those outside of the view are left out. */
  drawSet(pen, set) {
    const { view } = this;
    const { width, height } = this.paneSize();
    const paths = new Map();
    for (const shape of set.shapes) {
      if (!this.isVisible(shape)) continue;
      const [sx, sy] = this.scalesOf(set, shape);
      const [left, top, right, bottom] = shape.bounds;
      if (right * sx + view.x < -9 || left * sx + view.x > width + 9 || bottom * sy + view.y < -9 || top * sy + view.y > height + 9) continue;
      const style = this.outcomeOf(set, shape) ?? { key: shape.label, color: colorOf(shape.label), dash: DASHES[set.run % DASHES.length] };
      if (!paths.has(style.key)) paths.set(style.key, { style, path: new Path2D(), tinted: new Path2D() });
      const { path, tinted } = paths.get(style.key);
      trace(path, shape, sx, sy, view.x, view.y, 4);
      if (kindOf(shape).isTinted) trace(tinted, shape, sx, sy, view.x, view.y, 4);
    }
    pen.lineJoin = "round";
    for (const { style, path, tinted } of paths.values()) {
      tint(pen, tinted, style.color);
      pen.setLineDash(style.dash);
      pen.strokeStyle = "rgb(0 0 0 / 40%)";
      pen.lineWidth = 4;
      pen.stroke(path);
      pen.strokeStyle = style.color;
      pen.lineWidth = style.width ?? 2;
      pen.stroke(path);
    }
    pen.setLineDash([]);
  }

  drawMarked(pen, pane, place) {
    const found = this.find(place);
    if (!found || !pane.sets.includes(found.set) || !this.isVisible(found.shape) || kindOf(found.shape).isOfImage) return;
    const { set, shape } = found;
    const { view } = this;
    const [sx, sy] = this.scalesOf(set, shape);
    const path = new Path2D();
    trace(path, shape, sx, sy, view.x, view.y, 6);
    if (kindOf(shape).isFilled) {
      pen.globalAlpha = 0.25;
      pen.fillStyle = colorOf(shape.label);
      pen.fill(path);
      pen.globalAlpha = 1;
    }
    pen.strokeStyle = "rgb(0 0 0 / 70%)";
    pen.lineWidth = 6;
    pen.stroke(path);
    pen.strokeStyle = "#fff";
    pen.lineWidth = 3.5;
    pen.stroke(path);
    pen.strokeStyle = colorOf(shape.label);
    pen.lineWidth = 1.5;
    pen.stroke(path);
    const text = shape.confidence === null ? shape.label : `${shape.label} ${shape.confidence.toFixed(2)}`;
    pen.font = "600 13px system-ui, sans-serif";
    const x = Math.max(2, shape.bounds[0] * sx + view.x);
    const y = Math.max(20, shape.bounds[1] * sy + view.y - 6);
    pen.fillStyle = "rgb(15 18 24 / 85%)";
    pen.fillRect(x, y - 16, pen.measureText(text).width + 12, 20);
    pen.fillStyle = "#fff";
    pen.fillText(text, x + 6, y - 1);
  }
}

export const same = (one, other) => one === other || (one && other && one.run === other.run && one.index === other.index);
