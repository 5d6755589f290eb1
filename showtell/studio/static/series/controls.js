// @ts-check
/** The controls of a figure, one for each field of its state that is not set by pointing at a widget. */

import { element } from "../dom.js";

/** @typedef {import("./live.js").Set} Set */
/** @typedef {import("./live.js").State} State */
/** @typedef {{name: string, label: string, kind: string} & Record<string, any>} Control */
/** @typedef {{node: HTMLElement, show: (text: string) => void}} Made */

let made = 0; // ids on a page

/**
 * @param {Control[]} list @param {Set} set
 * @returns {{nodes: HTMLElement[], show: (state: State) => void}}
 */
export function controls(list, set) {
  const drawn = list.filter(({ kind }) => kind in MAKE).map((one) => ({ name: one.name, ...MAKE[one.kind](one, set) }));
  return {
    nodes: drawn.map(({ node }) => node),
    show: (state) => drawn.forEach(({ name, show }) => show(state[name])),
  };
}

/** @type {Record<string, (control: Control, set: Set) => Made>} */
const MAKE = { slider, ticks, choice, switch: toggle, order, cells, numbers, words };
const PACE = 140; // ms between the steps of a slider that runs

/** @param {Control} control @param {Set} set @returns {Made} */
function slider({ name, label, low, high, step, unit, runs }, set) {
  const id = `c${(made += 1)}`;
  const input = /** @type {HTMLInputElement} */ (element("input", { id, type: "range", min: low, max: high, step }));
  const output = element("output", { for: id, class: "mono" });
  const say = () => (output.textContent = `${Number(input.value)}${unit ? ` ${unit}` : ""}`);
  input.addEventListener("input", () => {
    say();
    set(name, input.value);
  });
  const node = element("div", { class: runs ? "control slider runs" : "control slider" }, element("label", { for: id }, label), input, output);
  if (runs) node.append(runner(input));
  return {
    node,
    show: (text) => {
      input.value = text;
      say();
    },
  };
}

/** A button that moves a slider to its end, or by one step where motion is not wanted. @param {HTMLInputElement} input */
function runner(input) {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const button = element("button", { type: "button", class: "push" }, still ? "Step" : "Run");
  let timer = 0;
  const stop = () => {
    clearInterval(timer);
    timer = 0;
    if (!still) button.textContent = "Run";
  };
  const advance = () => {
    if (Number(input.value) >= Number(input.max)) return stop();
    input.stepUp();
    input.dispatchEvent(new Event("input"));
  };
  button.addEventListener("click", () => {
    if (timer) return stop();
    if (Number(input.value) >= Number(input.max)) {
      input.value = input.min;
      input.dispatchEvent(new Event("input"));
    } else if (still) advance();
    if (still) return;
    button.textContent = "Stop";
    timer = setInterval(advance, PACE);
  });
  input.addEventListener("pointerdown", stop);
  input.addEventListener("keydown", stop);
  return button;
}

/** @param {Control} control @param {Set} set @returns {Made} */
function ticks({ name, label, values, unit }, set) {
  const id = `c${(made += 1)}`;
  const input = /** @type {HTMLInputElement} */ (element("input", { id, type: "range", min: 0, max: values.length - 1, step: 1 }));
  const output = element("output", { for: id, class: "mono" });
  const say = () => {
    output.textContent = `${values[Number(input.value)]}${unit ? ` ${unit}` : ""}`;
    input.setAttribute("aria-valuetext", output.textContent);
  };
  input.addEventListener("input", () => {
    say();
    set(name, values[Number(input.value)]);
  });
  return {
    node: element("div", { class: "control slider" }, element("label", { for: id }, label), input, output),
    show: (text) => {
      input.value = String(values.indexOf(text));
      say();
    },
  };
}

/** @param {Control} control @param {Set} set @returns {Made} */
function choice({ name, label, options }, set) {
  const group = `c${(made += 1)}`;
  const inputs = options.map((/** @type {[string, string]} */ [value, text]) => {
    const input = /** @type {HTMLInputElement} */ (element("input", { type: "radio", name: group, value }));
    input.addEventListener("change", () => set(name, value));
    return { input, node: element("label", {}, input, element("span", {}, text)) };
  });
  const node = element("fieldset", { class: "control choice" }, element("legend", {}, label));
  node.append(element("div", { class: "options" }, ...inputs.map((/** @type {{node: HTMLElement}} */ one) => one.node)));
  return {
    node,
    show: (text) => inputs.forEach((/** @type {{input: HTMLInputElement}} */ { input }) => (input.checked = input.value === text)),
  };
}

