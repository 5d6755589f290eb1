// @ts-check
/** An answer in words: each word can be pointed at or focused to see where it looked; numbers for those who do not see it. */

import { boxNames, colourOf } from "./colours.js";
import { element } from "./dom.js";

/** @typedef {import("./api.js").Answer} Answer */
/** @typedef {import("./api.js").Word} Word */
/** @typedef {import("./picture_view.js").PictureView} PictureView */

const CAUTION = "Attention is where the model looked while it wrote the word; it is no proof of what made it choose the word.";

/**
 * @param {Answer} answer
 * @param {PictureView} picture where the patches light up
 * @returns {HTMLElement}
 */
export function answerView(answer, picture) {
  const numbers = element("div", { class: "numbers" });
  const look = pointer(answer, picture, numbers);
  const line = element("p", { class: "answer" }, ...answer.words.flatMap((word, index) => [wordView(word, index, answer, look), " "]));
  if (!answer.words.length) line.append(answer.answer || "No answer.");
  line.addEventListener("keydown", walk);
  return element(
    "article",
    { class: "turn", "aria-label": "Answer" },
    element("p", { class: "question" }, asked(answer)),
    line,
    certainty(answer),
    element("p", { class: "tip" }, "Point at a word, or focus it, to see which patches it looked at."),
    placesView(answer, picture),
    ...answer.dropped.map((sentence) => element("p", { class: "tip" }, `A place was not readable: ${sentence}`)),
    provenance(answer),
    element("details", { class: "twin" }, element("summary", {}, "Where each word looked, in numbers"), numbers, element("p", {}, CAUTION)),
  );
}

/** The question as the reader put it. @param {Answer} answer */
export function asked({ mode, question }) {
  if (mode === "name") return "what is in this box?";
  return mode === "find" ? `find ${question}` : question;
}

/**
 * One state for all words: the one under the pointer or in focus, else the one pinned by a click.
 * @param {Answer} answer @param {PictureView} picture @param {HTMLElement} numbers
 */
function pointer(answer, picture, numbers) {
  /** @type {{hover: number | null, focus: number | null}} */
  const at = { hover: null, focus: null };
  const draw = () => {
    const index = at.hover ?? at.focus;
    const word = index === null ? null : answer.words[index];
    picture.drawAttention(word?.weights ?? null, answer.patches);
    picture.emphasise(word?.place?.[0] === "box" ? word.place[1] : word?.weights ? -1 : null);
    if (word?.weights) numbers.replaceChildren(table(word, answer));
  };
  const first = answer.words.find((word) => word.weights);
  if (first) numbers.append(table(first, answer));
  else numbers.append(element("p", {}, "No attention was recorded for this answer."));
  return (/** @type {"hover" | "focus"} */ how, /** @type {number | null} */ index) => {
    at[how] = index;
    draw();
  };
}

/**
 * @param {Word} word @param {number} index @param {Answer} answer
 * @param {(how: "hover" | "focus", index: number | null) => void} look
 */
function wordView(word, index, answer, look) {
  const name = word.text || placeName(word, answer);
  const mixed = answer.words.some(({ text }) => text); // among words a small box is enough; alone it carries its label
  const text = word.place && mixed ? "" : name;
  const kind = word.place ? `word place${text ? " named" : ""}` : "word";
  const colour = word.place?.[0] === "box" ? colourOf(answer)(answer.boxes[word.place[1]].label) : -1;
  const where = word.weights ? `, looked ${whereabouts(word.weights, answer.patches.cols)}` : "";
  const button = element(
    "button",
    {
      type: "button",
      class: kind,
      "data-word": index,
      "data-colour": colour >= 0 && colour,
      "aria-label": `${name}, ${percent(word.probability)} likely${where}`,
    },
    text,
  );
  button.addEventListener("pointerenter", () => look("hover", index));
  button.addEventListener("pointerleave", () => look("hover", null));
  button.addEventListener("focus", () => look("focus", index));
  button.addEventListener("blur", () => look("focus", null));
  button.addEventListener("click", () => button.focus()); // some browsers do not focus a button that is tapped
  return button;
}

