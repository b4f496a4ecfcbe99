// Use trained models: on new photos, in files, by other programs.

import { copyOf, part, showInFrame } from "../dom.js";
import { cancelExport, exportOf, getModels, getUsage, startExport, startUse } from "./api.js";
import { byId, percent } from "./shell.js";

/**
 * @typedef {import("./api.js").Export} Export
 * @typedef {import("./api.js").Kind} Kind
 * @typedef {import("./api.js").TrainedModel} TrainedModel
 * @typedef {import("./api.js").Usage} Usage
 * @typedef {import("./shell.js").Shell} Shell
 */

const MS_BETWEEN_LOOKS = 2000;
const MS_WHILE_BUSY = 500;

/** @type {Record<Kind, string>} */
const FILES = { onnx: "ONNX file", csv: "Predictions for all photos" };

/** @param {{ name: string, backbone: string }} model */
const title = ({ name, backbone }) => `${name}, ${backbone}`;

export class UseView {
  /** @param {Shell} shell */
  constructor(shell) {
    this.shell = shell;
    /** @type {TrainedModel[]} */
    this.models = [];
    /** @type {Usage | null} */
    this.usage = null; // until it was asked for
    this.version = 0; // of the model in the frame
    this.timer = 0;
    /** @type {Record<Kind, HTMLElement>} */
    this.rows = { onnx: copyOf(byId("export")), csv: copyOf(byId("export")) }; // they stay: a link may have the focus
    byId("exports").append(...Object.values(this.rows));
    byId("use").onsubmit = (event) => {
      event.preventDefault();
      this.start();
    };
    byId("use-model").onchange = () => this.show();
    byId("export-onnx").onclick = () => this.act(({ name, backbone }) => startExport(name, backbone, "onnx"));
    byId("export-csv").onclick = () => this.act(({ name, backbone }) => startExport(name, backbone, "csv"));
    this.isCancelled = false; // the file that was being made
    byId("cancel-export").onclick = () => {
      this.isCancelled = true;
      this.act(cancelExport);
    };
    byId("copy-command").onclick = () => this.copyCommand();
    document.addEventListener("dragover", (event) => {
      if (this.shell.view === this) event.preventDefault();
    });
    document.addEventListener("drop", (event) => this.pass(event, event.dataTransfer?.files));
    document.addEventListener("paste", (event) => this.pass(event, event.clipboardData?.files));
  }

  current() {
    return undefined;
  }

  keep() {}

  keydown() {
    return false;
  }

  showScores() {}

  get chosen() {
    return this.models[byId("use-model").selectedIndex];
  }

  async begin() {
    const { wanted: pressed } = this.shell; // a model whose button “Use” was pressed
    const before = pressed ?? this.chosen ?? this.usage?.use;
    this.shell.wanted = null;
    await this.look();
    try {
      this.models = await getModels();
    } catch (/** @type {any} */ error) {
      return this.shell.complain(error.message, "use");
    }
    const wanted = before?.name ? before : this.usage?.use;
    byId("use-model").replaceChildren(...this.models.map((model) => new Option(this.describe(model))));
    const index = this.models.findIndex((model) => wanted && title(model) === title(wanted));
    byId("use-model").selectedIndex = this.models.length ? Math.max(index, 0) : -1;
    this.show();
    if (pressed && index >= 0 && !this.isInUse(pressed)) this.start();
  }

  /** @param {{ name: string, backbone: string }} model */
  isInUse(model) {
    const use = this.usage?.use;
    return use !== undefined && title(use) === title(model) && (use.state === "starting" || use.state === "ready");
  }

  start() {
    return this.act(({ name, backbone }) => startUse(name, backbone));
  }

  /** @param {TrainedModel} model */
  describe(model) {
    const { mAP } = model.metrics;
    return mAP === null ? title(model) : `${title(model)} (mAP ${percent(mAP)})`;
  }

  /** @param {(model: TrainedModel) => Promise<Usage>} start */
  async act(start) {
    if (!this.chosen) return;
    try {
      this.take(await start(this.chosen));
      this.shell.settle("use");
    } catch (/** @type {any} */ error) {
      this.shell.complain(error.message, "use");
    }
    this.look();
  }

