// Train models in full, and read what came out.

import { copyOf, part, showInFrame } from "../dom.js";
import { cancelTraining, getModels, getTraining, reportOf, startTraining } from "./api.js";
import { byId, count, percent } from "./shell.js";

/**
 * @typedef {import("./api.js").Training} Training
 * @typedef {import("./api.js").TrainedModel} TrainedModel
 * @typedef {import("./shell.js").Shell} Shell
 */

const MS_BETWEEN_LOOKS = 1000;
const FEWEST_PHOTOS = 20;
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/** @param {number} seconds */
const time = (seconds) => (seconds < 60 ? `${Math.round(seconds)} s` : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`);
/** @param {number | null} share */
const shown = (share) => (share === null ? "–" : percent(share));

export class TrainView {
  /** @param {Shell} shell */
  constructor(shell) {
    this.shell = shell;
    /** @type {TrainedModel[]} */
    this.models = [];
    /** @type {Training | null} */
    this.training = null; // until it was asked for
    this.timer = 0;
    byId("train").onsubmit = (event) => {
      event.preventDefault();
      this.start();
    };
    byId("cancel-training").onclick = () => this.act(cancelTraining());
  }

  current() {
    return undefined;
  }

  keep() {}

  keydown() {
    return false;
  }

  begin() {
    this.look();
  }

  // What was labeled meanwhile counts as well.
  showScores() {
    this.show();
  }

  start() {
    const chosen = /** @type {NodeListOf<HTMLInputElement>} */ (byId("train").querySelectorAll("input[name=backbone]:checked"));
    const name = byId("train-name").value.trim() || byId("train-name").placeholder;
    this.act(startTraining(name, [...chosen].map((box) => box.value)));
  }

  /** @param {Promise<Training>} asked */
  async act(asked) {
    try {
      this.training = await asked;
      this.shell.settle("training");
      this.show();
    } catch (/** @type {any} */ error) {
      this.shell.complain(error.message, "training");
    }
    this.look();
  }

  // Ask how far it is, and again as long as it runs.
  async look() {
    clearTimeout(this.timer);
    try {
      const before = this.training;
      this.training = await getTraining();
      if (!before || before.state !== this.training.state) await this.showModels(before);
    } catch (/** @type {any} */ error) {
      this.shell.complain(error.message, "training");
    }
    this.show();
    clearTimeout(this.timer); // another look may have begun meanwhile
    if (this.training?.state === "running" || this.training?.is_ending) this.timer = setTimeout(() => this.look(), MS_BETWEEN_LOOKS);
  }

  /** @param {Training | null} before */
  async showModels(before) {
    this.models = await getModels();
    byId("train-name").placeholder = this.freeName();
    byId("no-models").hidden = this.models.length > 0;
    byId("models").hidden = byId("metrics-hint").hidden = this.models.length === 0;
    byId("tests-hint").hidden = !this.models.some((model) => this.letterOf(model));
    part(byId("models"), "tbody").replaceChildren(...this.models.map((model) => this.rowOf(model)));
    if (before?.state === "running" && this.training?.state === "done") {
      byId("train-name").value = "";
      if (this.shell.view === this) this.shell.say(`${this.training.name} is trained. Its report is below.`);
      else this.shell.say(`${this.training.name} is trained. Open “Train” to read its report.`);
      this.openReport(this.training.name);
    }
  }

  freeName() {
    const taken = new Set(this.models.map((model) => model.name));
    let number = 1;
    while (taken.has(`model ${number}`)) number += 1;
    return `model ${number}`;
  }

  /** @param {TrainedModel} model */
  rowOf(model) {
    const row = copyOf(byId("model-row"));
    const cells = row.querySelectorAll("td");
    const { metrics, low, high } = model;
    const range = low === null || high === null ? "" : ` (${percent(low)} to ${percent(high)})`;
    const letter = this.letterOf(model);
    const photos = `${count(model.n_test, "photo")}${letter && ` (set ${letter})`}${model.part === "test" ? "" : ", cross-validation"}`;
    const values = [model.name, model.backbone, `${shown(metrics.mAP)}${range}`, shown(metrics.exact_match), photos, String(model.n_train)];
    values.forEach((value, index) => {
      cells[index].textContent = value;
    });
    if (model.is_best) cells[1].classList.add("best");
    const button = part(row, "button.open-report");
    button.setAttribute("aria-label", `Report of ${model.name}`);
    button.onclick = () => this.openReport(model.name);
    const use = part(row, "button.use-model");
    use.setAttribute("aria-label", `Use ${model.name}, ${model.backbone}`);
    use.onclick = () => {
      this.shell.wanted = model;
      this.shell.open("use"); // starts it, too
    };
    return row;
  }

  /**
   * Tells photos that models were tested on from others; empty if all were tested on the same.
   *
   * @param {TrainedModel} model
   */
  letterOf({ tested_on }) {
    const known = [...new Set(this.models.map((other) => other.tested_on).reverse())]; // the oldest has A
    if (known.length < 2) return "";
    const number = known.indexOf(tested_on);
    return tested_on === "" ? "?" : `${LETTERS[number % LETTERS.length]}${Math.floor(number / LETTERS.length) || ""}`;
  }

  /** @param {string} name */
  openReport(name) {
    const frame = byId("report");
    frame.hidden = false;
    frame.title = `Report of ${name}`;
    showInFrame(frame, reportOf(name));
    frame.scrollIntoView({ block: "nearest" });
  }

  show() {
    const { training } = this;
    const isRunning = training?.state === "running";
    const n = this.shell.project.countBegun();
    byId("train-photos").textContent =
      n < FEWEST_PHOTOS
        ? `${count(n, "photo")} labeled so far. Training needs at least ${FEWEST_PHOTOS}.`
        : `Learns from ${count(n, "photo")} with answers. Some of them are kept aside, to test the model on photos it has not seen.`;
    byId("start-training").disabled = isRunning || Boolean(training?.is_ending) || n < FEWEST_PHOTOS;
    byId("open-train").textContent = isRunning ? "Train (running)" : "Train"; // seen from the other views, and after a reload
    byId("training").hidden = !training || training.state === "none";
    if (!training || training.state === "none") return;
    byId("cancel-training").hidden = byId("training-progress").hidden = !isRunning;
    byId("training-state").textContent = this.inWords(training);
    const { stage } = training;
    const progress = byId("training-progress");
    progress.max = Math.max(stage?.total ?? 1, 1);
    if (stage) progress.value = stage.done;
    else progress.removeAttribute("value"); // nobody knows yet
  }

  /** @param {Training} training */
  inWords({ name, state, stage, seconds, stage_seconds, problem }) {
    if (state === "done") return `${name} was trained in ${time(seconds)}.`;
    if (state === "cancelled") return `${name} was cancelled after ${time(seconds)}. Train it again under this name to go on where it was.`;
    if (state === "failed") return `${name} could not be trained: ${problem}.`;
    if (!stage) return `${name}: starting. ${time(seconds)} so far.`;
    const share = stage.total ? stage.done / stage.total : 0;
    const left = share > 0.05 && share < 1 ? ` About ${time(stage_seconds / share - stage_seconds)} left of this stage.` : "";
    return `${name}: ${stage.subject}, ${stage.stage}, ${stage.done} of ${stage.total}. ${time(seconds)} so far.${left}`;
  }
}
