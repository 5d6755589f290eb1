// @ts-check
/** A box drawn by the reader: dragged with a pointer, or moved and resized with the arrow keys. */

/** @typedef {import("./api.js").Corners} Corners */
/** @typedef {import("./picture_view.js").PictureView} PictureView */

const STEP = 1 / 40; // one key press, as a share of the picture's side
const SMALLEST = 1 / 100;

export class RegionTool {
  /** @param {PictureView} view @param {() => void} done the reader asks about the box */
  constructor(view, done) {
    this.view = view;
    this.done = done;
    this.on = false;
    /** @type {Corners | null} */
    this.box = null;
    /** @type {[number, number] | null} */
    this.start = null;
    view.frame.addEventListener("pointerdown", (event) => this.#press(event));
    view.frame.addEventListener("pointermove", (event) => this.#drag(event));
    view.frame.addEventListener("pointerup", () => this.#release());
    view.frame.addEventListener("pointercancel", () => (this.start = null));
    view.frame.addEventListener("keydown", (event) => this.#key(event));
  }

  /** @param {boolean} on */
  toggle(on) {
    this.on = on;
    const { frame } = this.view;
    frame.toggleAttribute("data-marking", on);
    if (on) {
      frame.setAttribute("tabindex", "0");
      frame.setAttribute("role", "application");
      frame.setAttribute("aria-label", "Box on the picture: arrow keys move, Shift and arrows resize, Enter asks");
    } else {
      for (const name of ["tabindex", "role", "aria-label"]) frame.removeAttribute(name);
    }
    this.set(null);
  }

  /** @param {Corners | null} box */
  set(box) {
    this.box = box;
    this.view.drawRegion(box);
  }

  /** The box in place, or the middle third of the picture. */
  get current() {
    const [width, height] = this.view.size;
    return this.box ?? /** @type {Corners} */ ([width / 3, height / 3, (2 * width) / 3, (2 * height) / 3]);
  }

  /** @param {PointerEvent} event */
  #press(event) {
    if (!this.on || event.button !== 0) return;
    event.preventDefault();
    this.view.frame.focus({ preventScroll: true });
    this.view.frame.setPointerCapture(event.pointerId);
    this.start = this.#position(event);
  }

  /** @param {PointerEvent} event */
  #drag(event) {
    if (!this.start) return;
    const [x, y] = this.#position(event);
    const [fromX, fromY] = this.start;
    this.set([Math.min(x, fromX), Math.min(y, fromY), Math.max(x, fromX), Math.max(y, fromY)]);
  }

  #release() {
    if (!this.start) return;
    this.start = null;
    const [width, height] = this.view.size;
    const [x1, y1, x2, y2] = this.box ?? [0, 0, 0, 0];
    if (x2 - x1 >= width * SMALLEST && y2 - y1 >= height * SMALLEST) this.done();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (!this.on) return;
    if (event.key === "Enter") return this.done();
    const direction = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!direction) return;
    event.preventDefault();
    const [width, height] = this.view.size;
    const [dx, dy] = [direction[0] * width * STEP, direction[1] * height * STEP];
    const [x1, y1, x2, y2] = this.current;
    if (!this.box) return this.set([x1, y1, x2, y2]);
    if (event.shiftKey) {
      this.set([x1, y1, clamp(x2 + dx, x1 + width * SMALLEST, width), clamp(y2 + dy, y1 + height * SMALLEST, height)]);
    } else {
      const [left, top] = [clamp(x1 + dx, 0, width - (x2 - x1)), clamp(y1 + dy, 0, height - (y2 - y1))];
      this.set([left, top, left + x2 - x1, top + y2 - y1]);
    }
  }

  /** @param {PointerEvent} event @returns {[number, number]} */
  #position(event) {
    const area = this.view.svg.getBoundingClientRect();
    const [width, height] = this.view.size;
    const x = ((event.clientX - area.left) / area.width) * width;
    const y = ((event.clientY - area.top) / area.height) * height;
    return [clamp(Math.round(x), 0, width), clamp(Math.round(y), 0, height)];
  }
}

/** @param {number} value @param {number} low @param {number} high */
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
