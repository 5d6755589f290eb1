// @ts-check
/** A table of coloured cells with named rows and columns; one may be chosen. Its measures come from series/heat.py. */

import { element, shape } from "../dom.js";
import { said, step } from "./pixels.js";

/** @typedef {import("./live.js").Set} Set */

export class Heat {
  /** @param {HTMLElement} host @param {Set} set */
  constructor(host, set) {
    this.set = set;
    this.title = element("h4");
    this.svg = shape("svg", { class: "heat" });
    this.frame = element("div", { class: "heat-frame" }, /** @type {any} */ (this.svg));
    this.reading = element("p", { class: "reading mono" });
    this.note = element("p", { class: "note" });
    this.twin = element("details", { class: "twin" }, element("summary", {}, "As a table"));
    this.twin.addEventListener("toggle", () => this.fillTwin());
    host.replaceChildren(this.title, this.frame, this.reading, this.note, this.twin);
    let down = false;
    this.svg.addEventListener("pointermove", (event) => {
      const cell = this.cellAt(/** @type {PointerEvent} */ (event));
      this.hover(cell);
      if (down && cell !== this.data?.selected) this.choose(cell);
    });
    this.svg.addEventListener("pointerleave", () => this.hover(null));
    this.svg.addEventListener("pointerdown", (event) => {
      down = Boolean(this.data?.field);
      this.choose(this.cellAt(/** @type {PointerEvent} */ (event)));
    });
    for (const end of ["pointerup", "pointercancel", "pointerleave"]) this.svg.addEventListener(end, () => (down = false));
    this.svg.addEventListener("keydown", (event) => this.key(/** @type {KeyboardEvent} */ (event)));
    this.svg.addEventListener("blur", () => this.hover(null));
  }

  /** @param {any} data */
  update(data) {
    this.data = data;
    this.title.textContent = data.title;
    this.note.textContent = data.note;
    const { width, height, left, top, rows, cols, turned } = data;
    const [wide, high] = data.cell;
    this.across = data.colors.length / Math.max(rows.length, 1);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.setAttribute("role", data.field ? "application" : "img");
    this.svg.setAttribute("aria-label", `${data.title}.${data.field ? " Arrow keys choose a cell." : ""}`);
    if (data.field) this.svg.setAttribute("tabindex", "0");
    const named = (/** @type {string[]} */ all) => (data.named ? all : []);
    const parts = named(rows).map((/** @type {string} */ name, /** @type {number} */ i) => words(name, { x: left - 6, y: top + (i + 0.5) * high + 4, "text-anchor": "end" }));
    named(cols).forEach((/** @type {string} */ name, /** @type {number} */ i) => {
      const x = left + (i + 0.5) * wide;
      parts.push(words(name, turned ? { transform: `translate(${x + 4} ${top - 6}) rotate(-90)` } : { x, y: top - 6, "text-anchor": "middle" }));
    });
    data.colors.forEach((/** @type {string} */ fill, /** @type {number} */ i) => {
      const [x, y] = this.corner(i);
      const cell = { x, y, width: wide - 1, height: high - 1, fill };
      parts.push(shape("rect", data.values ? { ...cell, "data-value": data.values[i] } : cell));
      if (data.texts) parts.push(words(data.texts[i], { class: data.light[i] ? "light" : "dark", x: x + wide / 2, y: y + high / 2 + 4, "text-anchor": "middle" }));
    });
    this.mark = shape("rect", { class: "chosen", width: wide - 1, height: high - 1 });
    this.cursor = shape("rect", { class: "pointed", width: wide - 1, height: high - 1 });
    this.svg.replaceChildren(...parts, this.mark, this.cursor);
    this.place(this.mark, data.selected);
    this.hover(this.at ?? null);
    this.twin.hidden = !data.values && !data.texts;
    this.reading.hidden = this.twin.hidden;
    this.fillTwin();
  }

  /** @param {number} cell @returns {[number, number]} */
  corner(cell) {
    const { left, top } = this.data;
    const [wide, high] = this.data.cell;
    const across = this.across ?? 1;
    return [left + (cell % across) * wide, top + Math.floor(cell / across) * high];
  }

  /** @param {SVGElement} box @param {number | null} cell */
  place(box, cell) {
    box.setAttribute("visibility", cell === null || cell === undefined ? "hidden" : "visible");
    if (cell === null || cell === undefined) return;
    const [x, y] = this.corner(cell);
    box.setAttribute("x", String(x));
    box.setAttribute("y", String(y));
  }

  /** @param {PointerEvent} event @returns {number | null} */
  cellAt(event) {
    const { width, height, left, top, rows } = this.data;
    const box = this.svg.getBoundingClientRect();
    const col = Math.floor((((event.clientX - box.left) / box.width) * width - left) / this.data.cell[0]);
    const row = Math.floor((((event.clientY - box.top) / box.height) * height - top) / this.data.cell[1]);
    return row < 0 || col < 0 || row >= rows.length || col >= (this.across ?? 1) ? null : row * (this.across ?? 1) + col;
  }

  /** @param {number | null} cell */
  choose(cell) {
    if (cell === null || !this.data.field) return;
    this.place(/** @type {SVGElement} */ (this.mark), cell);
    this.set(this.data.field, String(cell));
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (!this.data?.field) return;
    const next = step(event.key, this.at ?? this.data.selected ?? 0, this.data.rows.length, this.across ?? 1);
    if (next === null) return;
    event.preventDefault();
    this.hover(next);
    this.choose(next);
  }

  /** @param {number | null} cell */
  hover(cell) {
    this.at = cell;
    if (this.cursor) this.place(this.cursor, cell);
    const shown = cell ?? this.data.selected;
    const names = shown === null ? [] : [this.data.rows[Math.floor(shown / (this.across ?? 1))], this.data.cols[shown % (this.across ?? 1)]];
    const value = shown === null ? [] : [this.data.texts?.[shown], this.data.values ? said(this.data.values[shown]) : undefined];
    const [where, what] = [names, value].map((all) => all.filter((one) => one).join(", "));
    this.reading.textContent = shown === null ? "\u00a0" : [where, what].filter((one) => one).join(": ");
  }

  fillTwin() {
    if (!(/** @type {HTMLDetailsElement} */ (this.twin).open)) return;
    const { rows, cols, values, texts, title } = this.data;
    const across = this.across ?? 1;
    const head = element("tr", {}, element("td"), ...cols.map((/** @type {string} */ name) => element("th", { scope: "col" }, name)));
    const body = rows.map((/** @type {string} */ name, /** @type {number} */ row) =>
      element("tr", {}, element("th", { scope: "row" }, name || String(row + 1)),
        ...Array.from({ length: across }, (_, col) => element("td", {}, [texts?.[row * across + col], values ? said(values[row * across + col]) : ""].filter(Boolean).join(" "))),
      ),
    );
    this.twin.querySelector("div")?.remove();
    this.twin.append(element("div", { class: "numbers", tabindex: 0, role: "group", "aria-label": `${title}, as a table` }, element("table", {}, element("caption", {}, title), head, ...body)));
  }
}

/** @param {string} text @param {Record<string, string | number>} where */
function words(text, where) {
  const node = shape("text", where);
  node.textContent = text;
  return node;
}
