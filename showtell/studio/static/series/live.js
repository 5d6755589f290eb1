// @ts-check
/**
 * Makes the figures of a page live: controls, state in the URL, the newest state wins.
 *
 *     reader ──set(field, text)──> state ──> /api/figures/NAME?state ──> widgets, sentence, facts
 *
 * A figure wakes when it comes near the window. While one answer is under way the newest wish waits and older ones are
 * dropped. What is drawn is named in `data-ready` of the figure: the digest that Python gave to the numbers.
 */

import { themeSwitch } from "../theme_switch.js";
import { byId, element } from "../dom.js";
import { controls } from "./controls.js";
import { Raster } from "./raster.js";
import { Wall } from "./wall.js";
import { Bars } from "./bars.js";
import { Heat } from "./heat.js";
import { Lines } from "./lines.js";
import { Ribbon } from "./ribbon.js";
import { Points } from "./points.js";

/** @typedef {Record<string, string>} State field -> text, as in the URL */
/** @typedef {(field: string, text: string) => void} Set */
/** @typedef {{kind: string, title: string, size: string} & Record<string, any>} WidgetData */
/** @typedef {{state: State, digest: string, widgets: WidgetData[], says: string, facts: [string, string][], computed_by: string, elapsed_ms: number}} Figure */

const KINDS = { raster: Raster, wall: Wall, bars: Bars, lines: Lines, ribbon: Ribbon, points: Points, heat: Heat };
const RECORDED = document.documentElement.hasAttribute("data-recorded"); // plain files, no server that computes
const PATIENCE = 150; // ms before a figure says that it is working

class Live {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.name = root.dataset.demo ?? "";
    /** @type {State} */
    this.state = JSON.parse(root.dataset.state || "{}");
    /** @type {State} */
    this.defaults = JSON.parse(root.dataset.defaults || "{}");
    this.busy = false;
    this.acted = false;
    /** @type {State | null} */
    this.wish = null;
    /** @type {{kind: string, update: (data: any) => void}[]} */
    this.widgets = [];
  }

  wake() {
    const host = this.part(".controls");
    const made = controls(JSON.parse(this.root.dataset.controls ?? "[]"), (field, text) => this.set(field, text));
    this.showControls = made.show;
    host.replaceChildren(...made.nodes, this.actions());
    this.showControls(this.state);
    this.ask();
  }

  actions() {
    const reset = element("button", { type: "button", class: "quiet" }, "Reset");
    reset.addEventListener("click", () => this.go({ ...this.defaults }));
    const link = element("button", { type: "button", class: "quiet" }, "Copy link");
    link.addEventListener("click", async () => {
      this.writeUrl();
      await navigator.clipboard?.writeText(location.href).catch(() => undefined);
      link.textContent = "Copied";
      setTimeout(() => (link.textContent = "Copy link"), 1500);
    });
    return element("div", { class: "actions" }, reset, link);
  }

  /** @param {string} field @param {string} text */
  set(field, text) {
    this.go({ ...this.state, [field]: text });
  }

  /** @param {State} state */
  go(state) {
    this.acted = true;
    this.state = state;
    this.showControls?.(state);
    this.writeUrl();
    this.ask();
  }

  writeUrl() {
    const url = new URL(location.href);
    for (const [field, text] of Object.entries(this.state)) {
      const key = `${this.name}.${field}`;
      if (text === this.defaults[field]) url.searchParams.delete(key);
      else url.searchParams.set(key, text);
    }
    url.hash = this.name;
    history.replaceState(null, "", url);
  }

  async ask() {
    this.wish = this.state;
    if (this.busy) return;
    this.busy = true;
    this.root.removeAttribute("data-ready");
    const slow = setTimeout(() => this.root.setAttribute("data-waiting", ""), PATIENCE);
    while (this.wish) {
      const state = this.wish;
      this.wish = null;
      await this.fetch(state);
    }
    clearTimeout(slow);
    this.root.removeAttribute("data-waiting");
    this.busy = false;
  }

  /** @param {State} state */
  async fetch(state) {
    try {
      const reply = await fetch(RECORDED ? this.recording(state) : `/api/figures/${this.name}?${new URLSearchParams(state)}`);
      if (RECORDED && reply.status === 404) throw new Error("This state was not recorded. The studio computes any: showtell studio.");
      const body = await reply.json().catch(() => null);
      if (!reply.ok) throw new Error(body?.error ?? `The server answered with status ${reply.status}.`);
      if (this.wish) return;
      this.draw(body);
      if (this.acted) this.refuse(""); // what the server refused of the URL stays until the reader has acted
      this.root.setAttribute("data-ready", body.digest);
    } catch (error) {
      if (this.wish) return;
      const gone = error instanceof TypeError;
      this.refuse(gone ? "The studio’s server does not answer; see whether it is still running." : String(error instanceof Error ? error.message : error));
      this.root.setAttribute("data-ready", "refused");
    }
  }

  /** Where an exported page keeps a state; series/export.py writes the same names. @param {State} state */
  recording(state) {
    const changed = Object.entries(state).filter(([field, text]) => text !== this.defaults[field]);
    const key = changed.map(([field, text]) => `${field}-${text}`).join("+") || "default";
    return `figures/${this.name}/${/^[\w.+-]{1,120}$/.test(key) ? key.replaceAll("+", "%2B") : "unrecorded"}.json`;
  }

  /** @param {string} sentence */
  refuse(sentence) {
    const place = this.part(".refusal");
    place.textContent = sentence;
    place.toggleAttribute("hidden", !sentence);
  }

  /** @param {Figure} figure */
  draw(figure) {
    if (figure.widgets.map(({ kind }) => kind).join() !== this.widgets.map(({ kind }) => kind).join()) {
      const hosts = figure.widgets.map(({ kind, size, title }) => element("div", { class: `widget ${size}`, "data-kind": kind }));
      this.widgets = figure.widgets.map(({ kind }, index) => {
        const make = KINDS[/** @type {keyof typeof KINDS} */ (kind)];
        return Object.assign(new make(hosts[index], (field, text) => this.set(field, text)), { kind });
      });
      this.part(".stage-of").replaceChildren(element("div", { class: "widgets" }, ...hosts));
    }
    figure.widgets.forEach((data, index) => this.widgets[index].update({ ...data, state: figure.state }));
    this.part(".says").textContent = figure.says;
    this.part(".facts").replaceChildren(
      ...figure.facts.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))),
    );
    this.part(".by").textContent = figure.computed_by;
    this.part(".ms").textContent = `${figure.elapsed_ms} ms`;
  }

  /** @param {string} selector @returns {HTMLElement} */
  part(selector) {
    const found = this.root.querySelector(selector);
    if (!(found instanceof HTMLElement)) throw new Error(`the figure ${this.name} has no ${selector}`);
    return found;
  }
}

const near = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      new Live(/** @type {HTMLElement} */ (target)).wake();
    }
  },
  { rootMargin: "300px" },
);
for (const figure of document.querySelectorAll("figure.demo")) {
  if (figure.querySelector(".stage-of")) near.observe(figure);
}
themeSwitch(/** @type {HTMLButtonElement} */ (byId("theme")));