/** Left and right arrows walk along the words; Escape leaves. @param {KeyboardEvent} event */
function walk(event) {
  const here = /** @type {HTMLElement} */ (event.target);
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (event.key === "Escape") here.blur();
  if (!step) return;
  const words = /** @type {HTMLElement[]} */ ([...(here.parentElement?.querySelectorAll("[data-word]") ?? [])]);
  event.preventDefault();
  words[words.indexOf(here) + step]?.focus();
}

/** @param {Word} word @param {Answer} answer */
function placeName(word, answer) {
  if (!word.place) return "";
  const [kind, index] = word.place;
  const label = (kind === "box" ? answer.boxes : answer.points)[index]?.label || kind;
  return kind === "box" ? boxNames(answer)[index] : label;
}

/** @param {Answer} answer */
function certainty({ confidence }) {
  const bar = element("span", { class: "bar", "aria-hidden": "true" }, element("i"));
  /** @type {HTMLElement} */ (bar.firstElementChild).style.width = percent(confidence).replace(" ", "");
  return element("p", { class: "certainty", title: "Geometric mean of the probabilities of the tokens; not calibrated" }, bar, `confidence ${percent(confidence)}`);
}

/** @param {Answer} answer @param {PictureView} picture */
function placesView(answer, picture) {
  const [colour, names] = [colourOf(answer), boxNames(answer)];
  const rows = answer.boxes.map(({ label, box }, index) => {
    const row = element(
      "li",
      { "data-index": index },
      element("i", { class: "swatch", "data-colour": colour(label) }),
      element("span", {}, names[index]),
      element("span", { class: "mono" }, box.map((value) => Math.round(value)).join(", ")),
    );
    row.addEventListener("pointerenter", () => picture.emphasise(index));
    row.addEventListener("pointerleave", () => picture.emphasise(null));
    return row;
  });
  const points = answer.points.map(({ label, point }) =>
    element(
      "li",
      {},
      element("i", { class: "swatch", "data-colour": colour(label) }),
      element("span", {}, label),
      element("span", { class: "mono" }, point.map((value) => Math.round(value)).join(", ")),
    ),
  );
  return element("ul", { class: "places", "aria-label": "Places, in pixels of the picture" }, ...rows, ...points);
}

/** @param {Answer} answer */
function provenance({ computed_by, elapsed_ms, picture_reused }) {
  const time = elapsed_ms < 10 ? elapsed_ms.toFixed(1) : elapsed_ms.toFixed(0);
  const reused = picture_reused ? ", picture already looked at" : "";
  return element("p", { class: "provenance mono" }, `computed by ${computed_by} — ${time} ms${reused}`);
}

/** The attention of one word as a table of percentages. @param {Word} word @param {Answer} answer */
function table(word, answer) {
  const { rows, cols, threshold } = answer.patches;
  const weights = word.weights ?? [];
  const name = word.text || placeName(word, answer);
  const body = Array.from({ length: rows }, (_, row) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, String(row + 1)),
      ...weights.slice(row * cols, (row + 1) * cols).map((weight) =>
        element("td", { "data-lit": weight >= threshold }, (100 * weight).toFixed(1)),
      ),
    ),
  );
  const heads = Array.from({ length: cols }, (_, col) => element("th", { scope: "col" }, String(col + 1)));
  const head = element("tr", {}, element("td"), ...heads);
  const caption = element("caption", {}, `Share of the attention of “${name}” on each patch, in percent`);
  return element("table", {}, caption, element("thead", {}, head), element("tbody", {}, ...body));
}

/** Centre of the attention, in words. @param {number[]} weights @param {number} cols */
function whereabouts(weights, cols) {
  const rows = weights.length / cols;
  const x = weights.reduce((sum, weight, index) => sum + weight * ((index % cols) + 0.5), 0) / cols;
  const y = weights.reduce((sum, weight, index) => sum + weight * (Math.floor(index / cols) + 0.5), 0) / rows;
  const side = x < 0.42 ? "left" : x > 0.58 ? "right" : "";
  const level = y < 0.42 ? "upper" : y > 0.58 ? "lower" : "";
  if (!side && !level) return "around the middle";
  return `towards the ${[level, side].filter(Boolean).join(" ")}`;
}

/** @param {number} value */
const percent = (value) => `${Math.round(100 * value)} %`;
