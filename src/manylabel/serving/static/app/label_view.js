// One photo at a time: a button and a key per label.

import { copyOf, part } from "../dom.js";
import { changeLabels, pictureOf, setAnswers } from "./api.js";
import { WORDS, byId, count } from "./shell.js";

/**
 * @typedef {import("./api.js").Answer} Answer
 * @typedef {import("./api.js").Answers} Answers
 * @typedef {import("./shell.js").Shell} Shell
 */

const LARGE_PX = 1600;
const FEW_LABELS = 8;
const KEYS = [..."1234567890abcdefhijklmopqrtvwxy"]; // g, n, s, u and z do something else

const buttons = () => /** @type {HTMLButtonElement[]} */ ([...byId("labels").querySelectorAll("button.answer")]);

export class LabelView {
  /** @param {Shell} shell */
  constructor(shell) {
    this.shell = shell;
    this.project = shell.project;
    this.row = 0;
    /** @type {number[]} */
    this.past = []; // photos shown before this one
    this.isSeen = false; // nothing is answered before the photo is there
    this.isLeaving = false; // a photo was confirmed, and the next one is on its way
    /** @type {Record<string, () => void>} */
    this.actions = {
      ArrowLeft: () => this.move(-1),
      ArrowRight: () => this.move(1),
      Enter: () => this.confirm(false),
      n: () => this.confirm(true),
      s: () => this.move(1),
      z: () => this.zoom(),
      "/": () => part(document, "label.filter").hidden || byId("filter").focus(),
      "+": () => byId("new-label").focus(),
    };
    byId("confirm").onclick = () => this.confirm(false);
    byId("none").onclick = () => this.confirm(true);
    byId("skip").onclick = byId("next").onclick = () => this.move(1);
    byId("previous").onclick = () => this.move(-1);
    byId("zoom").onclick = () => this.zoom();
    byId("filter").oninput = () => this.showLabels();
    byId("filter").onkeydown = (event) => event.key === "Enter" && this.toggleFound(event.shiftKey);
    byId("queue").onchange = () => {
      if (this.queue === "unlabeled" && this.project.isLabeled(this.row)) this.goOn(1);
      shell.show();
    };
    byId("add").onsubmit = (event) => {
      event.preventDefault();
      this.addLabel(byId("new-label").value);
    };
    byId("photo").onload = () => this.see(true);
    byId("photo").onerror = () => this.explainPhoto();
  }

  get queue() {
    return byId("queue").value;
  }

  current() {
    return this.project.names[this.row];
  }

  /**
   * Photos were listed anew: show the same one, if it is still there.
   *
   * @param {string | undefined} name
   */
  keep(name) {
    this.past = [];
    this.row = name === undefined ? 0 : Math.max(0, this.project.names.indexOf(name));
  }

  /** @param {boolean} isSeen */
  see(isSeen) {
    this.isSeen = isSeen;
    byId("photo").style.visibility = isSeen ? "visible" : "hidden";
  }

  begin() {
    this.row = this.project.unlabeled()[0] ?? 0;
    if (!this.project.labels.length) byId("new-label").focus();
  }

  // --- answers ---

  /**
   * What is answered is decided when the answers before it are made.
   *
   * @param {(row: number) => Answers} choose
   * @param {() => void} after
   */
  answer(choose, after) {
    const { row } = this;
    return this.shell.change((since) => setAnswers(since, { [row]: choose(row) }, this.queue), after);
  }

  /**
   * @param {string} label
   * @param {boolean} isUnknown
   */
  toggle(label, isUnknown) {
    if (!this.isReady()) return;
    /** @returns {Answer} */
    const next = (/** @type {number} */ row) => (isUnknown ? "unknown" : this.project.answer(row, label) === "present" ? "absent" : "present");
    /** @type {Answer} */
    let answer;
    this.answer(
      (row) => {
        answer = next(row);
        return { [label]: answer };
      },
      () => this.shell.say(`${label}: ${WORDS[answer]}`),
    );
  }

  /** @param {boolean} isUnknown */
  toggleFound(isUnknown) {
    const label = buttons()[0]?.dataset.label;
    if (label === undefined) return;
    byId("filter").value = "";
    byId("filter").blur();
    this.toggle(label, isUnknown);
  }

  /**
   * Give every label without an answer, or every label, the answer "absent", and go on.
   *
   * @param {boolean} isNone
   */
  confirm(isNone) {
    const { project, row } = this;
    if (!project.labels.length) return byId("new-label").focus();
    if (!this.isReady()) return;
    this.isLeaving = true;
    const rest = () => project.labels.filter((label) => isNone || project.answer(row, label) === "unknown");
    this.answer(
      () => Object.fromEntries(rest().map((label) => [label, "absent"])),
      () => {
        const present = project.labels.filter((label) => project.answer(row, label) === "present");
        this.goOn(1);
        this.shell.say(`${project.names[row]}: ${present.join(", ") || "none of the labels"}. ${this.shell.leftInWords()}`);
      },
    ).finally(() => {
      this.isLeaving = false;
    });
  }

  // Nobody has seen the next photo yet: what is pressed until then is for no photo.
  isReady() {
    const isReady = this.isSeen && !this.isLeaving;
    if (!isReady) this.shell.say("The photo is not shown yet.");
    return isReady;
  }

