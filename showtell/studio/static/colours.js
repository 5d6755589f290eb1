// @ts-check
/** How boxes are told apart: their names, and categorical colours, an order of Okabe and Ito's set that stays apart for every common colour blindness. */

/** @typedef {import("./api.js").Answer} Answer */

const COLOURS = 6; // style.css holds them as [data-colour]; teal and violet are kept for image and text tokens

/**
 * One colour a label, in order of first appearance.
 * @param {Answer} answer
 * @returns {(label: string) => number}
 */
export function colourOf(answer) {
  const labels = [...new Set([...answer.boxes, ...answer.points].map(({ label }) => label))];
  return (label) => Math.max(labels.indexOf(label), 0) % COLOURS;
}

/**
 * Labels, numbered where the same one occurs more than once.
 * @param {Answer} answer
 * @returns {string[]}
 */
export function boxNames({ boxes }) {
  const labels = boxes.map(({ label }) => label);
  return labels.map((label, index) => {
    if (labels.indexOf(label) === labels.lastIndexOf(label)) return label;
    return `${label} ${labels.slice(0, index + 1).filter((other) => other === label).length}`;
  });
}
