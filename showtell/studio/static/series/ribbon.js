// @ts-check
/**
 * A sequence of tokens with roles; the note of a token is read under the ribbon. Where it has a field, two tokens change
 * places: drag one onto another, or pick one with Enter and then the other.
 */

import { element } from "../dom.js";

/** @typedef {import("./live.js").Set} Set */

export class Ribbon {
  /** @param {HTMLElement} host @param {Set} set */
  constructor(host, set) {
    this.set = set;
    this.title = element("h4");
    this.list = element("ol", { class: "ribbon" });
    this.reading = element("p", { class: "reading mono" });
    this.note = element("p", { class: "note" });
    host.replaceChildren(this.title, this.list, this.reading, this.note);
    /** @type {number | null} */
    this.picked = null;
    /** @type {number | null} */
    this.down = null;
    this.list.addEventListener("keydown", (event) => this.key(event));
  }

  /** @param {any} data */
  update(data) {
    const focused = this.focused();
    this.data = data;
    this.picked = null;
    this.title.textContent = data.title;
    this.note.textContent = data.note;
    this.reading.textContent = "\u00a0";
    this.list.replaceChildren(...data.tokens.map((/** @type {any} */ token, /** @type {number} */ place) => this.item(token, place)));
    if (focused >= 0) this.buttons()[focused]?.focus();
  }

  /** @param {any} token @param {number} place */
  item(token, place) {
    const words = [token.text];
    if (token.count > 1) words.push(" ", element("b", {}, `× ${token.count}`));
    if (token.note) words.push(element("span", { class: "unseen" }, `, ${token.note}`));
    const item = element("li", { class: token.concept }, ...(this.data.field ? [this.button(words, place)] : words));
    item.addEventListener("pointerenter", () => (this.reading.textContent = token.note || "\u00a0"));
    return item;
  }

  /** @param {(string | Node)[]} words @param {number} place */
  button(words, place) {
    const button = element("button", { type: "button", "aria-pressed": "false" }, ...words);
    button.addEventListener("pointerdown", (event) => {
      this.down = place;
      button.releasePointerCapture(/** @type {PointerEvent} */ (event).pointerId);
    });
    button.addEventListener("pointerup", () => {
      if (this.down !== null && this.down !== place) this.swap(this.down, place);
      this.down = null;
    });
    button.addEventListener("click", () => this.pick(place));
    return button;
  }

  buttons() {
    return /** @type {HTMLButtonElement[]} */ ([...this.list.querySelectorAll("button")]);
  }

  focused() {
    return this.buttons().indexOf(/** @type {HTMLButtonElement} */ (document.activeElement));
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const change = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!change) return;
    event.preventDefault();
    this.buttons()[this.focused() + change]?.focus();
  }

  /** @param {number} place the first pick waits, the second swaps */
  pick(place) {
    const first = this.picked;
    this.picked = first === null ? place : null;
    this.buttons().forEach((button, i) => button.setAttribute("aria-pressed", String(i === this.picked)));
    if (first !== null && first !== place) this.swap(first, place);
  }

  /** @param {number} one @param {number} other */
  swap(one, other) {
    const order = this.data.state[this.data.field].split(".");
    [order[one], order[other]] = [order[other], order[one]];
    this.set(this.data.field, order.join("."));
  }
}
