// @ts-check
/** The row of pictures to choose from, and the ways to bring one's own: choose, drop, paste. */

import { thumbnailUrl } from "./api.js";
import { element } from "./dom.js";

/** @typedef {{key: string, title: string}} Entry */

export class ShelfView {
  /**
   * @param {HTMLElement} shelf
   * @param {(key: string) => void} choose
   * @param {(file: File) => void} add
   */
  constructor(shelf, choose, add) {
    this.shelf = shelf;
    this.choose = choose;
    const input = /** @type {HTMLInputElement} */ (element("input", { type: "file", id: "file", accept: "image/*", class: "unseen" }));
    input.addEventListener("change", () => {
      if (input.files?.[0]) add(input.files[0]);
      input.value = ""; // so that the same file can be chosen again
    });
    this.own = element("label", { class: "own", for: "file" }, input, element("span", {}, "Your picture"));
    shelf.append(this.own);
    document.addEventListener("dragover", (event) => this.#over(event));
    document.addEventListener("dragleave", (event) => event.relatedTarget === null && this.#hover(false));
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      this.#hover(false);
      const file = event.dataTransfer?.files[0];
      if (file) add(file);
    });
    document.addEventListener("paste", (event) => {
      const file = [...(event.clipboardData?.files ?? [])].find(({ type }) => type.startsWith("image/"));
      if (file) add(file);
    });
  }

  /** @param {Entry} entry */
  put({ key, title }) {
    if (this.shelf.querySelector(`[data-picture="${CSS.escape(key)}"]`)) return;
    const button = element(
      "button",
      { type: "button", class: "thumb", "data-picture": key, "aria-pressed": "false", title },
      element("img", { src: thumbnailUrl(key), alt: title, loading: "lazy" }),
    );
    button.addEventListener("click", () => this.choose(key));
    this.shelf.insertBefore(button, this.own);
  }

  /** @param {string} key */
  mark(key) {
    for (const button of this.shelf.querySelectorAll("[data-picture]")) {
      button.setAttribute("aria-pressed", String(button.getAttribute("data-picture") === key));
    }
  }

  /** @param {DragEvent} event */
  #over(event) {
    event.preventDefault();
    this.#hover(true);
  }

  /** @param {boolean} on */
  #hover(on) {
    document.documentElement.toggleAttribute("data-dropping", on);
  }
}
