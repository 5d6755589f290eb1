// @ts-check
/** The page: joins the picture, the question and the answer, and keeps what is shown in the URL. */

import * as api from "./api.js";
import { answerView, asked } from "./answer_view.js";
import { byId, element } from "./dom.js";
import { PictureView } from "./picture_view.js";
import { RegionTool } from "./region_tool.js";
import { ShelfView } from "./shelf_view.js";
import { readUrl, stateName, writeUrl } from "./state.js";
import { themeSwitch } from "./theme_switch.js";

/** @typedef {import("./api.js").Answer} Answer */
/** @typedef {import("./state.js").State} State */

const ANY_PICTURE = ["what is in the picture?", "list everything with its box", "where is the …?", "how many … are there?"];
const WORDS = {
  ask: { label: "Question", hint: "what is in the picture?", next: "ask something else", go: "Ask" },
  find: { label: "Phrase to find", hint: "a phrase, such as the red flag", next: "find something else", go: "Find" },
  name: { label: "Region", hint: "", next: "", go: "Name it" },
};

const app = byId("app");
const form = /** @type {HTMLFormElement} */ (byId("form"));
const input = /** @type {HTMLInputElement} */ (byId("question"));
const view = new PictureView(byId("frame"));
const region = new RegionTool(view, () => submit());
const shelf = new ShelfView(byId("shelf"), (key) => choose(key), addOwn);

/** @type {State} */
let state = readUrl();
/** @type {Map<string, api.Sample>} */
const samples = new Map();
/** @type {Map<string, File>} pictures of this visit, kept so that nothing is lost when the server forgets one */
const own = new Map();
/** @type {Map<string, Answer[]>} answers by picture, newest first */
const turns = new Map();
let latest = new AbortController();
let uploadBytes = 10_000_000;

/** Start something that replaces whatever is under way; the page is not ready until it ends. @returns {AbortSignal} */
function begin() {
  latest.abort();
  latest = new AbortController();
  app.removeAttribute("data-ready");
  byId("error").hidden = true;
  const { signal } = latest;
  setTimeout(() => app.toggleAttribute("data-waiting", signal === latest.signal && !app.hasAttribute("data-ready")), 150);
  return signal;
}

/** @param {string} name what is now drawn, see stateName */
function ready(name) {
  app.removeAttribute("data-waiting");
  app.setAttribute("data-ready", name);
}

/** @param {unknown} error */
function fail(error) {
  if (error instanceof DOMException && error.name === "AbortError") return;
  const box = byId("error");
  box.textContent = error instanceof Error ? error.message : String(error);
  box.hidden = false;
  ready("error");
}

/**
 * Run a step; only its latest run may draw, and its failure becomes a sentence.
 * @param {(signal: AbortSignal) => Promise<string>} step returns the name of what it drew
 */
async function run(step) {
  const signal = begin();
  try {
    const name = await step(signal);
    if (!signal.aborted) ready(name);
  } catch (error) {
    if (!signal.aborted) fail(error);
  }
}

/** @param {string} key */
function choose(key) {
  const { mode } = state;
  const last = turns.get(key)?.[0];
  return go({ picture: key, mode: last?.mode ?? mode, question: last?.question ?? "" }, true);
}

/**
 * Show a state: its picture, and its answer when it holds a question.
 * @param {State} next @param {boolean} push
 */
function go(next, push) {
  return run(async (signal) => {
    const changed = next.picture !== view.key;
    if (changed) await showPicture(next.picture, signal);
    if (signal.aborted) return "";
    setState(next, push);
    const known = turns.get(next.picture)?.find((turn) => turn.mode === next.mode && turn.question === next.question);
    if (known && next.mode !== "name") return showAnswer(known);
    if (next.question && next.mode !== "name") return answer(next, signal);
    showTurns(null);
    return stateName(next);
  });
}

/** @param {string} key @param {AbortSignal} signal */
async function showPicture(key, signal) {
  const described = await api.describe(key);
  if (signal.aborted) return;
  await view.show(described);
  if (!samples.has(key)) shelf.put(described);
  shelf.mark(key);
  const sample = samples.get(key);
  byId("title").textContent = sample?.license ? `${described.title}. ${sample.license}` : described.title;
  byId("size").textContent = `${described.width} × ${described.height} px`;
}

/**
 * @param {State} next @param {AbortSignal} signal
 * @returns {Promise<string>}
 */
async function answer(next, signal) {
  const request = { picture: next.picture, question: next.question, mode: next.mode };
  const box = next.mode === "name" ? { box: region.current } : {};
  const found = await api.ask({ ...request, ...box }, signal).catch(async (error) => {
    const file = own.get(next.picture);
    if (!(error instanceof api.Refusal) || error.status !== 404 || !file) throw error;
    await api.addPicture(file); // the server had to forget this picture; the page has not
    return api.ask({ ...request, ...box }, signal);
  });
  if (signal.aborted) return "";
  const list = turns.get(next.picture) ?? [];
  turns.set(next.picture, [found, ...list.filter((turn) => !sameQuestion(turn, found))]);
  return showAnswer(found);
}

