// @ts-check
/**
 * The picture and what is drawn on it: boxes with label tabs, points, and the patches a word looked at.
 *
 * All coordinates are pixels of the original picture: they are the SVG's own units (viewBox = frame), so that an attribute
 * in the page equals a number of the API. Label tabs are HTML, placed in percent, so that their type keeps its size.
 */

import { shownUrl } from "./api.js";
import { boxNames, colourOf } from "./colours.js";
import { element, shape } from "./dom.js";

/** @typedef {import("./api.js").Answer} Answer */
/** @typedef {import("./api.js").Patches} Patches */
/** @typedef {import("./api.js").Corners} Corners */

const VEIL = 0.74; // darkness over a patch that got no attention

export class PictureView {
  /** @param {HTMLElement} frame */
  constructor(frame) {
    this.frame = frame;
    this.image = /** @type {HTMLImageElement} */ (element("img", { alt: "", draggable: "false" }));
    this.veil = shape("g", { class: "veil" });
    this.marks = shape("g", { class: "marks" });
    this.region = shape("g", { class: "region" });
    this.svg = shape("svg", { "aria-hidden": "true", preserveAspectRatio: "none" }, this.veil, this.marks, this.region);
    this.tabs = element("div", { class: "tabs", "aria-hidden": "true" });
    frame.append(this.image, this.svg, this.tabs);
    /** @type {[number, number]} */
    this.size = [1, 1];
    this.key = "";
  }

  /**
   * Show another picture; resolves once it is drawn.
   * @param {import("./api.js").Described} picture
   */
  async show({ key, title, width, height }) {
    const next = /** @type {HTMLImageElement} */ (element("img", { alt: title, draggable: "false", src: shownUrl(key) }));
    await next.decode();
    this.image.replaceWith(next);
    this.image = next;
    this.key = key;
    this.size = [width, height];
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.frame.parentElement?.style.setProperty("--ratio", String(width / height));
    this.clear();
  }

  clear() {
    this.veil.replaceChildren();
    this.marks.replaceChildren();
    this.region.replaceChildren();
    this.tabs.replaceChildren();
  }

  /** @param {Answer} answer */
  drawAnswer(answer) {
    this.clear();
    const [colour, names] = [colourOf(answer), boxNames(answer)];
    answer.boxes.forEach(({ label, box }, index) => {
      this.marks.append(rectangle(box, "halo", { "data-index": index }), rectangle(box, "box", { "data-index": index, "data-colour": colour(label) }));
      this.tabs.append(this.#tab(names[index], box, colour(label), index));
    });
    answer.points.forEach(({ label, point: [x, y] }, index) => {
      const radius = Math.max(...this.size) / 70;
      const dot = { cx: x, cy: y, r: radius };
      this.marks.append(shape("circle", { class: "point", "data-index": index, "data-colour": colour(label), ...dot }));
    });
    if (answer.region) this.drawRegion(answer.region);
  }

  /** @param {Corners | null} box */
  drawRegion(box) {
    this.region.replaceChildren(...(box ? [rectangle(box, "halo"), rectangle(box, "asked")] : []));
  }

  /**
   * Darken the picture except for the patches that got attention; `null` lifts the veil.
   * @param {number[] | null} weights one share per patch
   * @param {Patches} patches
   */
  drawAttention(weights, patches) {
    this.frame.toggleAttribute("data-looking", weights !== null);
    if (!weights) return this.veil.replaceChildren();
    const most = Math.max(...weights);
    const lit = weights.map((weight, index) => weight >= patches.threshold && patches.cells[index] !== null);
    const cells = patches.cells.flatMap((cell, index) => {
      if (!cell) return [];
      const opacity = (VEIL * (1 - Math.sqrt(weights[index] / most))).toFixed(3); // the root: eyes see ratios of light
      return [rectangle(cell, "patch", { "data-patch": index, "data-lit": lit[index], "fill-opacity": opacity })];
    });
    const outline = outlineOf(lit, patches);
    this.veil.replaceChildren(...cells, shape("path", { class: "halo", d: outline }), shape("path", { class: "outline", d: outline }));
  }

  /** @param {number | null} index one box stands out; -1: none does, all step back; null: all the same */
  emphasise(index) {
    const all = [...this.marks.querySelectorAll("[data-index]"), ...this.tabs.children];
    for (const mark of all) mark.classList.toggle("faded", index !== null && Number(mark.getAttribute("data-index")) !== index);
  }

  /**
   * @param {string} text @param {Corners} box @param {number} colour @param {number} index
   */
  #tab(text, [left, top, right], colour, index) {
    const [width, height] = this.size;
    const inside = top / height < 0.07;
    const ends = left / width > 0.66;
    const tab = element("span", { class: `tab${inside ? " inside" : ""}${ends ? " ends" : ""}`, "data-index": index, "data-colour": colour }, text);
    tab.style.left = `${(100 * (ends ? right : left)) / width}%`;
    tab.style.top = `${(100 * top) / height}%`;
    return tab;
  }
}

/**
 * @param {Corners} corners @param {string} kind
 * @param {Record<string, string | number | boolean>} [more]
 */
function rectangle([x1, y1, x2, y2], kind, more = {}) {
  return shape("rect", { class: kind, x: x1, y: y1, width: tidy(x2 - x1), height: tidy(y2 - y1), ...more });
}

/** @param {number} value */
const tidy = (value) => Number(value.toFixed(2));

/**
 * Border of the lit area: every edge between a lit patch and one that is not.
 * @param {boolean[]} lit @param {Patches} patches
 */
function outlineOf(lit, { rows, cols, cells }) {
  /** @param {number} row @param {number} col */
  const isLit = (row, col) => row >= 0 && col >= 0 && row < rows && col < cols && lit[row * cols + col];
  return cells
    .map((cell, index) => {
      if (!cell || !lit[index]) return "";
      const [x1, y1, x2, y2] = cell;
      const [row, col] = [Math.floor(index / cols), index % cols];
      const top = isLit(row - 1, col) ? "" : `M${x1} ${y1}H${x2}`;
      const bottom = isLit(row + 1, col) ? "" : `M${x1} ${y2}H${x2}`;
      const left = isLit(row, col - 1) ? "" : `M${x1} ${y1}V${y2}`;
      const right = isLit(row, col + 1) ? "" : `M${x2} ${y1}V${y2}`;
      return top + bottom + left + right;
    })
    .join("");
}
