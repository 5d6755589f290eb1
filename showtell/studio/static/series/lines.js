// @ts-check
/** Curves over a shared axis; the pointer or the arrow keys read them off. Its units are those of series/poster.py. */

import { element, shape } from "../dom.js";
import { said } from "./pixels.js";

const [WIDE, HIGH, LEFT, BELOW] = [360, 200, 44, 34];

export class Lines {
  /** @param {HTMLElement} host */
  constructor(host) {
    this.title = element("h4");
    this.svg = shape("svg", { class: "plot", viewBox: `0 0 ${WIDE} ${HIGH}`, role: "application", tabindex: 0 });
    this.keys = element("ul", { class: "keys" });
    this.reading = element("p", { class: "reading mono" });
    this.twin = element("details", { class: "twin" }, element("summary", {}, "The numbers"));
    this.twin.addEventListener("toggle", () => this.fillTwin());
    host.replaceChildren(this.title, /** @type {any} */ (this.svg), this.keys, this.reading, this.twin);
    this.index = 0;
    this.svg.addEventListener("pointermove", (event) => this.point(/** @type {PointerEvent} */ (event)));
    this.svg.addEventListener("pointerleave", () => this.read(this.home()));
    this.svg.addEventListener("keydown", (event) => this.key(/** @type {KeyboardEvent} */ (event)));
  }

  /** @param {any} data */
  update(data) {
    this.data = data;
    this.title.textContent = data.title;
    this.svg.setAttribute("aria-label", `${data.title}. Arrow keys read off the curves.`);
    const { xs, low, high } = data;
    const foot = HIGH - BELOW;
    const parts = [
      shape("line", { class: "axis", x1: LEFT, x2: WIDE - 8, y1: foot, y2: foot }),
      ...this.ticks(low, high).map((y) => text(LEFT - 6, this.y(y) + 4, said(y), "end")),
      ...xs.flatMap((/** @type {number} */ x, /** @type {number} */ i) => (i % Math.ceil(xs.length / 7) === 0 ? [text(this.x(x), foot + 16, this.name(i), "middle")] : [])),
      text(WIDE - 8, HIGH - 3, data.x_name, "end"),
      text(LEFT + 4, 9, data.y_name, "start"),
    ];
    if (data.at !== null) parts.push(shape("line", { class: "at", x1: this.x(data.at), x2: this.x(data.at), y1: 12, y2: foot }));
    if (data.mark !== null && data.mark !== undefined) {
      const across = this.x(data.mark);
      parts.push(shape("line", { class: "landmark", x1: across, x2: across, y1: 12, y2: foot }), text(across + 4, 22, data.mark_name, "start"));
    }
    for (const line of data.lines) {
      const points = xs.map((/** @type {number} */ x, /** @type {number} */ i) => `${this.x(x).toFixed(2)},${this.y(line.ys[i]).toFixed(2)}`).join(" ");
      parts.push(shape("polyline", { class: `${line.concept}${line.dashed ? " dashed" : ""}`, points, "data-values": line.ys.join(" ") }));
    }
    this.cursor = shape("line", { class: "cursor-line", y1: 12, y2: foot, x1: -9, x2: -9 });
    this.svg.replaceChildren(...parts, this.cursor);
    this.keys.replaceChildren(...data.lines.map((/** @type {any} */ line) => element("li", { class: `${line.concept}${line.dashed ? " dashed" : ""}` }, line.name)));
    this.read(this.home());
    this.fillTwin();
  }

  /** @param {number} index what an x is called */
  name(index) {
    return this.data.ticks[index] ?? said(this.data.xs[index]);
  }

  home() {
    const { xs, at } = this.data;
    return at === null ? 0 : nearest(xs, at);
  }

  /** @param {number} low @param {number} high */
  ticks(low, high) {
    return [low, (low + high) / 2, high];
  }

  /** @param {number} x */
  x(x) {
    const { xs } = this.data;
    return LEFT + ((x - xs[0]) / (xs[xs.length - 1] - xs[0] || 1)) * (WIDE - LEFT - 8);
  }

  /** @param {number} y */
  y(y) {
    const { low, high } = this.data;
    return HIGH - BELOW - ((y - low) / (high - low)) * (HIGH - BELOW - 10);
  }

  /** @param {PointerEvent} event */
  point(event) {
    const box = this.svg.getBoundingClientRect();
    const across = ((event.clientX - box.left) / box.width) * WIDE;
    const { xs } = this.data;
    this.read(nearest(xs.map((/** @type {number} */ x) => this.x(x)), across));
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const change = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!change) return;
    event.preventDefault();
    this.read(Math.min(Math.max(this.index + change, 0), this.data.xs.length - 1));
  }

  /** @param {number} index */
  read(index) {
    this.index = index;
    const { xs, lines, x_name } = this.data;
    this.cursor?.setAttribute("x1", String(this.x(xs[index])));
    this.cursor?.setAttribute("x2", String(this.x(xs[index])));
    this.reading.textContent = `${x_name} ${this.name(index)}: ${lines.map((/** @type {any} */ line) => `${line.name} ${said(line.ys[index])}`).join(", ")}`;
  }

  fillTwin() {
    if (!(/** @type {HTMLDetailsElement} */ (this.twin).open)) return;
    const { xs, lines, x_name, title } = this.data;
    const head = element("tr", {}, element("th", { scope: "col" }, x_name), ...lines.map((/** @type {any} */ line) => element("th", { scope: "col" }, line.name)));
    const rows = xs.map((/** @type {number} */ x, /** @type {number} */ i) => element("tr", {}, element("th", { scope: "row" }, this.name(i)), ...lines.map((/** @type {any} */ line) => element("td", {}, said(line.ys[i])))));
    this.twin.querySelector("div")?.remove();
    this.twin.append(element("div", { class: "numbers", tabindex: 0, role: "group", "aria-label": `${title}, as a table` }, element("table", {}, element("caption", {}, title), head, ...rows)));
  }
}

/** @param {number[]} values @param {number} wanted */
function nearest(values, wanted) {
  return values.reduce((best, value, i) => (Math.abs(value - wanted) < Math.abs(values[best] - wanted) ? i : best), 0);
}

/** @param {number} x @param {number} y @param {string} words @param {string} anchor */
function text(x, y, words, anchor) {
  const node = shape("text", { x, y, "text-anchor": anchor });
  node.textContent = words;
  return node;
}
