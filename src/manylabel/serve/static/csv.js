// Write what was said as a CSV file, in the layout of `manylabel predict --out`.

function cell(value) {
  const text = String(value);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function toCsv(photos, labels, givenTo) {
  const lines = [["image", "labels", "error", ...labels]];
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
