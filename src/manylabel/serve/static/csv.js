// Write what was said as a CSV file, in the layout of `manylabel predict --out`.

const COLUMNS = ["image", "labels", "error"];

// Spreadsheets take what starts like this for a formula; an apostrophe before it makes it text.
function cell(value) {
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

// A label may be called as one of the other columns is, or as what another one becomes.
function columnOf(label, labels) {
  if (!COLUMNS.includes(label)) return label;
  let column = label;
  while (COLUMNS.includes(column) || labels.includes(column)) column += " (score)";
  return column;
}

export function toCsv(photos, labels, givenTo) {
  const lines = [[...COLUMNS, ...labels.map((label) => columnOf(label, labels))]];
  for (const photo of photos) {
    const scores = labels.map((label) => photo.scores[label] ?? "");
    lines.push([photo.image, givenTo(photo).join(";"), photo.error ?? "", ...scores]);
  }
  return lines.map((line) => line.map(cell).join(",")).join("\r\n") + "\r\n";
}

export function download(text, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["\ufeff", text], { type: "text/csv" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
