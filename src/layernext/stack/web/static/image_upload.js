// Images into a collection, as the SDK sends them: many in one request, several requests at a time, and
// nothing that is there already. So the same upload again sends the rest.

import { ask, send } from "./api.js";

const CLIENT = "/datalake/api/client";
const IMAGES = 5; // the published protocol's object type
const BUNDLE_BYTES = 8e6;
const LINE_BYTES = 4_096; // more than the line before a file has
const AT_ONCE = 3;
const DIFFERENT = "the collection already has a different image with this name, which was not replaced";

/**
 * @param {import("./files.js").Chosen[]} files
 * @param {{collection: string, limits: object, signal: AbortSignal, tell: (bytes: number, files: number) => void}}
 *   options `tell` gets what is done so far
 * @returns {Promise<{collectionId: string, stored: number, existing: number, failed: {name: string, reason: string}[]}>}
 */
export async function uploadImages(files, { collection, limits, signal, tell }) {
  const opened = await ask(`${CLIENT}/uploadMetadataInCollection`, {
    method: "POST",
    body: { collectionName: collection, collectionType: IMAGES, objectKeyList: [] },
    signal,
  });
  const upload = new Upload(opened.uploadId, collection, limits, signal, tell);
  const left = await upload.skipKnown(files.filter((one) => upload.fits(one)));
  const work = upload.gather(left);
  await Promise.all(Array.from({ length: AT_ONCE }, () => upload.worker(work)));
  await ask(`${CLIENT}/collectionUploadingStatus/${encodeURIComponent(opened.uploadId)}/complete`, { signal });
  return { collectionId: opened.collectionId, ...upload.report };
}

class Upload {
  report = { stored: 0, existing: 0, failed: [] };
  #bytes = 0;
  #files = 0;
  #sending = new Map(); // bytes of requests under way

  constructor(id, collection, limits, signal, tell) {
    this.id = id;
    this.collection = collection;
    this.limits = limits;
    this.signal = signal;
    this.tell = tell;
  }

  fits({ file, name }) {
    const reason = file.size === 0 ? "it is empty" : file.size > this.limits.file ? "it is larger than the stack takes" : null;
    if (reason) this.#settle(file, { name, reason });
    return !reason;
  }

  async skipKnown(files) {
    const known = new Map();
    for (let at = 0; at < files.length; at += this.limits.names) {
      const names = files.slice(at, at + this.limits.names).map((one) => one.name);
      const path = `/api/v1/file-uploads/${encodeURIComponent(this.id)}/known`;
      const answer = await ask(path, { method: "POST", body: { names }, signal: this.signal });
      for (const one of answer.files) known.set(one.name, one);
    }
    return files.filter(({ file, name }) => {
      const there = known.get(name);
      if (!there) return true;
      if (there.size === file.size) this.report.existing += 1;
      this.#settle(file, there.size === file.size ? null : { name, reason: DIFFERENT });
      return false;
    });
  }

  /** What each request sends: several small files, or one that is large. */
  gather(files) {
    // Without encryption a browser computes no checksums, and a bundle has one of each file.
    const most = crypto.subtle ? this.limits.bundle - LINE_BYTES : -1;
    const work = [];
    let some = [];
    let size = 0;
    for (const one of files) {
      if (one.file.size > most) {
        work.push(() => this.#sendAlone(one));
        continue;
      }
      if (some.length && (size + one.file.size > BUNDLE_BYTES || some.length >= this.limits.bundle_files)) {
        work.push(this.#bundle(some));
        [some, size] = [[], 0];
      }
      some.push(one);
      size += one.file.size;
    }
    if (some.length) work.push(this.#bundle(some));
    return work;
  }

  async worker(work) {
    try {
      while (work.length) await work.shift()();
    } catch (error) {
      work.length = 0; // the other workers end with what they do
      throw error;
    }
  }

  #bundle(some) {
    return async () => {
      const pieces = [];
      for (const { file, name } of some) {
        const content = await file.arrayBuffer();
        pieces.push(`${JSON.stringify({ name, size: content.byteLength, checksum: await checksum(content) })}\n`, content);
      }
      const path = `/api/v1/file-uploads/${encodeURIComponent(this.id)}/bundle`;
      const text = await this.#put(path, new Blob(pieces), "POST");
      const outcomes = new Map(JSON.parse(text).files.map((one) => [one.name, one.outcome]));
      for (const { file, name } of some) {
        const outcome = outcomes.get(name);
        if (outcome === "stored") this.report.stored += 1;
        else if (outcome === "existing") this.report.existing += 1;
        this.#settle(file, outcome === "different" ? { name, reason: DIFFERENT } : null);
      }
    };
  }

  async #sendAlone(one) {
    const { file, name } = one;
    const post = (step, body) => ask(`${CLIENT}/fileUpload/${step}`, { method: "POST", body, signal: this.signal });
    const begun = await post("initializeMultipartUpload", { fileName: name, collectionName: this.collection, uploadId: this.id, size: file.size });
    if (begun.isExisting) {
      this.#settle(file, { name, reason: DIFFERENT });
      return;
    }
    const count = Math.ceil(file.size / this.limits.part);
    const { parts } = await post("getMultipartPreSignedUrls", { fileId: begun.fileId, parts: count });
    for (const { PartNumber: number, signedUrl } of parts) {
      const url = new URL(signedUrl, location.href);
      // The pages may only speak to their stack, and a bucket is elsewhere.
      const path = url.pathname + url.search;
      if (url.origin !== location.origin && !path.startsWith("/upload/")) throw new Error(`${name} is too large for a browser, as this stack keeps files in a bucket; use the SDK or the command line`);
      await this.#put(path, file.slice((number - 1) * this.limits.part, number * this.limits.part), "PUT");
    }
    await post("finalizeMultipartUpload", { fileId: begun.fileId, fileKey: begun.fileKey, uploadId: this.id, parts: [] });
    this.report.stored += 1;
    this.#settle(file, null);
  }

  async #put(path, body, method) {
    const key = {};
    try {
      return await send(path, {
        method,
        body,
        signal: this.signal,
        onSent: (sent) => {
          this.#sending.set(key, sent);
          this.#tell();
        },
      });
    } finally {
      this.#sending.delete(key);
    }
  }

  #settle(file, failure) {
    if (failure) this.report.failed.push(failure);
    this.#bytes += file.size;
    this.#files += 1;
    this.#tell();
  }

  #tell() {
    const sending = [...this.#sending.values()].reduce((sum, one) => sum + one, 0);
    this.tell(this.#bytes + sending, this.#files);
  }
}

/** SHA-256 in hexadecimal. */
async function checksum(content) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
