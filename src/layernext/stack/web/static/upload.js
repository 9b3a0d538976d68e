// The upload page: what was dropped or chosen, where it goes, and how far it is.

import { askAll, send, withQuery } from "./api.js";
import { count, counted, fill, find, h, pageData, sentence } from "./dom.js";
import { chosenFiles, droppedFiles, isAnnotations, isImage } from "./files.js";
import { bytes } from "./format.js";
import { uploadImages } from "./image_upload.js";
import { gridUrl, runUrl } from "./links.js";
import { progressBar, query } from "./parts.js";

const form = find("#upload");
const fields = form.elements;
const drop = find("#drop");
const transfers = find("#transfers");
const problem = find("#problem");
const limits = pageData();
const SHOWN_FILES = 100;

/** @type {import("./files.js").Chosen[]} */
let chosen = [];
let leftOut = 0;

// -- choosing --

function add(files) {
  const known = new Set(chosen.map((one) => one.name));
  const fitting = files.filter((one) => isAnnotations(one) || isImage(one));
  leftOut += files.length - fitting.length;
  chosen = [...chosen, ...fitting.filter((one) => !known.has(one.name))];
  const first = chosen.find(isAnnotations);
  if (first && !fields.run.value) fields.run.value = first.name.replace(/^.*\//, "").replace(/\.json(\.gz|\.zst)?$/i, "");
  showChosen();
}

function remove(one) {
  chosen = chosen.filter((other) => other !== one);
  showChosen();
  find("#choose-files").focus();
}

function showChosen() {
  const files = chosen.filter(isAnnotations);
  const images = chosen.filter(isImage);
  find("#for-annotations").hidden = !files.length;
  form.querySelector("[type=submit]").disabled = !chosen.length;
  problem.hidden = true;
  const size = images.reduce((sum, one) => sum + one.file.size, 0);
  fill(
    find("#chosen"),
    chosen.length
      ? h(
          "ul",
          { class: "chosen", "aria-label": "Chosen files", tabindex: "0" },
          files.slice(0, SHOWN_FILES).map((one) =>
            h(
              "li",
              {},
              h("span", { class: "name" }, one.name),
              h("span", { class: "muted small nowrap" }, bytes(one.file.size)),
              h("button", { type: "button", class: "quiet icon", "aria-label": `Leave ${one.name} out`, onclick: () => remove(one) }, "✕"),
            ),
          ),
          files.length > SHOWN_FILES ? h("li", { class: "muted" }, `and ${count(files.length - SHOWN_FILES)} more files of annotations`) : null,
          images.length
            ? h(
                "li",
                {},
                h("span", { class: "name" }, images.length === 1 ? images[0].name : counted(images.length, "image")),
                h("span", { class: "muted small nowrap" }, bytes(size)),
                h("button", { type: "button", class: "quiet icon", "aria-label": "Leave the images out", onclick: () => { chosen = files; showChosen(); find("#choose-files").focus(); } }, "✕"),
              )
            : null,
        )
      : null,
    leftOut ? h("p", { class: "muted small" }, `${counted(leftOut, "file")} left out: neither an image nor LayerNext JSON.`) : null,
  );
}

for (const [button, input] of [["#choose-files", "#files"], ["#choose-folder", "#folder"]]) {
  find(button).addEventListener("click", () => find(input).click());
  find(input).addEventListener("change", (event) => add(chosenFiles(event.target)));
}

// A file that misses the field must not replace the page.
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.toggle("over", event.dataTransfer.types.includes("Files"));
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) drop.classList.remove("over");
});
document.addEventListener("drop", async (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  try {
    add(await droppedFiles(event.dataTransfer));
  } catch (error) {
    tell(`Cannot read the dropped files: ${error.message}`);
  }
});

function tell(text) {
  problem.textContent = text;
  problem.hidden = false;
}

// -- where it goes --

async function suggest() {
  const [collections, runs] = await Promise.all([askAll("/api/v1/collections"), askAll("/api/v1/runs")]);
  const names = (some) => [...new Set(some.map((one) => one.name).filter(Boolean))].map((name) => h("option", { value: name }));
  fill(find("#collections"), names(collections));
  fill(find("#runs"), names(runs));
}

fields.collection.value = query().get("collection") ?? "";
fields.run.value = query().get("run") ?? "";
if (query().get("mode") === "human") fields.mode.value = "human";
suggest().catch(() => {}); // names can be typed all the same

// -- sending --

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const files = chosen.filter(isAnnotations);
  const images = chosen.filter(isImage);
  for (const [field, isNeeded, text] of [
    [fields.collection, true, "Choose a collection."],
    [fields.run, files.length > 0, "Give the run a name."],
  ]) {
    const isMissing = isNeeded && !field.value.trim();
    field.setAttribute("aria-invalid", String(isMissing));
    if (isMissing) {
      tell(text);
      field.focus();
      return;
    }
  }
  const target = {
    collection: fields.collection.value.trim(),
    run: fields.run.value.trim(),
    mode: fields.mode.value,
    geometry: fields.geometry.value,
    normalized: fields.normalized.checked,
  };
  chosen = [];
  leftOut = 0;
  showChosen();
  if (images.length) start(images.length === 1 ? images[0].name : counted(images.length, "image"), (row) => sendImages(images, target, row));
  for (const one of files) start(one.name, (row) => sendAnnotations(one, target, row));
});

// One after the other: the next begins when the one before has ended, well or not.
let last = Promise.resolve();

function start(name, work) {
  const row = new Transfer(name);
  last = last.then(() => row.run(work));
}