/** @param {Answer} one @param {Answer} other */
const sameQuestion = (one, other) =>
  one.mode === other.mode && one.question === other.question && String(one.region) === String(other.region);

/** @param {Answer} turn @returns {string} */
function showAnswer(turn) {
  view.drawAnswer(turn);
  showTurns(turn);
  return stateName(turn);
}

/** @param {Answer | null} current the answer shown in full; the others become the list of earlier questions */
function showTurns(current) {
  input.placeholder = WORDS[state.mode][current ? "next" : "hint"];
  byId("answer").replaceChildren(...(current ? [answerView(current, view)] : []));
  if (!current) view.clear();
  const others = (turns.get(state.picture) ?? []).filter((turn) => turn !== current);
  const rows = others.map((turn) => {
    const row = element("button", { type: "button", class: "past" }, element("span", { class: "question" }, asked(turn)), element("span", {}, shortly(turn)));
    row.addEventListener("click", () => {
      begin();
      setState({ picture: turn.picture, mode: turn.mode, question: turn.question }, true);
      ready(showAnswer(turn));
    });
    return element("li", {}, row);
  });
  byId("earlier").hidden = rows.length === 0;
  byId("earlier").replaceChildren(element("h2", {}, "Earlier, about this picture"), element("ol", {}, ...rows));
}

/** @param {Answer} turn */
function shortly({ answer: text, boxes }) {
  if (text) return text;
  return boxes.length === 1 ? "1 place" : `${boxes.length} places`;
}

/** @param {State} next @param {boolean} push */
function setState(next, push) {
  state = next;
  writeUrl(next, push);
  input.value = "";
  const radio = /** @type {RadioNodeList} */ (form.elements.namedItem("mode"));
  radio.value = next.mode;
  showMode();
  showChips();
}

function showMode() {
  const { mode } = state;
  const words = WORDS[mode];
  input.hidden = mode === "name";
  byId("region-hint").hidden = mode !== "name";
  byId("question-label").textContent = words.label;
  byId("go").textContent = words.go;
  input.placeholder = words.hint;
  if (region.on !== (mode === "name")) region.toggle(mode === "name");
}

function showChips() {
  const sample = samples.get(state.picture);
  const questions = sample?.questions.length ? sample.questions : ANY_PICTURE;
  const texts = { ask: questions, find: sample?.phrases ?? [], name: [] }[state.mode];
  const chips = texts.map((text) => {
    const chip = element("button", { type: "button", class: "chip" }, text);
    chip.addEventListener("click", () => suggest(text));
    return chip;
  });
  byId("chips").replaceChildren(...chips);
}

/** A whole question is asked; one with a gap waits for the reader's word in it. @param {string} text */
function suggest(text) {
  const gap = text.indexOf("…");
  input.value = text;
  if (gap < 0) return submit();
  input.focus();
  input.setSelectionRange(gap, gap + 1);
}

function submit() {
  const question = state.mode === "name" ? "" : input.value.trim().replace(/\s+/g, " ");
  const typed = input.value;
  const next = { ...state, question };
  if (state.mode === "name") region.set(region.current);
  run(async (signal) => {
    if (!next.picture) throw new Error("There is no picture yet; add one first.");
    if (!question && next.mode !== "name") throw new Error(`The ${next.mode === "ask" ? "question" : "phrase"} is empty; write a few words.`);
    const name = await answer(next, signal);
    if (signal.aborted) return "";
    state = next;
    writeUrl(next, true);
    if (input.value === typed) input.value = "";
    return name;
  });
}

/** @param {File} file */
function addOwn(file) {
  return run(async (signal) => {
    if (file.size > uploadBytes) {
      throw new Error(`“${file.name}” has ${(file.size / 1e6).toFixed(1)} MB and at most ${uploadBytes / 1e6} MB are read; choose a smaller picture.`);
    }
    const { key } = await api.addPicture(file);
    own.set(key, file);
    if (signal.aborted) return "";
    await showPicture(key, signal);
    if (signal.aborted) return "";
    const next = { picture: key, mode: state.mode, question: "" };
    setState(next, true);
    showTurns(null);
    input.focus({ preventScroll: true });
    return stateName(next);
  });
}

async function start() {
  themeSwitch(/** @type {HTMLButtonElement} */ (byId("theme")));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  form.addEventListener("change", (event) => {
    const radio = /** @type {HTMLInputElement} */ (event.target);
    if (radio.name !== "mode") return;
    state = { ...state, mode: /** @type {api.Mode} */ (radio.value) };
    showMode();
    showChips();
  });
  addEventListener("popstate", () => go(readUrl(), false));
  const [about, list] = await Promise.all([api.health(), api.samples()]);
  byId("model").textContent = about.model;
  uploadBytes = about.upload_bytes;
  for (const sample of list.samples) {
    samples.set(sample.key, sample);
    shelf.put(sample);
  }
  const first = state.picture || list.samples[0]?.key;
  if (first) await go({ ...state, picture: first }, false);
  else ready("no picture");
}

start().catch(fail);
