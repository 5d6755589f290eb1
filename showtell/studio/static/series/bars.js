// @ts-check
/** A number a name, as bars from zero; the numbers stand beside them. */

import { element, shape } from "../dom.js";

export class Bars {
  /** @param {HTMLElement} host */
  constructor(host) {
    this.title = element("h4");
    this.list = element("dl", { class: "bars" });
    host.replaceChildren(this.title, this.list);
  }

  /** @param {any} data */
  update(data) {
    this.title.textContent = data.title;
    const rows = data.names.map((/** @type {string} */ name, /** @type {number} */ i) => {
      const svg = shape("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" });
      svg.append(shape("rect", { class: data.concepts[i], width: 100 * data.shares[i], height: 10, "data-value": data.values[i] }));
      if (data.mark !== null) svg.append(shape("rect", { class: "marker", x: 100 * data.mark - 0.3, width: 0.6, height: 10 }));
      return element("div", {}, element("dt", {}, name), element("dd", {}, /** @type {any} */ (svg), element("span", {}, data.texts[i])));
    });
    this.list.replaceChildren(...rows);
  }
}
