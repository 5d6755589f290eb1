// @ts-check
/** The server's interface (showtell/studio/app.py), typed. The page computes nothing: it asks here and draws. */

/** @typedef {"ask" | "find" | "name"} Mode */
/** @typedef {[number, number, number, number]} Corners left, top, right, bottom in pixels of the original picture */
/** @typedef {{key: string, title: string, license: string, questions: string[], phrases: string[]}} Sample */
/** @typedef {{key: string, title: string, width: number, height: number}} Described size in pixels of the original */
/** @typedef {{picture: string, question: string, mode: Mode, box?: Corners}} Request */
/** @typedef {{text: string, place: ["box" | "point", number] | null, probability: number, weights: number[] | null}} Word */
/** @typedef {{rows: number, cols: number, cells: (Corners | null)[], threshold: number}} Patches */
/**
 * @typedef {object} Answer
 * @property {string} picture
 * @property {Mode} mode
 * @property {string} question
 * @property {Corners | null} region
 * @property {string} answer
 * @property {[number, number]} frame width and height of the original picture
 * @property {{label: string, box: Corners}[]} boxes
 * @property {{label: string, point: [number, number]}[]} points
 * @property {number} confidence
 * @property {string[]} dropped sentences about coordinates that made no place
 * @property {string} model
 * @property {Word[]} words
 * @property {Patches} patches
 * @property {string} computed_by
 * @property {number} elapsed_ms
 * @property {boolean} picture_reused
 */

/** A refusal by the server: one sentence for the reader. */
export class Refusal extends Error {
  /** @param {string} sentence @param {number} status */
  constructor(sentence, status) {
    super(sentence);
    this.status = status;
  }
}

/** @returns {Promise<{model: string, upload_bytes: number}>} */
export const health = () => call("/api/health");

/** @returns {Promise<{samples: Sample[]}>} */
export const samples = () => call("/api/samples");

/**
 * @param {Request} request
 * @param {AbortSignal} signal
 * @returns {Promise<Answer>}
 */
export const ask = (request, signal) =>
  call("/api/ask", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(request),
    signal,
  });

/**
 * @param {Blob} file
 * @returns {Promise<Described>}
 */
export const addPicture = (file) =>
  call("/api/pictures", { method: "POST", headers: { "content-type": "application/octet-stream" }, body: file });

/** @param {string} key @returns {Promise<Described>} */
export const describe = (key) => call(pictureUrl(key));

/** @param {string} key */
const pictureUrl = (key) => `/api/pictures/${encodeURIComponent(key)}`;

/** @param {string} key */
export const shownUrl = (key) => `${pictureUrl(key)}/shown.jpg`;

/** @param {string} key */
export const thumbnailUrl = (key) => `${pictureUrl(key)}/thumb.jpg`;

/**
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<any>}
 */
async function call(path, options) {
  /** @type {Response} */
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Refusal("The studio's server does not answer; see whether it is still running, then ask again.", 0);
  }
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Refusal(body?.error ?? `The server answered with status ${response.status}.`, response.status);
  return body;
}
