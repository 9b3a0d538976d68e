// The native API, asked with the session's cookie.

const HEADERS = { "X-LayerNext-Page": "1" };

/** An answer that was no, or none: `message` is a sentence, `problems` are places in what was sent. */
export class ApiError extends Error {
  constructor(message, { status = 0, code = null, problems = [], requestId = null } = {}) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.problems = problems;
    this.requestId = requestId;
  }
}

/**
 * Ask; the decoded JSON of the answer.
 * @param {string} path of the API, such as "/api/v1/runs"
 * @param {{query?: object, method?: string, body?: any, signal?: AbortSignal, raw?: boolean}} options
 *   `query` leaves null and "" out and repeats lists; `body` is sent as JSON; `raw` gives the Response.
 */
export async function ask(path, { query = {}, method = "GET", body, signal, raw = false } = {}) {
  /** @type {Record<string, string>} */
  const headers = { ...HEADERS };
  /** @type {RequestInit} */
  const request = { method, headers, signal, credentials: "same-origin" };
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    request.body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(withQuery(path, query), request);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("the stack does not answer; check that it is running and that the network is up");
  }
  if (answer.ok) return raw ? answer : answer.json();
  if (answer.status === 401 && path !== "/sign-in") return toSignIn();
  throw await errorOf(answer);
}

export function withQuery(path, query) {
  const fields = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined && one !== "") fields.append(name, one);
    }
  }
  const text = fields.toString();
  return text ? `${path}?${text}` : path;
}

/** The session has ended: sign in, and come back to where we are. */
function toSignIn() {
  const here = location.pathname + location.search;
  location.assign(withQuery("/sign-in", { next: here === "/" ? null : here }));
  return new Promise(() => {}); // the page is going
}

async function errorOf(answer) {
  return errorFrom(answer.status, await answer.text().catch(() => ""));
}

/** What an answer that is an error says. */
function errorFrom(status, text) {
  try {
    const { error } = JSON.parse(text);
    const problems = Array.isArray(error.details) ? error.details : [];
    const { message, code, requestId } = error;
    return new ApiError(message, { status, code, problems, requestId });
  } catch {
    return new ApiError(`the stack answered ${status}`, { status });
  }
}

/**
 * Send a file or other bytes, and hear how far that is; the text of the answer.
 * @param {string} path with its query
 * @param {{method?: string, body: Blob, onSent?: (bytes: number) => void, onText?: (text: string) => void,
 *   signal?: AbortSignal}} options `onText` gets the answer as far as it has come
 */
export function send(path, { method = "POST", body, onSent, onText, signal }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch does not tell how much has been sent
    const stop = () => request.abort();
    const end = (settle, value) => {
      signal?.removeEventListener("abort", stop);
      settle(value);
    };
    request.open(method, path);
    for (const [name, value] of Object.entries(HEADERS)) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", (event) => onSent?.(event.loaded));
    request.addEventListener("progress", () => onText?.(request.responseText));
    request.addEventListener("load", () => {
      if (request.status === 401) toSignIn();
      else if (request.status < 400) end(resolve, request.responseText);
      else end(reject, errorFrom(request.status, request.responseText));
    });
    request.addEventListener("error", () => end(reject, new ApiError("the connection to the stack broke; try again (data already stored does not change)")));
    request.addEventListener("abort", () => end(reject, new DOMException("cancelled", "AbortError")));
    if (signal?.aborted) return end(reject, new DOMException("cancelled", "AbortError"));
    signal?.addEventListener("abort", stop);
    request.send(body);
  });
}

/**
 * Every record of a listing that comes page by page.
 * @param {string} path of the API
 * @param {{query?: object, signal?: AbortSignal}} options
 */
export async function askAll(path, { query = {}, signal } = {}) {
  const found = [];
  let after = null;
  do {
    const page = await ask(path, { query: { ...query, after }, signal });
    found.push(...page.items);
    after = page.next;
  } while (after);
  return found;
}

export function signOut() {
  return ask("/sign-out", { method: "POST" });
}
