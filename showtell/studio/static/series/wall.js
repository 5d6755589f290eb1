// @ts-check
/** Many small maps of one grid; one is chosen, by click or with the arrow keys. */

import { element } from "../dom.js";
import { paint, said, step } from "./pixels.js";

/** @typedef {import("./live.js").Set} Set */

export class Wall {
  /** @param {HTMLElement} host @param {Set} set */
  constructor(host, set) {
    this.set = set;
    this.title = element("h4");
    this.grid = element("div", { class: "wall", role: "group" });
    this.reading = element("p", { class: "reading mono" });
    host.replaceChildren(this.title, this.grid, this.reading);
    /** @type {HTMLButtonElement[]} */
    this.buttons = [];
    this.grid.addEventListener("keydown", (event) => this.key(event));
  }

  /** @param {any} data */
  update(data) {
    this.data = data;
    this.title.textContent = data.title;
    this.grid.setAttribute("aria-label", data.title);
    this.grid.style.setProperty("--cols", data.cols);
    this.grid.dataset.cols = data.cols;
    if (this.buttons.length !== data.maps.length) {
      this.buttons = data.maps.map((/** @type {string} */ _, /** @type {number} */ index) => this.button(index));
      this.grid.replaceChildren(...this.buttons);
    }
    this.buttons.forEach((button, index) => {
      paint(/** @type {HTMLCanvasElement} */ (button.firstChild), data.maps[index], data.width, data.height);
      if (data.field) button.setAttribute("aria-pressed", String(index === data.selected));
      button.setAttribute("aria-label", `${data.names[index]}, ${data.value_name} ${said(data.values[index])}`);
      button.tabIndex = index === data.selected ? 0 : -1;
    });
    this.read(data.selected);
  }

  /** @param {number} index */
  button(index) {
    const button = /** @type {HTMLButtonElement} */ (element("button", { type: "button" }, element("canvas", { class: "sharp", "aria-hidden": "true" })));
    button.addEventListener("click", () => this.data.field && this.set(this.data.field, String(index)));
    button.addEventListener("pointerenter", () => this.read(index));
    button.addEventListener("pointerleave", () => this.read(this.data.selected));
    return button;
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const from = this.buttons.indexOf(/** @type {HTMLButtonElement} */ (document.activeElement));
    const next = step(event.key, from, this.buttons.length / this.data.cols, this.data.cols);
    if (from < 0 || next === null) return;
    event.preventDefault();
    this.buttons[next].tabIndex = 0;
    this.buttons[next].focus();
    this.read(next);
    if (this.data.field) this.set(this.data.field, String(next));
  }

  /** @param {number} index */
  read(index) {
    this.reading.textContent = `${this.data.names[index]}: ${this.data.value_name} ${said(this.data.values[index])}`;
  }
}