/** A line of the list of uploads. */
class Transfer {
  #stop = new AbortController();
  /** @type {string | null} what stays stored if it is cancelled */
  kept = null;

  constructor(name) {
    this.name = name;
    this.bar = h("div", {}, progressBar(null, `Progress of ${name}`));
    this.text = h("p", { class: "small muted number", role: "status" }, "Waiting");
    this.cancel = h("button", { type: "button", onclick: () => this.#stop.abort() }, "Cancel");
    this.more = h("div", {});
    this.element = h("li", { class: "transfer" }, h("div", { class: "transfer-head" }, h("strong", {}, name), this.cancel), this.bar, this.text, this.more);
    transfers.prepend(this.element);
  }

  get signal() {
    return this.#stop.signal;
  }

  show(share, text) {
    fill(this.bar, progressBar(share, `Progress of ${this.name}`));
    this.text.textContent = text;
  }

  async run(work) {
    const leave = (event) => event.preventDefault();
    window.addEventListener("beforeunload", leave);
    try {
      if (this.signal.aborted) throw new DOMException("cancelled", "AbortError");
      this.#end("good", ...(await work(this)));
    } catch (error) {
      if (error.name === "AbortError") this.#end("warn", "Canceled. ", this.kept ?? "Nothing of it was stored.");
      else this.#end("error", ...problemsOf(this.name, error));
    }
    window.removeEventListener("beforeunload", leave);
  }

  #end(kind, ...content) {
    this.bar.remove();
    this.text.remove();
    this.cancel.remove();
    fill(this.more, h("div", { class: `notice ${kind}`, role: kind === "error" ? "alert" : "status" }, content));
  }
}

/** The sentences of the SDK, one for each problem. */
function problemsOf(name, error) {
  const { problems = [] } = error;
  if (!problems.length) return [sentence(error)];
  const lines = problems.map(({ where, message }) => h("li", {}, `${name}: ${where ? `${where}: ` : ""}${message}`));
  return [h("strong", {}, "Nothing was stored: ", counted(problems.length, "problem")), h("ul", { class: "problems", tabindex: "0", "aria-label": "Problems" }, lines)];
}

async function sendAnnotations({ file, name }, target, row) {
  if (file.size > limits.annotation_file) throw new Error(`it has ${bytes(file.size)}, the stack accepts at most ${bytes(limits.annotation_file)} from a browser; use the SDK or the command line, which send the file in batches`);
  const short = name.replace(/^.*\//, "");
  const path = withQuery("/api/v1/annotation-files", { ...target, normalized: target.normalized || null, name: short });
  row.show(0, `0 of ${bytes(file.size)} sent`);
  const text = await send(path, {
    body: file,
    signal: row.signal,
    onSent(sent) {
      if (sent < file.size) row.show(sent / file.size, `${bytes(sent)} of ${bytes(file.size)} sent`);
      else row.show(null, "Sent; the stack is checking it");
    },
    onText(lines) {
      const progress = lastLine(lines);
      if (!progress) return;
      row.kept = `${counted(progress.images, "image")} of ${count(progress.total)} stored. Upload the same file again to store the rest.`;
      row.show(progress.total ? progress.images / progress.total : null, `${count(progress.images)} of ${counted(progress.total, "image")} stored`);
    },
  });
  const result = lastLine(text)?.result;
  if (!result) throw new Error("the connection broke; upload the file again (images already stored do not change)");
  const runs = [{ name: result.run, mode: result.mode }];
  return [
    h("strong", {}, `${counted(result.annotations, "annotation")} in ${counted(result.images, "image")}`),
    " stored.",
    result.unmatched ? ` ${counted(result.unmatched, "image")} ${result.unmatched === 1 ? "has no file yet; its" : "have no file yet; their"} annotations are stored.` : null,
    result.new_labels.length ? ` New labels: ${result.new_labels.join(", ")}.` : null,
    ...Object.entries(result.warnings).map(([what, [times, first]]) =>
      h("p", {}, `Warning: ${what}, ${times === 1 ? "once, at" : `${count(times)} times, first at`} ${first}.`)),
    result.collection_id
      ? h("p", {}, h("a", { href: gridUrl(result.collection_id, { runs }) }, "See them"), " · ", h("a", { href: runUrl({ collection: result.collection_id, ...runs[0] }) }, "To the run"))
      : null,
  ];
}

async function sendImages(images, target, row) {
  const total = images.reduce((sum, one) => sum + one.file.size, 0);
  row.kept = "Images already stored remain. Repeat the upload to send the rest.";
  const result = await uploadImages(images, {
    collection: target.collection,
    limits,
    signal: row.signal,
    tell: (sent, files) => row.show(total ? Math.min(sent / total, 1) : null, `${bytes(Math.min(sent, total))} of ${bytes(total)}, ${count(files)} of ${counted(images.length, "image")}`),
  });
  const failed = result.failed.map(({ name, reason }) => h("li", {}, `${name}: ${reason}`));
  return [
    h("strong", {}, counted(result.stored, "image")),
    " stored",
    result.existing ? `, ${count(result.existing)} already there` : null,
    failed.length ? `, ${count(failed.length)} not:` : ".",
    failed.length ? h("ul", { class: "problems", tabindex: "0", "aria-label": "Images that were not stored" }, failed) : null,
    h("p", {}, h("a", { href: gridUrl(result.collectionId) }, "See the collection")),
  ];
}

function lastLine(text) {
  const end = text.lastIndexOf("\n");
  if (end < 0) return null;
  return JSON.parse(text.slice(text.lastIndexOf("\n", end - 1) + 1, end));
}

showChosen();
