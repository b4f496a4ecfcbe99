// Lay a map of what speaks for a label over its photo.

/**
 * How much each patch speaks for a label: rows of the patch grid.
 *
 * @typedef {number[][]} PatchMap
 */

/** @param {PatchMap} map */
function strongest(map) {
  return Math.max(...map.map((row) => Math.max(...row)), 0);
}

/**
 * The box is the part of the photo that the model saw: left, upper, right, lower as shares of it.
 *
 * @param {HTMLImageElement} image
 * @param {string} layer
 * @param {[number, number, number, number]} box
 */
export function lay(image, layer, [left, upper, right, lower]) {
  image.src = layer;
  Object.assign(image.style, {
    left: `${100 * left}%`,
    top: `${100 * upper}%`,
    width: `${100 * (right - left)}%`,
    height: `${100 * (lower - upper)}%`,
  });
}

const ROWS = ["top", "middle", "bottom"];
const COLUMNS = ["left", "center", "right"];

/**
 * The same in words, for those who do not see the picture.
 *
 * @param {PatchMap} map
 * @param {string} label
 */
export function inWords(map, label) {
  const most = strongest(map);
  if (most <= 0) return `No single patch speaks for “${label}”.`;
  const row = map.findIndex((values) => values.includes(most));
  const column = map[row].indexOf(most);
  const third = (/** @type {number} */ index, /** @type {number} */ n) => Math.min(2, Math.floor((3 * index) / n));
  const [y, x] = [ROWS[third(row, map.length)], COLUMNS[third(column, map[0].length)]];
  const where = y === "middle" && x === "center" ? "in the middle" : `at the ${y} ${x}`;
  return `What speaks most for “${label}” lies ${where}; the line goes around all that speaks at least half as strongly.`;
}
