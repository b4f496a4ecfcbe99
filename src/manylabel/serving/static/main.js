// The page: photos in, labels out, thresholds to move.

import { Camera, hasCamera } from "./camera.js";
import { NeedsToken, explain, getLabels, getServer, predict, setToken } from "./api.js";
import { download, thresholdsToCsv, toCsv } from "./csv.js";
import { copyOf, part } from "./dom.js";
import { inWords, lay } from "./heatmap.js";

/**
 * @typedef {import("./api.js").Label} Label
 * @typedef {import("./api.js").Prediction} Prediction
 */

/**
 * What the page looks up by id.
 *
 * @typedef {object} Elements
 * @property {HTMLInputElement} capture
 * @property {HTMLElement} capture-choice
 * @property {HTMLTemplateElement} card
 * @property {HTMLButtonElement} clear
 * @property {HTMLButtonElement} download
 * @property {HTMLElement} drop
 * @property {HTMLInputElement} files
 * @property {HTMLInputElement} filter
 * @property {HTMLSelectElement} model
 * @property {HTMLElement} model-choice
 * @property {HTMLButtonElement} open-camera
 * @property {HTMLElement} photos
 * @property {HTMLButtonElement} reset
 * @property {HTMLTemplateElement} row
 * @property {HTMLButtonElement} save
 * @property {HTMLTemplateElement} slider
 * @property {HTMLElement} sliders
 * @property {HTMLElement} status
 * @property {HTMLElement} thresholds
 * @property {HTMLInputElement} token
 * @property {HTMLFormElement} token-form
 * @property {HTMLDialogElement} viewfinder
 */

const PHOTOS_PER_REQUEST = 4;
const OTHERS_SHOWN = 3;
const SLIDERS_SHOWN = 60;

/** @type {import("./dom.js").ById<Elements>} */
const byId = (id) => /** @type {any} */ (document.getElementById(id));
const percent = (/** @type {number} */ share) => `${Math.round(100 * share)} %`;

const FORM_BYTES = 1000; // around each photo of a request

const page = {
  model: "",
  /** @type {Label[]} */
  labels: [],
  /** @type {Map<string, number>} */
  thresholds: new Map(),
  isMoved: false,
  turn: 0,
  /** @type {Entry[]} */
  entries: [],
  mostPhotos: 1,
  mostBytes: 0,
};

// The page has a threshold for each of its labels.
const thresholdOf = (/** @type {string} */ name) => /** @type {number} */ (page.thresholds.get(name));

/** @param {string} text */
function say(text) {
  byId("status").textContent = text;
}

/**
 * At the server's own thresholds its labels are shown, for they also obey constraints among labels.
 *
 * @param {Prediction} answer
 */
function labelsOf(answer) {
  if (!page.isMoved) return answer.labels;
  return page.labels
    .map(({ name }) => name)
    .filter((name) => answer.scores[name] >= thresholdOf(name))
    .sort((a, b) => answer.scores[b] - answer.scores[a]);
}

// --- cards ---

class Entry {
  /** @param {File} file */
  constructor(file) {
    this.file = file;
    /** @type {Prediction | null} */
    this.answer = null;
    this.showsAll = false;
    /** @type {string | null} */
    this.explained = null; // the label whose map is shown
    this.card = copyOf(byId("card"));
    this.image = part(this.card, "img");
    this.address = URL.createObjectURL(file);
    this.image.alt = file.name || "pasted photo";
    // Few browsers show HEIC or TIFF: the server then sends a small picture with its answer.
    /** @type {Promise<boolean>} */
    this.isSeen = new Promise((resolve) => {
      this.image.onload = () => resolve(true);
      this.image.onerror = () => {
        part(this.card, ".picture").classList.add("unseen");
        resolve(false);
      };
    });
    this.image.src = this.address;
    part(this.card, "button.plain").onclick = () => this.showPlain(!part(this.card, "img.layer").hidden);
    part(this.card, "figcaption").textContent = file.name || "pasted photo";
    part(this.card, ".given").textContent = "…";
    part(this.card, "button.more").onclick = () => {
      this.showsAll = !this.showsAll;
      this.show();
    };
  }

  /** @param {Prediction} answer */
  setAnswer(answer) {
    this.answer = answer;
    if (answer.preview) {
      this.image.src = answer.preview;
      part(this.card, ".picture").classList.remove("unseen");
    }
    this.show();
  }

