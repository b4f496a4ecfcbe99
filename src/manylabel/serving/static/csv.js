// Write CSV files: what was said, in the layout of `manylabel predict --out`, and thresholds, in that of a bundle's.

const COLUMNS = ["image", "labels", "error"];

// Spreadsheets take what starts like this for a formula; an apostrophe before it makes it text. The same as
// csv_text.py, which takes it away again; numbers are no texts.
const AT_START = /^(?='*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20])/;
const WITHIN = /([;\t\n\r])(?='*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20])/g;

/**
 * A photo as the server answered, or as the page says what failed.
 *
 * @typedef {import("./api.js").Prediction} Prediction
 */

/** @param {string | number} value */
export function guard(value) {
  return typeof value === "string" ? value.replace(WITHIN, "$1'").replace(AT_START, "'") : String(value);
}

/** @param {string} text */
function cell(text) {
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * A label may be called as one of the other columns is, or as what another one becomes.
 *
 * @param {string} label
 * @param {string[]} labels
 */
function columnOf(label, labels) {
  if (!COLUMNS.includes(label)) return label;
  let column = label;
  while (COLUMNS.includes(column) || labels.includes(column)) column += " (score)";
  return column;
}

/**
 * @param {Prediction[]} photos
 * @param {string[]} labels
 * @param {(photo: Prediction) => string[]} givenTo
 */
export function toCsv(photos, labels, givenTo) {
  /** @type {(string | number)[][]} */
  const lines = [[...COLUMNS, ...labels.map((label) => columnOf(label, labels))]];
  for (const photo of photos) {
    const scores = labels.map((label) => photo.scores[label] ?? "");
    lines.push([photo.image, givenTo(photo).join(";"), photo.error ?? "", ...scores]);
  }
  return join(lines);
}

/**
 * For `manylabel predict --thresholds`, and to replace thresholds.csv of a bundle.
 *
 * @param {Map<string, number>} thresholds
 */
export function thresholdsToCsv(thresholds) {
  return join([["label", "threshold"], ...thresholds]);
}

/** @param {(string | number)[][]} lines */
function join(lines) {
  return lines.map((line) => line.map((value) => cell(guard(value))).join(",")).join("\r\n") + "\r\n";
}

/**
 * @param {string} text
 * @param {string} name
 */
export function download(text, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["\ufeff", text], { type: "text/csv" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
