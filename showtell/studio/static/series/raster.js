// @ts-check
/**
 * A picture, a map or a matrix, perhaps with a grid of cells to point at.
 *
 * choose   a click, a drag or an arrow key sets the field to a cell
 * toggle   a click, or Enter, adds a cell to a set or takes it out
 * paint    a click, or Enter, puts one more than the field `brush` into a cell of a list, or 0 when it is there already
 * swap     a drag from one cell to another, or Enter on both, exchanges them in a permutation
 */

import { element } from "../dom.js";
import { paint, said, step } from "./pixels.js";

/** @typedef {import("./live.js").Set} Set */

const MANUAL = {
  choose: "Arrow keys choose a cell.",
  swap: "Arrow keys move, Enter picks a tile and then another to swap them.",
  toggle: "Arrow keys move, Enter takes a cell in or out.",
  paint: "Arrow keys move, Enter puts the chosen thing into a cell or takes it away.",
};

export class Raster {
  /** @param {HTMLElement} host @param {Set} set */
  constructor(host, set) {
    this.set = set;
    this.title = element("h4");
    this.canvas = /** @type {HTMLCanvasElement} */ (element("canvas", { role: "img" }));
    this.mark = element("div", { class: "cell mark", hidden: true });
    this.cursor = element("div", { class: "cell cursor", hidden: true });
    this.frame = element("div", { class: "frame-of" }, this.canvas, this.mark, this.cursor);
    this.reading = element("p", { class: "reading mono" });
    this.note = element("p", { class: "note" });
    this.twin = element("details", { class: "twin" }, element("summary", {}, "The numbers"));
    this.twin.addEventListener("toggle", () => this.fillTwin());
    host.replaceChildren(this.title, this.frame, this.reading, this.note, this.twin);
    /** @type {number | null} */
    this.at = null;
    /** @type {number | null} */
    this.picked = null;
    this.listen();
  }

  /** @param {any} data */
  update(data) {
    this.data = data;
    this.title.textContent = data.title;
    this.canvas.setAttribute("aria-label", data.alt);
    this.canvas.classList.toggle("sharp", !data.smooth);
    paint(this.canvas, data.rgb, data.width, data.height);
    this.frame.style.setProperty("aspect-ratio", `${data.width} / ${data.height}`);
    this.note.textContent = data.note;
    const [rows, cols] = data.grid ?? [1, 1];
    this.frame.style.setProperty("--rows", rows);
    this.frame.style.setProperty("--cols", cols);
    this.frame.classList.toggle("gridded", Boolean(data.grid) && cols <= 32);
    this.reading.hidden = !data.values && !data.labels;
    if (data.field) {
      this.frame.tabIndex = 0;
      this.frame.setAttribute("role", "application");
      this.frame.setAttribute("aria-label", `${data.title}. ${MANUAL[/** @type {"swap" | "toggle" | "choose" | "paint"} */ (data.gesture)]}`);
      this.frame.dataset.gesture = data.gesture;
    }
    this.place(this.mark, data.selected);
    if (this.at !== null) this.read(this.at);
    else this.read(data.selected);
    this.twin.hidden = !data.values;
    this.fillTwin();
  }

  listen() {
    let down = /** @type {number | null} */ (null);
    this.frame.addEventListener("pointermove", (event) => {
      const cell = this.cellAt(event);
      this.hover(cell);
      if (down !== null && this.data?.gesture === "choose" && cell !== this.data.selected) this.choose(cell);
    });
    this.frame.addEventListener("pointerleave", () => this.hover(null));
    this.frame.addEventListener("pointerdown", (event) => {
      if (!this.data?.field) return;
      down = this.cellAt(event);
      this.frame.setPointerCapture(event.pointerId);
      if (this.data.gesture === "choose") this.choose(down);
    });
    this.frame.addEventListener("pointerup", (event) => {
      const up = this.cellAt(event);
      if (this.data?.gesture === "swap" && down !== null && up !== null) {
        if (up !== down) this.swap(down, up);
        else this.pick(up);
      }
      if (this.data?.gesture === "toggle" && up !== null && up === down) this.toggle(up);
      if (this.data?.gesture === "paint" && up !== null && up === down) this.paint(up);
      down = null;
    });
    this.frame.addEventListener("pointercancel", () => (down = null));
    this.frame.addEventListener("keydown", (event) => this.key(event));
    this.frame.addEventListener("blur", () => this.hover(null));
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (!this.data?.field) return;
    const [rows, cols] = this.data.grid;
    const from = this.at ?? this.data.selected ?? 0;
    const next = step(event.key, from, rows, cols);
    if (next !== null) {
      event.preventDefault();
      this.hover(next);
      if (this.data.gesture === "choose") this.choose(next);
    } else if (this.data.gesture === "toggle" && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      this.hover(from);
      this.toggle(from);
    } else if (this.data.gesture === "paint" && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      this.hover(from);
      this.paint(from);
    } else if (this.data.gesture === "swap" && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      this.hover(from);
      this.pick(from);
    } else if (event.key === "Escape") {
      this.picked = null;
      this.place(this.mark, null);
    }
  }