  show() {
    const { answer, card } = this;
    if (!answer) return;
    const given = part(card, ".given");
    card.classList.toggle("failed", Boolean(answer.error));
    if (answer.error) {
      given.textContent = `Not read: ${answer.error}.`;
      part(card, ".labels").replaceChildren();
      part(card, "button.more").hidden = true;
      return;
    }
    const chosen = labelsOf(answer);
    given.textContent = chosen.length ? chosen.join(", ") : "none of the labels";
    const others = page.labels
      .map(({ name }) => name)
      .filter((name) => !chosen.includes(name))
      .sort((a, b) => answer.scores[b] - answer.scores[a]);
    // A button that hides a single label saves no room.
    const hasMore = others.length > OTHERS_SHOWN + 1;
    const shown = this.showsAll || !hasMore ? others : others.slice(0, OTHERS_SHOWN);
    const list = part(card, ".labels");
    const active = document.activeElement;
    const focused = active instanceof HTMLElement && active.closest(".labels") === list ? active.dataset.label : null;
    list.replaceChildren(...[...chosen, ...shown].map((name) => this.row(answer, name, chosen.includes(name))));
    if (focused) [...list.querySelectorAll("button")].find((row) => row.dataset.label === focused)?.focus();
    const more = part(card, "button.more");
    more.hidden = !hasMore;
    more.textContent = this.showsAll ? "Fewer labels" : `All ${page.labels.length} labels`;
  }

  /**
   * @param {Prediction} answer
   * @param {string} name
   * @param {boolean} isGiven
   */
  row(answer, name, isGiven) {
    const row = copyOf(byId("row"));
    const button = part(row, "button");
    const [score, threshold] = [answer.scores[name], thresholdOf(name)];
    button.dataset.label = name;
    button.classList.toggle("is-given", isGiven);
    button.setAttribute("aria-pressed", String(this.explained === name));
    button.setAttribute(
      "aria-label",
      `${name}: ${percent(score)}, threshold ${percent(threshold)}, ${isGiven ? "given" : "not given"}. Show where.`,
    );
    button.title = "Show where in the photo";
    part(row, ".name").textContent = name;
    part(row, ".percent").textContent = percent(score);
    part(row, ".fill").style.width = `${100 * score}%`;
    part(row, ".mark").style.left = `${100 * threshold}%`;
    button.onclick = () => this.toggleMap(name);
    return row;
  }

  hideMap() {
    this.explained = null;
    part(this.card, "img.layer").hidden = part(this.card, "button.plain").hidden = true;
    part(this.card, ".explained").textContent = "";
  }

  /** @param {boolean} isPlain */
  showPlain(isPlain) {
    part(this.card, "img.layer").hidden = isPlain;
    part(this.card, "button.plain").setAttribute("aria-pressed", String(isPlain));
  }

  /** @param {string} name */
  async toggleMap(name) {
    const words = part(this.card, ".explained");
    const isShown = this.explained === name;
    this.hideMap();
    if (!isShown) this.explained = name;
    this.show();
    if (isShown) return;
    words.textContent = `Looking for “${name}” …`;
    try {
      const { map, box, layer } = await explain(page.model, this.file, name);
      if (this.explained !== name) return; // another label was chosen meanwhile
      lay(part(this.card, "img.layer"), layer, box);
      part(this.card, "button.plain").hidden = false;
      this.showPlain(false);
      words.textContent = inWords(map, name);
    } catch (/** @type {any} */ error) {
      if (!needsToken(error)) words.textContent = `No heat map: ${error.message}.`;
    }
  }

  remove() {
    URL.revokeObjectURL(this.address);
    this.card.remove();
  }
}

// --- photos ---

/** @param {Iterable<File>} files */
async function add(files) {
  const entries = [...files].map((file) => new Entry(file));
  if (!entries.length) return;
  page.entries.push(...entries);
  byId("photos").append(...entries.map((entry) => entry.card));
  byId("clear").disabled = false;
  await score(entries);
}

/** @param {Entry[]} entries */
async function score(entries) {
  const { turn } = page;
  for (const part of inRequests(entries)) {
    say(`Scoring photo ${entries.indexOf(part[0]) + 1} of ${entries.length} …`);
    try {
      const seen = await Promise.all(part.map((entry) => entry.isSeen));
      const answers = await predict(page.model, part.map((entry) => entry.file), { previews: seen.includes(false) });
      if (page.turn !== turn) return; // another model was chosen meanwhile, or all photos were removed
      part.forEach((entry, index) => entry.setAnswer(answers[index]));
    } catch (/** @type {any} */ error) {
      if (page.turn !== turn || needsToken(error)) return;
      part.forEach((entry) => entry.setAnswer({ image: entry.file.name, labels: [], scores: {}, error: error.message }));
    }
    showCounts();
  }
  const nFailed = entries.filter((entry) => entry.answer?.error).length;
  const nScored = entries.length - nFailed;
  const failed = nFailed ? ` ${nFailed} could not be read.` : "";
  const hint = nScored ? " Click a label to see where it is." : "";
  say(`${nScored === 1 ? "1 photo" : `${nScored} photos`} scored.${failed}${hint}`);
  byId("download").disabled = false;
}

/**
 * A few photos at a time, as many as a request may hold; so the first answers come soon.
 *
 * @param {Entry[]} entries
 */
function inRequests(entries) {
  const most = Math.min(PHOTOS_PER_REQUEST, page.mostPhotos);
  /** @type {Entry[][]} */
  const parts = [];
  let nBytes = Infinity;
  for (const entry of entries) {
    const size = entry.file.size + FORM_BYTES;
    if (nBytes + size > page.mostBytes || parts.at(-1)?.length === most) {
      parts.push([]);
      nBytes = 0;
    }
    parts.at(-1)?.push(entry);
    nBytes += size;
  }
  return parts;
}

