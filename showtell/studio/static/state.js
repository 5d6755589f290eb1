// @ts-check
/** What the page shows, kept in its URL, so that a link is a state: ?picture=…&mode=…&question=… */

/** @typedef {import("./api.js").Mode} Mode */
/** @typedef {{picture: string, mode: Mode, question: string}} State */

const MODES = ["ask", "find", "name"];

/** @returns {State} */
export function readUrl() {
  const query = new URLSearchParams(location.search);
  const mode = query.get("mode") ?? "ask";
  return {
    picture: query.get("picture") ?? "",
    mode: /** @type {Mode} */ (MODES.includes(mode) ? mode : "ask"),
    question: (query.get("question") ?? "").slice(0, 500),
  };
}

/**
 * @param {State} state
 * @param {boolean} push whether Back should return to the state before
 */
export function writeUrl(state, push) {
  const query = new URLSearchParams();
  if (state.picture) query.set("picture", state.picture);
  if (state.mode !== "ask") query.set("mode", state.mode);
  if (state.question) query.set("question", state.question);
  const url = `${location.pathname}?${query}`;
  if (url === location.pathname + location.search) return;
  history[push ? "pushState" : "replaceState"](null, "", url);
}

/** The name of a state, as `data-ready` carries it once it is drawn. @param {State} state */
export const stateName = ({ picture, mode, question }) => [picture, mode, question].filter(Boolean).join(" | ");