  // Ask what has changed, again and again while this view is open.
  async look() {
    clearTimeout(this.timer);
    let isBusy = false;
    try {
      const usage = await getUsage();
      isBusy = usage.use.state === "starting" || usage.exports.some(({ state }) => state === "running");
      this.take(usage);
      this.shell.settle("use server");
    } catch (/** @type {any} */ error) {
      this.shell.complain(error.message, "use server");
    }
    clearTimeout(this.timer); // another look may have begun meanwhile
    if (this.shell.view === this) this.timer = setTimeout(() => this.look(), isBusy ? MS_WHILE_BUSY : MS_BETWEEN_LOOKS);
  }

  /** @param {Usage} usage */
  take(usage) {
    const before = this.usage?.exports ?? [];
    this.usage = usage;
    for (const made of usage.exports) {
      const wasRunning = before.some((one) => one.state === "running" && one.kind === made.kind && title(one) === title(made));
      if (wasRunning && made.state !== "running") this.shell.say(`${FILES[made.kind]} of ${title(made)}: ${this.endInWords(made)}`);
    }
    this.show();
  }

  /** @param {Export} made */
  endInWords({ state }) {
    const { isCancelled } = this;
    this.isCancelled = false;
    if (isCancelled) return state === "done" ? "cancelled; the file from before stays." : "cancelled.";
    return state === "done" ? "ready to download." : "failed.";
  }

  show() {
    const { chosen, usage } = this;
    if (!usage) return;
    byId("no-usable-models").hidden = this.models.length > 0;
    byId("use").hidden = this.models.length === 0;
    const isRunning = usage.exports.some(({ state }) => state === "running");
    byId("export-onnx").disabled = byId("export-csv").disabled = isRunning;
    byId("cancel-export").hidden = !isRunning;
    const state = this.stateInWords(usage.use);
    if (byId("use-state").textContent !== state) byId("use-state").textContent = state; // said once
    byId("use-state").classList.toggle("problem", usage.use.state === "failed");
    byId("serve").hidden = usage.command === null;
    byId("serve-command").textContent = usage.command ?? "";
    for (const made of usage.exports) if (chosen && title(made) === title(chosen)) this.showExport(made);
    this.showFrame(usage.use);
  }

  /** @param {import("./api.js").Use} use */
  stateInWords(use) {
    if (use.state === "none") return this.models.length ? "Choose a model and press “Use this model”. Then drop photos on this page, or take some." : "";
    if (use.state === "starting") return `${title(use)}: starting …`;
    if (use.state === "failed") return `${title(use)}: ${use.problem}. Choose “Use this model” to start it again.`;
    return `${title(use)} is in use.`;
  }

  // The page of `manylabel serve`. It stays when its model fails: photos are in it.
  /** @param {import("./api.js").Use} use */
  showFrame({ state, version }) {
    const frame = byId("use-frame");
    if (state === "ready" && version !== this.version) {
      this.version = version;
      frame.hidden = false;
      showInFrame(frame, `/use/?version=${version}`);
    }
    if (state === "none") frame.hidden = true;
  }

  /** @param {Export} made */
  showExport(made) {
    const row = this.rows[made.kind];
    const link = part(row, "a");
    row.hidden = made.state === "none";
    part(row, "span").textContent = this.exportInWords(made);
    row.classList.toggle("problem", made.state === "failed");
    link.hidden = made.state !== "done";
    link.href = exportOf(made);
    link.setAttribute("aria-label", `Download: ${FILES[made.kind]}`);
  }

  /** @param {Export} made */
  exportInWords({ kind, state, file, seconds, problem }) {
    if (state === "running") return `${FILES[kind]}: at work for ${Math.round(seconds)} s.`;
    if (state === "failed") return `${FILES[kind]}: ${problem}.`;
    return `${FILES[kind]}: ${file}`;
  }

  async copyCommand() {
    try {
      await navigator.clipboard.writeText(this.usage?.command ?? "");
      this.shell.say("Copied.");
    } catch {
      getSelection()?.selectAllChildren(byId("serve-command"));
      this.shell.say("Selected. Press Ctrl+C to copy.");
    }
  }

  /**
   * Photos that are dropped or pasted beside the frame are meant for it.
   *
   * @param {Event} event
   * @param {FileList} [files]
   */
  pass(event, files) {
    if (this.shell.view !== this || !files?.length) return;
    event.preventDefault();
    const frame = byId("use-frame");
    if (frame.hidden) return this.shell.say("Press “Use this model” first.");
    const given = new DataTransfer();
    for (const file of files) given.items.add(file);
    frame.contentDocument?.dispatchEvent(new DragEvent("drop", { dataTransfer: given }));
  }
}