/** @param {Control} control @param {Set} set @returns {Made} */
function toggle({ name, label }, set) {
  const input = /** @type {HTMLInputElement} */ (element("input", { type: "checkbox", role: "switch" }));
  input.addEventListener("change", () => set(name, input.checked ? "1" : "0"));
  return {
    node: element("label", { class: "control switch" }, input, element("span", {}, label)),
    show: (text) => (input.checked = text === "1"),
  };
}

/** @param {Control} control @param {Set} set @returns {Made} */
function order({ name, label, count }, set) {
  const straight = [...Array(count).keys()];
  const shuffle = element("button", { type: "button", class: "push" }, "Shuffle");
  shuffle.addEventListener("click", () => {
    const tiles = [...straight];
    for (let last = count - 1; last > 0; last -= 1) {
      const other = Math.floor(Math.random() * (last + 1));
      [tiles[last], tiles[other]] = [tiles[other], tiles[last]];
    }
    set(name, tiles.join("."));
  });
  const restore = element("button", { type: "button", class: "push" }, "In order");
  restore.addEventListener("click", () => set(name, straight.join(".")));
  return { node: element("div", { class: "control order", role: "group", "aria-label": label }, shuffle, restore), show: () => undefined };
}

/** @param {Control} control @param {Set} set @returns {Made} */
function cells({ name, label, most }, set) {
  const none = element("button", { type: "button", class: "push" }, "Put all back");
  none.addEventListener("click", () => set(name, "-"));
  const left = element("span", { class: "mono" });
  return {
    node: element("div", { class: "control order", role: "group", "aria-label": label }, none, left),
    show: (text) => (left.textContent = `${text === "-" ? 0 : text.split(".").length} of at most ${most}`),
  };
}

/** @param {Control} control @param {Set} set @returns {Made} */
function numbers({ name, label, side, low, high, presets }, set) {
  const inputs = Array.from({ length: side * side }, (_, i) =>
    /** @type {HTMLInputElement} */ (
      element("input", {
        type: "number", min: low, max: high, step: "any", inputmode: "decimal",
        "aria-label": `${label}, row ${Math.floor(i / side) + 1}, column ${(i % side) + 1}`,
      })
    ),
  );
  const send = () => {
    if (inputs.every((input) => input.value !== "" && input.checkValidity())) set(name, inputs.map((input) => Number(input.value)).join("_"));
  };
  inputs.forEach((input) => input.addEventListener("input", send));
  const buttons = presets.map((/** @type {[string, string]} */ [text, value]) => {
    const button = element("button", { type: "button", class: "push" }, text);
    button.addEventListener("click", () => set(name, value));
    return { button, value };
  });
  const table = element("div", { class: "numbers-table" }, ...inputs);
  table.style.setProperty("--side", String(side));
  const names = element("div", { class: "presets" }, ...buttons.map((/** @type {{button: HTMLElement}} */ one) => one.button));
  return {
    node: element("fieldset", { class: "control numbers-control" }, element("legend", {}, label), table, names),
    show: (text) => {
      text.split("_").forEach((value, i) => {
        if (document.activeElement !== inputs[i] || Number(inputs[i].value) !== Number(value)) inputs[i].value = value;
      });
      buttons.forEach((/** @type {{button: HTMLElement, value: string}} */ { button, value }) => button.setAttribute("aria-pressed", String(value === text)));
    },
  };
}

/** @param {Control} control @param {Set} set @returns {Made} */
function words({ name, label, most }, set) {
  const id = `c${(made += 1)}`;
  const input = /** @type {HTMLInputElement} */ (element("input", { id, type: "text", maxlength: most, spellcheck: "false", autocomplete: "off" }));
  input.addEventListener("input", () => input.value.trim() && set(name, input.value.trim()));
  return {
    node: element("div", { class: "control words" }, element("label", { for: id }, label), input),
    show: (text) => {
      if (input.value.trim() !== text) input.value = text;
    },
  };
}
