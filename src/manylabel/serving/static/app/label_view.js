// One photo at a time: a button and a key per label.

import { changeLabels, pictureOf, setAnswers } from "./api.js";
import { WORDS, byId, count } from "./shell.js";

const LARGE_PX = 1600;
const FEW_LABELS = 8;
const KEYS = [..."1234567890abcdefhijklmopqrtvwxy"]; // g, n, s, u and z do something else

export class LabelView {
  constructor(shell) {
    this.shell = shell;
    this.project = shell.project;
    this.row = 0;
    this.past = []; // photos shown before this one
    this.isSeen = false; // nothing is answered before the photo is there
    this.isLeaving = false; // a photo was confirmed, and the next one is on its way
    this.actions = {
      ArrowLeft: () => this.move(-1),
      ArrowRight: () => this.move(1),
      Enter: () => this.confirm(false),
      n: () => this.confirm(true),
      s: () => this.move(1),
      z: () => this.zoom(),
      "/": () => document.querySelector(".filter").hidden || byId("filter").focus(),
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

  // Photos were listed anew: show the same one, if it is still there.
  keep(name) {
    this.past = [];
    this.row = Math.max(0, this.project.names.indexOf(name));
  }

  see(isSeen) {
    this.isSeen = isSeen;
    byId("photo").style.visibility = isSeen ? "visible" : "hidden";
  }

  begin() {
    this.row = this.project.unlabeled()[0] ?? 0;
    if (!this.project.labels.length) byId("new-label").focus();
  }

  // --- answers ---

  // What is answered is decided when the answers before it are made.
  answer(choose, after) {
    const { row } = this;
    return this.shell.change((since) => setAnswers(since, { [row]: choose(row) }, this.queue), after);
  }

  toggle(label, isUnknown) {
    if (!this.isReady()) return;
    const next = (row) => (isUnknown ? "unknown" : this.project.answer(row, label) === "present" ? "absent" : "present");
    let answer;
    this.answer(
      (row) => {
        answer = next(row);
        return { [label]: answer };
      },
      () => this.shell.say(`${label}: ${WORDS[answer]}`),
    );
  }

  toggleFound(isUnknown) {
    const first = byId("labels").querySelector(".answer");
    if (!first) return;
    const { label } = first.dataset;
    byId("filter").value = "";
    byId("filter").blur();
    this.toggle(label, isUnknown);
  }

  // Give every label without an answer, or every label, the answer "absent", and go on.
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

  goTo(row) {
    if (row === undefined || row === this.row) return;
    this.past.push(this.row);
    this.row = row;
  }

  // The next photo of the queue in the order of the folder, from the start again behind the last.
  goOn(step) {
    const rows = this.rows().filter((other) => other !== this.row);
    if (step > 0) this.goTo(rows.find((other) => other > this.row) ?? rows[0]);
    else this.row = this.past.pop() ?? rows.findLast((other) => other < this.row) ?? rows.at(-1) ?? this.row;
  }

  move(step) {
    this.goOn(step);
    this.show();
    this.shell.say(`${this.project.names[this.row]}, photo ${this.row + 1} of ${this.project.names.length}`);
  }

  zoom() {
    const button = byId("zoom");
    button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
  }

  keydown(key, event) {
    const digit = /^Digit(\d)$/.exec(event.code)?.[1]; // Shift turns digits into signs
    const label = this.project.labels[KEYS.indexOf(event.shiftKey && digit ? digit : key)];
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
    document.querySelector(".filter").hidden = labels.length <= FEW_LABELS;
    const wanted = byId("filter").value.trim().toLowerCase();
    const list = byId("labels");
    const focused = document.activeElement?.closest("#labels") ? document.activeElement.dataset.label : null;
    list.replaceChildren(
      ...labels
        .map((label, index) => [label, KEYS[index] ?? ""])
        .filter(([label]) => label.toLowerCase().includes(wanted))
        .map(([label, key]) => this.rowOf(label, key)),
    );
    if (focused !== null) [...list.querySelectorAll(".answer")].find((button) => button.dataset.label === focused)?.focus();
  }

  rowOf(label, key) {
    const item = byId("label-row").content.firstElementChild.cloneNode(true);
    const answer = this.project.answer(this.row, label);
    const button = item.querySelector(".answer");
    button.dataset.label = label;
    button.classList.add(answer);
    button.setAttribute("aria-pressed", { present: "true", absent: "false", unknown: "mixed" }[answer]);
    button.setAttribute("aria-label", `${label}: ${WORDS[answer]}`);
    item.querySelector("kbd").textContent = key;
    item.querySelector(".label-name").textContent = label;
    item.querySelector(".state").textContent = WORDS[answer];
    button.onclick = (event) => this.toggle(label, event.shiftKey);
    const details = item.querySelector("details");
    details.querySelector("summary").setAttribute("aria-label", `Change the label ${label}`);
    details.ontoggle = () => details.open && this.showDetails(details, label);
    return item;
  }

  showDetails(details, label) {
    const { project, shell } = this;
    const n = project.count(label, "present");
    const input = details.querySelector("input");
    input.value = label;
    details.querySelector(".hint").textContent = `On ${count(n, "photo")}. Enter the name of another label to merge the two.`;
    details.querySelector("form").onsubmit = (event) => {
      event.preventDefault();
      const to = input.value.trim();
      const kind = project.labels.includes(to) ? "merge" : "rename";
      if (to !== label) shell.change((since) => changeLabels(since, kind, label, to), () => shell.say(`${label} is now ${to}. Press U to undo.`));
    };
    details.querySelector(".remove").onclick = () =>
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