  /** @param {number | null} cell */
  choose(cell) {
    if (cell === null) return;
    this.place(this.mark, cell);
    this.set(this.data.field, String(cell));
  }

  /** @param {number} cell the first pick waits, the second swaps */
  pick(cell) {
    if (this.picked === null || this.picked === cell) {
      this.picked = this.picked === cell ? null : cell;
      this.place(this.mark, this.picked);
    } else this.swap(this.picked, cell);
  }

  /** @param {number} cell in or out of the set */
  toggle(cell) {
    const text = this.data.state[this.data.field];
    const cells = text === "-" ? [] : text.split(".");
    const rest = cells.filter((/** @type {string} */ one) => one !== String(cell));
    if (rest.length === cells.length) rest.push(String(cell));
    this.set(this.data.field, rest.join(".") || "-");
  }

  /** @param {number} cell gets the brush, or is emptied when it has it already */
  paint(cell) {
    const { state, field, brush } = this.data;
    const cells = state[field].split(".");
    const value = String(Number(state[brush]) + 1); // 0 is an empty cell
    cells[cell] = cells[cell] === value ? "0" : value;
    this.set(field, cells.join("."));
  }

  /** @param {number} one @param {number} other */
  swap(one, other) {
    this.picked = null;
    const order = this.data.state[this.data.field].split(".");
    [order[one], order[other]] = [order[other], order[one]];
    this.set(this.data.field, order.join("."));
  }

  /** @param {number | null} cell */
  hover(cell) {
    this.at = cell;
    this.place(this.cursor, this.data?.grid ? cell : null);
    this.read(cell ?? this.data?.selected ?? null);
  }

  /** @param {number | null} cell */
  read(cell) {
    const { grid, values, labels } = this.data ?? {};
    if (!grid || (!values && !labels)) return;
    if (cell === null || cell === undefined) {
      this.reading.textContent = "\u00a0";
      return;
    }
    const words = [labels?.[cell], values ? said(values[cell]) : undefined].filter((word) => word !== undefined && word !== "");
    this.reading.textContent = `row ${Math.floor(cell / grid[1]) + 1}, column ${(cell % grid[1]) + 1}: ${words.join(", ")}`;
  }

  /** @param {PointerEvent} event @returns {number | null} */
  cellAt(event) {
    if (!this.data?.grid) return null;
    const [rows, cols] = this.data.grid;
    const box = this.canvas.getBoundingClientRect();
    const x = Math.floor(((event.clientX - box.left) / box.width) * cols);
    const y = Math.floor(((event.clientY - box.top) / box.height) * rows);
    return Math.min(Math.max(y, 0), rows - 1) * cols + Math.min(Math.max(x, 0), cols - 1);
  }

  /** @param {HTMLElement} box @param {number | null} cell */
  place(box, cell) {
    box.hidden = cell === null || cell === undefined || !this.data?.grid;
    if (cell === null || cell === undefined || !this.data?.grid) return;
    const [rows, cols] = this.data.grid;
    box.dataset.cell = String(cell);
    box.style.left = `${(100 * (cell % cols)) / cols}%`;
    box.style.top = `${(100 * Math.floor(cell / cols)) / rows}%`;
    box.style.width = `${100 / cols}%`;
    box.style.height = `${100 / rows}%`;
  }

  fillTwin() {
    if (!(/** @type {HTMLDetailsElement} */ (this.twin).open) || !this.data?.values) return;
    const [rows, cols] = this.data.grid;
    const head = element("tr", {}, element("td"), ...Array.from({ length: cols }, (_, col) => element("th", { scope: "col" }, String(col + 1))));
    const body = Array.from({ length: rows }, (_, row) =>
      element("tr", {}, element("th", { scope: "row" }, String(row + 1)),
        ...this.data.values.slice(row * cols, (row + 1) * cols).map((/** @type {number} */ v) => element("td", {}, said(v)))),
    );
    this.twin.querySelector("div")?.remove();
    this.twin.append(element("div", { class: "numbers", tabindex: 0, role: "group", "aria-label": `${this.data.title}, as a table` }, element("table", {}, element("caption", {}, this.data.title), head, ...body)));
  }
}
