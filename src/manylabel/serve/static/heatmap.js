// Draw where a network saw what speaks for a label.

// Darkest where nothing speaks for the label, so that the photo shines through where something does.
const STRONGEST_VEIL = 0.72;

function strongest(map) {
  return Math.max(...map.map((row) => Math.max(...row)), 0);
}

// The box is the part of the photo that the network saw: left, upper, right, lower as shares of it.
export function draw(canvas, map, [left, upper, right, lower]) {
  const most = strongest(map);
  const small = document.createElement("canvas");
  small.width = map[0].length;
  small.height = map.length;
  const pixels = new ImageData(small.width, small.height);
  map.flat().forEach((value, place) => {
    const share = most > 0 ? Math.max(value, 0) / most : 0;
    pixels.data.set([10, 14, 40, Math.round(255 * STRONGEST_VEIL * (1 - share))], 4 * place);
  });
  small.getContext("2d").putImageData(pixels, 0, 0);
  Object.assign(canvas.style, {
    left: `${100 * left}%`,
    top: `${100 * upper}%`,
    width: `${100 * (right - left)}%`,
    height: `${100 * (lower - upper)}%`,
  });
  canvas.width = 448;
  canvas.height = 448;
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
}

const ROWS = ["top", "middle", "bottom"];
const COLUMNS = ["left", "centre", "right"];

// The same in words, for those who do not see the picture.
export function inWords(map, label) {
  const most = strongest(map);
  if (most <= 0) return `No single place speaks for “${label}”.`;
  const row = map.findIndex((values) => values.includes(most));
  const column = map[row].indexOf(most);
  const third = (place, n) => Math.min(2, Math.floor((3 * place) / n));
  const [y, x] = [ROWS[third(row, map.length)], COLUMNS[third(column, map[0].length)]];
  const where = y === "middle" && x === "centre" ? "in the middle" : `at the ${y} ${x}`;
  return `What speaks most for “${label}” lies ${where}; the rest is dimmed.`;
}