  /** @param {string} name */
  addLabel(name) {
    this.shell.change((since) => changeLabels(since, "add", name), () => {
      byId("new-label").value = "";
      this.shell.say(`${name} was added.`);
    });
  }

  // --- moving ---

  rows() {
    return this.queue === "all" ? [...this.project.names.keys()] : this.project.unlabeled();
  }

  /** @param {number | undefined} row */
  goTo(row) {
    if (row === undefined || row === this.row) return;
    this.past.push(this.row);
    this.row = row;
  }

  /**
   * The next photo of the queue in the order of the folder, from the start again behind the last.
   *
   * @param {1 | -1} step
   */
  goOn(step) {
    const rows = this.rows().filter((other) => other !== this.row);
    if (step > 0) this.goTo(rows.find((other) => other > this.row) ?? rows[0]);
    else this.row = this.past.pop() ?? rows.findLast((other) => other < this.row) ?? rows.at(-1) ?? this.row;
  }

  /** @param {1 | -1} step */
  move(step) {
    this.goOn(step);
    this.show();
    this.shell.say(`${this.project.names[this.row]}, photo ${this.row + 1} of ${this.project.names.length}`);
  }

  zoom() {
    const button = byId("zoom");
    button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
  }

  /**
   * @param {string} key
   * @param {KeyboardEvent} event
   */
  keydown(key, event) {
    const label = this.project.labels[KEYS.indexOf(key)];
    if (this.actions[key]) this.actions[key]();
    else if (label !== undefined) this.toggle(label, event.shiftKey);
    else return false;
    return true;
  }

  // --- what is seen ---

  show() {
    const { project, row } = this;
    const isDone = this.queue === "unlabeled" && project.labels.length > 0 && !project.unlabeled().length;
    byId("start").hidden = project.labels.length > 0;
    byId("done").hidden = !isDone;
    const image = byId("photo");
    const address = pictureOf(row, project.names[row], LARGE_PX);
    if (!image.src.endsWith(address)) {
      this.see(false);
      this.shell.settle("photo");
      image.src = address;
      byId("zoom").setAttribute("aria-pressed", "false");
    }
    image.alt = project.names[row];
    byId("name").textContent = project.names[row];
    byId("position").textContent = `${row + 1} of ${project.names.length}. ${this.shell.leftInWords()}`;
    this.showLabels();
  }

  showLabels() {
    const { labels } = this.project;
    part(document, "label.filter").hidden = labels.length <= FEW_LABELS;
    const wanted = byId("filter").value.trim().toLowerCase();
    const list = byId("labels");
    const active = document.activeElement;
    const focused = active instanceof HTMLElement && active.closest("#labels") ? active.dataset.label : null;
    list.replaceChildren(
      ...labels
        .map((label, index) => ({ label, key: KEYS[index] ?? "" }))
        .filter(({ label }) => label.toLowerCase().includes(wanted))
        .map(({ label, key }) => this.rowOf(label, key)),
    );
    if (focused !== null) buttons().find((button) => button.dataset.label === focused)?.focus();
  }

  /**
   * @param {string} label
   * @param {string} key
   */
  rowOf(label, key) {
    const item = copyOf(byId("label-row"));
    const answer = this.project.answer(this.row, label);
    const button = part(item, "button.answer");
    button.dataset.label = label;
    button.classList.add(answer);
    button.setAttribute("aria-pressed", { present: "true", absent: "false", unknown: "mixed" }[answer]);
    button.setAttribute("aria-label", `${label}: ${WORDS[answer]}`);
    part(item, "kbd").textContent = key;
    part(item, ".label-name").textContent = label;
    part(item, ".state").textContent = WORDS[answer];
    button.onclick = (event) => this.toggle(label, event.shiftKey);
    const details = part(item, "details");
    part(details, "summary").setAttribute("aria-label", `Change the label ${label}`);
    details.ontoggle = () => details.open && this.showDetails(details, label);
    return item;
  }

  /**
   * @param {HTMLDetailsElement} details
   * @param {string} label
   */
  showDetails(details, label) {
    const { project, shell } = this;
    const n = project.count(label, "present");
    const input = part(details, "input");
    input.value = label;
    part(details, ".hint").textContent = `On ${count(n, "photo")}. Enter the name of another label to merge the two.`;
    part(details, "form").onsubmit = (event) => {
      event.preventDefault();
      const to = input.value.trim();
      const kind = project.labels.includes(to) ? "merge" : "rename";
      if (to !== label) shell.change((since) => changeLabels(since, kind, label, to), () => shell.say(`${label} is now ${to}. Press U to undo.`));
    };
    part(details, "button.remove").onclick = () =>
      shell.change((since) => changeLabels(since, "remove", label), () => shell.say(`${label} was removed from ${count(n, "photo")}. Press U to undo.`));
  }

  async explainPhoto() {
    const { row, project, shell } = this;
    const response = await fetch(pictureOf(row, project.names[row], LARGE_PX));
    if (response.ok) return;
    const { detail } = await response.json().catch(() => ({ detail: response.statusText }));
    shell.complain(`${project.names[row]} cannot be shown: ${detail}. Press S to skip it.`, "photo");
  }
}
