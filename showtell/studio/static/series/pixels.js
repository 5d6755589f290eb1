// @ts-check
/** Pixels on a canvas, exactly as Python made them. */

/**
 * @param {HTMLCanvasElement} canvas @param {string} rgb base64 of height * width * 3 bytes
 * @param {number} width @param {number} height
 */
export function paint(canvas, rgb, width, height) {
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const bytes = atob(rgb);
  const image = new ImageData(width, height);
  for (let from = 0, to = 0; from < bytes.length; from += 3, to += 4) {
    image.data[to] = bytes.charCodeAt(from);
    image.data[to + 1] = bytes.charCodeAt(from + 1);
    image.data[to + 2] = bytes.charCodeAt(from + 2);
    image.data[to + 3] = 255;
  }
  canvas.getContext("2d")?.putImageData(image, 0, 0);
}

/** A number as a reader would say it. @param {number} value */
export const said = (value) => (value !== 0 && Math.abs(value) < 0.001 ? value.toExponential(1) : String(Number(value.toPrecision(3))));

/** Where an arrow key leads from a cell; null for other keys. @param {string} key @param {number} cell @param {number} rows @param {number} cols */
export function step(key, cell, rows, cols) {
  const row = Math.floor(cell / cols);
  const col = cell % cols;
  if (key === "ArrowLeft") return row * cols + Math.max(col - 1, 0);
  if (key === "ArrowRight") return row * cols + Math.min(col + 1, cols - 1);
  if (key === "ArrowUp") return Math.max(row - 1, 0) * cols + col;
  if (key === "ArrowDown") return Math.min(row + 1, rows - 1) * cols + col;
  if (key === "Home") return row * cols;
  if (key === "End") return row * cols + cols - 1;
  return null;
}
