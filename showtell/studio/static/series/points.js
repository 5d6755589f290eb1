// @ts-check
/**
 * Places in a plane or on a circle, with arrows and links. Its units are those of series/points.py.
 *
 * turn     a drag moves a point around the circle; Tab reaches each, arrow keys turn it by 5 degrees, with Shift by 1
 * choose   a click chooses the nearest point; arrow keys go through them
 */

import { element, shape } from "../dom.js";
import { said } from "./pixels.js";

/** @typedef {import("./live.js").Set} Set */

const SIDE = 320;

export class Points {
  /** @param {HTMLElement} host @param {Set} set */
  constructor(host, set) {
    this.set = set;
    this.title = element("h4");
    this.svg = shape("svg", { class: "points", viewBox: `0 0 ${SIDE} ${SIDE}` });
    this.under = shape("g");
    this.over = shape("g");
    this.svg.append(this.under, this.over);
    this.reading = element("p", { class: "reading mono" });
    this.note = element("p", { class: "note" });
    this.twin = element("details", { class: "twin" }, element("summary", {}, "The numbers"));
    this.twin.addEventListener("toggle", () => this.fillTwin());
    host.replaceChildren(this.title, /** @type {any} */ (this.svg), this.reading, this.note, this.twin);
    /** @type {SVGElement[]} */
    this.dots = [];
    /** @type {number | null} */
    this.held = null;
    this.svg.addEventListener("pointerdown", (event) => this.down(/** @type {PointerEvent} */ (event)));
    this.svg.addEventListener("pointermove", (event) => this.move(/** @type {PointerEvent} */ (event)));
    for (const end of ["pointerup", "pointercancel"]) this.svg.addEventListener(end, () => (this.held = null));
    this.svg.addEventListener("keydown", (event) => this.key(/** @type {KeyboardEvent} */ (event)));
  }

  /** @param {any} data */
  update(data) {
    this.data = data;
    this.title.textContent = data.title;
    this.note.textContent = data.note;
    const chooses = data.field && data.gesture === "choose";
    this.svg.setAttribute("role", data.field ? (chooses ? "application" : "group") : "img");
    this.svg.setAttribute("aria-label", chooses ? `${data.title}. Arrow keys choose a point.` : data.title);
    if (chooses) this.svg.setAttribute("tabindex", "0");
    if (data.field) /** @type {SVGElement} */ (this.svg).dataset.gesture = data.gesture;
    this.under.replaceChildren(...this.ground());
    if (this.dots.length !== data.places.length) {
      this.dots = data.places.map((/** @type {any} */ _, /** @type {number} */ i) => this.dot(i));
      this.over.replaceChildren(...this.dots);
    }
    this.dots.forEach((dot, i) => this.show(dot, i));
    this.read(data.selected);
    this.fillTwin();
  }

  ground() {
    const { circle, links, arrows, places } = this.data;
    const parts = circle ? [shape("circle", { class: "ring", cx: SIDE / 2, cy: SIDE / 2, r: this.scale() })] : [];
    for (const [one, other] of links) parts.push(this.line("link", places[one], places[other]));
    for (const [start, dx, dy, concept] of arrows) {
      const [x, y] = places[start];
      parts.push(...this.arrow(concept, [x, y], [x + dx, y + dy]));
    }
    return parts;
  }

  /** @param {number} i */
  dot(i) {
    const group = shape("g", { class: "dot" }, shape("circle", { r: 1 }), shape("text", { "text-anchor": "middle", y: 4 }));
    group.addEventListener("pointerenter", () => this.read(i));
    group.addEventListener("pointerleave", () => this.read(this.data.selected));
    group.addEventListener("focus", () => this.read(i));
    return group;
  }

  /** @param {SVGElement} dot @param {number} i */
  show(dot, i) {
    const { places, marks, concepts, hollow, names, selected, field, gesture, movable } = this.data;
    const [x, y] = this.at(places[i]);
    const kind = `dot ${concepts[i]}${hollow.includes(i) ? " hollow" : ""}${i === selected ? " selected" : ""}`;
    dot.setAttribute("class", kind);
    dot.setAttribute("transform", `translate(${x.toFixed(2)} ${y.toFixed(2)})`);
    dot.dataset.place = places[i].join(" ");
    const [circle, text] = /** @type {Element[]} */ ([...dot.children]);
    circle.setAttribute("r", marks[i] ? "10" : i === selected ? "6" : "3.5");
    text.textContent = marks[i];
    if (!field || gesture !== "turn" || !movable.includes(i)) return;
    dot.setAttribute("tabindex", "0");
    dot.setAttribute("role", "slider");
    dot.setAttribute("aria-label", names[i]);
    dot.setAttribute("aria-valuemin", "0");
    dot.setAttribute("aria-valuemax", "359");
    dot.setAttribute("aria-valuenow", String(this.angles()[movable.indexOf(i)]));
  }

