// What the server told: photos, labels, answers. The page keeps nothing else that matters.

import { getLabels } from "./api.js";

const ANSWERS = { 1: "present", 0: "absent", "?": "unknown" };

export class Project {
  constructor() {
    this.revision = undefined;
    this.labels = [];
    this.names = [];
    this.rows = [];
    this.table = null;
    this.notes = [];
  }

  async load() {
    this.take(await getLabels());
  }

  // Ask what other browsers changed; true if anything did.
  async follow() {
    const before = this.revision;
    this.take(await getLabels(before));
    return this.revision !== before;
  }

  take({ revision, labels, names, answers, notes, table }) {
    this.revision = revision;
    this.labels = labels;
    if (names.length) {
      this.names = names;
      this.rows = [];
    }
    for (const [row, marks] of Object.entries(answers)) this.rows[row] = marks;
    this.notes = notes;
    this.table = table;
  }

  answer(row, label) {
    return ANSWERS[this.rows[row][this.labels.indexOf(label)]];
  }

  isLabeled(row) {
    return this.labels.length > 0 && !this.rows[row].includes("?");
  }

  // Counts photos per answer.
  count(label, answer) {
    const column = this.labels.indexOf(label);
    return this.rows.filter((marks) => ANSWERS[marks[column]] === answer).length;
  }

  unlabeled() {
    return [...this.names.keys()].filter((row) => !this.isLabeled(row));
  }
}
