// @ts-check
/** A sequence of tokens with roles; the note of a token is read under the ribbon. */

import { element } from "../dom.js";

export class Ribbon {
  /** @param {HTMLElement} host */
  constructor(host) {
    this.title = element("h4");
    this.list = element("ol", { class: "ribbon" });
    this.reading = element("p", { class: "reading mono" });
    this.note = element("p", { class: "note" });
    host.replaceChildren(this.title, this.list, this.reading, this.note);
  }

  /** @param {any} data */
  update(data) {
    this.title.textContent = data.title;
    this.note.textContent = data.note;
    this.reading.textContent = "\u00a0";
    this.list.replaceChildren(
      ...data.tokens.map((/** @type {any} */ token) => {
        const item = element("li", { class: token.concept }, token.text);
        if (token.count > 1) item.append(" ", element("b", {}, `× ${token.count}`));
        if (token.note) item.append(element("span", { class: "unseen" }, `, ${token.note}`));
        item.addEventListener("pointerenter", () => (this.reading.textContent = token.note || "\u00a0"));
        return item;
      }),
    );
  }
}