function clear() {
  page.turn += 1;
  page.entries.forEach((entry) => entry.remove());
  page.entries = [];
  byId("clear").disabled = byId("download").disabled = true;
  showCounts();
  say("");
}

// --- thresholds ---

function showSliders() {
  const wanted = byId("filter").value.trim().toLowerCase();
  const found = page.labels.filter(({ name }) => name.toLowerCase().includes(wanted)).slice(0, SLIDERS_SHOWN);
  byId("sliders").replaceChildren(...found.map(slider));
  part(document, "label.filter").hidden = page.labels.length <= 12;
  byId("thresholds").hidden = !page.labels.length;
  showCounts();
}

/** @param {Label} label */
function slider({ name }) {
  const item = copyOf(byId("slider"));
  const input = part(item, "input");
  item.dataset.label = name;
  part(item, ".name").textContent = name;
  input.value = String(Math.round(100 * thresholdOf(name)));
  input.oninput = () => {
    page.thresholds.set(name, Number(input.value) / 100);
    page.isMoved = true;
    byId("reset").disabled = false;
    page.entries.forEach((entry) => entry.show());
    showCounts();
  };
  return item;
}

function showCounts() {
  const answers = page.entries.flatMap(({ answer }) => (answer && !answer.error ? [answer] : []));
  for (const item of byId("sliders").querySelectorAll("li")) {
    const name = item.dataset.label ?? "";
    const n = answers.filter((answer) => labelsOf(answer).includes(name)).length;
    const threshold = percent(thresholdOf(name));
    part(item, "output").textContent = answers.length ? `${threshold} · ${n} of ${answers.length}` : threshold;
  }
}

function resetThresholds() {
  page.thresholds = new Map(page.labels.map(({ name, threshold }) => [name, threshold]));
  page.isMoved = false;
  byId("reset").disabled = true;
  showSliders();
  page.entries.forEach((entry) => entry.show());
}

// --- server ---

/** @param {unknown} error */
function needsToken(error) {
  if (!(error instanceof NeedsToken)) return false;
  byId("token-form").hidden = false;
  byId("token").focus();
  say("The server asks for a token.");
  return true;
}

/** @param {string} name */
async function useModel(name) {
  page.turn += 1;
  const { turn } = page;
  let labels;
  try {
    labels = await getLabels(name);
  } catch (/** @type {any} */ error) {
    if (!needsToken(error)) say(`The server does not answer: ${error.message}.`);
    return;
  }
  if (page.turn !== turn) return;
  page.labels = labels;
  page.model = name;
  page.entries.forEach((entry) => {
    entry.hideMap();
    entry.answer = null;
  });
  resetThresholds();
  if (page.entries.length) await score(page.entries);
}

async function begin() {
  try {
    const server = await getServer();
    const models = Object.keys(server.models);
    [page.mostPhotos, page.mostBytes] = [server.most_photos, server.most_bytes];
    byId("model").replaceChildren(...models.map((name) => new Option(name, name)));
    byId("model-choice").hidden = models.length < 2;
    await useModel(models[0]);
  } catch (/** @type {any} */ error) {
    if (!needsToken(error)) say(`The server does not answer: ${error.message}.`);
  }
}

for (const input of [byId("files"), byId("capture")]) {
  const take = () => {
    add(input.files ?? []);
    input.value = "";
  };
  input.onchange = take;
  take(); // photos may have been chosen before this script was loaded
}

// A camera may be plugged in later. Without one that pages may use, phones and tablets open their own program.
async function showCamera() {
  const isThere = await hasCamera();
  byId("open-camera").hidden = !isThere;
  byId("capture-choice").hidden = isThere || !matchMedia("(pointer: coarse)").matches;
}

const camera = new Camera(byId("viewfinder"), (photo) => add([photo]));
byId("open-camera").onclick = () => camera.open();
navigator.mediaDevices?.addEventListener("devicechange", showCamera);
byId("model").onchange = () => useModel(byId("model").value);
byId("clear").onclick = clear;
byId("reset").onclick = resetThresholds;
byId("filter").oninput = showSliders;
byId("download").onclick = () => {
  const answers = page.entries.flatMap(({ answer }) => answer ?? []);
  download(toCsv(answers, page.labels.map(({ name }) => name), labelsOf), "predictions.csv");
};
byId("save").onclick = () => {
  download(thresholdsToCsv(page.thresholds), "thresholds.csv");
  say("Downloaded; the model keeps its own. To use these, pass --thresholds thresholds.csv to predict, evaluate, explain or serve.");
};
byId("token-form").onsubmit = (event) => {
  event.preventDefault();
  setToken(byId("token").value);
  byId("token-form").hidden = true;
  say("");
  begin();
};

const drop = byId("drop");
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) drop.classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  add(event.dataTransfer?.files ?? []);
});
document.addEventListener("paste", (event) => add(event.clipboardData?.files ?? []));

// The labeling page shows this page in a frame, and does not describe its interface.
part(document, "footer").hidden = window !== window.top;
showCamera();
begin();
