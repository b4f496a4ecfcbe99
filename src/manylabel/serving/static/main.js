// The page: photos in, labels out, thresholds to move.

import { NeedsToken, explain, getLabels, getServer, predict, setToken } from "./api.js";
import { download, thresholdsToCsv, toCsv } from "./csv.js";
import { inWords, lay } from "./heatmap.js";

const PHOTOS_PER_REQUEST = 4;
const OTHERS_SHOWN = 3;
const SLIDERS_SHOWN = 60;

const byId = (id) => document.getElementById(id);
const copyOf = (id) => byId(id).content.firstElementChild.cloneNode(true);
const percent = (share) => `${Math.round(100 * share)} %`;

const FORM_BYTES = 1000; // around each photo of a request

const page = { model: "", labels: [], thresholds: new Map(), isMoved: false, turn: 0, entries: [], mostPhotos: 1, mostBytes: 0 };

function say(text) {
  byId("status").textContent = text;
}

// At the server's own thresholds its labels are shown, for they also obey constraints among labels.
function labelsOf(answer) {
  if (!page.isMoved) return answer.labels;
  return page.labels
    .map(({ name }) => name)
    .filter((name) => answer.scores[name] >= page.thresholds.get(name))
    .sort((a, b) => answer.scores[b] - answer.scores[a]);
}

// --- cards ---

class Entry {
  constructor(file) {
    this.file = file;
    this.answer = null;
    this.showsAll = false;
    this.explained = null;
    this.card = copyOf("card");
    this.image = this.card.querySelector("img");
    this.address = URL.createObjectURL(file);
    this.image.alt = file.name || "pasted photo";
    // Few browsers show HEIC or TIFF: the server then sends a small picture with its answer.
    this.isSeen = new Promise((resolve) => {
      this.image.onload = () => resolve(true);
      this.image.onerror = () => {
        this.card.querySelector(".picture").classList.add("unseen");
        resolve(false);
      };
    });
    this.image.src = this.address;
    this.card.querySelector(".plain").onclick = () => this.showPlain(!this.card.querySelector(".layer").hidden);
    this.card.querySelector("figcaption").textContent = file.name || "pasted photo";
    this.card.querySelector(".given").textContent = "…";
    this.card.querySelector(".more").onclick = () => {
      this.showsAll = !this.showsAll;
      this.show();
    };
  }

  setAnswer(answer) {
    this.answer = answer;
    if (answer.preview) {
      this.image.src = answer.preview;
      this.card.querySelector(".picture").classList.remove("unseen");
    }
    this.show();
  }