  angles() {
    return this.data.state[this.data.field].split("_").map(Number);
  }

  /** @param {number} i @param {number} angle degrees */
  turn(i, angle) {
    const angles = this.angles();
    angles[this.data.movable.indexOf(i)] = ((Math.round(angle) % 360) + 360) % 360;
    this.set(this.data.field, angles.join("_"));
  }

  /** @param {PointerEvent} event */
  down(event) {
    const { field, gesture, movable, places } = this.data ?? {};
    if (!field) return;
    const near = this.nearest(event, gesture === "turn" ? movable : places.map((/** @type {any} */ _, /** @type {number} */ i) => i));
    if (gesture === "choose") {
      this.set(field, String(near.index));
    } else if (near.distance < 26) {
      this.held = near.index;
      this.svg.setPointerCapture(event.pointerId);
    }
  }

  /** @param {PointerEvent} event */
  move(event) {
    if (this.held === null) return;
    const [x, y] = this.point(event);
    this.turn(this.held, (Math.atan2(SIDE / 2 - y, x - SIDE / 2) * 180) / Math.PI);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const way = { ArrowLeft: 1, ArrowUp: 1, ArrowRight: -1, ArrowDown: -1 }[event.key];
    const { field, gesture, movable, places, selected } = this.data ?? {};
    if (!way || !field) return;
    event.preventDefault();
    if (gesture === "choose") {
      const next = ((selected ?? 0) - way + places.length) % places.length;
      this.set(field, String(next));
      return;
    }
    const i = this.dots.indexOf(/** @type {any} */ (document.activeElement));
    if (movable.includes(i)) this.turn(i, this.angles()[movable.indexOf(i)] + way * (event.shiftKey ? 1 : 5));
  }

  /** @param {PointerEvent} event @param {number[]} among */
  nearest(event, among) {
    const [x, y] = this.point(event);
    return among
      .map((index) => {
        const [px, py] = this.at(this.data.places[index]);
        return { index, distance: Math.hypot(px - x, py - y) };
      })
      .reduce((best, one) => (one.distance < best.distance ? one : best));
  }

  /** @param {PointerEvent} event */
  point(event) {
    const box = this.svg.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * SIDE, ((event.clientY - box.top) / box.height) * SIDE];
  }

  scale() {
    return SIDE / 2 / this.data.reach;
  }

  /** @param {number[]} place */
  at([x, y]) {
    return [SIDE / 2 + this.scale() * x, SIDE / 2 - this.scale() * y];
  }

  /** @param {string} kind @param {number[]} from @param {number[]} to */
  line(kind, from, to) {
    const [x1, y1] = this.at(from);
    const [x2, y2] = this.at(to);
    return shape("line", { class: kind, x1, y1, x2, y2 });
  }

  /** @param {string} concept @param {number[]} from @param {number[]} to a line and, if it is long enough, a head */
  arrow(concept, from, to) {
    const shaft = this.line(`arrow ${concept}`, from, to);
    const [x1, y1] = this.at(from);
    const [x2, y2] = this.at(to);
    const length = Math.hypot(x2 - x1, y2 - y1);
    if (length < 3) return [shaft];
    const [ux, uy] = [(x2 - x1) / length, (y2 - y1) / length];
    const head = [[x2 + 6 * ux, y2 + 6 * uy], [x2 - 4 * uy, y2 + 4 * ux], [x2 + 4 * uy, y2 - 4 * ux]];
    return [shaft, shape("polygon", { class: `arrow ${concept}`, points: head.map((p) => p.map((v) => v.toFixed(2)).join(",")).join(" ") })];
  }

  /** @param {number | null} i */
  read(i) {
    const { names, places } = this.data;
    this.reading.textContent = i === null || i === undefined ? "\u00a0" : `${names[i]} (${said(places[i][0])}, ${said(places[i][1])})`;
  }

  fillTwin() {
    if (!(/** @type {HTMLDetailsElement} */ (this.twin).open) || !this.data) return;
    const { names, places, title } = this.data;
    const head = element("tr", {}, ...["", "x", "y"].map((word) => element("th", { scope: "col" }, word)));
    const rows = names.map((/** @type {string} */ name, /** @type {number} */ i) => element("tr", {}, element("th", { scope: "row" }, name), ...places[i].map((/** @type {number} */ v) => element("td", {}, said(v)))));
    this.twin.querySelector("div")?.remove();
    this.twin.append(element("div", { class: "numbers", tabindex: 0, role: "group", "aria-label": `${title}, as a table` }, element("table", {}, element("caption", {}, title), head, ...rows)));
  }
}