  show() {
    const { answer, card } = this;
    if (!answer) return;
    const given = card.querySelector(".given");
    card.classList.toggle("failed", Boolean(answer.error));
    if (answer.error) {
      given.textContent = `Not read: ${answer.error}.`;
      card.querySelector(".labels").replaceChildren();
      card.querySelector(".more").hidden = true;
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
    const list = card.querySelector(".labels");
    const focused = document.activeElement?.closest(".labels") === list ? document.activeElement.dataset.label : null;
    list.replaceChildren(...[...chosen, ...shown].map((name) => this.row(name, chosen.includes(name))));
    if (focused) [...list.querySelectorAll("button")].find((row) => row.dataset.label === focused)?.focus();
    const more = card.querySelector(".more");
    more.hidden = !hasMore;
    more.textContent = this.showsAll ? "Fewer labels" : `All ${page.labels.length} labels`;
  }

  row(name, isGiven) {
    const row = copyOf("row");
    const button = row.querySelector("button");
    const [score, threshold] = [this.answer.scores[name], page.thresholds.get(name)];
    button.dataset.label = name;
    button.classList.toggle("is-given", isGiven);
    button.setAttribute("aria-pressed", String(this.explained === name));
    button.setAttribute(
      "aria-label",
      `${name}: ${percent(score)}, threshold ${percent(threshold)}, ${isGiven ? "given" : "not given"}. Show where.`,
    );
    button.title = "Show where in the photo";
    row.querySelector(".name").textContent = name;
    row.querySelector(".percent").textContent = percent(score);
    row.querySelector(".fill").style.width = `${100 * score}%`;
    row.querySelector(".mark").style.left = `${100 * threshold}%`;
    button.onclick = () => this.toggleMap(name);
    return row;
  }

  hideMap() {
    this.explained = null;
    this.card.querySelector(".layer").hidden = this.card.querySelector(".plain").hidden = true;
    this.card.querySelector(".explained").textContent = "";
  }

  showPlain(isPlain) {
    this.card.querySelector(".layer").hidden = isPlain;
    this.card.querySelector(".plain").setAttribute("aria-pressed", String(isPlain));
  }

  async toggleMap(name) {
    const words = this.card.querySelector(".explained");
    const isShown = this.explained === name;
    this.hideMap();
    if (!isShown) this.explained = name;
    this.show();
    if (isShown) return;
    words.textContent = `Looking for “${name}” …`;
    try {
      const { map, box, layer } = await explain(page.model, this.file, name);
      if (this.explained !== name) return; // another label was chosen meanwhile
      lay(this.card.querySelector(".layer"), layer, box);
      this.card.querySelector(".plain").hidden = false;
      this.showPlain(false);
      words.textContent = inWords(map, name);
    } catch (error) {
      if (!needsToken(error)) words.textContent = `No heat map: ${error.message}.`;
    }
  }

  remove() {
    URL.revokeObjectURL(this.address);
    this.card.remove();
  }
}

// --- photos ---

async function add(files) {
  const entries = [...files].map((file) => new Entry(file));
  if (!entries.length) return;
  page.entries.push(...entries);
  byId("photos").append(...entries.map((entry) => entry.card));
  byId("clear").disabled = false;
  await score(entries);
}

async function score(entries) {
  const { turn } = page;
  for (const part of inRequests(entries)) {
    say(`Scoring photo ${entries.indexOf(part[0]) + 1} of ${entries.length} …`);
    try {
      const seen = await Promise.all(part.map((entry) => entry.isSeen));
      const answers = await predict(page.model, part.map((entry) => entry.file), { previews: seen.includes(false) });
      if (page.turn !== turn) return; // another model was chosen meanwhile, or all photos were removed
      part.forEach((entry, index) => entry.setAnswer(answers[index]));
    } catch (error) {
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

// A few photos at a time, as many as a request may hold; so the first answers come soon.
function inRequests(entries) {
  const most = Math.min(PHOTOS_PER_REQUEST, page.mostPhotos);
  const parts = [];
  let nBytes = Infinity;
  for (const entry of entries) {
    const size = entry.file.size + FORM_BYTES;
    if (nBytes + size > page.mostBytes || parts.at(-1).length === most) {
      parts.push([]);
      nBytes = 0;
    }
    parts.at(-1).push(entry);
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
  document.querySelector(".filter").hidden = page.labels.length <= 12;
  byId("thresholds").hidden = !page.labels.length;
  showCounts();
}

function slider({ name }) {
  const item = copyOf("slider");
  const input = item.querySelector("input");
  item.dataset.label = name;
  item.querySelector(".name").textContent = name;
  input.value = String(Math.round(100 * page.thresholds.get(name)));
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
  const answers = page.entries.map((entry) => entry.answer).filter((answer) => answer && !answer.error);
  for (const item of byId("sliders").children) {
    const name = item.dataset.label;
    const n = answers.filter((answer) => labelsOf(answer).includes(name)).length;
    const threshold = percent(page.thresholds.get(name));
    item.querySelector("output").textContent = answers.length ? `${threshold} · ${n} of ${answers.length}` : threshold;
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

function needsToken(error) {
  if (!(error instanceof NeedsToken)) return false;
  byId("token-form").hidden = false;
  byId("token").focus();
  say("The server asks for a token.");
  return true;
}

async function useModel(name) {
  page.turn += 1;
  const { turn } = page;
  let labels;
  try {
    labels = await getLabels(name);
  } catch (error) {
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
  } catch (error) {
    if (!needsToken(error)) say(`The server does not answer: ${error.message}.`);
  }
}

byId("files").onchange = (event) => {
  add(event.target.files);
  event.target.value = "";
};
byId("model").onchange = (event) => useModel(event.target.value);
byId("clear").onclick = clear;
byId("reset").onclick = resetThresholds;
byId("filter").oninput = showSliders;
byId("download").onclick = () => {
  const answers = page.entries.map((entry) => entry.answer).filter(Boolean);
  download(toCsv(answers, page.labels.map(({ name }) => name), labelsOf), "predictions.csv");
};
byId("save").onclick = () => download(thresholdsToCsv(page.thresholds), "thresholds.csv");
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
  add(event.dataTransfer.files);
});
document.addEventListener("paste", (event) => add(event.clipboardData.files));

begin();
